"""Tags: words that people give pictures to find them again. They decide nothing and are in no dataset.

A tag is a line of free text without a comma. However it is typed, it is written as whoever used it first wrote it, so that
`Blurry` and `blurry` are one tag.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, Subquery, func, insert, select

from stj_catalog.acts import check_pictures, make_act
from stj_catalog.catalog import Catalog, chunks
from stj_catalog.schema import acts, tags
from stj_core.errors import UsageError
from stj_core.vocabulary import Act

LONGEST_TAG = 60
"""So many characters a tag may have."""
# Controls, halves of surrogate pairs, and marks that are not seen or that turn the direction of writing; and commas.
_NEVER = r"\x00-\x1f\x7f-\x9f,\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
TAG_PATTERN = rf"^[^{_NEVER}]*[^\s{_NEVER}][^{_NEVER}]*$"
"""What a tag looks like, as a regular expression."""


@dataclass(frozen=True)
class Tagged:
    """What an act changed.

    Attributes:
        act: its row; None where nothing was to change and nobody else had said it.
        tag: as it is written.
        changed: the pictures that carry it now, or carry it no more.
        unchanged: how many of those that were meant did so already.
    """

    act: dict[str, Any] | None
    tag: str
    changed: Sequence[int]
    unchanged: int


def read_tag(text: str) -> str:
    """A tag as it is written: one line, its spaces single.

    Raises:
        UsageError: it is empty or too long, or has a comma or a character that is not printed.
    """
    tag = " ".join(text.split())
    if len(tag) > LONGEST_TAG or not re.fullmatch(TAG_PATTERN, tag):
        raise UsageError(
            f"A tag is a line of 1 to {LONGEST_TAG} printed characters without a comma; got {text[:80]!r}."
        )
    return unicodedata.normalize("NFC", tag)


def tag_pictures(catalog: Catalog, ids: Iterable[int], tag: str, *, reviewer: str, take: bool = False) -> Tagged:
    """Give pictures a tag, or take it from them: all of them, or none.

    Args:
        catalog: where it is written.
        ids: the pictures.
        tag: free text.
        reviewer: who does it.
        take: take the tag away.

    Raises:
        UsageError: the tag is none, or the name is too long.
        DecisionError: a picture does not exist, was forgotten, or was never read.
    """
    wanted = read_tag(tag)
    with catalog.write(exclusive=True) as connection:
        rows = check_pictures(connection, ids)
        spelled = known_spelling(connection, wanted)
        newest = _newest_words(connection, [row.id for row in rows], spelled)
        changed = [row.id for row in rows if (newest.get(row.id, ("", ""))[0] == Act.TAG) == take]
        others = any(said_by != reviewer for _, said_by in newest.values())
        act = make_act(connection, Act.UNTAG if take else Act.TAG, reviewer) if changed or others else None
        if act is not None:
            # Also where it was so before: taking the earlier act back must leave this word standing.
            for some in chunks(sorted({*changed, *newest})):
                values = [{"act_id": act["id"], "image_id": one, "tag": spelled} for one in some]
                connection.execute(insert(tags), values)
        return Tagged(act, spelled, changed, len(rows) - len(changed))


def _newest_words(connection: Connection, ids: Sequence[int], spelled: str) -> dict[int, tuple[str, str]]:
    """What stands about one tag of pictures: the action and who did it, for those about which it was ever said."""
    found: dict[int, tuple[str, str]] = {}
    for some in chunks(list(ids)):
        query = select(tags.c.image_id, acts.c.action, acts.c.reviewer).join_from(tags, acts)
        query = query.where(tags.c.image_id.in_(some), tags.c.tag == spelled, acts.c.undone_at.is_(None))
        for row, action, by in connection.execute(query.order_by(acts.c.id)):
            found[row] = (action, by)
    return found


def known_spelling(connection: Connection, tag: str) -> str:
    """A tag as it was first written, whatever the case it is typed in."""
    for known in connection.execute(
        select(tags.c.tag).group_by(tags.c.tag).order_by(func.min(tags.c.act_id))
    ).scalars():
        if str(known).casefold() == tag.casefold():
            return str(known)
    return tag


def tags_of(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """The tags that pictures carry, in order, for those that carry any."""
    now_on: dict[tuple[int, str], bool] = {}
    for some in chunks(list(ids)):
        query = select(tags.c.image_id, tags.c.tag, acts.c.action).join_from(tags, acts)
        standing = query.where(tags.c.image_id.in_(some), acts.c.undone_at.is_(None)).order_by(acts.c.id)
        for row, tag, action in connection.execute(standing):
            now_on[row, tag] = action == Act.TAG
    found: dict[int, tuple[str, ...]] = {}
    for (row, tag), on in sorted(now_on.items()):
        if on:
            found[row] = (*found.get(row, ()), tag)
    return found


def carrying(*spelled: str) -> Select[Any]:
    """The pictures that carry one of some tags, each as it is spelled."""
    last = _last(spelled)
    return select(last.c.image_id).join(acts, acts.c.id == last.c.act_id).where(acts.c.action == Act.TAG)


def tags_with(connection: Connection, text: str) -> list[str]:
    """The tags that some picture may carry and that have a text in them, whatever its case."""
    part = text.casefold()
    known = connection.execute(select(tags.c.tag).distinct()).scalars()
    return sorted(one for one in known if part in one.casefold())


def _last(spelled: Sequence[str] = ()) -> Subquery:
    """The newest act that stands for each tag of each picture, for some tags or for all."""
    query = select(tags.c.tag, tags.c.image_id, func.max(tags.c.act_id).label("act_id")).join_from(tags, acts)
    query = query.where(tags.c.tag.in_(spelled)) if spelled else query
    return query.where(acts.c.undone_at.is_(None)).group_by(tags.c.tag, tags.c.image_id).subquery()


def count_tags(catalog: Catalog) -> dict[str, int]:
    """How many pictures carry each tag, the most frequent first."""
    last = _last()
    number = func.count().label("n")
    query = select(last.c.tag, number).join(acts, acts.c.id == last.c.act_id).where(acts.c.action == Act.TAG)
    with catalog.read() as connection:
        rows = connection.execute(query.group_by(last.c.tag).order_by(number.desc(), last.c.tag)).all()
        return dict(rows)
