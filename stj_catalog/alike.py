"""The pictures most like one by their hashes, however far away: for a person who looks for more of the same."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from sqlalchemy import func, or_, select

from stj_catalog.catalog import Catalog, chunks
from stj_catalog.schema import images
from stj_core.vocabulary import Reason, Status
from stj_images.neighbours import Hashes, Ids, hashes_from_hex, wide_distance, wide_from_hex

_CONSIDERED = 2_000
"""So many of the nearest by pHash-64 are ordered by pHash-256."""


@dataclass(frozen=True)
class HashTable:
    """The hashes of every picture that may be shown.

    Attributes:
        ids: int64 (n,), the catalogue's rows.
        narrow: uint64 (n,), pHash-64.
        wide: uint64 (n, 4), pHash-256.
    """

    ids: Ids
    narrow: Hashes
    wide: Hashes

    def nearest(self, phash: str, phash256: str, count: int) -> list[tuple[int, int, int]]:
        """The rows whose hashes are nearest, with their distances in bits of pHash-64 and of pHash-256, nearest first.

        Args:
            phash: 16 hex digits.
            phash256: 64 hex digits.
            count: so many at most.
        """
        if not len(self.ids):
            return []
        narrow = np.bitwise_count(self.narrow ^ hashes_from_hex([phash])[0]).astype(np.int64)
        some = np.argsort(narrow, kind="stable")[: max(count, _CONSIDERED)]
        wide = wide_distance(self.wide[some], wide_from_hex([phash256])[0])
        order = some[np.lexsort((self.ids[some], narrow[some], wide))][:count]
        told = wide_distance(self.wide[order], wide_from_hex([phash256])[0])
        return list(zip(self.ids[order].tolist(), narrow[order].tolist(), told.tolist(), strict=True))


def hash_table(catalog: Catalog) -> HashTable:
    """The hashes of every picture that was read and not forgotten."""
    wanted = select(images.c.id, images.c.phash, images.c.phash256).where(
        images.c.phash.is_not(None),
        images.c.phash256.is_not(None),
        images.c.status != Status.FORGOTTEN,
        func.coalesce(images.c.reason, "") != Reason.FORGOTTEN_COPY,
    )
    with catalog.read() as connection:
        rows = connection.execute(wanted.order_by(images.c.id)).all()
    if not rows:
        return HashTable(np.empty(0, np.int64), np.empty(0, np.uint64), np.empty((0, 4), np.uint64))
    ids, narrow, wide = zip(*rows, strict=True)
    return HashTable(np.array(ids, np.int64), hashes_from_hex(narrow), wide_from_hex(wide))


def labels_of(catalog: Catalog, ids: Collection[int]) -> dict[int, int | None]:
    """The present class of each of some pictures; None for one of none of the classes."""
    wanted = select(images.c.id, images.c.label)
    found: dict[int, int | None] = {}
    with catalog.read() as connection:
        if len(ids) > 5_000:
            some = set(ids)
            return {row: label for row, label in connection.execute(wanted) if row in some}
        for part in chunks(sorted(ids)):
            found |= dict(connection.execute(wanted.where(images.c.id.in_(part))).all())
    return found


def hidden_ids(catalog: Catalog) -> set[int]:
    """The rows of forgotten pictures and of copies of such."""
    wanted = select(images.c.id).where(
        or_(images.c.status == Status.FORGOTTEN, images.c.reason == Reason.FORGOTTEN_COPY)
    )
    with catalog.read() as connection:
        return set(connection.execute(wanted).scalars())
