"""`stj-model evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stj_catalog.cli import JsonOption, emit, emit_json
from stj_catalog.errors import ModelError, UsageError


def evaluate(
    run: Annotated[
        Path | None, typer.Argument(help="Run folder, or its name; the newest if not given.", show_default=False)
    ] = None,
    *,
    split: Annotated[str, typer.Option(help="test or val.")] = "test",
    on: Annotated[Path | None, typer.Option(help="Judge on this folder of 0_…/ 1_…/ 2_…/ instead.")] = None,
    dataset: Annotated[
        Path | None, typer.Option(help="Dataset folder; the one it was trained on if not given.")
    ] = None,
    runs: Annotated[Path | None, typer.Option(help="Folder of runs [STJ_RUNS, runs].")] = None,
    json_: JsonOption = False,
) -> None:
    """Judge a run on pictures that it has not learned from."""
    from stj_catalog.config import read_config
    from stj_model.evaluation import judge_run, sentence
    from stj_model.progress import Talk
    from stj_model.results import keep
    from stj_model.run_dir import REPORT, open_run

    if split not in {"test", "val"}:
        raise UsageError(f"--split cannot be {split!r}: it is test or val.")
    talk = Talk()
    evaluation = judge_run(open_run(run, read_config(runs=runs).runs), split=split, on=on, dataset=dataset, talk=talk)
    document = evaluation.document
    try:
        kept = keep(evaluation, talk)
        talk.say(f"Report: {kept / REPORT}")
    except ModelError as error:  # the figures are there all the same
        talk.say(str(error))
    if json_:
        emit_json(document)
        return
    emit(sentence(document))
    for label, part in document["per_class"].items():
        emit(
            f"  {label}: precision {part['precision']:.3f}, recall {part['recall']:.3f}, F1 {part['f1']:.3f}, n {part['n']}"
        )
    emit(
        "  confusion (rows true, columns predicted): "
        + "; ".join(" ".join(map(str, line)) for line in document["confusion"])
    )
    for source, part in document["per_source"].items():
        emit(f"  {source}: {part['correct']} of {part['n']}")
