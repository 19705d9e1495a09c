"""`stj-dataset metrics`: how crawls, frontier and pace stand, for Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stj_core.cli import emit
from stj_dataset.cli.common import CatalogOption, opened


def metrics(
    out: Annotated[
        Path | None,
        typer.Option(help="File to write whole, as node_exporter's textfile collector wants it.", show_default=False),
    ] = None,
    catalog: CatalogOption = None,
) -> None:
    """Print the catalogue's numbers for Prometheus: pictures, crawls, frontier, leases, blocks and pace of all hosts."""
    from stj_catalog.metrics import metrics_text
    from stj_core.files import write_text

    with opened(catalog) as (found, _):
        text = metrics_text(found)
    if out is None:
        emit(text.rstrip("\n"))
    else:
        write_text(out, text)
