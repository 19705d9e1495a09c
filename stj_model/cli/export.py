"""`stj-model export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stj_core.cli import JsonOption, counted, emit, emit_json


def export(
    run: Annotated[
        Path | None, typer.Argument(help="Run folder, or its name; the newest if not given.", show_default=False)
    ] = None,
    *,
    format_: Annotated[
        list[str] | None,
        typer.Option(
            "--format", help="saved_model, onnx, openvino or litert; may be given several times [saved_model]."
        ),
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Folder to write to; exports/ in the run if not given.")] = None,
    dataset: Annotated[
        Path | None, typer.Option(help="Dataset folder, to check on; the one it was trained on if not given.")
    ] = None,
    runs: Annotated[Path | None, typer.Option(help="Folder of runs [STJ_RUNS, runs].")] = None,
    json_: JsonOption = False,
) -> None:
    """Write a run's network for other programs, checked against Keras on 50 pictures.

    Each format gets a folder with the network (RGB pixels, 0 to 255, to calibrated probabilities and the distance to all that
    it has learned), model.json, and predict.py, which decodes a file, squashes it to the network's size and asks it, without
    STJ.
    """
    from stj_core.config import read_config
    from stj_core.console import Talk
    from stj_model.exporting import SCRIPT, export_run
    from stj_model.run_dir import open_run

    folder = read_config(runs=runs).runs
    done = export_run(open_run(run, folder), format_ or ["saved_model"], to=to, dataset=dataset, talk=Talk())
    if json_:
        emit_json([one.as_json() for one in done])
        return
    for one in done:
        emit(
            f"{one.format}: {one.folder} (largest difference to Keras on {counted(one.pictures, 'picture')}: "
            f"{one.probabilities:.1e} of a probability)"
        )
    emit(f"Ask it: python {done[0].folder / SCRIPT} picture.jpg")
