"""Options that several commands of `stj-model` share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from stj_model.backbones.registry import BACKBONES

*_FIRST, _LAST = BACKBONES
BackboneOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--backbone",
        "--architecture",
        help=f"{', '.join(_FIRST)} or {_LAST}: for random weights, or a file without its .json.",
    ),
]
