"""A dataset depends on pictures, reviews, assignments and settings; never on which crawl came first, or when."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stj_catalog.catalog import open_catalog
from stj_dataset.export import export_dataset
from stj_dataset.manifest import read_manifest
from stj_dataset.settings import ExportSettings
from stj_images.likeness import Thresholds

from .filling import Shelf, draw, encode, item, items

Export = Callable[..., Any]

# Four crawls that meet the same pictures: at other places, under other titles, at other addresses, as an advertisement too.
CRAWLS = {
    "a": [*items(4), item(0, 70, title="Seen in a")],
    "b": [*items(3)[::-1], item(0, 70, title="Seen in b"), item(1, 71, key="one")],
    "c": [item(1, 71, key="another"), item(2, 2_000, title="Blue jeans"), item(0, 70, title="Seen in c", key="moved")],
    "d": [*items(2), item(0, 1, title="A title of d", reason="sponsored"), item(2, 72, parent="BFAMILY")],
}


def digested(root: Path) -> dict[str, str]:
    """Every file but the one that says when and in which crawl, with the checksum of its bytes."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "provenance.csv"
    }


@pytest.mark.medium
@settings(max_examples=7, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(sorted(CRAWLS)))
def test_one_digest_whatever_the_order_of_crawls(
    order: list[str], blank_catalog: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = []
    for crawls in (sorted(CRAWLS), order):
        folder = tmp_path_factory.mktemp("order")
        shutil.copyfile(blank_catalog, folder / "catalog.sqlite")
        shelf = Shelf(open_catalog(str(folder / "catalog.sqlite")), folder)
        for crawl in crawls:
            shelf.add(CRAWLS[crawl], crawl=crawl)
        wanted = ExportSettings(out=folder / "dataset")
        result = export_dataset(shelf.catalog, shelf.store, shelf.labels, wanted, thresholds=Thresholds())
        shelf.catalog.close()
        found.append((result.digest, digested(folder / "dataset")))
    assert found[0] == found[1]


def test_a_row_tells_of_the_sighting_with_the_smallest_page_and_position(empty_shelf: Shelf, export: Export) -> None:
    empty_shelf.add([*items(4), item(0, 70, title="of z")], crawl="z")
    empty_shelf.add([item(0, 71), item(0, 70, title="of b")], crawl="b")
    empty_shelf.add([item(0, 70, title="of y")], crawl="y")
    export()
    row = next(row for row in read_manifest(Path("dataset")) if row.asin == "B000000070")
    assert row.title == "of b"
    assert row.page_url.endswith("crawl=b")
    assert (row.crawl_id, bool(row.seen_at)) == (4, True)
    assert "seen_at" not in (Path("dataset") / "manifest.csv").read_text().splitlines()[0]


def test_the_address_of_copies_of_the_same_bytes_is_that_of_the_row_that_tells(
    empty_shelf: Shelf, export: Export
) -> None:
    picture = encode(draw(80))
    empty_shelf.add([*items(4), item(0, 80, data=picture, key="zz", asin="B0000000ZZ")], crawl="z")
    empty_shelf.add([item(0, 80, data=picture, key="bb", asin="B0000000BB")], crawl="b")
    export()
    rows = [row for row in read_manifest(Path("dataset")) if row.original_sha256 == hashlib.sha256(picture).hexdigest()]
    assert [(row.asin, row.image_url.rsplit("/", 1)[-1]) for row in rows] == [("B0000000BB", "bb.jpg")]
