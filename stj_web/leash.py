"""Run a command that ends with whoever started it: `python -m stj_web.leash LOCK COMMAND…`.

The starter holds the other end of standard input. When that closes (because the starter wants it, or was killed itself) the
command gets Ctrl-C, later a request to end, and at last is killed. The lock is held while the command runs, so that a starter
that comes back never has two at once.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

PATIENCE_SECONDS = float(os.environ.get("STJ_WEB_PATIENCE", "30"))
"""So long a command has after Ctrl-C to write what it knows; a third of it after the request to end."""


def main(lock: str, command: list[str]) -> int:
    """Run the command under the lock; returns its exit code, 128 and the signal's number if a signal ended it."""
    # Ctrl-C in the terminal is meant for the starter, which then lets go of the other end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Path(lock).open("w", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        # In a session of its own: a signal reaches it and whatever it starts, and nobody else.
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_default_signals)  # noqa: S603, PLW1509 - the studio's own list; this process has one thread yet
        threading.Thread(target=_watch, args=(child,), daemon=True).start()
        code = child.wait()
    return 128 - code if code < 0 else code


def _default_signals() -> None:
    """What is ignored here would be ignored by the command, too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _watch(child: subprocess.Popen[bytes]) -> None:
    """Wait until the other end of standard input closes, then end the command: politely first."""
    while os.read(0, 4_096):
        pass
    for number, seconds in ((signal.SIGINT, PATIENCE_SECONDS), (signal.SIGTERM, PATIENCE_SECONDS / 3)):
        _signal(child, number)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        return
    _signal(child, signal.SIGKILL)


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
