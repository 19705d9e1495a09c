"""`stj-model evaluate`."""

from __future__ import annotations

from typing import Annotated

import typer

from stj_core.cli import JsonOption, emit, emit_json
from stj_core.errors import ModelError, UsageError
from stj_core.locations import Location
from stj_model.cli.options import RunArgument, RunsOption, runs_of


def evaluate(
    run: RunArgument = None,
    *,
    split: Annotated[str, typer.Option(help="test or val.")] = "test",
    on: Annotated[
        Location | None,
        typer.Option(parser=Location.of, help="Judge on this folder, or address, of 0_…/ 1_…/ 2_…/ instead."),
    ] = None,
    none: Annotated[
        Location | None,
        typer.Option(
            parser=Location.of,
            help="Judge too how well it keeps out of this folder, or address, of pictures of something else.",
        ),
    ] = None,
    dataset: Annotated[
        Location | None,
        typer.Option(parser=Location.of, help="Dataset folder or address; the one it was trained on if not given."),
    ] = None,
    runs: RunsOption = None,
    json_: JsonOption = False,
) -> None:
    """Judge a run on pictures that it has not learned from."""
    from stj_core.config import read_config
    from stj_core.console import Talk
    from stj_core.fetched_pictures import pictures_here
    from stj_model.artifacts import write_evaluation
    from stj_model.evaluation import classification_report, judge_run, sentence
    from stj_model.out_of_scope import answered_sentence, rejection_sentence
    from stj_model.places import dataset_of, find_run, keep_beside, own_copy, shown
    from stj_model.run_dir import EVALUATIONS, REPORT

    if split not in {"test", "val"}:
        raise UsageError(f"--split cannot be {split!r}: it is test or val.")
    talk = Talk()
    settings = read_config()
    opened = find_run(run, runs_of(runs, settings), settings.cache, talk)
    judged = dataset_of(opened, dataset, settings.cache, talk) if on is None else None
    folder, others = (pictures_here(one, settings.cache, talk.say) if one else None for one in (on, none))
    called = str(on) if on else ""
    evaluation = judge_run(opened, split=split, on=folder, none=others, dataset=judged, talk=talk, called=called)
    document = evaluation.document
    try:
        own = judged if dataset is None and judged else own_copy(opened, settings.cache)
        kept = write_evaluation(evaluation, talk, own)
        keep_beside(opened, kept, talk)
        talk.say(f"Report: {shown(opened, EVALUATIONS, kept.name, REPORT)}")
    except ModelError as error:  # the figures are there all the same
        talk.say(str(error))
    if json_:
        emit_json(document)
        return
    emit(sentence(document))
    for line in classification_report(document, opened.labels()):
        emit(line)
    emit(
        "  confusion (rows true, columns predicted): "
        + "; ".join(" ".join(map(str, line)) for line in document["confusion"])
    )
    for source, part in document["per_source"].items():
        emit(f"  {source}: {part['correct']} of {part['n']}")
    emit(
        f"  calibration error over ten equal bins: {document['ece']:.3f} ({document['ece_before']:.3f} before temperature), "
        f"n {document['n']}"
    )
    emit(f"  {answered_sentence(document['answered'])}")
    if "out_of_scope" in document:
        scope = document["out_of_scope"]
        said = ", ".join(f"{count} {word}" for word, count in scope["answers"].items())
        emit(f"  something else: {rejection_sentence(scope)}; said of those: {said}")
