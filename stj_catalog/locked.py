"""Wait for an SQLite file that another program holds, and say so: nobody looks at a silent terminal for half a minute."""

from __future__ import annotations

import logging
import sqlite3
import time

BUSY_SECONDS = 30
"""So long a command waits for a locked catalogue before it gives up."""
SILENT_SECONDS = 2
"""So long it waits without a word."""
_log = logging.getLogger(__name__)


def execute_patiently(connection: sqlite3.Connection, statement: str) -> None:
    """Execute a statement that takes a lock; a wait of more than `SILENT_SECONDS` is told once, on standard error.

    Args:
        connection: its time-out is `BUSY_SECONDS` afterwards, whatever it was before.
        statement: does all of it or nothing, so that it may be given twice.

    Raises:
        sqlite3.OperationalError: the file stayed locked for `BUSY_SECONDS`, or something else is wrong.
    """
    since = time.monotonic()
    _set_patience(connection, SILENT_SECONDS)
    try:
        connection.execute(statement)
    except sqlite3.OperationalError as error:
        # What SQLite refuses at once would be refused again: waiting could end in a deadlock.
        if not is_locked(error) or time.monotonic() - since < SILENT_SECONDS / 2:
            raise
        rest = BUSY_SECONDS - SILENT_SECONDS
        say_locked(_file_of(connection), rest)
        _set_patience(connection, rest)
        connection.execute(statement)
    finally:
        _set_patience(connection, BUSY_SECONDS)


def say_locked(file: str, seconds: float) -> None:
    """Say that a file is held by another program, and how long it will be waited for."""
    _log.warning("The catalogue %s is locked by another program: waiting for it, %.0f s at most.", file, seconds)


def is_locked(error: sqlite3.Error) -> bool:
    """Whether SQLite says that another program holds the file."""
    return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF == sqlite3.SQLITE_BUSY


def _set_patience(connection: sqlite3.Connection, seconds: float) -> None:
    connection.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")


def _file_of(connection: sqlite3.Connection) -> str:
    """The name of a connection's file; asking for it needs no lock."""
    return next((str(file) for _, name, file in connection.execute("PRAGMA database_list") if name == "main"), "")
