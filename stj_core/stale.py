"""A mark in a folder that holds pictures which were forgotten since it was made."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from stj_core.clock import now
from stj_core.files import write_json

STALE = "stale.json"


def mark_stale(folder: Path, checksums: set[str]) -> None:
    """Write the mark, or add to it.

    Raises:
        OSError: it cannot be written.
    """
    known = stale_checksums(folder)
    if not checksums <= known:
        write_json(_document(known | checksums), folder / STALE)


def stale_document(before: bytes, checksums: set[str]) -> dict[str, Any]:
    """The mark with more pictures on it.

    Args:
        before: the mark that is there, or nothing.
        checksums: the sha256 of the original bytes of pictures.
    """
    return _document(_checksums(before) | checksums)


def stale_checksums(folder: Path) -> set[str]:
    """The forgotten pictures that a folder holds, by the sha256 of their original bytes; none where it has no mark."""
    with contextlib.suppress(OSError):
        return _checksums((folder / STALE).read_bytes())
    return set()


def _document(checksums: set[str]) -> dict[str, Any]:
    return {"why": "it holds pictures that were forgotten", "at": now(), "sha256": sorted(checksums)}


def _checksums(mark: bytes) -> set[str]:
    with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
        return set(json.loads(mark)["sha256"])
    return set()
