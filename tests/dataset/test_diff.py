"""What changed between two datasets, and which export a digest belongs to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stj_core.cli import outcome
from stj_dataset.cli import app
from stj_dataset.diff import compare
from stj_dataset.manifest import read_manifest

from .filling import Shelf, item, items

Export = Callable[..., Any]


def test_growth_only_adds(shelf: Shelf, export: Export) -> None:
    export("a")
    shelf.add(items(4, start=100), crawl="second")
    export("b")
    found = compare(Path("a"), Path("b"))
    assert len(found.added) == 12
    assert (found.removed, found.withheld, found.relabelled, found.moved) == ([], {}, {}, {})
    back = compare(Path("b"), Path("a"))
    assert (back.removed, back.added) == (found.added, [])


def test_relabelled_withheld_and_removed(shelf: Shelf, export: Export, capsys: pytest.CaptureFixture[str]) -> None:
    export("a")
    rows = read_manifest(Path("a"))
    train, test = (next(row for row in rows if row.split == split and row.label == 0) for split in ("train", "test"))
    gone, other = [row for row in rows if row.label == 1][:2]
    shelf.add(
        [
            item(
                0, 900 + at, data=(Path("a") / row.file).read_bytes(), asin=row.asin, parent="BFAMILY", key=f"again{at}"
            )
            for at, row in enumerate((train, test))
        ],
        crawl="second",
    )
    assert outcome(app, ["label", gone.original_sha256, "--reject", "blurred"]) == 0
    assert outcome(app, ["label", other.original_sha256, "--as", "2"]) == 0
    export("b")
    capsys.readouterr()
    assert outcome(app, ["diff", "a", "b", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "added": [],
        "removed": [gone.original_sha256],
        "withheld": [{"sha256": train.original_sha256, "reason": "group_in_test"}],
        "relabelled": [{"sha256": other.original_sha256, "from": 1, "to": 2}],
        "moved": [],
        "same_scheme": True,
    }


def test_a_broken_promise_is_told(shelf: Shelf, export: Export, capsys: pytest.CaptureFixture[str]) -> None:
    export("a")
    export("b")
    manifest = Path("b/manifest.csv")
    manifest.write_text(manifest.read_text().replace(",train,", ",val,", 1))
    assert outcome(app, ["diff", "a", "b"]) == 1
    assert "1 moved" in capsys.readouterr().err
    export("c", seed=7)
    assert outcome(app, ["diff", "a", "c"]) == 0
    assert "different schemes" in capsys.readouterr().err


def test_a_model_is_traced_to_its_export(shelf: Shelf, export: Export, capsys: pytest.CaptureFixture[str]) -> None:
    digest = export("a").digest
    assert outcome(app, ["card", digest[:12], "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["digest"], one["pictures"], one["out"]) for one in found] == [(digest, 60, "a")]
    assert outcome(app, ["card", "a"]) == 0
    card = capsys.readouterr().out
    assert "# Saree · Trousers · Jeans: 60 product photographs" in card
    assert "Shop photographs belong to their makers" in card
    assert outcome(app, ["card", "0000"]) == 1
