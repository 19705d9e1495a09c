"""`stj-model predict`."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stj_core.cli import ClusterOption, JsonOption, counted, emit, emit_json, say
from stj_core.errors import DatasetError, UsageError
from stj_core.locations import Location
from stj_core.text import inert, json_inert
from stj_model.cli.options import RunsOption, runs_of

if TYPE_CHECKING:
    from stj_core.addresses import NamedHosts
    from stj_model.inputs import Inputs
    from stj_model.predict import Answer, Predictor


def predict(
    what: Annotated[
        list[str],
        typer.Argument(
            help="[RUN] then files, folders, ZIP archives, patterns, http(s) addresses, or - (one of these a line on stdin).",
            metavar="[RUN] FILE|FOLDER…|-",
        ),
    ],
    *,
    csv_: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print one JSON document a line, as they come.")] = False,
    batch_size: Annotated[
        int | None, typer.Option(help="Pictures that the network is asked about at once [8]: more suit a GPU.")
    ] = None,
    runs: RunsOption = None,
    cluster: ClusterOption = None,
    json_: JsonOption = False,
) -> None:
    """Say of each picture which garment it shows, or that it is unsure, or none of them.

    Every file is answered, or named on stderr with the reason; the exit code is 1 if a picture could not be read.
    """
    from stj_core.console import Talk
    from stj_model.features import BATCH
    from stj_model.inputs import STDIN, collect
    from stj_model.places import find_run
    from stj_model.predict import Predictor
    from stj_model.run_dir import is_meant_as_run

    if batch_size is not None:
        from stj_model.config import check_batch_size

        check_batch_size(batch_size)
    if csv_ + jsonl + json_ > 1:
        raise UsageError("--csv, --json and --jsonl exclude each other: give one of them.")
    # A run that is not whole, or whose config.json is a pipe or a dead link, is no folder of pictures.
    named = Location(what[0]) if _is_elsewhere(what[0]) or is_meant_as_run(Path(what[0])) else None
    given = what[1:] if named else what
    if named and named.address and not given:
        _refuse_elsewhere(what[0])
    for one in given:
        _refuse_elsewhere(one)
    local = named is not None and not any(one == STDIN or "://" in one for one in what)
    place, hosts, where, cache = _settings(runs, cluster, local=local)
    inputs = collect(given, _stdin() if given.count(STDIN) == 1 else b"", hosts)
    if not inputs.pictures:
        _passed_over(inputs)
        where = ", ".join(given)
        where = "the list on stdin" if given == [STDIN] else where
        begun = f"There is no picture in {where}" if where else f"{named} is a run, and no picture was named"
        raise DatasetError(f"{begun}: give files or folders of pictures.")
    talk = Talk()
    predictor = Predictor(find_run(named, place, cache, talk), batch=batch_size or BATCH)
    bar = talk.bar(f"Predicting {counted(len(inputs.pictures), 'picture')}", len(inputs.pictures))
    with _answerer(predictor, where) as answered, bar as advance:
        answers = answered(inputs.pictures, inputs.names, advance)
        told = _emit(answers, list(predictor.labels), csv_=csv_, jsonl=jsonl, json_=json_)
    _passed_over(inputs)
    failed = sum(answer.error is not None for answer in told)
    say(_summary(told, len(inputs.passed_over)))
    if failed:
        raise typer.Exit(1)


def _is_elsewhere(given: str) -> bool:
    """Whether what was typed is an address that is not asked for pictures: as the first word it is a run's."""
    from stj_model.inputs import ADDRESS

    scheme = ADDRESS.match(given)
    asked = {"http", "https", "file", "data"}
    return scheme is not None and (scheme[1] or "data").lower() not in asked and not os.path.lexists(given)


def _refuse_elsewhere(given: str) -> None:
    """See that what was typed is no address that nobody asks; one in a list is answered with why, beside the others.

    Raises:
        UsageError: it is one.
    """
    if _is_elsewhere(given):
        raise UsageError(
            f"{given} is an address, and predict reads pictures of this machine, or asks http and https for them: fetch the "
            "pictures first. Before pictures, an address is a run's."
        )


