"""`stj-dataset card`: what a dataset is, from its folder or from its digest."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from stj_core.cli import JsonOption, counted, emit, emit_json
from stj_core.locations import Location
from stj_dataset.cli.common import CatalogOption, opened


def card(
    *,
    dataset: Annotated[
        str, typer.Argument(help="A dataset's folder or address, or the digest that a run or a model names.")
    ] = "dataset",
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the card of a dataset, or find the export that a digest belongs to.

    A model's run records the digest of its dataset; the catalogue knows which export it was and which pictures it held.
    """
    from stj_core.fetched import tables
    from stj_core.published import DATASET
    from stj_dataset.manifest import CARD, SETTINGS

    place = Location.of(dataset)
    if place.address is not None or place.path.is_dir():
        with tables(place, DATASET, (SETTINGS, CARD)) as folder:
            _of_folder(folder, as_json=as_json)
    else:
        _of_digest(dataset, catalog, as_json=as_json)


def _of_folder(dataset: Path, *, as_json: bool) -> None:
    from stj_core.errors import DatasetError
    from stj_dataset.manifest import CARD, read_settings

    settings = read_settings(dataset)
    if as_json:
        emit_json(settings)
        return
    try:
        text = (dataset / CARD).read_text(encoding="utf-8")
    except OSError as error:
        raise DatasetError(f"The dataset {dataset} has no card ({error.strerror}): export it again.") from error
    emit(text.rstrip())


def _of_digest(digest: str, catalog: str | None, *, as_json: bool) -> None:
    from stj_catalog.exports import past_exports
    from stj_core.errors import DatasetError

    with opened(catalog) as (found, _):
        exports = past_exports(found, digest.lower())
    if not exports:
        raise DatasetError(
            f"There is neither a folder {digest} nor an export whose digest begins so: see the table exports."
        )
    if as_json:
        emit_json([asdict(one) for one in exports])
        return
    for one in exports:
        emit(
            f"export {one.id} to {one.out} at {one.made_at}: {counted(one.pictures, 'picture')}, "
            f"{one.withheld} withheld, {one.scheme}"
        )
        emit(f"  digest {one.digest}")
