"""`stj-dataset diff`: what changed between two datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stj_core.cli import JsonOption, emit, emit_json, say
from stj_core.locations import Location
from stj_dataset.cli.common import CatalogOption, opened


def diff(
    *,
    before: Annotated[
        Location, typer.Argument(parser=Location.of, help="The older dataset's folder or address.", show_default=False)
    ],
    after: Annotated[
        Location, typer.Argument(parser=Location.of, help="The newer dataset's folder or address.", show_default=False)
    ],
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what was added, removed, relabelled, withheld or moved from one dataset to another.

    Pictures are told apart by the checksum of their original bytes. With the catalogue at hand, pictures that
    the newer export withheld are told from removed ones. Nothing ever moves within one scheme: exit code 1 if it does.
    """
    from stj_core.fetched import tables
    from stj_core.published import DATASET
    from stj_dataset.diff import compare
    from stj_dataset.manifest import MANIFEST, SETTINGS

    names = (SETTINGS, MANIFEST)
    with tables(before, DATASET, names) as older, tables(after, DATASET, names) as newer:
        found = compare(older, newer, _withheld(catalog, newer))
    if as_json:
        emit_json(found.as_json())
    else:
        for sha in found.added:
            emit(f"added {sha}")
        for sha in found.removed:
            emit(f"removed {sha}")
        for sha, why in found.withheld.items():
            emit(f"withheld {sha} {why}")
        for sha, (was, now) in found.relabelled.items():
            emit(f"relabelled {sha} {was} {now}")
        for sha, (old, new) in found.moved.items():
            emit(f"moved {sha} {old} {new}")
    say(
        f"{len(found.added)} added, {len(found.removed)} removed, {len(found.relabelled)} relabelled, "
        f"{len(found.withheld)} withheld, {len(found.moved)} moved"
        + ("." if found.same_scheme else " (the two were split by different schemes).")
    )
    if found.broken:
        raise typer.Exit(1)


def _withheld(catalog: str | None, dataset: Path) -> dict[str, str]:
    """Why pictures were withheld from a dataset, where its catalogue is at hand."""
    from stj_catalog.exports import withheld_reasons
    from stj_core.errors import CatalogError
    from stj_dataset.manifest import read_settings

    digest = str(read_settings(dataset).get("digest", ""))
    try:
        with opened(catalog) as (found, _):
            return withheld_reasons(found, digest)
    except CatalogError:
        if catalog is not None:
            raise
        return {}
