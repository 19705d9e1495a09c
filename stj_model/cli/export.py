"""`stj-model export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stj_core.cli import JsonOption, counted, emit, emit_json
from stj_core.errors import UsageError
from stj_core.locations import Location
from stj_model.cli.options import RunArgument, RunsOption, runs_of


def export(
    run: RunArgument = None,
    *,
    format_: Annotated[
        list[str] | None,
        typer.Option(
            "--format", help="saved_model, onnx, openvino or litert; may be given several times [saved_model]."
        ),
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Folder to write to; exports/ in the run if not given.")] = None,
    dataset: Annotated[
        Location | None,
        typer.Option(
            parser=Location.of, help="Dataset folder or address, to check on; the one it was trained on if not given."
        ),
    ] = None,
    runs: RunsOption = None,
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
    from stj_model.places import dataset_of, find_run

    settings, talk = read_config(), Talk()
    place = runs_of(runs, settings)
    if to is None and ((run and run.address) or place.address):
        raise UsageError(
            "An export of a run at an address needs a folder of this machine to write to: give --to FOLDER."
        )
    opened = find_run(run, place, settings.cache, talk)
    checked_on = dataset_of(opened, dataset, settings.cache, talk)
    done = export_run(opened, format_ or ["saved_model"], to=to, dataset=checked_on, talk=talk)
    if json_:
        emit_json([one.as_json() for one in done])
        return
    for one in done:
        emit(
            f"{one.format}: {one.folder} (largest difference to Keras on {counted(one.pictures, 'picture')}: "
            f"{one.probabilities:.1e} of a probability)"
        )
    emit(f"Ask it: python {done[0].folder / SCRIPT} picture.jpg")
