"""The one way to write a file: whoever looks sees the old one or the new one, whole, also after the power fails.

The content goes into a file of a unique name in the same folder, is flushed to the disk, and is renamed into place; then the
folder is flushed too. Two writers of one file never mix: the last to finish wins. What a process that died has left behind is
told by its name (`is_unfinished`, `writer_is_gone`).
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import secrets
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from stj_core.errors import StjError

_PREFIX = ".part-"
_DAY_SECONDS = 86_400.0
_PIECE = 1 << 20
_BINARY = getattr(os, "O_BINARY", 0)
_WRITER = re.compile(r"\.part-(?P<pid>\d+)@(?P<host>.+)-[0-9a-f]{8}(?:\..*)?")


@contextlib.contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """A path beside `target`, with its ending, for what writes files by name; renamed to `target` if nothing failed.

    Raises:
        OSError: it cannot be written; `target` is as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{unfinished_name()}{target.suffix}")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        _put(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def atomic_writer(target: str | Path) -> Iterator[BinaryIO]:
    """A file to write into, which becomes `target` if nothing failed; its folder is made where there is none.

    Raises:
        OSError: it cannot be written; `target` is as it was.
    """
    # Plain strings here and in `_put`: a crawl writes thousands of files, and each step of a Path costs several times as much.
    part = f"{os.path.dirname(target) or '.'}/{unfinished_name()}"  # noqa: PTH120 - as said above
    file = _open_new(part)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _put(part, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)  # noqa: PTH108 - as said above
        raise


def read_quickly(path: str | Path) -> bytes:
    """A file's bytes, for those who read thousands: half the cost of `Path.read_bytes`, which buffers and asks more.

    Raises:
        OSError: it cannot be read.
    """
    file = os.open(path, os.O_RDONLY | _BINARY)
    try:
        size = os.fstat(file).st_size
        data = os.read(file, size + 1)
        while more := os.read(file, _PIECE) if len(data) != size else b"":
            data += more
        return data
    finally:
        os.close(file)


def write_new_quickly(path: str | Path, data: bytes) -> None:
    """Write a file that is not there yet, for those who write thousands into a folder that becomes what it is later.

    Raises:
        FileExistsError: it is there.
        OSError: it cannot be written.
    """
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(file, left) :]
    finally:
        os.close(file)


def write_bytes(target: str | Path, data: bytes) -> None:
    """Write a whole file, or none.

    Raises:
        OSError: it cannot be written; `target` is as it was.
    """
    with atomic_writer(target) as file:
        file.write(data)


def write_text(target: Path, text: str) -> None:
    """Write a whole UTF-8 file with plain line feeds, or none.

    Raises:
        OSError: it cannot be written; `target` is as it was.
    """
    write_bytes(target, text.encode())


def write_json(document: Any, target: Path) -> None:  # noqa: ANN401 - any JSON value
    """Write a JSON file, indented by two, or none.

    Raises:
        OSError: it cannot be written; `target` is as it was.
    """
    write_text(target, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[object]], target: Path) -> None:
    """Write a CSV file with a line of column names, or none.

    Raises:
        OSError: it cannot be written; `target` is as it was.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(target, text.getvalue())


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hex, read block by block.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def explained(error: type[StjError], what: str, remedy: str) -> Iterator[None]:
    """Say in one sentence what could not be written, and what to do, where the system only has a number for it.

    Args:
        error: the kind of error that is raised in place of an OSError.
        what: the thing that was to be written, such as "the page out.html".
        remedy: the sentence that says what to do.
    """
    try:
        yield
    except OSError as cause:
        raise error(f"Cannot write {what}: {cause.strerror or cause}. {remedy}") from cause


def unfinished_name() -> str:
    """A new name for a file that is being written: it says which process of which host writes."""
    return f"{_PREFIX}{os.getpid()}@{socket.gethostname()}-{secrets.token_hex(4)}"


def is_unfinished(name: str) -> bool:
    """Whether a file of this name is, or was, being written."""
    return name.startswith(_PREFIX)


def writer_lives(name: str) -> bool:
    """Whether the process that is writing a file of this name runs on this host."""
    writer = _WRITER.fullmatch(name)
    return writer is not None and writer["host"] == socket.gethostname() and psutil.pid_exists(int(writer["pid"]))


def writer_is_gone(name: str) -> bool:
    """Whether the process that was writing a file of this name has died; only told of processes of this host."""
    writer = _WRITER.fullmatch(name)
    return writer is not None and writer["host"] == socket.gethostname() and not psutil.pid_exists(int(writer["pid"]))


def sweep_unfinished(folder: Path, pattern: str = "*") -> None:
    """Remove what processes that died left half-written in a folder: of this host at once, of another one after a day.

    Args:
        folder: where to look, not below it.
        pattern: how the names end that are meant, such as `*.sqlite*`.
    """
    for file in folder.glob(f"{_PREFIX}{pattern}"):
        with contextlib.suppress(OSError):
            old = time.time() - file.stat().st_mtime > _DAY_SECONDS
            if writer_is_gone(file.name) or (old and not writer_lives(file.name)):
                file.unlink(missing_ok=True)


def _open_new(path: str) -> BinaryIO:
    """A new file; its folder is made where there is none yet, which is seldom."""
    try:
        return open(path, "xb")  # noqa: PTH123 - strings, as `atomic_writer` says
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return Path(path).open("xb")


def _put(part: str | Path, target: str | Path) -> None:
    """Rename into place, and flush the folder: without that a crash may bring the old name back."""
    os.replace(part, target)  # noqa: PTH105 - the one call that says "replace" on every system
    folder = os.open(os.path.dirname(target) or ".", os.O_RDONLY)  # noqa: PTH120 - as `atomic_writer` says
    try:
        os.fsync(folder)
    except OSError:
        # Some network file systems cannot flush a folder; the file itself is safe.
        pass
    finally:
        os.close(folder)
