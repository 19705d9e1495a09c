"""What the commands share: the options that name the catalogue and its pictures, and bars and tables for people."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stj_catalog.catalog import Catalog
    from stj_core.config import Config

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
    from stj_core.config import read_config

    config = read_config(catalog=catalog, images=images)
    found = open_catalog(config.catalog_url)
    try:
        yield found, config
    finally:
        found.close()
