"""`stj-model predict`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stj_core.cli import JsonOption, counted, emit, emit_json
from stj_core.errors import DatasetError, UsageError

if TYPE_CHECKING:
    from stj_model.predict import Answer

STDIN = "-"


def predict(
    what: Annotated[
        list[str],
        typer.Argument(
            help="[RUN] then files, folders, or - (one path a line on stdin); no URLs.", metavar="[RUN] FILE|FOLDER…|-"
        ),
    ],
    *,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    runs: Annotated[Path | None, typer.Option(help="Folder of runs [STJ_RUNS, runs].")] = None,
    json_: JsonOption = False,
) -> None:
    """Say of each picture which garment it shows, or that it is unsure, or none of them."""
    from stj_core.config import read_config
    from stj_core.console import Talk
    from stj_model.predict import Predictor
    from stj_model.run_dir import CONFIG, open_run

    if csv and json_:
        raise UsageError("--csv and --json exclude each other: give one of them.")
    folder = read_config(runs=runs).runs
    named = (
        Path(what[0]) if (Path(what[0]) / CONFIG).is_file() else None
    )  # a run that is not whole is no folder of pictures
    files = list(_files(what[1:] if named else what))
    if not files:
        where = ", ".join(what[1:] if named else what)
        begun = f"There is no picture in {where}" if where else f"{named} is a run, and no picture was named"
        raise DatasetError(f"{begun}: give files or folders of pictures.")
    predictor = Predictor(open_run(named, folder))
    with Talk().bar(f"Predicting {counted(len(files), 'picture')}", len(files)) as advance:
        answers = list(predictor.answer_files(files, advance=advance))
    if json_:
        emit_json([answer.as_json() for answer in answers])
    elif csv:
        _emit_csv(answers, list(predictor.labels))
    else:
        for answer in answers:
            emit(_line(answer))
    # One broken picture among others is an answer like theirs.
    if all(answer.error for answer in answers):
        raise typer.Exit(1)


def _files(given: Sequence[str]) -> Iterator[Path]:
    """The files meant: folders are searched for pictures, `-` is read line by line, an address is refused."""
    from stj_model.data import list_pictures

    for text in given:
        if text == STDIN:
            yield from _files([line for line in (raw.rstrip("\n") for raw in sys.stdin) if line.strip()])
        elif "://" in text:
            raise UsageError(f"{text} is an address, not a file: fetch it first.")
        elif Path(text).is_dir():
            yield from list_pictures(Path(text))
        else:
            yield Path(text)


def _line(answer: Answer) -> str:
    if answer.error is not None:
        return f"{answer.file}\terror\t{answer.error}"
    chances = " ".join(f"{label}:{p:.3f}" for label, p in (answer.probabilities or {}).items())
    return f"{answer.file}\t{answer.answer}\t{chances}\tout of scope {answer.out_of_scope:.3f}"


def _emit_csv(answers: Sequence[Answer], labels: Sequence[int]) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["file", "answer", "label", *(f"p{label}" for label in labels), "out_of_scope", "error"])
    for answer in answers:
        document = answer.as_json()
        chances = document["probabilities"] or {}
        shares = [chances.get(str(label)) for label in labels]
        writer.writerow(
            [answer.file, document["answer"], answer.label, *shares, document["out_of_scope"], answer.error]
        )
