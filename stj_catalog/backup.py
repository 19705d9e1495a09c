"""Copies of the catalogue that can be put back: one file, whole, made while others work."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from stj_catalog.catalog import Catalog, sqlite_file
from stj_catalog.migrations import backup as copy_file
from stj_core.clock import compact_now
from stj_core.errors import CatalogError
from stj_core.files import atomic_path

BACKUPS = Path("backups")


def make_backup(catalog: Catalog, folder: Path = BACKUPS) -> Path:
    """Copy the catalogue into a folder, under its name and the moment; the copy is checked before it gets its name.

    Raises:
        CatalogError: it is no SQLite file, or the folder cannot be written.
    """
    file = sqlite_file(catalog.engine.url)
    if file is None:
        raise CatalogError(
            f"stj-dataset backup copies SQLite files, and the catalogue is {catalog.engine.url!r}: use pg_dump for it."
        )
    target = folder / f"{file.stem}-{compact_now()}.sqlite"
    try:
        with atomic_path(target) as part:
            copy_file(file, part)
            _check(part)
    except (OSError, sqlite3.Error) as error:
        raise CatalogError(
            f"Cannot write the backup {target}: {getattr(error, 'strerror', None) or error}. Name another folder."
        ) from error
    return target


def find_backups(catalog: Catalog, folder: Path = BACKUPS) -> Iterator[Path]:
    """The backups in a folder, and those that migrations left beside the catalogue."""
    yield from sorted(folder.glob("*.sqlite"))
    file = sqlite_file(catalog.engine.url)
    if file is not None:
        yield from sorted(file.parent.glob(f"{file.name}.before-*"))


def _check(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        # A copy that stays in WAL mode would need a second file beside it.
        connection.execute("PRAGMA journal_mode = DELETE")
        (word,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if word != "ok":
        raise sqlite3.DatabaseError(f"the copy is broken ({word})")
