"""`stj-dataset copy-catalog`: from SQLite to PostgreSQL and back."""

from __future__ import annotations

from typing import Annotated

import typer

from stj_core.cli import JsonOption, counted, emit, emit_json


def copy_catalog(
    source: Annotated[str, typer.Argument(metavar="FROM", help="SQLite file or SQLAlchemy URL.", show_default=False)],
    target: Annotated[
        str, typer.Argument(metavar="TO", help="One that is not there yet, or is empty.", show_default=False)
    ],
    as_json: JsonOption = False,
) -> None:
    """Copy a catalogue row for row, and prove it: both are read back, and every table's rows and digest compared.

    Crawls may go on; what they write after the copy began is not in it. The image store is not touched: set STJ_IMAGES to the
    same place.
    """
    from stj_catalog.catalog import open_catalog
    from stj_catalog.copying import copy_catalog as copy
    from stj_catalog.copying import rows_in
    from stj_core.config import read_config
    from stj_core.console import bars

    # As STJ_CATALOG: what cannot be a catalogue is refused before one of them is made.
    source, target = (read_config(catalog=one).catalog for one in (source, target))
    old = open_catalog(source)
    try:
        new = open_catalog(target, create=True)
        try:
            with bars() as bar:
                proofs = copy(old, new, bar("Copying rows", rows_in(old)))
            places = repr(old.engine.url), repr(new.engine.url)
        finally:
            new.close()
    finally:
        old.close()
    if as_json:
        tables = {name: {"rows": one.rows, "digest": one.digest} for name, one in proofs.items()}
        emit_json({"from": places[0], "to": places[1], "tables": tables})
        return
    for name, one in sorted(proofs.items()):
        emit(f"{name:<16}{one.rows:>12,}  {one.digest[:16]}")
    emit(f"{counted(sum(one.rows for one in proofs.values()), 'row')} in both, with the same digests: set STJ_CATALOG")
