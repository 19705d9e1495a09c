"""`metadata.csv` for Hugging Face's imagefolder: the manifest again, under the one column name that it knows."""

from __future__ import annotations

import csv
from pathlib import Path

from stj_dataset.manifest import COLUMNS, MANIFEST, METADATA
from stj_dataset.settings import ExportSettings


def write_metadata(root: Path, settings: ExportSettings) -> None:
    """Write `metadata.csv` beside the manifest; shards carry their facts themselves."""
    if settings.format == "webdataset":
        return
    with (
        (root / MANIFEST).open(encoding="utf-8", newline="") as source,
        (root / METADATA).open("w", encoding="utf-8", newline="") as copy,
    ):
        rows = csv.reader(source)
        next(rows)
        writer = csv.writer(copy, lineterminator="\n")
        writer.writerow(("file_name", *COLUMNS[1:]))
        writer.writerows(rows)
