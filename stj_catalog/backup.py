"""Copies of the catalogue that can be put back: one file, whole, made while others work."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from stj_catalog.catalog import Catalog, sqlite_file
from stj_catalog.damage import QUICK_CHECK, damage_among
from stj_catalog.dumps import BACKUPS, KEPT, dump, dump_before
from stj_catalog.migrations import backup as copy_file
from stj_core.clock import compact_now
from stj_core.errors import CatalogError
from stj_core.files import atomic_path, is_unfinished, sweep_unfinished

_ITSELF = re.compile(r".*\.before-(?P<what>.+)-\d{8}T\d{12}")


def make_backup(catalog: Catalog, folder: Path = BACKUPS) -> Path:
    """Copy the catalogue into a folder, under its name and the moment; the copy is checked before it gets its name.

    One in PostgreSQL is dumped (`dumps.dump`).

    Raises:
        CatalogError: it is damaged, cannot be dumped, or the folder cannot be written.
    """
    file = sqlite_file(catalog.engine.url)
    if file is None:
        return dump(catalog.engine.url, folder / f"{catalog.engine.url.database}-{compact_now()}.dump")
    return _copy(catalog, file, folder / f"{file.stem}-{compact_now()}.sqlite")


def backup_before(catalog: Catalog, what: str) -> Path | None:
    """Copy the catalogue beside itself before something that changes much of it; the oldest of these copies go.

    Args:
        catalog: of which a copy is made; one in PostgreSQL is dumped into the folder of backups, and None comes back, and why
            is said, where that is not possible.
        what: the thing that is about to be done, a word for the copy's name.

    Raises:
        CatalogError: it is damaged, or there is no room for a copy.
    """
    file = sqlite_file(catalog.engine.url)
    if file is None:
        return dump_before(catalog.engine.url, what)
    made = _copy(catalog, file, file.with_name(f"{file.name}.before-{what}-{compact_now()}"))
    rotate(file, what)
    return made


def rotate(file: Path, what: str) -> None:
    """Remove the oldest of the copies of one kind that were made beside a catalogue without being asked for."""
    kind = re.compile(rf"{re.escape(file.name)}\.before-{re.escape(what)}-\d{{8}}T\d{{12}}")
    made = sorted(one for one in file.parent.glob(f"{file.name}.before-*") if kind.fullmatch(one.name))
    for old in made[:-KEPT]:
        old.unlink(missing_ok=True)


def find_backups(catalog: Catalog | Path | None, folder: Path = BACKUPS) -> Iterator[Path]:
    """The backups in a folder, and those that were made beside the catalogue without being asked for."""
    # One that is being written, or was when its process died, is no backup yet.
    yield from sorted(one for one in folder.glob("*.sqlite") if not is_unfinished(one.name))
    file = sqlite_file(catalog.engine.url) if isinstance(catalog, Catalog) else catalog
    if file is not None:
        yield from sorted(one for one in file.parent.glob(f"{file.name}.before-*") if _ITSELF.fullmatch(one.name))


def _copy(catalog: Catalog, file: Path, target: Path) -> Path:
    for pattern in ("*.sqlite*", "*.before-*"):
        sweep_unfinished(target.parent, pattern)
    try:
        with atomic_path(target) as part:
            copy_file(file, part)
            _check(part)
    except (OSError, sqlite3.Error) as error:
        catalog.check()
        raise CatalogError(
            f"Cannot write the backup {target}: {getattr(error, 'strerror', None) or error}. Name another folder."
        ) from error
    return target


def _check(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        # A copy that stays in WAL mode would need a second file beside it.
        connection.execute("PRAGMA journal_mode = DELETE")
        found = damage_among(str(word) for (word,) in connection.execute(QUICK_CHECK))
    if found is not None:
        raise sqlite3.DatabaseError(f"the copy is broken ({found})")
