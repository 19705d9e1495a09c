"""What the tests have workers do; a module, so that workers can import it."""

from __future__ import annotations

import os
import signal
import time
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


def all_squared(numbers: list[int]) -> list[int]:
    return [number * number for number in numbers]


def squared_unless(numbers: list[int], folder: str) -> list[int]:
    """Kill its worker the first time that anybody is asked for 7, and fail on 3 always."""
    for number in numbers:
        if number == 3:
            raise ValueError("three is too much")
        killed_once(number, folder)
    return all_squared(numbers)


def told(shared: object, name: str) -> str:
    """What stands in a file that every worker has."""
    return (shared.folder() / name).read_text()  # type: ignore[attr-defined]  # a folder that is shared


def asleep(number: int) -> int:
    time.sleep(30)
    return number
