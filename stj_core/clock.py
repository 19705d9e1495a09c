"""The one clock: moments as the catalogue, the runs and the reports write them."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """The present moment as the catalogue writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
