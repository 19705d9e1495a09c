"""What each export wrote: its settings, its pictures, those it withheld, and the split that each picture keeps for good."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from sqlalchemy import Connection, and_, case, func, insert, literal, select, update

from stj_catalog.catalog import Catalog, insert_new
from stj_catalog.gallery import Tile, tiles_of
from stj_catalog.schema import assignments, export_images, exports, images
from stj_core.clock import now
from stj_core.errors import DatasetError
from stj_core.vocabulary import SPLITS, Status

_BATCH = 5_000


@dataclass(frozen=True)
class ExportRecord:
    """One export as the catalogue remembers it.

    Attributes:
        out: the folder as it was given.
        scheme: seed, shares and unit of the split.
        settings: everything that was asked for.
        digest: sha256 of manifest.csv.
    """

    out: str
    scheme: str
    settings: dict[str, Any]
    digest: str


@dataclass(frozen=True, slots=True)
class ExportedPicture:
    """One picture of an export, its label None where it is none of the classes; without a split it was withheld, for a reason."""

    image_id: int
    label: int | None
    split: str | None = None
    file: str | None = None
    sha256: str | None = None
    reason: str | None = None


@contextmanager
def recording(
    catalog: Catalog, record: ExportRecord, pictures: Iterable[ExportedPicture], decided: Iterable[tuple[int, str]]
) -> Iterator[int]:
    """Record an export; what the caller does inside stands or falls together with the rows.

    Args:
        catalog: where it is written.
        record: the export.
        pictures: those it holds and those it withheld.
        decided: (picture, split) of withheld pictures whose split was decided all the same.

    Yields:
        the export's number.

    Raises:
        DatasetError: another export gave one of the pictures another split meanwhile.
    """
    with catalog.write(exclusive=True) as connection:
        moment = now()
        row = {"out": record.out, "scheme": record.scheme, "settings": record.settings, "digest": record.digest}
        made = insert(exports).values(**row, pictures=0, withheld=0, made_at=moment).returning(exports.c.id)
        export_id: int = connection.execute(made).scalar_one()
        counts = _write_pictures(connection, export_id, pictures)
        connection.execute(update(exports).where(exports.c.id == export_id).values(counts))
        _assign(connection, export_id, record.scheme, list(decided), moment)
        yield export_id


def _write_pictures(connection: Connection, export_id: int, pictures: Iterable[ExportedPicture]) -> dict[str, int]:
    counts = {"pictures": 0, "withheld": 0}
    source = iter(pictures)
    while batch := list(islice(source, _BATCH)):
        rows = [
            {
                "export_id": export_id,
                "image_id": one.image_id,
                "label": one.label,
                "split": one.split,
                "file": one.file,
                "sha256": one.sha256,
                "reason": one.reason,
            }
            for one in batch
        ]
        connection.execute(insert(export_images), rows)
        held = sum(1 for one in batch if one.split)
        counts["pictures"] += held
        counts["withheld"] += len(batch) - held
    return counts


def _assign(connection: Connection, export_id: int, scheme: str, decided: list[tuple[int, str]], moment: str) -> None:
    """Give the export's pictures their split for good, and make sure that nobody else gave them another."""
    mine = and_(export_images.c.export_id == export_id, export_images.c.split.is_not(None))
    same = and_(assignments.c.image_id == export_images.c.image_id, assignments.c.scheme == scheme)
    fixed = (literal(scheme), literal(export_id), literal(moment))
    fresh = (
        select(export_images.c.image_id, export_images.c.split, *fixed)
        .join_from(export_images, assignments, same, isouter=True)
        .where(mine, assignments.c.split.is_(None))
    )
    columns = ["image_id", "split", "scheme", "export_id", "made_at"]
    connection.execute(insert(assignments).from_select(columns, fresh))
    rows = [
        {"image_id": row, "split": split, "scheme": scheme, "export_id": export_id, "made_at": moment}
        for row, split in decided
    ]
    insert_new(connection, assignments, rows, ["image_id", "scheme"])
    other = (
        select(func.count())
        .join_from(export_images, assignments, same)
        .where(mine, assignments.c.split != export_images.c.split)
    )
    if moved := connection.execute(other).scalar_one():
        raise DatasetError(
            f"Another export gave {moved} of these pictures another split meanwhile: run the same command again."
        )


@dataclass(frozen=True)
class PastExport:
    """An export that the catalogue remembers."""

    id: int
    out: str
    scheme: str
    settings: dict[str, Any]
    digest: str
    pictures: int
    withheld: int
    made_at: str


def past_exports(catalog: Catalog, digest: str) -> list[PastExport]:
    """The exports whose digest begins with `digest`, newest first."""
    query = select(exports).where(exports.c.digest >= digest, exports.c.digest < f"{digest}g")
    with catalog.read() as connection:
        return [PastExport(**row._asdict()) for row in connection.execute(query.order_by(exports.c.id.desc()))]


