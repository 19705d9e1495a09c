"""`stj-dataset backup`: a copy of the catalogue that can be put back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stj_core.cli import JsonOption, emit, emit_json
from stj_dataset.cli.common import CatalogOption, opened


def backup(
    folder: Annotated[Path, typer.Argument(help="Where to put the copy.")] = Path("backups"),
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the catalogue while crawls go on; the copy is checked. Put it back by copying it over the catalogue.

    The image store is not copied: its files never change, so any tool that copies new files keeps up with it.
    """
    from stj_catalog.backup import make_backup

    with opened(catalog) as (found, _):
        file = make_backup(found, folder)
    if as_json:
        emit_json({"backup": str(file), "bytes": file.stat().st_size})
    else:
        emit(str(file))
