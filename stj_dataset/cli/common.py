"""What the commands share: the options that name the catalogue and its pictures, and bars and tables for people."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from stj_catalog.cli import on_terminal

if TYPE_CHECKING:
    from rich.table import Table

    from stj_catalog.catalog import Catalog
    from stj_catalog.config import Config

CatalogOption = Annotated[
    str | None,
    typer.Option("--catalog", help="SQLite file or SQLAlchemy URL.  [STJ_CATALOG, catalog.sqlite]", show_default=False),
]
ImagesOption = Annotated[
    str | None,
    typer.Option("--images", help="Folder or fsspec URL of the image store.  [STJ_IMAGES, images]", show_default=False),
]


@contextlib.contextmanager
def opened(catalog: str | None, images: str | None = None) -> Iterator[tuple[Catalog, Config]]:
    """The catalogue and the settings that the options, the environment and the defaults give."""
    from stj_catalog.catalog import open_catalog
    from stj_catalog.config import read_config

    config = read_config(catalog=catalog, images=images)
    found = open_catalog(config.catalog_url)
    try:
        yield found, config
    finally:
        found.close()


@contextlib.contextmanager
def bars() -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """Make progress bars on a terminal, and nothing anywhere else.

    Yields:
        from a stage's name and its total, what to call with how much was done.
    """
    if not on_terminal():
        yield lambda what, total: lambda _: None  # noqa: ARG005 - nobody watches
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:

        def start(what: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(what, total=total)
            return lambda done: progress.advance(task, done)

        yield start


def make_table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]], *, words: int = 1) -> Table:
    """A table for people; all columns but the first `words` hold numbers."""
    from rich.table import Table

    table = Table(title=title, header_style="bold")
    for place, name in enumerate(head):
        table.add_column(name, justify="left" if place < words else "right")
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    return table


def show(*things: Table | str) -> None:
    """Give the result on stdout: tables for people, and lines that no width breaks, a table's title among them."""
    from rich.console import Console

    console = Console(highlight=False)
    for one in things:
        if not isinstance(one, str) and one.title:
            console.print(one.title, markup=False, soft_wrap=True)
            one.title = None
        console.print(one, markup=False, soft_wrap=isinstance(one, str))