def withheld_reasons(catalog: Catalog, digest: str) -> dict[str, str]:
    """Why the newest export of a digest withheld pictures, by the sha256 of their original bytes."""
    newest = select(func.max(exports.c.id)).where(exports.c.digest == digest).scalar_subquery()
    query = (
        select(images.c.sha256, export_images.c.reason)
        .join_from(export_images, images)
        .where(export_images.c.export_id == newest, export_images.c.split.is_(None))
    )
    with catalog.read() as connection:
        return {row.sha256: row.reason for row in connection.execute(query)}


def newest_exports(catalog: Catalog, limit: int = 50) -> list[dict[str, Any]]:
    """Exports, newest first."""
    with catalog.read() as connection:
        rows = connection.execute(select(exports).order_by(exports.c.id.desc()).limit(limit))
        return [dict(row._mapping) for row in rows]


def export_story(catalog: Catalog, export_id: int) -> dict[str, Any] | None:
    """One export with its counts by split and label and the reasons for what it withheld, or None where there is none."""
    with catalog.read() as connection:
        row = connection.execute(select(exports).where(exports.c.id == export_id)).first()
        if row is None:
            return None
        mine = export_images.c.export_id == export_id
        by_split = (
            select(export_images.c.split, export_images.c.label, func.count())
            .where(mine, export_images.c.split.is_not(None))
            .group_by(export_images.c.split, export_images.c.label)
        )
        withheld = select(export_images.c.reason, func.count()).where(mine, export_images.c.split.is_(None))
        splits: dict[str, dict[int, int]] = {}
        for split, label, n in connection.execute(by_split):
            splits.setdefault(split, {})[label] = n
        groups, shared = _count_groups(connection, export_id)
        return dict(row._mapping) | {
            "splits": splits,
            "groups": groups,
            "shared_groups": shared,
            "withheld_reasons": {
                reason or "": n for reason, n in connection.execute(withheld.group_by(export_images.c.reason))
            },
        }


@dataclass(frozen=True)
class HeldPicture:
    """A picture of a past export.

    Attributes:
        tile: the picture, with the label that it was exported with.
        split: the split that it was exported in; None where it was withheld.
        reason: why it was withheld.
        status: how it stands now.
        label: the class that it has now.
    """

    tile: Tile
    split: str | None
    reason: str | None
    status: str
    label: int | None

    @property
    def differs(self) -> bool:
        """Whether it would be exported otherwise now: under another label, or not at all."""
        return self.label != self.tile.label or self.status != Status.KEPT


def export_sheet(
    catalog: Catalog, export_id: int, *, split: str | None, label: int | None, after: int | None = None, limit: int = 60
) -> list[HeldPicture]:
    """Pictures of an export as they were exported, and how they stand now, newest first.

    Args:
        catalog: where they are.
        export_id: the export.
        split: of this split only; `withheld` for those that it withheld.
        label: of this class only.
        after: the last picture of the page before this one.
        limit: so many at most.
    """
    columns = (export_images.c.image_id, export_images.c.split, export_images.c.label, export_images.c.reason)
    query = select(*columns).where(export_images.c.export_id == export_id)
    if split is not None:
        query = query.where(export_images.c.split.is_(None) if split == "withheld" else export_images.c.split == split)
    query = query if label is None else query.where(export_images.c.label == label)
    query = query if after is None else query.where(export_images.c.image_id < after)
    with catalog.read() as connection:
        rows = connection.execute(query.order_by(export_images.c.image_id.desc()).limit(limit)).all()
    held = {row.image_id: row for row in rows}
    return [
        HeldPicture(replace(tile, label=row.label), row.split, row.reason, tile.status, tile.label)
        for tile in tiles_of(catalog, list(held))
        for row in [held[tile.id]]
    ]


def _count_groups(connection: Connection, export_id: int) -> tuple[dict[str, int], int]:
    """The groups with a picture in each split of an export, and those with pictures in two: the proof wants none."""
    held = {str(split): func.max(case((export_images.c.split == split, 1), else_=0)) for split in SPLITS}
    each = (
        select(*(flag.label(split) for split, flag in held.items()))
        .join_from(export_images, images)
        .where(
            export_images.c.export_id == export_id, export_images.c.split.is_not(None), images.c.group_id.is_not(None)
        )
        .group_by(images.c.group_id)
        .subquery()
    )
    flags = [each.c[split] for split in held]
    shared = func.sum(case((sum(flags[1:], flags[0]) > 1, 1), else_=0))
    *counts, torn = connection.execute(select(*(func.sum(flag) for flag in flags), shared)).one()
    return {split: int(n) for split, n in zip(held, counts, strict=True) if n}, int(torn or 0)
