"""`manifest.parquet` and `provenance.parquet`: the two tables again, typed, for tools that read Parquet; needs pyarrow."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stj_dataset.manifest import (
    COLUMNS,
    MANIFEST,
    PARQUET,
    PROVENANCE,
    PROVENANCE_COLUMNS,
    PROVENANCE_PARQUET,
    column_type,
)

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 20_000


def check_parquet() -> None:
    """Make sure that Parquet can be written, before anything else is.

    Raises:
        ImportError: the extra `parquet` is not installed.
    """
    import pyarrow.parquet  # noqa: F401 - whether it is there


def write_parquet(root: Path) -> None:
    """Write the dataset's two tables as Parquet, from the CSV files that are there; the same rows give the same bytes."""
    _convert(root / MANIFEST, COLUMNS, root / PARQUET)
    _convert(root / PROVENANCE, PROVENANCE_COLUMNS, root / PROVENANCE_PARQUET)


def _convert(source: Path, columns: Sequence[str], target: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {name: column_type(name) for name in columns}
    schema = pa.schema([(name, pa.string() if kind == "str" else pa.int64()) for name, kind in kinds.items()])
    with (
        source.open(encoding="utf-8", newline="") as stream,
        parquet.ParquetWriter(target, schema, compression="zstd") as writer,
    ):
        rows = csv.reader(stream)
        next(rows)
        batch: list[list[str]] = []
        for row in rows:
            batch.append(row)
            if len(batch) == _BATCH:
                writer.write_table(_table(batch, kinds, schema))
                batch = []
        writer.write_table(_table(batch, kinds, schema))


def _table(rows: Sequence[Sequence[str]], kinds: dict[str, str], schema: pa.Schema) -> pa.Table:
    values: list[list[Any]] = [[] for _ in kinds]
    for row in rows:
        for into, cell, kind in zip(values, row, kinds.values(), strict=True):
            into.append(cell if kind == "str" else int(cell) if cell else None)
    import pyarrow as pa

    return pa.table(values, schema=schema)
