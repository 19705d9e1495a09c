"""`stj-model leakage`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stj_core.cli import JsonOption, emit, emit_json
from stj_core.errors import UsageError
from stj_model.cli.options import DATASET, BackboneOption, DatasetArgument

if TYPE_CHECKING:
    from stj_model.leakage import Leakage

PARTS = {
    "pooled": "all {n:,} pictures",
    "related": "the {n:,} with a relative",
    "alone": "the {n:,} without, which cannot leak",
}
WORDS = {"naive": "naive random split", "grouped": "grouped split", "shops": "whole shops held out"}


def leakage(
    dataset: DatasetArgument = DATASET,
    *,
    recipe: Annotated[str, typer.Option(help="default or thorough.")] = "default",
    weights: Annotated[
        str | None, typer.Option(help="imagenet, random, or a .weights.h5 file [STJ_WEIGHTS, imagenet].")
    ] = None,
    architecture: BackboneOption = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many times the folds are drawn.")] = 5,
    seed: Annotated[int, typer.Option(help="The first of them.")] = 42,
    json_: JsonOption = False,
) -> None:
    """Say what a naive random split would have flattered: accuracy under it and under the grouped one, picture by picture."""
    from stj_core.config import read_config
    from stj_core.console import Talk
    from stj_model.config import resolve
    from stj_model.leakage import measure
    from stj_model.places import dataset_here

    if recipe == "paper":
        raise UsageError("--recipe cannot be 'paper', which has no head on frozen features: it is default or thorough.")
    settings = read_config(weights=weights)
    config = resolve(recipe, weights=settings.weights, architecture=architecture, seed=seed)
    talk = Talk()
    folder = dataset_here(dataset, settings.cache, talk)
    found = measure(folder, config, range(seed, seed + seeds), cache=settings.cache, talk=talk)
    if json_:
        emit_json(found.as_json())
    else:
        _print(found)


def _print(found: Leakage) -> None:
    emit(found.sentence())
    document = found.as_json()
    emit(f"Mean of {len(found.draws)} draws of {found.folds} folds, {found.groups:,} groups:")
    for name, words in PARTS.items():
        part = getattr(found, name)
        if part is not None:
            emit(f"  {words.format(n=part.n)}: the naive split is {part.in_points()} above the grouped one")
            _print_shares(document[name])
    for draw in document["draws"]:
        shares = ", ".join(f"{name} {_in_words(draw[name])}" for name in WORDS if name in draw)
        only = f"right only naively {draw['b']}, only grouped {draw['c']}"
        emit(f"  seed {draw['seed']}: {shares}; {only} (McNemar's p = {draw['p_value']:.2g})")


def _print_shares(part: dict[str, Any]) -> None:
    for name, words in WORDS.items():
        if name in part:
            emit(f"    {words:21s} {_in_words(part[name])} of {part['n']:,}")


def _in_words(share: dict[str, Any]) -> str:
    low, high = share["interval"]
    return f"{share['accuracy']:.3f} [{low:.3f}, {high:.3f}]"
