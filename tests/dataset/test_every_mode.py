"""Import and export keep the pixels of a picture in any mode: what a model trains on is what the file shows."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stj_catalog.catalog import Catalog
from stj_core.cli import outcome
from stj_dataset.cli import app
from stj_dataset.manifest import read_manifest
from stj_images.decode import decode
from tests.copies import copies, saved

from .filling import draw

SIZE = (160, 200)


@pytest.mark.medium
def test_an_imported_picture_of_any_mode_is_exported_with_its_pixels(catalog: Catalog, tmp_path: Path) -> None:
    """The copies are of eleven different pictures, since copies of one are duplicates."""
    catalog.close()
    modes = list(copies(draw(0, SIZE)))
    brought: dict[str, tuple[str, bytes]] = {}
    for number, mode in enumerate(modes):
        data = copies(draw(number, SIZE))[mode]
        place = tmp_path / "mine" / ("sarees", "trousers", "jeans")[number % 3] / f"{number}.picture"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        brought[hashlib.sha256(data).hexdigest()] = (mode, data)
    assert outcome(app, ["import", str(tmp_path / "mine")]) == 0
    assert outcome(app, ["export", str(tmp_path / "dataset")]) == 0
    rows = {row.original_sha256: row for row in read_manifest(tmp_path / "dataset")}
    assert set(rows) == set(brought)
    for sha256, row in rows.items():
        mode, data = brought[sha256]
        written = (tmp_path / "dataset" / row.file).read_bytes()
        shown, kept = decode(data), decode(written)
        assert kept.size == shown.size == SIZE, mode
        if written == data or row.file.endswith(".png"):
            assert np.array_equal(np.asarray(kept), np.asarray(shown)), mode
        else:
            lossy = decode(saved(Image.fromarray(np.asarray(shown)), "JPEG", quality=95))
            gap = np.abs(np.asarray(kept, dtype=int) - np.asarray(shown, dtype=int)).mean()
            usual = np.abs(np.asarray(lossy, dtype=int) - np.asarray(shown, dtype=int)).mean()
            assert gap <= usual + 1, f"{mode}: {gap} grey levels from the picture, a JPEG's own loss is {usual}"


@pytest.mark.medium
@pytest.mark.parametrize("how", ["stj", "student"])
def test_what_keras_reads_back_is_the_picture(catalog: Catalog, tmp_path: Path, how: str) -> None:
    """Sixteen bits of grey came out as a white field where only eight were looked at."""
    catalog.close()
    for number, label in enumerate(("sarees", "trousers", "jeans") * 2):
        place = tmp_path / "mine" / label / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(copies(draw(number, SIZE))["I;16"])
    assert outcome(app, ["import", str(tmp_path / "mine")]) == 0
    assert outcome(app, ["export", str(tmp_path / "dataset"), "--layout", how]) == 0
    for row in read_manifest(tmp_path / "dataset"):
        with Image.open(tmp_path / "dataset" / row.file) as picture:
            levels = np.asarray(picture.convert("RGB"))
        assert 40 < levels.mean() < 215, row.file
        assert levels.std() > 10, row.file
