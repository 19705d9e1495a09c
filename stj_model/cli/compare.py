"""`stj-model compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stj_core.cli import JsonOption, emit, emit_json
from stj_core.errors import UsageError
from stj_core.locations import Location
from stj_model.cli.options import RunsOption, runs_of

if TYPE_CHECKING:
    from stj_model.compare import RunComparison

SPLITS = ("test", "out_of_fold", "leave_sources_out")
SHOWN = 20


def compare(
    run_a: Annotated[
        Location,
        typer.Argument(
            parser=Location.of, metavar="RUN", help="Run folder or address, or its name.", show_default=False
        ),
    ],
    run_b: Annotated[
        Location,
        typer.Argument(parser=Location.of, metavar="RUN", help="Another.", show_default=False),
    ],
    *,
    split: Annotated[str, typer.Option(help="test, out_of_fold or leave_sources_out.")] = "test",
    on: Annotated[Path | None, typer.Option(help="Judge both on this folder of 0_…/ 1_…/ 2_…/ instead.")] = None,
    runs: RunsOption = None,
    json_: JsonOption = False,
) -> None:
    """Say whether two runs differ by more than chance: McNemar's exact test on the pictures that both have judged."""
    from stj_core.config import read_config
    from stj_core.console import Talk
    from stj_model.compare import compare as compare_runs
    from stj_model.places import find_run

    if split not in SPLITS:
        raise UsageError(f"--split cannot be {split!r}: it is {', '.join(SPLITS)}.")
    settings, talk = read_config(), Talk()
    first, second = (find_run(one, runs_of(runs, settings), settings.cache, talk) for one in (run_a, run_b))
    found = compare_runs(first, second, split, on=on, talk=talk)
    if json_:
        emit_json(found.as_json())
    else:
        _print(found)


def _print(found: RunComparison) -> None:
    emit(found.sentence())
    for name, correct, (low, high) in (
        (found.run_a, found.correct_a, found.interval_a),
        (found.run_b, found.correct_b, found.interval_b),
    ):
        emit(f"  {name}: {correct} of {found.n}, {correct / found.n:.3f} (95 % interval {low:.3f} to {high:.3f})")
    if found.left_out:
        emit(f"  left out, because one of them has learned from it or a relative: {found.left_out}")
    if found.relabelled:
        emit(f"  left out, because it has another class in each run's dataset: {found.relabelled}")
    for one in found.discordant[:SHOWN]:
        emit(f"  {one.file}: {one.label}, guessed {one.guess_a} and {one.guess_b}")
    if len(found.discordant) > SHOWN:
        emit(f"  and {len(found.discordant) - SHOWN} more: --json names them all")
