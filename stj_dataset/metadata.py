"""`metadata.csv` for Hugging Face's imagefolder: the manifest again, one for each split, with paths as that reader wants them.

It reads the file beside the class folders of a split and no other. The student's folders keep theirs at the top, because
notebooks take everything inside `Dataset/` for a class.
"""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

from stj_dataset.manifest import COLUMNS, MANIFEST, METADATA, NONE
from stj_dataset.settings import ExportSettings


def write_metadata(root: Path, settings: ExportSettings) -> None:
    """Write the files; shards need none, they carry their facts themselves."""
    if settings.format == "webdataset":
        return
    with (root / MANIFEST).open(encoding="utf-8", newline="") as source:
        # What is none of the classes lies apart, where that reader must not look.
        rows = (row for row in csv.reader(source) if _top(row[0]) != NONE)
        next(rows)
        for folder, some in itertools.groupby(rows, lambda row: "" if settings.layout == "student" else _top(row[0])):
            # The manifest is ordered by split: each file is finished before the next begins.
            with (root / folder / METADATA).open("w", encoding="utf-8", newline="") as stream:
                writer = csv.writer(stream, lineterminator="\n")
                writer.writerow(("file_name", *COLUMNS[1:]))
                writer.writerows([row[0].removeprefix(f"{folder}/"), *row[1:]] for row in some)


def _top(file: str) -> str:
    return file.split("/", 1)[0]