@contextmanager
def _answerer(predictor: Predictor, where: str) -> Iterator[Callable[..., Iterator[Answer]]]:
    """What answers pictures: this process, or the workers that were named."""
    if not where:
        yield predictor.answer_inputs
        return
    from stj_core.cluster import NETWORKS, open_cluster
    from stj_model.on_workers import answers_by

    with open_cluster(where, say, NETWORKS) as workers:
        assert workers is not None
        yield partial(answers_by, workers, predictor)


def _settings(runs: Location | None, cluster: str | None, *, local: bool) -> tuple[Location, NamedHosts, str, Path]:
    """Where runs are, the hosts that may be asked for pictures, the workers, and the cache.

    To read the settings takes a fifth of a cold start: where a run and files are named, nothing of them is needed.
    """
    from stj_core.addresses import named_hosts

    if local and cluster is None and not os.environ.get("STJ_CLUSTER"):
        return Location("."), named_hosts([]), "", Path()
    from stj_core.config import read_config

    settings = read_config(cluster=cluster)
    hosts = named_hosts(filter(None, map(str.strip, settings.picture_hosts.split(","))))
    return runs_of(runs, settings), hosts, settings.cluster, settings.cache


def _stdin() -> bytes:
    """All of stdin, as bytes: names need not be UTF-8. Nothing where stdin is closed."""
    if sys.stdin is None:
        return b""
    raw = getattr(sys.stdin, "buffer", None)
    return raw.read() if raw is not None else sys.stdin.read().encode("utf-8", "surrogateescape")


def _emit(answers: Iterable[Answer], labels: Sequence[int], *, csv_: bool, jsonl: bool, json_: bool) -> list[Answer]:
    """Print the answers, all but one JSON document as they come; returns them."""
    told: list[Answer] = []

    def kept() -> Iterator[Answer]:
        for answer in answers:
            told.append(answer)
            yield answer

    if json_:
        emit_json([answer.as_json() for answer in kept()])
    elif jsonl:
        for answer in kept():
            emit(json_inert(json.dumps(answer.as_json(), ensure_ascii=False, allow_nan=False)))
    elif csv_:
        _emit_csv(kept(), labels)
    else:
        for answer in kept():
            emit(_line(answer))
    return told


def _line(answer: Answer) -> str:
    from stj_model.inputs import shown

    if answer.error is not None:
        return f"{shown(answer.file)}\terror\t{shown(answer.error)}"
    chances = " ".join(f"{label}:{p:.3f}" for label, p in (answer.probabilities or {}).items())
    return f"{shown(answer.file)}\t{answer.answer}\t{chances}\tout of scope {answer.out_of_scope:.3f}"


def _emit_csv(answers: Iterable[Answer], labels: Sequence[int]) -> None:
    shown = inert if sys.stdout.isatty() else str  # a file gets the names as they are
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["file", "answer", "label", *(f"p{label}" for label in labels), "out_of_scope", "error"])
    for answer in answers:
        document = answer.as_json()
        chances = document["probabilities"] or {}
        shares = [chances.get(str(label)) for label in labels]
        writer.writerow(
            [
                shown(answer.file),
                document["answer"],
                answer.label,
                *shares,
                document["out_of_scope"],
                shown(answer.error or ""),
            ]
        )


def _passed_over(inputs: Inputs) -> None:
    from stj_core.class_folders import summed_up
    from stj_model.inputs import shown

    for line in summed_up(inputs.passed_over):
        say(shown(line))


def _summary(answers: Sequence[Answer], passed_over: int) -> str:
    """How many of which answer, and that nothing is missing: the last line on stderr."""
    from stj_model.predict import FAILED

    words = Counter(answer.answer for answer in answers if answer.error is None)
    parts = [f"{count} {word}" for word, count in sorted(words.items())]
    failed = [answer.error for answer in answers if answer.error is not None]
    lost = sum(error.startswith(FAILED) for error in failed)
    if lost < len(failed):
        parts.append(f"{len(failed) - lost} could not be read")
    if lost:
        parts.append(f"{lost} that workers failed on")
    beside = f"; {passed_over} beside them are no pictures" if passed_over else ""
    return f"{counted(len(answers), 'picture')}: {', '.join(parts)}{beside}."
