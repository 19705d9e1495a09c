"""Compare every picture of the catalogue with every other, and derive all statuses and groups from that anew.

Settling keeps the catalogue true as pictures come in; this starts from the hashes, sightings and reviews alone, so that it also
follows changed thresholds, pictures that were lost, and products that were regrouped. A second run changes nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, case, delete, func, select, update

from stj_catalog.catalog import Catalog, chunks, insert_new, open_catalog
from stj_catalog.decide import HAS_BYTES, decide, find_changes, find_doubtful
from stj_catalog.group_members import GroupMember, members_of_groups
from stj_catalog.grouping import find_empty_groups, find_regroupings, regroup, remove_empty_groups, tie_newcomers
from stj_catalog.incremental import LOOKS, number_newcomers
from stj_catalog.migrations import backup as copy_file
from stj_catalog.schema import crops, images, likenesses, sightings
from stj_catalog.status import Outcome
from stj_core.partitions import Workers
from stj_images.crops.keypoints import opencv
from stj_images.crops.search import Bars, SecondLook, search
from stj_images.likeness import Likeness, Looks, Thresholds, likenesses_among
from stj_images.likeness_blocks import count_pairs, likenesses_by
from stj_images.store import ImageStore

_BATCH = 5_000
# What is written at one time: another writer waits for a fraction of a second.
_SHORT = 100


@dataclass(frozen=True)
class Change:
    """A picture whose status, reason, label or keeper is another one now.

    Attributes:
        id: its row.
        key: its address.
        before: status and reason.
        after: status and reason.
    """

    id: int
    key: str
    before: str
    after: str


@dataclass(frozen=True)
class DedupeReport:
    """What the whole catalogue looks like, and what changed.

    Attributes:
        pictures: that were compared.
        statuses: pictures by status.
        likenesses: pairs by kind, and `crop` for those of which one shows a part of the other.
        groups: of one picture and more.
        shared_groups: of two pictures and more.
        changes: pictures that changed.
        regrouped: pictures whose group is another one.
        rule: the thresholds.
    """

    pictures: int
    statuses: dict[str, int]
    likenesses: dict[str, int]
    groups: int
    shared_groups: int
    changes: Sequence[Change]
    regrouped: int
    rule: str


class _DryRunError(Exception):
    """Carries the report out of a transaction that must not commit."""

    def __init__(self, report: DedupeReport, members: list[GroupMember]) -> None:
        super().__init__()
        self.report = report
        self.members = members


@dataclass(frozen=True)
class _Steps:
    """How each step reads and writes: in short transactions of its own, or all in one that is taken back."""

    catalog: Catalog
    whole: Connection | None = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        if self.whole is not None:
            yield self.whole
            return
        with self.catalog.read() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        if self.whole is not None:
            yield self.whole
            return
        with self.catalog.write(exclusive=True) as connection:
            yield connection


def dedupe(
    catalog: Catalog,
    thresholds: Thresholds,
    *,
    look: SecondLook | None = None,
    dry_run: bool = False,
    members: bool = False,
    workers: Workers | None = None,
    bars: Bars = lambda _what, _total: lambda _done: None,
) -> tuple[DedupeReport, list[GroupMember]]:
    """Work out likenesses, statuses and groups of every picture again.

    What should be is worked out from what is read, beside any crawl; it is written in short transactions that see to it that
    nothing it rests on was changed meanwhile. What came meanwhile was compared and grouped by whoever brought it.

    Args:
        catalog: whose pictures.
        thresholds: what counts as alike.
        look: a second look, for crops; without one the crops that were found before stay.
        dry_run: say what would change, and change nothing; on a copy, or in one transaction where there is no file to copy.
        members: also list the pictures of every group of two and more.
        workers: who compares pairs of blocks of the hashes; by default this process compares all at once.
        bars: makes a progress bar of the blocks from a stage's name and total.

    Raises:
        CatalogError: workers failed three times on some blocks; no status and no group was changed.
    """
    find = partial(_likenesses, workers, bars)
    if not dry_run:
        return _recompute(_Steps(catalog), thresholds, look, find, members=members)
    if catalog.place is not None:
        with tempfile.TemporaryDirectory(prefix=".dedupe-", dir=catalog.place.parent) as folder:
            copy = Path(folder) / "catalog.sqlite"
            copy_file(catalog.place, copy)
            trial = open_catalog(str(copy), check=False)
            try:
                return _recompute(_Steps(trial), thresholds, look, find, members=members)
            finally:
                trial.close()
    try:
        with catalog.write(exclusive=True) as connection:
            raise _DryRunError(*_recompute(_Steps(catalog, connection), thresholds, look, find, members=members))
    except _DryRunError as dry:
        return dry.report, dry.members


Find = Callable[[Looks, Thresholds], Iterable[Likeness]]


def _likenesses(workers: Workers | None, bars: Bars, looks: Looks, thresholds: Thresholds) -> Iterable[Likeness]:
    """Every pair of pictures that is at least weakly alike."""
    if workers is None:
        return likenesses_among(looks, thresholds)
    return likenesses_by(workers, looks, thresholds, bars("Comparing blocks", count_pairs(len(looks))))


def _recompute(
    steps: _Steps, thresholds: Thresholds, look: SecondLook | None, find: Find, *, members: bool
) -> tuple[DedupeReport, list[GroupMember]]:
    with steps.write() as connection:
        _number_unsettled(connection)
    last = _correct_likenesses(steps, thresholds, find)
    if look is not None:
        with steps.write() as connection:
            _replace_crops(connection, look, thresholds)
    changes = _decide_again(steps, thresholds)
    regrouped = _group_again(steps, last)
    with steps.read() as connection:
        return _report(connection, changes, regrouped, thresholds), members_of_groups(connection) if members else []


def _number_unsettled(connection: Connection) -> None:
    """Let pictures in that were sighted and never compared, as after a crash."""
    seen = select(sightings.c.image_id).where(sightings.c.image_id == images.c.id).exists()
    fresh = select(images.c.id).where(images.c.compared.is_(None), HAS_BYTES, seen).order_by(images.c.id)
    last = connection.execute(select(func.coalesce(func.max(images.c.compared), 0))).scalar_one()
    number_newcomers(connection, connection.execute(fresh).scalars().all(), last)


def _correct_likenesses(steps: _Steps, thresholds: Thresholds, find: Find) -> int:
    """Write the pairs that are not there, and remove those that should not be; returns the last picture that was compared."""
    names = ("image_id", "other_id", "kind", "way", "exact", "distance", "distance256")
    with steps.read() as connection:
        looks, compared = _read_looks(connection)
        present = {tuple(row) for row in connection.execute(select(*(likenesses.c[name] for name in names)))}
    found = set()
    for one in find(looks, thresholds):
        row = asdict(one)
        found.add((row.pop("a"), row.pop("b"), *row.values()))
    known = dict(zip(looks.ids.tolist(), compared.tolist(), strict=True)) if found ^ present else {}
    for some in chunks(sorted(present - found), _SHORT):
        with steps.write() as connection:
            for a, b, *_ in _unmoved(connection, some, known):
                connection.execute(delete(likenesses).where(likenesses.c.image_id == a, likenesses.c.other_id == b))
    for some in chunks(sorted(found - present), _SHORT):
        with steps.write() as connection:
            rows = [dict(zip(names, pair, strict=True)) for pair in _unmoved(connection, some, known)]
            insert_new(connection, likenesses, rows, ["image_id", "other_id"])
    return int(compared.max(initial=0))


def _read_looks(connection: Connection) -> tuple[Looks, NDArray[np.int64]]:
    """Every compared picture, tombstones too, by id, and the number under which each was compared."""
    wanted = select(*LOOKS, images.c.compared).where(images.c.compared.is_not(None)).order_by(images.c.id)
    looks, compared = [Looks.from_hex([])], [np.empty(0, np.int64)]
    for rows in connection.execute(wanted.execution_options(yield_per=_BATCH)).partitions():
        looks.append(Looks.from_hex([row[:-1] for row in rows]))
        compared.append(np.array([row.compared for row in rows], dtype=np.int64))
    return Looks.join(looks), np.concatenate(compared)


def _unmoved(
    connection: Connection, pairs: Sequence[tuple[Any, ...]], known: Mapping[int, int]
) -> list[tuple[Any, ...]]:
    """Those of some pairs whose pictures are still those that were compared, and not fetched anew."""
    ids = sorted({one for pair in pairs for one in pair[:2]})
    now: dict[int, int | None] = {}
    for some in chunks(ids):
        rows = connection.execute(select(images.c.id, images.c.compared).where(images.c.id.in_(some)))
        now |= {row.id: row.compared for row in rows}
    return [pair for pair in pairs if all(one in known and now.get(one) == known[one] for one in pair[:2])]


def _decide_again(steps: _Steps, thresholds: Thresholds) -> list[Change]:
    """Give every picture its status again: looked for without the lock, and decided with it where something would change."""
    changes: dict[int, Change] = {}
    with steps.read() as connection:
        ids = find_doubtful(connection)
    for some in chunks(ids, _BATCH):
        with steps.read() as connection:
            changed, mislabelled = find_changes(connection, some)
        touched = sorted({*(one.picture.id for one in changed), *(row for row, _ in mislabelled)})
        for few in chunks(touched, _SHORT):
            with steps.write() as connection:
                for one in decide(connection, few, thresholds):
                    first = changes.get(one.picture.id)
                    before = first.before if first else _word(one.before)
                    changes[one.picture.id] = Change(one.picture.id, one.picture.key, before, _word(one.after))
    _write_rule(steps, thresholds)
    return sorted(changes.values(), key=lambda one: one.id)


def _write_rule(steps: _Steps, thresholds: Thresholds) -> None:
    """Record the thresholds that every status is right by now."""
    other = select(images.c.id).where(HAS_BYTES, images.c.rule != thresholds.rule).order_by(images.c.id)
    with steps.read() as connection:
        ids = connection.execute(other).scalars().all()
    for some in chunks(ids, _BATCH):
        with steps.write() as connection:
            for few in chunks(some):
                connection.execute(update(images).where(images.c.id.in_(few)).values(rule=thresholds.rule))


def _group_again(steps: _Steps, last: int) -> int:
    """Make the groups that likenesses and products give; returns how many pictures are in another one."""
    with steps.read() as connection:
        wanted = find_regroupings(connection)
    regrouped = 0
    for some in chunks(wanted, _SHORT):
        with steps.write() as connection:
            regrouped += regroup(connection, some)
    with steps.write() as connection:
        tie_newcomers(connection, last)
    with steps.read() as connection:
        empty = find_empty_groups(connection)
    for numbers in chunks(empty, _BATCH):
        with steps.write() as connection:
            remove_empty_groups(connection, numbers)
    return regrouped


def _replace_crops(connection: Connection, look: SecondLook, thresholds: Thresholds) -> None:
    """Write the crops among the pictures that were looked at; what the hashes of whole pictures tie is no crop."""
    first = select(images.c.sha256, func.min(images.c.id)).where(images.c.compared.is_not(None), HAS_BYTES)
    ids = {
        sha256: number
        for sha256, number in connection.execute(first.group_by(images.c.sha256))
        if sha256 in look.checksums
    }
    tied = select(likenesses.c.image_id, likenesses.c.other_id).where(likenesses.c.kind != "weak")
    known = {(a, b) for a, b in connection.execute(tied)}
    looked = set(ids.values())
    for a, b in connection.execute(select(crops.c.image_id, crops.c.other_id)).all():
        if {a, b} <= looked:
            connection.execute(delete(crops).where(crops.c.image_id == a, crops.c.other_id == b))
    rows = [
        {
            "image_id": min(pair),
            "other_id": max(pair),
            "distance": one.distance,
            "distance256": one.distance256,
            "rule": thresholds.crop_rule,
        }
        for one in look.crops
        if one.distance <= thresholds.crop and one.distance256 <= thresholds.crop256
        if (pair := (ids[one.one], ids[one.two])) and (min(pair), max(pair)) not in known
    ]
    insert_new(connection, crops, rows, ["image_id", "other_id"])


def _report(connection: Connection, changes: Sequence[Change], regrouped: int, thresholds: Thresholds) -> DedupeReport:
    sizes = select(func.count().label("n")).where(images.c.group_id.is_not(None)).group_by(images.c.group_id).subquery()
    shared = func.coalesce(func.sum(case((sizes.c.n > 1, 1), else_=0)), 0)
    groups, shared_groups = connection.execute(select(func.count(), shared).select_from(sizes)).one()
    kinds = select(likenesses.c.kind, func.count()).group_by(likenesses.c.kind).order_by(likenesses.c.kind)
    statuses = select(images.c.status, func.count()).group_by(images.c.status).order_by(images.c.status)
    compared = select(func.count()).select_from(images).where(images.c.compared.is_not(None))
    return DedupeReport(
        pictures=connection.execute(compared).scalar_one(),
        statuses={row[0]: row[1] for row in connection.execute(statuses)},
        likenesses={
            **{row[0]: row[1] for row in connection.execute(kinds)},
            "crop": connection.execute(select(func.count()).select_from(crops)).scalar_one(),
        },
        groups=groups,
        shared_groups=int(shared_groups),
        changes=changes,
        regrouped=regrouped,
        rule=thresholds.rule,
    )


def _word(outcome: Outcome) -> str:
    return f"{outcome.status}: {outcome.reason}" if outcome.reason else str(outcome.status)


def look_again(
    catalog: Catalog, store: ImageStore, bars: Bars = lambda _what, _total: lambda _done: None
) -> SecondLook:
    """Find the keypoints of every picture whose bytes are here, and compare those that share many.

    Writes nothing; `stj_catalog.dedupe.dedupe` does. Takes about 40 KB of memory a picture.

    Args:
        catalog: whose pictures.
        store: where their bytes are.
        bars: makes a progress bar from a stage's name and total.

    Raises:
        CatalogError: OpenCV is not installed.
    """
    opencv()
    with catalog.read() as connection:
        wanted = select(images.c.sha256, images.c.path).where(images.c.compared.is_not(None), HAS_BYTES)
        paths = {row.sha256: row.path for row in connection.execute(wanted.order_by(images.c.sha256))}
    return search(paths, lambda checksum: store.read(paths[checksum]), bars)
