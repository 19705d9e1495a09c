"""Keep likenesses, statuses and groups true as pictures and sightings come in.

`settle` does for a few pictures what the whole catalogue would get: it compares those that were never compared, then gives
every picture of the duplicate components they touch its status again, then joins groups. It runs inside an exclusive write
transaction, so that no two newcomers miss each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Text, and_, bindparam, cast, func, select, update

from stj_catalog.catalog import Catalog, chunks, insert_new
from stj_catalog.decide import HAS_BYTES, decide
from stj_catalog.grouping import join_groups
from stj_catalog.schema import images, likenesses
from stj_images.likeness import HASHES, Likeness, Looks, LooksIndex, Thresholds, likenesses_among, likenesses_of
from stj_images.neighbours import hashes_from_hex

LOOKS = tuple(images.c[name] for name in ("id", *HASHES, "sha256"))
_ROWS = 50_000


@dataclass
class Settler:
    """The index of all compared pictures, kept in step with the catalogue, and the thresholds that decide."""

    thresholds: Thresholds
    index: LooksIndex
    _last: int = 0
    # By a picture's id and looks, the ids that are within its reach among the first `_searched` pictures of the index.
    _ahead: dict[tuple[int, int, int], set[int]] = field(default_factory=dict)
    _searched: int = 0

    @classmethod
    def for_catalog(cls, catalog: Catalog, thresholds: Thresholds) -> Settler:
        """Read every compared hash of the catalogue."""
        settler = cls(thresholds, LooksIndex())
        with catalog.read() as connection:
            settler._refresh(connection)
        return settler

    def look_ahead(self, catalog: Catalog, keys: Sequence[str]) -> None:
        """Look for the neighbours of newcomers among all that is compared by now, before anybody has to wait for it.

        The search grows with the catalogue. Done here, and not inside the exclusive transaction, it leaves that one only what
        was added meanwhile.

        Args:
            catalog: where they are.
            keys: addresses without their size of pictures that will be settled next.
        """
        self._ahead = {}
        fresh = and_(images.c.compared.is_(None), HAS_BYTES)
        rows: list[Sequence[Any]] = []
        with catalog.read() as connection:
            for some in chunks(sorted(set(keys))):
                rows += connection.execute(select(*LOOKS).where(images.c.image_key.in_(some), fresh)).all()
            if not rows:
                return
            self._refresh(connection)
        newcomers = Looks.from_hex(rows)
        self._searched = len(self.index)
        self._ahead = {key: set() for key in _names(newcomers)}
        names = _names(newcomers)
        for place, other in self.index.candidates(newcomers, self.thresholds.reach):
            self._ahead[names[place]].add(other)

    def settle(self, connection: Connection, ids: Iterable[int]) -> None:
        """Compare what was never compared among `ids`, then decide and group again what that touches.

        Once in a transaction: the newcomers enter the index when the next one finds them committed.
        """
        touched = sorted(set(ids))
        newcomers = self._compare(connection, touched)
        decide(connection, touched, self.thresholds)
        join_groups(connection, touched, newcomers)

    def _refresh(self, connection: Connection) -> None:
        """Add what was compared and committed since the last look, by whomever."""
        some = (
            select(images.c.compared, images.c.id, images.c.phash, images.c.phash_trim)
            .where(images.c.compared > bindparam("last"))
            .order_by(images.c.compared)
            .limit(_ROWS)
            .subquery()
        )
        # A million rows become a few long words inside the database: as objects of Python they would take three times as long.
        words = (func.aggregate_strings(column, "") for column in (some.c.phash, some.c.phash_trim))
        joined = select(func.max(some.c.compared), func.aggregate_strings(cast(some.c.id, Text), ","), *words)
        while True:
            last, ids, plain, trimmed = connection.execute(joined, {"last": self._last}).one()
            if last is None:
                return
            numbers = np.fromstring(ids, dtype=np.int64, sep=",")
            self.index.add(numbers, hashes_from_hex([plain]), hashes_from_hex([trimmed]))
            self._last = last

    def _compare(self, connection: Connection, ids: Sequence[int]) -> list[int]:
        """Find the likenesses of those of `ids` that were never compared; returns them."""
        fresh = and_(images.c.compared.is_(None), HAS_BYTES)
        newcomers = _read_looks(connection, ids, fresh)
        if not len(newcomers):
            return []
        self._refresh(connection)
        number_newcomers(connection, newcomers.ids.tolist(), self._last)
        write_likenesses(connection, self._likenesses(connection, newcomers))
        return [int(row) for row in newcomers.ids]

    def _likenesses(self, connection: Connection, newcomers: Looks) -> list[Likeness]:
        """The likenesses of newcomers among themselves and with everything before them."""
        found = list(likenesses_among(newcomers, self.thresholds))
        pairs = self._candidates(newcomers)
        others = _read_looks(connection, sorted({other for _, other in pairs}))
        place_of = {row: place for place, row in enumerate(others.ids.tolist())}
        one = [place for place, other in pairs if other in place_of]
        two = [place_of[other] for _, other in pairs if other in place_of]
        return found + list(
            likenesses_of(newcomers.take(np.array(one, int)), others.take(np.array(two, int)), self.thresholds)
        )

    def _candidates(self, newcomers: Looks) -> list[tuple[int, int]]:
        """Pairs of a newcomer's place and the id of a picture within its reach, those that were found ahead among them."""
        names, reach = _names(newcomers), self.thresholds.reach
        searched = np.array([name in self._ahead for name in names], dtype=bool)
        pairs = {(place, other) for place, name in enumerate(names) for other in self._ahead.get(name, ())}
        for places, since in ((np.flatnonzero(searched), self._searched), (np.flatnonzero(~searched), 0)):
            if len(places):
                found = self.index.candidates(newcomers.take(places), reach, since=since)
                pairs |= {(int(places[place]), other) for place, other in found}
        # A picture that was fetched again may stand in the index with what it looked like before.
        return sorted((place, other) for place, other in pairs if other != names[place][0])


def _names(looks: Looks) -> list[tuple[int, int, int]]:
    return list(zip(looks.ids.tolist(), looks.plain.tolist(), looks.trimmed.tolist(), strict=True))


def _read_looks(connection: Connection, ids: Sequence[int], which: ColumnElement[bool] | None = None) -> Looks:
    """The hashes of those of `ids` that have some, by id."""
    rows: list[Sequence[Any]] = []
    condition = images.c.phash.is_not(None) if which is None else which
    for some in chunks(ids):
        rows += connection.execute(select(*LOOKS).where(images.c.id.in_(some), condition).order_by(images.c.id)).all()
    return Looks.from_hex(rows)


def number_newcomers(connection: Connection, ids: Sequence[int], last: int) -> None:
    """Mark pictures as compared, in this order, after the `last` that was."""
    order = [{"row": row, "number": last + place} for place, row in enumerate(ids, 1)]
    if order:
        numbered = update(images).where(images.c.id == bindparam("row")).values(compared=bindparam("number"))
        connection.execute(numbered, order)


def write_likenesses(connection: Connection, found: Iterable[Likeness]) -> None:
    """Write pairs of look-alikes; a pair that is there already is left alone."""
    rows = []
    for one in found:
        row = asdict(one)
        rows.append({"image_id": row.pop("a"), "other_id": row.pop("b"), **row})
    insert_new(connection, likenesses, rows, ["image_id", "other_id"])
