"""`stj-model runs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from stj_core.cli import JsonOption, emit_json, say
from stj_model.cli.options import RunsOption, runs_of

if TYPE_CHECKING:
    from stj_model.runs import RunEntry

HEAD = ("Run", "Recipe", "Weights", "Dataset", "Test", "Shops held out", "Out of fold", "Seconds")
SPLITS = ("test", "leave_sources_out", "out_of_fold")
SOURCE = 40
"""Letters of where the weights are from: --json has all of them."""
WIDE = 200
"""Columns for a file or a pipe, where no terminal's width decides."""
ROOM = 140
"""Columns from which a terminal has room for where the weights and the pictures are from."""


def runs(
    *,
    runs: RunsOption = None,
    json_: JsonOption = False,
) -> None:
    """List the runs, the newest first: how they were trained, and how they did."""
    from stj_core.config import read_config
    from stj_model.places import list_runs_at
    from stj_model.runs import list_runs

    place = runs_of(runs, read_config())
    lines = list_runs(place.path) if place.address is None else list_runs_at(place.address)
    if json_:
        emit_json([line.as_json() for line in lines])
    elif lines:
        _print(lines)
    else:
        say(f"There is no run in {place} yet: stj-model train makes one.")


def _print(lines: Sequence[RunEntry]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDE)
    table = Table(header_style="bold")
    shown = [name for name in HEAD if console.width >= ROOM or name not in {"Weights", "Dataset"}]
    for name in shown:
        left = HEAD.index(name) < 4
        # A name is there to be copied: it stays in one piece.
        table.add_column(name, justify="left" if left else "right", overflow="fold", no_wrap=name == "Run")
    for line in lines:
        if line.status == "finished":
            seconds = f"{line.cost['seconds']:,.0f}" if "seconds" in line.cost else ""
            figures = (_figure(line.figure(split)) for split in SPLITS)
            weights = shorten(line.source, SOURCE, placeholder=" …")
            cells = (line.name, line.recipe, weights, line.digest[:12], *figures, seconds)
            table.add_row(*(cell for name, cell in zip(HEAD, cells, strict=True) if name in shown))
        else:
            table.add_row(line.name, line.status)
    console.print(table, markup=False)
    for line in lines:
        if line.reason:
            console.print(f"{line.name}: {line.status}: {line.reason}", markup=False, soft_wrap=True)


def _figure(part: Mapping[str, Any] | None) -> str:
    if part is None:
        return ""
    low, high = part["interval"]
    return f"{part['accuracy']:.3f} [{low:.3f}, {high:.3f}] n={part['n']}"
