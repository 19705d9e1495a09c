"""Write a folder aside, then swap it in: what is there is whole, or is what was there before."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil

from stj_core.errors import StjError


@contextlib.contextmanager
def aside(target: Path, what: str, error: type[StjError]) -> Iterator[Path]:
    """A new folder beside `target` to write into; whatever of it is still there afterwards is removed.

    Args:
        target: what the folder shall become.
        what: the thing that is written, such as "the dataset".
        error: raised where it cannot be written, or the disk is full.
    """
    folder = beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target)
        folder.mkdir()
        yield folder
    except OSError as cause:
        place = cause.filename or folder
        raise error(
            f"Cannot write {what} {target} ({place}: {cause.strerror or cause}): nothing was changed; "
            "free some space, or name another folder."
        ) from cause
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def swapped(folder: Path, target: Path) -> Iterator[None]:
    """Put `folder` in `target`'s place; if anything fails inside, what was there before comes back."""
    before = before_of(target)
    if target.exists():
        shutil.rmtree(before, ignore_errors=True)  # of a process that died after its swap
        target.rename(before)
    try:
        folder.rename(target)
        yield
    except BaseException:
        if before.exists():
            shutil.rmtree(target, ignore_errors=True)
            before.rename(target)
        else:
            shutil.rmtree(target, ignore_errors=True)
        raise
    shutil.rmtree(before, ignore_errors=True)


def beside(target: Path) -> Path:
    """What this process calls a folder that shall become `target`."""
    return target.with_name(f".{target.name}.part-{os.getpid()}")


def sweep(target: Path) -> None:
    """Remove what processes that died have left beside `target`."""
    pattern = re.compile(re.escape(f".{target.name}.part-") + r"(\d+)")
    for entry in target.parent.iterdir():
        found = pattern.fullmatch(entry.name)
        if found and (int(found[1]) == os.getpid() or not psutil.pid_exists(int(found[1]))):
            shutil.rmtree(entry, ignore_errors=True)


def before_of(target: Path) -> Path:
    """What `target` is called while another folder takes its place."""
    return target.with_name(f".{target.name}.before")
