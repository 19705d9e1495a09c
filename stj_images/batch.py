"""What workers are asked of many pictures at once: pure functions of their bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from stj_core.errors import PictureError
from stj_core.vocabulary import Reason
from stj_images.decode import MAX_BYTES
from stj_images.fingerprint import Fingerprint, fingerprint
from stj_images.jpeg import as_jpeg
from stj_images.quality import Oddity, find_oddities

T = TypeVar("T")


def fingerprints(pictures: Sequence[bytes]) -> list[Fingerprint | str]:
    """The fingerprint of each picture's bytes, or the word for why they are none. Pure."""
    return [_fingerprint(data) for data in pictures]


def fingerprints_at(paths: Sequence[str]) -> list[Fingerprint | str]:
    """As `fingerprints`, of files that are read where this is called."""
    return [_fingerprint_at(path) for path in paths]


def prints_of(pictures: Sequence[bytes]) -> list[Fingerprint | str]:
    """The fingerprint of each picture's bytes, or a sentence that says why they are none. Pure."""
    return [_or_why(fingerprint, data) for data in pictures]


def jpegs_of(pictures: Sequence[bytes]) -> list[bytes | str]:
    """Each picture as `as_jpeg` makes it, or a sentence that says why it is none. Pure."""
    return [_or_why(as_jpeg, data) for data in pictures]


def oddities_of(pictures: Sequence[bytes]) -> list[list[Oddity]]:
    """Every reason to look at each picture. Pure."""
    return [find_oddities(data) for data in pictures]


def _fingerprint(data: bytes) -> Fingerprint | str:
    try:
        return fingerprint(data)
    except PictureError as error:
        return str(error.reason)


def _fingerprint_at(path: str) -> Fingerprint | str:
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError:
        return str(Reason.UNREADABLE)
    return _fingerprint(data)


def _or_why(make: Callable[[bytes], T], data: bytes) -> T | str:
    try:
        return make(data)
    except PictureError as error:
        return str(error)
