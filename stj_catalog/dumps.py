"""Backups of a catalogue in PostgreSQL: made by its own pg_dump, put back by pg_restore."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from sqlalchemy.engine import URL

from stj_core.clock import compact_now
from stj_core.errors import CatalogError
from stj_core.files import atomic_path

BACKUPS = Path("backups")
KEPT = 3
"""So many backups of each kind that are made without being asked for are kept."""
_SECONDS = 3600


def dump(url: URL, target: Path) -> Path:
    """Write a database into one file that pg_restore reads; the file has its name only when it is whole.

    Raises:
        CatalogError: there is no pg_dump here, it failed, or the file cannot be written.
    """
    program = shutil.which("pg_dump")
    if program is None:
        raise CatalogError(
            f"Cannot back up {url!r}: there is no pg_dump on this machine. Install PostgreSQL's client programs, or dump it "
            "where the database runs."
        )
    # The password goes by the environment: what stands in a command line is seen by everybody on the machine.
    given = {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}
    plain = url.set(drivername="postgresql", password=None) if url.password else url.set(drivername="postgresql")
    try:
        with atomic_path(target) as part:
            command = [program, "--format=custom", f"--file={part}", f"--dbname={plain.render_as_string()}"]
            made = subprocess.run(  # noqa: S603 - PostgreSQL's own program
                command, env=given, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
            if made.returncode:
                raise CatalogError(f"Cannot back up {url!r}: {_why(made.stderr)}.")
    except (OSError, subprocess.SubprocessError) as error:
        raise CatalogError(
            f"Cannot write the backup {target}: {getattr(error, 'strerror', None) or error}. Name another folder."
        ) from error
    return target


def dump_before(url: URL, what: str, folder: Path = BACKUPS) -> Path | None:
    """Dump a database before something that changes much of it; the oldest of these dumps go.

    Where that is not possible it is said on stderr that none was made, and why; the work goes on, since servers have their own.
    """
    stem = f"{url.database}.before-{what}-"
    try:
        made = dump(url, folder / f"{stem}{compact_now()}.dump")
    except CatalogError as error:
        from stj_core.cli import say  # the command line's machinery, for the one sentence

        say(f"No backup was made before the {what}. {error}")
        return None
    for old in sorted(folder.glob(f"{stem}*.dump"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return made


def how_to_restore(file: Path) -> str:
    """The command that puts a dump back."""
    return f"pg_restore --clean --if-exists --dbname=DATABASE {file}"


def _why(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[0].removeprefix("pg_dump: error: ").rstrip(".") if lines else "pg_dump failed"
