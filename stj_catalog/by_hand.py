"""Groups by hand: people say which pictures are the same, which stay together, and which are apart; one undo for each act.

Statuses and groups follow at once, as they do after a review. What was exported stays where it is: pictures of one group that
lie in different splits are withheld by the next export, never moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

from sqlalchemy import Connection, insert, select

from stj_catalog.acts import check_pictures, make_act, mark_undone
from stj_catalog.catalog import Catalog, chunks
from stj_catalog.decide import decide
from stj_catalog.grouping import find_regroupings, regroup, remove_empty_groups
from stj_catalog.reviews import DecisionError
from stj_catalog.schema import acts, images, tags, ties
from stj_catalog.ties import told_pairs
from stj_core.errors import UsageError
from stj_core.vocabulary import Act, Status
from stj_images.likeness import Thresholds

MOST_PAIRS = 20_000
"""So many pairs one act may tell."""
SPLIT = "split"
"""Part the chosen from the rest of their groups: every chosen picture apart from every other one that was not chosen."""
ByBytes = tuple[str, str]


@dataclass(frozen=True)
class Regrouped:
    """What an act, or taking it back, changed.

    Attributes:
        act: its row; None where everything stood so already.
        pairs: pairs of pictures that it is about.
        groups: the group that each of them is in now, by the picture's row.
        changed: pictures whose status is another one now, with status before and after.
        still: pairs told apart that are in one group all the same: by their product, or by a third picture like both.
    """

    act: dict[str, Any] | None
    pairs: int
    groups: dict[int, int]
    changed: dict[int, tuple[str, str]]
    still: int


def tell(catalog: Catalog, ids: Iterable[int], word: str, *, reviewer: str, thresholds: Thresholds) -> Regrouped:
    """Say that pictures are the same, of one group, or apart, or split them off: all of it is written, or nothing.

    Args:
        catalog: where it is written.
        ids: the pictures.
        word: same, group, apart, or split (`SPLIT`).
        reviewer: who says it.
        thresholds: the rule that new statuses are recorded with.

    Raises:
        UsageError: the word is none, or the name is too long.
        DecisionError: a picture does not exist, was forgotten or never read, or there are too few or too many to tell apart.
    """
    if word not in (Act.SAME, Act.GROUP, Act.APART, SPLIT):
        raise UsageError(f"Pictures are told same, group, apart or split; got {word[:40]!r}.")
    with catalog.write(exclusive=True) as connection:
        rows = check_pictures(connection, ids)
        pairs = _pairs_to_tell(connection, rows, word)
        if len(pairs) > MOST_PAIRS:
            raise DecisionError(
                f"This tells {len(pairs):,} pairs at once, and {MOST_PAIRS:,} are the most: choose fewer."
            )
        action = Act.APART if word == SPLIT else Act(word)
        if _says_so_already(connection, pairs, action, reviewer):
            return _followed(connection, None, sorted(pairs), thresholds)
        act = make_act(connection, action, reviewer)
        # Also of pairs about which the same was said before: taking the earlier act back must leave this word standing.
        for some in chunks(sorted(pairs)):
            values = [{"act_id": act["id"], "sha256": one, "other_sha256": two} for one, two in some]
            connection.execute(insert(ties), values)
        return _followed(connection, act, sorted(pairs), thresholds)


def undo_act(catalog: Catalog, act_id: int, thresholds: Thresholds) -> Regrouped:
    """Take an act back, a tag's too; what was said before it counts again, and what was said later stands.

    Raises:
        DecisionError: there is no such act, or it was taken back already.
    """
    with catalog.write(exclusive=True) as connection:
        act = mark_undone(connection, act_id)
        told = select(ties.c.sha256, ties.c.other_sha256).where(ties.c.act_id == act_id)
        pairs = [(one, two) for one, two in connection.execute(told)]
        if not pairs:
            ids = connection.execute(select(tags.c.image_id).where(tags.c.act_id == act_id)).scalars()
            return Regrouped(act, 0, dict(_groups_of(connection, list(ids))), {}, 0)
        return _followed(connection, act, pairs, thresholds)


def _pairs_to_tell(connection: Connection, rows: Sequence[Any], word: str) -> set[ByBytes]:
    chosen = sorted({row.sha256 for row in rows})
    if word == SPLIT:
        rest = _others_of_groups(connection, rows)
        if not rest:
            raise DecisionError("The chosen pictures are all of their groups: there is nothing to split them from.")
        return {(min(pair), max(pair)) for pair in product(chosen, rest)}
    if len(chosen) < 2:
        what = "have the same bytes, so they are the same picture" if len(rows) > 1 else "are one alone"
        raise DecisionError(f"The chosen pictures {what}: choose two different ones at least.")
    return set(combinations(chosen, 2))


def _others_of_groups(connection: Connection, rows: Sequence[Any]) -> list[str]:
    """The checksums of the other pictures of some pictures' groups; none where all of those were forgotten."""
    mine = {row.sha256 for row in rows}
    found: dict[str, bool] = {}
    for some in chunks(sorted({row.group_id for row in rows if row.group_id is not None})):
        others = select(images.c.sha256, images.c.status).where(
            images.c.group_id.in_(some), images.c.phash.is_not(None)
        )
        for sha256, status in connection.execute(others):
            found[sha256] = found.get(sha256, False) or status != Status.FORGOTTEN
    # What was forgotten ties still: without it in the pairs, the likeness of both sides to it would keep them together.
    rest = {sha256: lives for sha256, lives in found.items() if sha256 not in mine}
    return sorted(rest) if any(rest.values()) else []


