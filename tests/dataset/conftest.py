"""A shelf of drawn garments, and exports of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stj_catalog.catalog import Catalog
from stj_dataset.export import ExportResult, export_dataset
from stj_dataset.settings import ExportSettings
from stj_images.likeness import Thresholds

from .filling import Shelf, items

Export = Callable[..., ExportResult]


@pytest.fixture
def empty_shelf(catalog: Catalog, tmp_path: Path) -> Shelf:
    """A catalogue and store that hold nothing."""
    return Shelf(catalog, tmp_path)


@pytest.fixture
def shelf(empty_shelf: Shelf) -> Shelf:
    """Twenty different pictures of each class."""
    empty_shelf.add(items(20))
    return empty_shelf


@pytest.fixture
def export(empty_shelf: Shelf) -> Export:
    """Export the shelf, with default settings but those given."""

    def run(out: str | Path = "dataset", workers: Any = None, **settings: Any) -> ExportResult:
        wanted = ExportSettings(out=Path(out), **settings)
        shelf = empty_shelf
        return export_dataset(
            shelf.catalog, shelf.store, shelf.labels, wanted, thresholds=Thresholds(), workers=workers
        )

    return run
