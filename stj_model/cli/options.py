"""Options that several commands of `stj-model` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from stj_core.locations import Location
from stj_model.backbones.registry import BACKBONES

if TYPE_CHECKING:
    from stj_core.config import Config

*_FIRST, _LAST = BACKBONES
BackboneOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--backbone",
        "--architecture",
        help=f"{', '.join(_FIRST)} or {_LAST}: for random weights, or a file without its .json.",
    ),
]

RunArgument: TypeAlias = Annotated[
    Location | None,
    typer.Argument(
        parser=Location.of, help="Run folder or address, or its name; the newest if not given.", show_default=False
    ),
]
RunsOption: TypeAlias = Annotated[
    Location | None,
    typer.Option(parser=Location.of, help="Folder, or address (s3://bucket/runs), of runs [STJ_RUNS, runs]."),
]
DatasetArgument: TypeAlias = Annotated[
    Location, typer.Argument(parser=Location.of, help="Folder, or address, that stj-dataset export made.")
]
DATASET = Location("dataset")


def runs_of(given: Location | None, settings: Config) -> Location:
    """Where the runs are: what was given, else STJ_RUNS."""
    return given or Location(str(settings.runs))
