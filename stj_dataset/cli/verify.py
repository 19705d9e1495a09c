"""`stj-dataset verify`: is everything as it was promised."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stj_core.cli import JsonOption, counted, emit, emit_json, say
from stj_core.console import bars
from stj_core.errors import UsageError
from stj_dataset.cli.common import CatalogOption, ImagesOption, opened

if TYPE_CHECKING:
    from stj_dataset.manifest import Problem


def verify(
    dataset: Annotated[
        Path | None,
        typer.Argument(help="A dataset's folder; without it, the catalogue and its image store.", show_default=False),
    ] = None,
    catalog: CatalogOption = None,
    images: ImagesOption = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put the catalogue and its image store right, then look again.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the image store with the catalogue, or a dataset with its manifest.

    Reads every picture again. Exit code 1, with the list, when something is not as it should be. A repair rejects pictures whose
    files are lost (the next crawl fetches them again), deletes files that nothing names, and reopens half-done pages.
    """
    if dataset and repair:
        raise UsageError("--repair is for the catalogue: a damaged dataset is exported again (stj-dataset export).")
    if repair:
        _repair(catalog, images)
    problems = _of_dataset(dataset) if dataset else _of_catalog(catalog, images)
    if as_json:
        emit_json({"ok": not problems, "problems": [asdict(one) for one in problems]})
    else:
        for one in problems:
            emit(f"{one.kind}: {one.path}: {one.detail}")
        what = f"The dataset {dataset}" if dataset else "The catalogue and its image store"
        found = counted(len(problems), "problem")
        if not repair:
            found += "; export it again" if dataset else "; stj-dataset verify --repair puts right what can be"
        say(f"{what}: {found}." if problems else f"{what}: everything is as it should be.")
    if problems:
        raise typer.Exit(1)


def _of_dataset(dataset: Path) -> list[Problem]:
    from stj_dataset.verify import verify_dataset

    return list(verify_dataset(dataset))


def _of_catalog(catalog: str | None, images: str | None) -> list[Problem]:
    from stj_catalog.health import count_files
    from stj_dataset.verify import verify_catalog
    from stj_images.store import open_store

    with opened(catalog, images) as (found, config), bars() as progress:
        return list(verify_catalog(found, open_store(config.images), progress("Reading", count_files(found))))


def _repair(catalog: str | None, images: str | None) -> None:
    from stj_catalog.repair import repair
    from stj_images.likeness import thresholds_of
    from stj_images.store import open_store

    found = [(one.kind, one.path) for one in _of_catalog(catalog, images)]
    with opened(catalog, images) as (place, config):
        fixed = repair(place, open_store(config.images), found, thresholds_of(config))
    for kind, number in sorted(fixed.items()):
        say(f"Repaired: {number} {kind}.")
