"""Wait for something that is away for a while: a database that restarts, an object store behind a line that is down."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from stj_core.errors import AwayError

T = TypeVar("T")

AWAY_SECONDS = 900.0
_LOOK_SECONDS = 1.0
_log = logging.getLogger(__name__)


def patiently(function: Callable[[], T], seconds: float, hurried: Callable[[], bool] = lambda: False) -> T:
    """Call a function again and again while what it needs is away; the wait and its end are said in a line each.

    Args:
        function: does all of it or nothing, so that it may be called again.
        seconds: so long at most.
        hurried: whether nobody wants to wait any longer, as after Ctrl-C.

    Raises:
        AwayError: it did not come back.
    """
    try:
        return function()
    except AwayError as error:
        first = error
    since = time.monotonic()
    if seconds > 0:
        _log.warning("%s Waiting for it, %.0f s at most.", first, seconds)
    while not hurried() and time.monotonic() - since < seconds:
        time.sleep(min(_LOOK_SECONDS, seconds))
        try:
            result = function()
        except AwayError:
            continue
        _log.warning("It is back after %.0f s: going on.", time.monotonic() - since)
        return result
    raise first
