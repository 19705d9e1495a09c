"""Whether anything in the catalogue changed: what was counted or joined may be shown again as long as nothing did."""

from __future__ import annotations

import time
from collections.abc import Hashable
from pathlib import Path

from sqlalchemy import text

from stj_catalog.catalog import Catalog

_SETTLED_NS = 100_000_000
"""A file's time is so coarse that a write just after a look may not show: what changed so lately counts as changing."""


def data_version(catalog: Catalog) -> Hashable:
    """Equal to an earlier one only if no transaction was committed in between, by any process."""
    if catalog.is_sqlite:
        place = catalog.place
        # A catalogue in memory has no file to look at.
        return object() if place is None else _of_files(place)
    with catalog.read() as connection:
        return str(connection.execute(text("SELECT pg_current_snapshot()")).scalar_one())


def _of_files(place: Path) -> Hashable:
    found: list[tuple[int, int]] = []
    for file in (place, place.with_name(f"{place.name}-wal")):
        try:
            told = file.stat()
        except OSError:
            continue
        if time.time_ns() - told.st_mtime_ns < _SETTLED_NS:
            return object()
        found.append((told.st_mtime_ns, told.st_size))
    return tuple(found)
