"""Acts: what a person does to many pictures at once, kept with who and when, and taken back as a whole by a mark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from stj_catalog.catalog import Catalog, chunks
from stj_catalog.reviews import LONGEST, DecisionError, NoPictureError
from stj_catalog.schema import acts, images, tags, ties
from stj_core.clock import now
from stj_core.errors import UsageError
from stj_core.vocabulary import Act, Reason, Status


def make_act(connection: Connection, action: Act, reviewer: str) -> dict[str, Any]:
    """Write that somebody acts now; returns the row.

    Raises:
        UsageError: the name is too long.
    """
    if len(reviewer) > LONGEST:
        raise UsageError(
            f"A reviewer's name has at most {LONGEST} characters, and this one has {len(reviewer)}: shorten it."
        )
    values = {"action": str(action), "reviewer": reviewer, "made_at": now()}
    return dict(connection.execute(insert(acts).values(**values).returning(*acts.c)).one()._mapping)


def check_pictures(connection: Connection, ids: Iterable[int]) -> list[Row[Any]]:
    """The rows of pictures that a person may act on, by id.

    Raises:
        NoPictureError: one of them does not exist.
        DecisionError: one was forgotten, or never read.
    """
    wanted = sorted(set(ids))
    rows: dict[int, Row[Any]] = {}
    for some in chunks(wanted):
        columns = (images.c.id, images.c.sha256, images.c.phash, images.c.status, images.c.reason, images.c.group_id)
        rows |= {row.id: row for row in connection.execute(select(*columns).where(images.c.id.in_(some)))}
    for one in wanted:
        if one not in rows:
            raise NoPictureError(f"There is no picture {one}.")
        gone = rows[one].status == Status.FORGOTTEN or rows[one].reason == Reason.FORGOTTEN_COPY
        if gone or rows[one].phash is None:
            word = "forgotten" if gone else "never read"
            raise DecisionError(f"Picture {one} was {word}: there is nothing to decide about it.")
    return [rows[one] for one in wanted]


def mark_undone(connection: Connection, act_id: int) -> dict[str, Any]:
    """Mark an act as taken back; returns the row.

    Raises:
        NoPictureError: there is no such act.
        DecisionError: it was taken back already.
    """
    row = connection.execute(select(acts).where(acts.c.id == act_id)).first()
    if row is None:
        raise NoPictureError(f"There is no act {act_id}.")
    if row.undone_at is not None:
        raise DecisionError(f"Act {act_id} was taken back already, at {row.undone_at}.")
    taken = update(acts).where(acts.c.id == act_id).values(undone_at=now()).returning(*acts.c)
    return dict(connection.execute(taken).one()._mapping)


def acts_page(
    catalog: Catalog, *, image: int | None = None, after: int | None = None, limit: int = 60
) -> list[dict[str, Any]]:
    """Acts, newest first, those taken back too, each with its tag and how many pictures or pairs it is about.

    Args:
        catalog: where they are.
        image: about this picture only.
        after: the last act of the page before this one.
        limit: so many at most.
    """
    query = select(acts).order_by(acts.c.id.desc()).limit(limit)
    query = query if after is None else query.where(acts.c.id < after)
    if image is not None:
        mine = select(images.c.sha256).where(images.c.id == image).scalar_subquery()
        tagged = select(tags.c.act_id).where(tags.c.image_id == image)
        told = select(ties.c.act_id).where((ties.c.sha256 == mine) | (ties.c.other_sha256 == mine))
        query = query.where(acts.c.id.in_(tagged.union(told)))
    with catalog.read() as connection:
        rows = [dict(row._mapping) for row in connection.execute(query)]
        about = _about(connection, [row["id"] for row in rows])
    return [row | about.get(row["id"], {"tag": None, "pictures": 0, "pairs": 0}) for row in rows]


def _about(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for some in chunks(ids):
        tagged = select(tags.c.act_id, func.min(tags.c.tag), func.count()).where(tags.c.act_id.in_(some))
        for act, tag, pictures in connection.execute(tagged.group_by(tags.c.act_id)):
            found[act] = {"tag": tag, "pictures": pictures, "pairs": 0}
        told = select(ties.c.act_id, func.count()).where(ties.c.act_id.in_(some)).group_by(ties.c.act_id)
        for act, pairs in connection.execute(told):
            found[act] = {"tag": None, "pictures": 0, "pairs": pairs}
    return found
