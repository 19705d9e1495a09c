"""Parquet holds what the CSV files hold, typed, and only where it was asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from stj_core.cli import outcome
from stj_dataset.cli import app
from stj_dataset.manifest import COLUMNS, PROVENANCE_COLUMNS, find_problems, read_manifest

from .filling import Shelf, item

Export = Callable[..., Any]


def test_parquet_holds_the_same_rows_typed(shelf: Shelf, export: Export) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    shelf.add([item(0, 990, title='Red "Banarasi", 6.3 m\nनीली साड़ी')], crawl="second")
    first, second = export("dataset", parquet=True), export("again", parquet=True)
    assert first.digest == second.digest
    assert find_problems(Path("dataset")) == []
    rows = [asdict(row) for row in read_manifest(Path("dataset"))]
    for name, columns in (("manifest", COLUMNS), ("provenance", PROVENANCE_COLUMNS)):
        read = parquet.read_table(f"dataset/{name}.parquet")
        assert read.column_names == list(columns)
        assert read.to_pylist() == [{column: row[column] for column in columns} for row in rows]
    assert Path("dataset/manifest.parquet").read_bytes() == Path("again/manifest.parquet").read_bytes()
    export("plain")
    assert not list(Path("plain").glob("*.parquet"))


def test_without_pyarrow_it_is_said_before_anything_is_written(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert outcome(app, ["export", "--parquet"]) == 1
    assert "pip install 'stj[parquet]'" in capsys.readouterr().err
    assert not Path("dataset").exists()
