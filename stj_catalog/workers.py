"""Who holds a page: a random name for this process, and a sign on this machine that it lives.

The name says nothing of a host or a process: containers may share both. The sign is a file of that name with a lock on it, which
the system lets go when the process dies, however it dies. Whoever finds the file and can lock it knows that its process is
gone; whoever finds no file (another host, another container) knows nothing, and waits for the lease to run out.
"""

from __future__ import annotations

import atexit
import os
import tempfile
import time
from collections.abc import Hashable
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

# None on Windows: nobody leaves a sign there, and leases run out.
fcntl: Any = import_module("fcntl") if find_spec("fcntl") else None
_DAY_SECONDS = 86_400.0
_TRIES = 3
_mine: dict[int, str] = {}
_signs: dict[str, int] = {}
_holding: set[Hashable] = set()


def me() -> str:
    """The name of this process; a forked child has its own."""
    pid = os.getpid()
    if pid not in _mine:
        _mine.clear()
        _mine[pid] = uuid4().hex
        _show(_mine[pid])
    return _mine[pid]


def is_gone(worker: str) -> bool:
    """Whether the process of that name is known to be dead; False too where nothing is known of it."""
    if fcntl is None or worker == _mine.get(os.getpid()):
        return False
    try:
        sign = os.open(_sign(worker), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(sign, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(sign)
    return True


def holds(crawl: Hashable) -> None:
    """Note that this process took a page of a crawl: should it end without giving it back, its sign stays."""
    _holding.add(crawl)


def holds_nothing(crawl: Hashable) -> None:
    """Note that this process gave back all pages of a crawl."""
    _holding.discard(crawl)


def tidy() -> None:
    """Remove the signs of processes that died a day ago or more: by then their pages were taken over."""
    for file in _folder().glob("*.alive"):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > _DAY_SECONDS and is_gone(file.stem):
                file.unlink()


def _show(worker: str) -> None:
    """Leave the sign of this process; without one its leases run out, and nothing else."""
    if fcntl is None:
        return
    # Whoever ends takes the folder away if it is empty, perhaps at this very moment.
    for _ in range(_TRIES):
        with suppress(OSError):
            _folder().mkdir(mode=0o700, exist_ok=True)
            sign = os.open(_sign(worker), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(sign, fcntl.LOCK_EX)
            atexit.register(_leave, worker, os.getpid())
            _signs[worker] = sign
            return


def _leave(worker: str, pid: int) -> None:
    """Take the sign away at a process's own end, and the folder after the last one; a forked child leaves its parent's alone.

    Where pages could not be given back (a full disk, a hurried end) the sign stays, so that others may take them at once.
    """
    if os.getpid() == pid and not _holding:
        with suppress(OSError):
            _sign(worker).unlink(missing_ok=True)
            _folder().rmdir()


def _sign(worker: str) -> Path:
    return _folder() / f"{worker}.alive"


def _folder() -> Path:
    return Path(tempfile.gettempdir()) / f"stj-workers-{os.getuid() if fcntl else 0}"
