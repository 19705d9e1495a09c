"""Tell a damaged SQLite file from everything else that may go wrong with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

REMEDY = "Restore a backup of it (stj-dataset restore lists them)."
_REMEDIES = {
    sqlite3.SQLITE_READONLY: ": it and its folder must be writable, also to be read. Change their rights, or copy it elsewhere.",
    sqlite3.SQLITE_BUSY: ": another program has held it for long. Try again when that has ended.",
    sqlite3.SQLITE_LOCKED: ": another program has it in use. Try again when that has ended.",
    sqlite3.SQLITE_FULL: ". Free some space on its disk.",
    sqlite3.SQLITE_IOERR: ": its disk did not read or write as it was asked. See whether the disk is full, read-only, or gone "
    "(df, dmesg); then give the command again. Where that does not help, restore a backup (stj-dataset restore lists them).",
    sqlite3.SQLITE_CANTOPEN: ": it and its folder must be there and be yours to read and write. Look at their rights.",
    sqlite3.SQLITE_PERM: ": it and its folder must be yours to read and write. Look at their rights.",
    sqlite3.SQLITE_PROTOCOL: ": programs got in each other's way while they locked it. Give the command again.",
    sqlite3.SQLITE_NOLFS: ": its disk holds no file so large. Move it to another one.",
}
QUICK_CHECK = "PRAGMA quick_check"
_RULES = ("CHECK constraint failed in ", "NULL value in ")
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_MISMATCH})


def is_damage(error: BaseException) -> bool:
    """Whether SQLite itself says that its file is damaged, or is none of its own."""
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlite_errorcode", None)
    # The last eight bits are the kind of error, what stands before them its shade.
    return (code is not None and code & 0xFF in _DAMAGED) or "not decode to UTF-8" in str(cause)


def remedy_for(error: BaseException) -> str:
    """What to do about an error of SQLite's, as the end of a sentence that says what went wrong."""
    if is_damage(error):
        return f". {REMEDY}"
    code = getattr(getattr(error, "orig", None) or error, "sqlite_errorcode", 0) & 0xFF
    return _REMEDIES.get(code, ".")


def quick_check(file: Path) -> str | None:
    """What is wrong with an SQLite file, in a few words, or None where nothing is."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
            words = [str(word) for (word,) in connection.execute(QUICK_CHECK)]
    except sqlite3.OperationalError as error:
        return first_line(error) if is_damage(error) else None
    except sqlite3.DatabaseError as error:
        return first_line(error)
    return damage_among(words)


def damage_among(words: Iterable[str]) -> str | None:
    """The first damage that QUICK_CHECK's rows tell of, or None.

    A value that breaks a table's own rule, such as a status of another version, is no damage: the file can be read, and
    whoever shows the value says that it is unknown.
    """
    damage = (word for word in words if word != "ok" and not word.startswith(_RULES))
    return next((first_line(ValueError(word)) for word in damage), None)


def first_line(error: BaseException) -> str:
    """An error's first line, without a stop at its end."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return " ".join(lines[:2]).rstrip(".") if lines else type(error).__name__
