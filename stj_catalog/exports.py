"""What each export wrote: its settings, its pictures, those it withheld, and the split that each picture keeps for good."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from stj_catalog.catalog import Catalog, insert_new
from stj_catalog.errors import DatasetError
from stj_catalog.schema import assignments, export_images, exports, images, now

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
    """One picture of an export; without a split it was withheld, and `reason` says why."""

    image_id: int
    label: int
    split: str | None = None
    file: str | None = None
    sha256: str | None = None
    reason: str | None = None


@contextmanager
def recording(
    catalog: Catalog, record: ExportRecord, pictures: Iterable[ExportedPicture], assigned: Iterable[tuple[int, str]]
) -> Iterator[int]:
    """Record an export; what the caller does inside stands or falls together with the rows.

    Args:
        catalog: where it is written.
        record: the export.
        pictures: those it holds and those it withheld.
        assigned: (picture, split) for each picture that got its split now or before.

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
        for some in _batches(assigned):
            _assign(connection, export_id, record.scheme, some, moment)
        held = 0
        total = 0
        for batch in _batches(pictures):
            connection.execute(insert(export_images), [{"export_id": export_id, **asdict(one)} for one in batch])
            held += sum(1 for one in batch if one.split)
            total += len(batch)
        counts = {"pictures": held, "withheld": total - held}
        connection.execute(update(exports).where(exports.c.id == export_id).values(counts))
        yield export_id


def _assign(connection: Connection, export_id: int, scheme: str, wanted: list[tuple[int, str]], moment: str) -> None:
    fixed = {"scheme": scheme, "export_id": export_id, "made_at": moment}
    rows = [{"image_id": row, "split": split, **fixed} for row, split in wanted]
    insert_new(connection, assignments, rows, ["image_id", "scheme"])
    ids = [row for row, _ in wanted]
    between = assignments.c.image_id.between(min(ids), max(ids))
    stored = select(assignments.c.image_id, assignments.c.split).where(assignments.c.scheme == scheme, between)
    known = {row.image_id: row.split for row in connection.execute(stored)}
    if moved := [row for row, split in wanted if known[row] != split]:
        raise DatasetError(
            f"Another export gave {len(moved)} of these pictures another split meanwhile: run the same command again."
        )


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    source = iter(items)
    while batch := list(islice(source, _BATCH)):
        yield batch


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
