"""`croissant.json` is what the reference reader of that format takes, and its records are the manifest's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from stj_dataset.manifest import read_manifest

from .filling import Shelf

Export = Callable[..., Any]
# The reader is built on parts that have been renamed since.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("settings", [{}, {"layout": "student"}, {"format": "webdataset"}])
def test_the_reference_reader_reads_every_record(shelf: Shelf, export: Export, settings: dict[str, Any]) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    export(**settings)
    read = mlcroissant.Dataset(jsonld=Path("dataset/croissant.json").resolve())
    assert read.metadata.ctx.issues.errors == set()
    rows = {row.file: row for row in read_manifest(Path("dataset"))}
    found = list(read.records("pictures"))
    assert len(found) == len(rows)
    for one in found:
        row = rows[one["pictures/file"].decode()]
        assert (one["pictures/label"], one["pictures/split"].decode()) == (row.label, row.split)
        assert one["pictures/title"].decode() == row.title
    if "format" not in settings:
        names = {Path(file).name: row for file, row in rows.items()}
        images = list(read.records("images"))
        assert len(images) == len(rows)
        for one in images:
            row = names[one["images/filename"].decode()]
            assert (one["images/label"], one["images/split"].decode()) == (row.label, row.split)
            with Image.open(Path("dataset") / row.file) as there:
                assert one["images/image"].tobytes() == there.tobytes()
    names = [(one["labels/label"], one["labels/name"]) for one in read.records("labels")]
    assert names == [(0, "Saree"), (1, "Trousers"), (2, "Jeans")]


@pytest.mark.medium
def test_a_changed_manifest_is_not_what_the_description_says(shelf: Shelf, export: Export) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    export()
    manifest = Path("dataset/manifest.csv")
    manifest.write_text(manifest.read_text().replace("Saree", "Kurta"))
    read = mlcroissant.Dataset(jsonld=Path("dataset/croissant.json").resolve())
    with pytest.raises(
        mlcroissant.DatasetGenerationError if hasattr(mlcroissant, "DatasetGenerationError") else Exception
    ):
        list(read.records("pictures"))
