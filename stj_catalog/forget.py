"""Forget pictures for good, as a take-down request asks: their bytes go, a tombstone with their hashes keeps copies out.

The pictures that are asked for go with every duplicate of theirs: those are the same pictures. What was made before (exports,
runs, backups) is listed, not touched: only their owner can say what becomes of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, func, or_, select, update

from stj_catalog.catalog import Catalog, chunks, open_catalog
from stj_catalog.decide import decide
from stj_catalog.schema import export_images, exports, images
from stj_core.vocabulary import Reason, Status
from stj_images.likeness import Thresholds
from stj_images.store import ImageStore


@dataclass(frozen=True)
class Forgotten:
    """What was forgotten and what still holds it.

    Attributes:
        ids: rows of the pictures.
        sha256: of their bytes.
        files: of the image store that are gone.
        cached: files of the cache that are gone.
        exports: folders of exports that hold one of them, with the export's number.
        runs: run folders whose manifest names one of them.
        backups: backups of the catalogue that hold one of them.
    """

    ids: Sequence[int]
    sha256: Sequence[str]
    files: Sequence[str] = field(default_factory=tuple)
    cached: Sequence[str] = field(default_factory=tuple)
    exports: Sequence[str] = field(default_factory=tuple)
    runs: Sequence[str] = field(default_factory=tuple)
    backups: Sequence[str] = field(default_factory=tuple)


def forget(
    catalog: Catalog,
    store: ImageStore,
    ids: Sequence[int],
    thresholds: Thresholds,
    *,
    cache: Path,
    runs: Path,
    backups: Iterable[Path] = (),
    dry_run: bool = False,
) -> Forgotten:
    """Forget pictures: their bytes, and whatever the cache made of them; their rows stay as tombstones.

    Args:
        catalog: where their rows are.
        store: where their bytes are.
        ids: as `find_pictures` gives them.
        thresholds: by which what they leave behind is decided again.
        cache: folder of thumbnails and features.
        runs: folder of training runs.
        backups: files of the catalogue's backups.
        dry_run: only say what would go and what holds it.
    """
    with catalog.read() as connection:
        checksums = _checksums(connection, ids)
        held = _exports_with(connection, ids)
    cached = _files_naming(cache, checksums)
    files: list[str] = []
    if not dry_run:
        with catalog.write(exclusive=True) as connection:
            bury(connection, ids, thresholds)
        files = remove_forgotten_bytes(catalog, store)
        for one in cached:
            one.unlink(missing_ok=True)
    return Forgotten(
        ids=ids,
        sha256=checksums,
        files=files,
        cached=[str(one) for one in cached],
        exports=held,
        runs=sorted({str(runs / one.relative_to(runs).parts[0]) for one in _manifests_naming(runs, checksums)}),
        backups=[str(one) for one in backups if _holds(one, checksums)],
    )


def bury(connection: Connection, ids: Sequence[int], thresholds: Thresholds) -> None:
    """Make tombstones of pictures, and decide again about those that they were bound to."""
    for some in chunks(ids):
        values = {"status": Status.FORGOTTEN.value, "reason": None, "duplicate_of": None, "duplicate_kind": None}
        connection.execute(update(images).where(images.c.id.in_(some)).values(**values, distance=None))
    decide(connection, ids, thresholds)


def bury_checksums(file: Path, checksums: Sequence[str]) -> int:
    """Make tombstones in a catalogue's file of the pictures of some checksums; returns how many there were."""
    catalog = open_catalog(str(file), copy=False)
    try:
        with catalog.write(exclusive=True) as connection:
            ids: list[int] = []
            for some in chunks(sorted(checksums)):
                same = images.c.sha256.in_(some), images.c.status != Status.FORGOTTEN
                ids += connection.execute(select(images.c.id).where(*same)).scalars().all()
            bury(connection, ids, Thresholds())
            return len(ids)
    finally:
        catalog.close()


def remove_forgotten_bytes(catalog: Catalog, store: ImageStore) -> list[str]:
    """Delete the files of forgotten pictures, and of copies that came later; the rows name no file any more."""
    gone = or_(images.c.status == Status.FORGOTTEN, images.c.reason == Reason.FORGOTTEN_COPY)
    with catalog.write(exclusive=True) as connection:
        paths = set(connection.execute(select(images.c.path).where(gone, images.c.path.is_not(None))).scalars())
        for some in chunks(sorted(paths)):
            needed = select(images.c.path).where(images.c.path.in_(some), ~func.coalesce(gone, False))
            paths -= set(connection.execute(needed).scalars())
        # The file goes first: a row that names no file would hide one that stayed.
        for path in sorted(paths):
            store.delete(path)
        connection.execute(update(images).where(gone).values(path=None))
    return sorted(paths)


def _checksums(connection: Connection, ids: Sequence[int]) -> list[str]:
    found: set[str] = set()
    for some in chunks(ids):
        wanted = select(images.c.sha256).where(images.c.id.in_(some), images.c.sha256.is_not(None))
        found |= set(connection.execute(wanted).scalars())
    return sorted(found)


def _exports_with(connection: Connection, ids: Sequence[int]) -> list[str]:
    found: set[tuple[int, str]] = set()
    for some in chunks(ids):
        wanted = select(exports.c.id, exports.c.out).join_from(export_images, exports)
        held = wanted.where(export_images.c.image_id.in_(some), export_images.c.file.is_not(None)).distinct()
        found |= {(number, out) for number, out in connection.execute(held)}
    return [f"{out} (export {number})" for number, out in sorted(found)]


def _files_naming(folder: Path, checksums: Sequence[str]) -> list[Path]:
    """Files of the cache that are called after a picture, or list it; then also what belongs to the list."""
    found: set[Path] = set()
    for file in folder.rglob("*") if folder.is_dir() else ():
        if not file.is_file():
            continue
        if any(one in file.name for one in checksums):
            found.add(file)
        elif file.suffix == ".json" and _mentions(file, checksums):
            found |= {one for one in file.parent.glob(f"{file.stem}.*") if one.is_file()}
    return sorted(found)


def _manifests_naming(runs: Path, checksums: Sequence[str]) -> list[Path]:
    files = runs.glob("*/*.csv") if runs.is_dir() else ()
    return [file for file in files if not file.parent.is_symlink() and _mentions(file, checksums)]


def _mentions(file: Path, checksums: Sequence[str]) -> bool:
    text = file.read_text(encoding="utf-8", errors="replace")
    return any(one in text for one in checksums)


def _holds(backup: Path, checksums: Sequence[str]) -> bool:
    try:
        with closing(sqlite3.connect(f"file:{backup}?mode=ro", uri=True)) as connection:
            wanted = "SELECT 1 FROM images WHERE sha256 = ? AND status <> 'forgotten'"
            return any(connection.execute(wanted, (one,)).fetchone() for one in checksums)
    except sqlite3.DatabaseError:
        return False
