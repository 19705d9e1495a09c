"""Write files so that what is there is whole: beside their place first, then renamed."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from stj_core.errors import CatalogError, DatasetError


def write_aside(target: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file of the cache beside its place, then put it there whole.

    Raises:
        CatalogError: the cache cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(prefix=".part-", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
            Path(aside).replace(target)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CatalogError(
            f"Cannot write to {target.parent}: {error.strerror or error}. Set STJ_CACHE to another folder."
        ) from error


def write(file: Path, page: str) -> None:
    """Write a page aside, then put it in its place.

    Raises:
        DatasetError: it cannot be written there.
    """
    aside = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(page, encoding="utf-8", newline="\n")
        aside.replace(file)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise DatasetError(
            f"Cannot write the page {file}: {error.strerror or error}. Free some space, or name another file."
        ) from error


def write_json(document: Mapping[str, Any], path: Path) -> None:
    """Write a JSON file in one step."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)


def write_csv(columns: Sequence[str], rows: Sequence[Sequence[object]], path: Path) -> None:
    """Write a CSV file in one step."""
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    part.replace(path)
