"""What the tests have workers do; a module, so that workers can import it."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def squared(number: int) -> int:
    return number * number


def killed_once(number: int, folder: str) -> int:
    """Kill its worker the first time that anybody is asked for 7."""
    mark = Path(folder) / "killed"
    if number == 7 and not mark.exists():
        mark.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def never(number: int) -> int:
    if number == 3:
        raise ValueError("three is  too\nmuch")
    return number * number


def kills(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number
