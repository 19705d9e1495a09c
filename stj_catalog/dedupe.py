"""The authority on sameness: likenesses, statuses and groups of the whole catalogue, worked out anew.

Settling keeps the catalogue true as pictures come in; this starts from the hashes, sightings and reviews alone, so that it also
follows changed thresholds, pictures that were lost, and products that were regrouped. A second run changes nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, or_, select, update

from stj_catalog.catalog import Catalog, chunks, insert_new
from stj_catalog.decide import HAS_BYTES, decide
from stj_catalog.grouping import regroup
from stj_catalog.incremental import LOOKS, number_newcomers
from stj_catalog.schema import crops, images, likenesses, sightings
from stj_core.vocabulary import Status
from stj_images.crops.keypoints import opencv
from stj_images.crops.search import Bars, SecondLook, search
from stj_images.likeness import Looks, Thresholds, likenesses_among
from stj_images.store import ImageStore

_BATCH = 5_000


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


@dataclass(frozen=True)
class GroupMember:
    """A picture of a group, for a person to look at."""

    group: int
    id: int
    path: str | None
    status: str
    reason: str | None
    label: int | None
    width: int
    height: int
    key: str
    alike: str


class _DryRunError(Exception):
    """Carries the report out of a transaction that must not commit."""

    def __init__(self, report: DedupeReport, members: list[GroupMember]) -> None:
        super().__init__()
        self.report = report
        self.members = members


def dedupe(
    catalog: Catalog,
    thresholds: Thresholds,
    *,
    look: SecondLook | None = None,
    dry_run: bool = False,
    members: bool = False,
) -> tuple[DedupeReport, list[GroupMember]]:
    """Work out likenesses, statuses and groups of every picture again, in one transaction.

    Args:
        catalog: whose pictures.
        thresholds: what counts as alike.
        look: a second look, for crops; without one the crops that were found before stay.
        dry_run: say what would change, and change nothing.
        members: also list the pictures of every group of two and more.
    """
    try:
        with catalog.write(exclusive=True) as connection:
            report = _recompute(connection, thresholds, look)
            listed = _members(connection) if members else []
            if dry_run:
                raise _DryRunError(report, listed)
            return report, listed
    except _DryRunError as dry:
        return dry.report, dry.members


def _recompute(connection: Connection, thresholds: Thresholds, look: SecondLook | None) -> DedupeReport:
    before = _snapshot(connection)
    _number_unsettled(connection)
    _replace_likenesses(connection, _read_looks(connection), thresholds)
    if look is not None:
        _replace_crops(connection, look, thresholds)
    ids = sorted(before)
    for some in chunks(ids, _BATCH):
        decide(connection, some, thresholds)
    connection.execute(update(images).where(HAS_BYTES, images.c.rule != thresholds.rule).values(rule=thresholds.rule))
    regroup(connection)
    return _report(connection, before, thresholds)


def _snapshot(connection: Connection) -> dict[int, Row[Any]]:
    columns = ("id", "image_key", "status", "reason", "label", "duplicate_of", "group_id")
    rows = connection.execute(select(*(images.c[name] for name in columns)))
    return {row.id: row for row in rows}


def _number_unsettled(connection: Connection) -> None:
    """Let pictures in that were sighted and never compared, as after a crash."""
    seen = select(sightings.c.image_id).where(sightings.c.image_id == images.c.id).exists()
    fresh = select(images.c.id).where(images.c.compared.is_(None), HAS_BYTES, seen).order_by(images.c.id)
    last = connection.execute(select(func.coalesce(func.max(images.c.compared), 0))).scalar_one()
    number_newcomers(connection, connection.execute(fresh).scalars().all(), last)


def _read_looks(connection: Connection) -> Looks:
    """Every compared picture, tombstones too, by id."""
    wanted = select(*LOOKS).where(images.c.compared.is_not(None)).order_by(images.c.id)
    parts = connection.execute(wanted.execution_options(yield_per=_BATCH)).partitions()
    return Looks.join([Looks.from_hex([]), *(Looks.from_hex(rows) for rows in parts)])


def _replace_likenesses(connection: Connection, looks: Looks, thresholds: Thresholds) -> None:
    """Write the pairs that are not there, and remove those that should not be."""
    names = ("image_id", "other_id", "kind", "way", "exact", "distance", "distance256")
    present = {tuple(row) for row in connection.execute(select(*(likenesses.c[name] for name in names)))}
    found = set()
    for one in likenesses_among(looks, thresholds):
        row = asdict(one)
        found.add((row.pop("a"), row.pop("b"), *row.values()))
    for a, b, *_ in sorted(present - found):
        connection.execute(delete(likenesses).where(likenesses.c.image_id == a, likenesses.c.other_id == b))
    for some in chunks(sorted(found - present), _BATCH):
        rows = [dict(zip(names, pair, strict=True)) for pair in some]
        insert_new(connection, likenesses, rows, ["image_id", "other_id"])


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


def _report(connection: Connection, before: dict[int, Row[Any]], thresholds: Thresholds) -> DedupeReport:
    after = _snapshot(connection)
    decided = ("status", "reason", "label", "duplicate_of")
    changes = [
        Change(number, row.image_key, _word(before[number]), _word(row))
        for number, row in sorted(after.items())
        if any(getattr(row, name) != getattr(before[number], name) for name in decided)
    ]
    sizes = Counter(row.group_id for row in after.values() if row.group_id is not None)
    kinds = select(likenesses.c.kind, func.count()).group_by(likenesses.c.kind)
    return DedupeReport(
        pictures=connection.execute(
            select(func.count()).select_from(images).where(images.c.compared.is_not(None))
        ).scalar_one(),
        statuses=dict(sorted(Counter(row.status for row in after.values()).items())),
        likenesses={
            **{row[0]: row[1] for row in connection.execute(kinds.order_by(likenesses.c.kind))},
            "crop": connection.execute(select(func.count()).select_from(crops)).scalar_one(),
        },
        groups=len(sizes),
        shared_groups=sum(size > 1 for size in sizes.values()),
        changes=changes,
        regrouped=sum(row.group_id != before[number].group_id for number, row in after.items()),
        rule=thresholds.rule,
    )


def _word(row: Row[Any]) -> str:
    return f"{row.status}: {row.reason}" if row.reason else str(row.status)


def _members(connection: Connection) -> list[GroupMember]:
    """The pictures of groups of two and more, group by group, the kept and the large first."""
    shared = select(images.c.group_id).group_by(images.c.group_id).having(func.count() > 1)
    wanted = select(images).where(images.c.group_id.in_(shared), images.c.status != Status.FORGOTTEN)
    rows = connection.execute(wanted).all()
    alike = _nearest(connection)
    members = [
        GroupMember(
            row.group_id, row.id, row.path, row.status, row.reason, row.label, row.width or 0, row.height or 0,
            row.image_key, alike.get(row.id, "same product"),
        )
        for row in rows
    ]  # fmt: skip
    return sorted(members, key=lambda one: (one.group, one.status != Status.KEPT, -one.width * one.height, one.key))


def _nearest(connection: Connection) -> dict[int, str]:
    """For each picture its strongest likeness, in words."""
    words: dict[int, str] = {}
    order = (likenesses.c.distance256, likenesses.c.distance, likenesses.c.image_id, likenesses.c.other_id)
    one, two = images.alias("one"), images.alias("two")
    same_group = and_(one.c.id == likenesses.c.image_id, two.c.id == likenesses.c.other_id)
    strong = select(likenesses).join(one, one.c.id == likenesses.c.image_id).join(two, same_group)
    strong = strong.where(likenesses.c.kind != "weak", or_(one.c.group_id == two.c.group_id))
    for pair in connection.execute(strong.order_by(*order)):
        how = "same bytes" if pair.exact else f"{pair.kind}, {pair.way}, {pair.distance}/{pair.distance256} bits"
        for number, other in ((pair.image_id, pair.other_id), (pair.other_id, pair.image_id)):
            words.setdefault(number, f"{how}, to {other}")
    for pair in connection.execute(select(crops).order_by(crops.c.distance256, crops.c.image_id, crops.c.other_id)):
        for number, other in ((pair.image_id, pair.other_id), (pair.other_id, pair.image_id)):
            words.setdefault(number, f"a part in common, {pair.distance}/{pair.distance256} bits, with {other}")
    return words


def by_group(members: Sequence[GroupMember]) -> dict[int, list[GroupMember]]:
    """The members of each group."""
    found: dict[int, list[GroupMember]] = defaultdict(list)
    for one in members:
        found[one.group].append(one)
    return dict(found)


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
