"""Duplicates and groups of some pictures, in the order in which the pictures are given: a run's order, perhaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import func, select

from stj_catalog.catalog import Catalog, chunks
from stj_catalog.schema import images
from stj_core.vocabulary import Status

_MANY = 5_000


def duplicates_of(catalog: Catalog, kept: Sequence[int]) -> list[int]:
    """The duplicates of some pictures, in the order of these, the newest of each first."""
    found: dict[int, list[int]] = {}
    query = select(images.c.duplicate_of, images.c.id).where(images.c.status == Status.DUPLICATE)
    # One pass over all duplicates costs less than a look at them for each part of a long list.
    wanted = set(kept)
    parts = [None] if len(wanted) > _MANY else list(chunks(sorted(wanted)))
    with catalog.read() as connection:
        for some in parts:
            mine = query if some is None else query.where(images.c.duplicate_of.in_(some))
            for one, duplicate in connection.execute(mine.order_by(images.c.id.desc())):
                if one not in wanted:
                    continue
                found.setdefault(one, []).append(duplicate)
    return [duplicate for one in kept for duplicate in found.get(one, ())]


def groups_holding(catalog: Catalog, rows: Sequence[int]) -> list[int]:
    """The groups of two kept pictures and more that hold one of some pictures, in the order of these."""
    group_of: dict[int, int] = {}
    many: set[int] = set()
    member = select(images.c.id, images.c.group_id).where(
        images.c.status == Status.KEPT, images.c.group_id.is_not(None)
    )
    # The status in disguise: by the index of groups a few of them are found without reading all that is kept.
    counted = select(images.c.group_id).where(func.coalesce(images.c.status, "") == Status.KEPT)
    with catalog.read() as connection:
        if len(rows) > _MANY:  # one pass costs less
            group_of = dict(connection.execute(member).all())
            many = {group for group, kept in Counter(group_of.values()).items() if kept > 1}
            return list(dict.fromkeys(group for row in rows if (group := group_of.get(row)) in many))
        for some in chunks(list(rows)):
            group_of |= dict(connection.execute(member.where(images.c.id.in_(some))).all())
        for some in chunks(sorted(set(group_of.values()))):
            shared = counted.where(images.c.group_id.in_(some)).group_by(images.c.group_id).having(func.count() > 1)
            many |= set(connection.execute(shared).scalars())
    return list(dict.fromkeys(group for row in rows if (group := group_of.get(row)) in many))
