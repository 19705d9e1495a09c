"""The one clock: moments as the catalogue, the runs and the reports write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def now() -> str:
    """The present moment as the catalogue writes it."""
    return stamp(datetime.now(UTC))


def moment_from_now(seconds: float) -> str:
    """The moment that is so many seconds ahead, or ago where they are negative."""
    return stamp(datetime.now(UTC) + timedelta(seconds=seconds))


def seconds_since(moment: datetime) -> float:
    """How many seconds ago a moment with a time zone was; negative where it lies ahead."""
    return (datetime.now(UTC) - moment).total_seconds()


def stamp(moment: datetime) -> str:
    """A moment in UTC as the catalogue writes it: `2026-05-01T10:00:00.123Z`."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def compact_now() -> str:
    """The present moment for a file's name: `20260501T100000123456`."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
