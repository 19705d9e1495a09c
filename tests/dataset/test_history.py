"""A past export is shown as it was, and what differs now is marked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stj_catalog.exports import export_sheet
from stj_core.cli import outcome
from stj_dataset.cli import app
from stj_dataset.manifest import read_manifest

from .filling import Shelf, draw, encode, item

Export = Callable[..., Any]


def test_labels_splits_and_reasons_stay_as_they_were_exported(shelf: Shelf, export: Export) -> None:
    shelf.add([item(1, 600, data=encode(draw(600, (40, 60))))], crawl="second")
    export(min_side=50)
    rows = {row.original_sha256: row for row in read_manifest(Path("dataset"))}
    relabelled, rejected = sorted(rows)[:2]
    assert outcome(app, ["label", relabelled, "--as", str((rows[relabelled].label + 1) % 3)]) == 0
    assert outcome(app, ["label", rejected, "--reject", "blurred"]) == 0
    held = {one.tile.sha256: one for one in export_sheet(shelf.catalog, 1, split=None, label=None, limit=100)}
    assert {sha: (one.split, one.tile.label) for sha, one in held.items() if one.split} == {
        sha: (row.split, row.label) for sha, row in rows.items()
    }
    (withheld,) = [one for one in held.values() if one.split is None]
    assert (withheld.reason, withheld.tile.label, withheld.differs) == ("min_side", 1, False)
    assert {sha for sha, one in held.items() if one.differs} == {relabelled, rejected}
    assert held[relabelled].label != held[relabelled].tile.label
    assert held[rejected].status == "rejected"
