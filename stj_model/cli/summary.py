"""`stj-model summary`."""

from __future__ import annotations

from typing import Annotated

import typer

from stj_core.cli import JsonOption, emit, emit_json
from stj_model.cli.options import RunArgument, RunsOption, runs_of


def summary(
    run: RunArgument = None,
    *,
    base: Annotated[bool, typer.Option("--base", help="Name each layer of the base network too.")] = False,
    runs: RunsOption = None,
    json_: JsonOption = False,
) -> None:
    """Show the layers of a run's network with their output shapes and parameters."""
    from stj_core.config import read_config
    from stj_core.console import Talk
    from stj_model.layers import as_lines, list_layers
    from stj_model.places import find_run

    settings = read_config()
    rows = list_layers(find_run(run, runs_of(runs, settings), settings.cache, Talk()))
    if json_:
        emit_json([row.as_json() for row in rows])
        return
    for line in as_lines(rows, base=base):
        emit(line)