def _says_so_already(connection: Connection, pairs: set[ByBytes], action: Act, reviewer: str) -> bool:
    """Whether the newest word that stands about each of some pairs is this one, of this person, by one act."""
    newest = _standing(connection, pairs)
    said = {newest.get(pair) for pair in pairs}
    if len(said) != 1 or None in said:
        return False
    (act,) = said
    return (
        connection.execute(
            select(acts.c.id).where(acts.c.id == act, acts.c.action == str(action), acts.c.reviewer == reviewer)
        ).first()
        is not None
    )


def _standing(connection: Connection, pairs: Iterable[ByBytes]) -> dict[ByBytes, int]:
    """The newest act that stands about pairs of checksums."""
    sha_of = _rows_of(connection, pairs)
    found: dict[ByBytes, int] = {}
    for (one, two), said in told_pairs(connection, sha_of).items():
        if one in sha_of and two in sha_of:
            pair = (min(sha_of[one], sha_of[two]), max(sha_of[one], sha_of[two]))
            found[pair] = max(found.get(pair, 0), said.act)
    return found


def _rows_of(connection: Connection, pairs: Iterable[ByBytes]) -> dict[int, str]:
    """Every row that has the bytes of one of some pairs, with its checksum."""
    found: dict[int, str] = {}
    for some in chunks(sorted({one for pair in pairs for one in pair})):
        rows = connection.execute(select(images.c.id, images.c.sha256).where(images.c.sha256.in_(some))).all()
        found |= dict(rows)
    return found


def _followed(
    connection: Connection, act: dict[str, Any] | None, pairs: Sequence[ByBytes], thresholds: Thresholds
) -> Regrouped:
    """Give the pictures of some pairs the statuses and groups that follow from what stands now."""
    sha_of = _rows_of(connection, pairs)
    verdicts = decide(connection, sorted(sha_of), thresholds)
    before = sorted({group for _, group in _groups_of(connection, list(sha_of))})
    regroup(connection, find_regroupings(connection, before))
    remove_empty_groups(connection, before)
    groups = dict(_groups_of(connection, list(sha_of)))
    group_of = {sha256: groups[row] for row, sha256 in sha_of.items() if row in groups}
    apart = act is not None and act["action"] == Act.APART and act["undone_at"] is None
    together = [
        pair for pair in pairs if group_of.get(pair[0]) is not None and group_of[pair[0]] == group_of.get(pair[1])
    ]
    changed = {one.picture.id: (str(one.before.status), str(one.after.status)) for one in verdicts}
    return Regrouped(act, len(pairs) if act else 0, groups, changed, len(together) if apart else 0)


def _groups_of(connection: Connection, ids: Sequence[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for some in chunks(sorted(ids)):
        mine = select(images.c.id, images.c.group_id).where(images.c.id.in_(some), images.c.group_id.is_not(None))
        found += [(row, group) for row, group in connection.execute(mine)]
    return found
