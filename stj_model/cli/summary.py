"""`stj-model summary`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stj_core.cli import JsonOption, emit, emit_json


def summary(
    run: Annotated[
        Path | None, typer.Argument(help="Run folder, or its name; the newest if not given.", show_default=False)
    ] = None,
    *,
    base: Annotated[bool, typer.Option("--base", help="Name each layer of the base network too.")] = False,
    runs: Annotated[Path | None, typer.Option(help="Folder of runs [STJ_RUNS, runs].")] = None,
    json_: JsonOption = False,
) -> None:
    """Show the layers of a run's network with their output shapes and parameters."""
    from stj_core.config import read_config
    from stj_model.layers import as_lines, list_layers
    from stj_model.run_dir import open_run

    rows = list_layers(open_run(run, read_config(runs=runs).runs))
    if json_:
        emit_json([row.as_json() for row in rows])
        return
    for line in as_lines(rows, base=base):
        emit(line)
