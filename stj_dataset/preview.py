"""One page to look at."""

from __future__ import annotations

from pathlib import Path

from stj_dataset.balance import Balance
from stj_dataset.leaks import LeakReport
from stj_dataset.settings import ExportSettings


def write_preview(
    root: Path, settings: ExportSettings, balance: Balance, proof: LeakReport, nearest: tuple[str, str] | None
) -> None:
    """Write the page."""
