"""A mark in a folder that holds pictures which were forgotten since it was made."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

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
        write_json(
            {"why": "it holds pictures that were forgotten", "at": now(), "sha256": sorted(known | checksums)},
            folder / STALE,
        )


def stale_checksums(folder: Path) -> set[str]:
    """The forgotten pictures that a folder holds, by the sha256 of their original bytes; none where it has no mark."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        return set(json.loads((folder / STALE).read_text(encoding="utf-8"))["sha256"])
    return set()
