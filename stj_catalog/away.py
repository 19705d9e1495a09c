"""A database that is away for a while, and writers that got into each other's way: how both are told, and what is tried again.

Every function that changes the catalogue is one transaction, so that one which failed left nothing behind. What another writer
undid (a deadlock, a serialisation failure) is tried again at once, by `again`; a database that is away is for the caller to
wait for (`stj_core.patience`).
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError

from stj_core.errors import ConflictError

P = ParamSpec("P")
T = TypeVar("T")

TRIES = 10
_SQLITE_AWAY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN})
# Class 08 is the connection; the others: shut down, crashed, starting up, no connection free.
_POSTGRES_AWAY = frozenset({"57P01", "57P02", "57P03", "53300"})
_CONFLICTS = frozenset({"40001", "40P01"})


def is_away(error: DBAPIError) -> bool:
    """Whether a database's error says that it cannot be reached now: refused, restarted, cut off or locked."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        # The last eight bits are the kind of error, what stands before them its shade.
        return code & 0xFF in _SQLITE_AWAY
    state = _state(error)
    if state is None:
        # The driver's own errors have no state: it found nobody, or the line broke.
        return type(error.orig).__name__ in {"OperationalError", "ConnectionTimeout"}
    return state.startswith("08") or state in _POSTGRES_AWAY


def is_conflict(error: DBAPIError) -> bool:
    """Whether a transaction was undone in favour of another one."""
    return _state(error) in _CONFLICTS


def again(function: Callable[P, T]) -> Callable[P, T]:
    """Have a function that is one transaction called again, a few times, when another writer was in its way."""

    @wraps(function)
    def patient(*args: P.args, **kwargs: P.kwargs) -> T:
        for tried in range(1, TRIES):
            try:
                return function(*args, **kwargs)
            except ConflictError:
                # At random, so that two who undid each other do not meet again.
                time.sleep(random.uniform(0.0, 0.004 * 2**tried))
        return function(*args, **kwargs)

    return patient


def _state(error: DBAPIError) -> str | None:
    """PostgreSQL's five characters for an error."""
    state = getattr(error.orig, "sqlstate", None)
    return str(state) if state else None
