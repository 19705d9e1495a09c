"""Files of a run that are damaged or made by another hand: whatever a parser raises becomes one typed sentence."""

from __future__ import annotations

import csv
import hashlib
import json
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stj_core.errors import ModelError

PARSER_ERRORS = (
    OSError,
    EOFError,
    ValueError,  # UnicodeDecodeError and JSONDecodeError too
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ArithmeticError,
    ImportError,
    NotImplementedError,
    RecursionError,  # JSON that is nested ten thousand deep
    RuntimeError,
    MemoryError,  # an array whose header promises terabytes
    csv.Error,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What the readers of JSON, CSV, NPZ, HDF5 and Keras files raise on damaged or hostile bytes."""

_MIB = 1 << 20
LARGEST = {".json": 64 * _MIB, ".csv": 1024 * _MIB}
"""No training writes more into a file of this ending: a run of a million pictures stays below."""
LARGEST_OTHER = 8192 * _MIB


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Read one of a run's files inside this; what its parser raises is a ModelError that names the file.

    A pipe, which would be waited for without end, and a file larger than any training writes are not opened at all. Errors of
    STJ's own pass as they are.

    Raises:
        ModelError: the file cannot be read, or does not hold what a training writes.
    """
    try:
        check_regular(path)
        yield
    except PARSER_ERRORS as error:
        raise ModelError(f"The run's {path} cannot be read ({reason(error)}): train again.") from error


def reason(error: BaseException) -> str:
    """Why something could not be read, in a few words: the first line of what was raised, or its kind."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    first = (str(error).strip() or type(error).__name__).splitlines()[0][:200].rstrip(".")
    return first if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: {first}"


def check_regular(path: Path) -> None:
    """Make sure, before it is opened, that something is a file and of a size that a training writes.

    Raises:
        ValueError: it is a pipe, a folder or a device, or larger.
        OSError: there is no such file.
    """
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise ValueError("it is no regular file")
    if about.st_size > LARGEST.get(path.suffix, LARGEST_OTHER):
        raise ValueError(f"it has {about.st_size / _MIB:,.0f} MiB, more than any training writes")


def check_archive(path: Path) -> None:
    """Read a ZIP archive through once, so that a byte that changed anywhere in it is noticed: Keras does not look.

    Raises:
        ValueError: a member does not have its checksum.
        zipfile.BadZipFile: it is no archive.
    """
    check_regular(path)
    with zipfile.ZipFile(path) as archive:
        spoilt = archive.testzip()
    if spoilt is not None:
        raise ValueError(f"its part {spoilt} is damaged")


def archive_digest(path: Path) -> str:
    """What an archive's directory says of its members, names, sizes and checksums, as a sha256: told without reading them.

    Raises:
        ValueError: it is no regular file.
        zipfile.BadZipFile: it is no archive.
    """
    check_regular(path)
    with zipfile.ZipFile(path) as archive:
        about = [[one.filename, one.file_size, one.CRC] for one in archive.infolist()]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def check_stored(path: Path) -> None:
    """Check that an `.npz` is as `numpy.savez` writes it: a compressed one could unfold to any size.

    Raises:
        ValueError: a member is compressed.
        zipfile.BadZipFile: it is no archive.
    """
    with zipfile.ZipFile(path) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("it is compressed, which no training does")
