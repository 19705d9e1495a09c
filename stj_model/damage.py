"""Files of a run that are damaged or made by another hand: whatever a parser raises becomes one typed sentence."""

from __future__ import annotations

import csv
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


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Read one of a run's files inside this; what its parser raises is a ModelError that names the file.

    Errors of STJ's own pass as they are.

    Raises:
        ModelError: the file cannot be read, or does not hold what a training writes.
    """
    try:
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


def check_stored(path: Path) -> None:
    """Check that an `.npz` is as `numpy.savez` writes it: a compressed one could unfold to any size.

    Raises:
        ValueError: a member is compressed.
        zipfile.BadZipFile: it is no archive.
    """
    with zipfile.ZipFile(path) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("it is compressed, which no training does")
