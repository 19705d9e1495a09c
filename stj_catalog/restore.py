"""Put a backup of the catalogue back in its place."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from stj_catalog.damage import quick_check
from stj_catalog.migrations import REVISIONS
from stj_catalog.migrations import backup as copy_file
from stj_core.clock import compact_now
from stj_core.errors import CatalogError, UsageError
from stj_core.files import atomic_path, sweep_unfinished
from stj_core.vocabulary import Status

_BUSY_SECONDS = 5


@dataclass(frozen=True)
class Backup:
    """A backup as a list shows it.

    Attributes:
        path: the file.
        made_at: when it was written, as the file system says, in seconds.
        bytes: its size.
        pictures: rows of it, or None where it cannot be read.
    """

    path: str
    made_at: float
    bytes: int
    pictures: int | None


def describe(files: Iterable[Path]) -> list[Backup]:
    """Backups, the newest first."""
    found: list[Backup] = []
    for file in files:
        place = file.stat()
        found.append(Backup(str(file), place.st_mtime, place.st_size, _count(file)))
    return sorted(found, key=lambda one: -one.made_at)


def restore(file: Path, backup: Path) -> tuple[Path | None, int]:
    """Put a backup in the place of a catalogue, which is kept under another name; both are whole at every moment.

    Pictures that were forgotten since the backup was made stay forgotten, where the present catalogue can still be read.

    Args:
        file: the catalogue's SQLite file, which may be damaged or gone.
        backup: what is put in its place.

    Returns:
        where the file that was there is kept now, and how many pictures of the backup had to be forgotten again; -1 where
        the present catalogue could not be read.

    Raises:
        UsageError: the backup is not there, or is none.
        CatalogError: somebody uses the catalogue, or there is no room for a copy.
    """
    if not backup.is_file() or _count(backup) is None:
        raise UsageError(f"{backup} is no backup of a catalogue: stj-dataset restore lists those that there are.")
    if wrong := quick_check(backup):
        raise UsageError(f"The backup {backup} is damaged itself ({wrong}): take another one.")
    if (made_by := _revision(backup)) not in REVISIONS:
        raise UsageError(
            f"The backup {backup} has schema {made_by}, newer than this STJ's: upgrade STJ (pip install -U stj)."
        )
    if file.exists() and not file.is_file():
        raise UsageError(f"{file} is no file, so no backup takes its place: set STJ_CATALOG to an SQLite file.")
    _check_unused(file)
    kept = file.with_name(f"{file.name}.before-restore-{compact_now()}") if file.exists() else None
    sweep_unfinished(file.parent, "*.sqlite*")
    try:
        with atomic_path(file) as part:
            copy_file(backup, part)
            with closing(sqlite3.connect(part)) as connection:
                connection.execute("PRAGMA journal_mode = DELETE")
            again = _forget_again(file, part)
            if kept is not None:
                _keep(file, kept)
    except OSError as error:
        raise CatalogError(f"Cannot restore {file}: {error.strerror or error}. Nothing was changed.") from error
    return kept, again


def _revision(file: Path) -> str:
    """The revision of a backup's schema."""
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def _count(file: Path) -> int | None:
    """How many pictures a backup has rows for, or None where it is no catalogue."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            if connection.execute("SELECT version_num FROM alembic_version").fetchone() is None:
                return None
            return int(connection.execute("SELECT COUNT(*) FROM images").fetchone()[0])
    except sqlite3.Error:
        return None


def _check_unused(file: Path) -> None:
    """Refuse while another process has the catalogue open: what it wrote afterwards would be lost."""
    if not file.exists() or file.stat().st_size == 0:
        return
    try:
        with closing(sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise CatalogError(
                f"The catalogue {file} is in use: stop the crawls, imports and the studio that have it open, then restore."
            ) from error
    except sqlite3.DatabaseError:
        return  # it is damaged: that is why it is replaced


def _keep(file: Path, kept: Path) -> None:
    """Give a catalogue a second name, and take its write-ahead log out of the way of the one that comes."""
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    try:
        os.link(file, kept)
    except OSError:
        shutil.copy2(file, kept)  # some file systems know no second names
    log = file.with_name(f"{file.name}-wal")
    if log.exists():  # the log of a damaged file could not be taken in
        log.rename(kept.with_name(f"{kept.name}-wal"))
    file.with_name(f"{file.name}-shm").unlink(missing_ok=True)


def _forget_again(present: Path, restored: Path) -> int:
    """Make tombstones in the restored catalogue of what the present one says was forgotten; returns how many."""
    if not present.exists() or present.stat().st_size == 0:
        return 0
    try:
        with closing(sqlite3.connect(f"{present.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            wanted = "SELECT DISTINCT sha256 FROM images WHERE status = ? AND sha256 IS NOT NULL"
            checksums = [row[0] for row in connection.execute(wanted, (Status.FORGOTTEN.value,))]
    except sqlite3.DatabaseError:
        return -1
    if not checksums:
        return 0
    from stj_catalog.forget import bury_checksums

    return bury_checksums(restored, checksums)
