"""Fingerprints of many pictures at once, as a worker elsewhere is asked for them."""

from __future__ import annotations

from collections.abc import Sequence

from stj_core.errors import PictureError
from stj_images.fingerprint import Fingerprint, fingerprint


def fingerprints(pictures: Sequence[bytes]) -> list[Fingerprint | str]:
    """The fingerprint of each picture's bytes, or the word for why they are none. Pure."""
    return [_fingerprint(data) for data in pictures]


def _fingerprint(data: bytes) -> Fingerprint | str:
    try:
        return fingerprint(data)
    except PictureError as error:
        return str(error.reason)
