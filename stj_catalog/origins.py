"""Where the pictures of an imported folder come from, as a CSV file says."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stj_core.class_folders import SOURCES, printable_name
from stj_core.errors import UsageError

_SOURCE_COLUMNS = ("source", "repository", "host", "url")
# A title may be long, and is cut when it is written; a field of more than this is no CSV of ours.
_LONGEST_FIELD = 10_000_000
# What people and programs write where there is nothing to say.
_NOTHING = frozenset(
    {
        "nan",
        "na",
        "n/a",
        "n.a.",
        "#n/a",
        "<na>",
        "none",
        "null",
        "nil",
        "nat",
        "unknown",
        "undefined",
        "missing",
        "tbd",
        "n/k",
    }
)


@dataclass(frozen=True)
class Origin:
    """Where one picture of the folder came from, as the CSV says."""

    source: str | None = None
    title: str | None = None
    asin: str | None = None
    url: str | None = None


def read_origins(file: Path) -> dict[str, Origin]:
    """Read where pictures came from: a CSV with columns `file` and `source` (or `repository`), perhaps `title`, `asin`, `url`.

    A word that stands for nothing (`nan`, `N/A`, `-`, `None`, `0`) says nothing.

    Raises:
        UsageError: it cannot be read, or has no such columns.
    """
    longest = csv.field_size_limit(_LONGEST_FIELD)
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            columns = rows.fieldnames or []
            source = next((name for name in _SOURCE_COLUMNS if name in columns), None)
            if "file" not in columns or source is None:
                raise UsageError(
                    f"{file} needs the columns file and source (or repository), and has {', '.join(columns) or 'none'}."
                )
            return {
                printable_name(PurePosixPath(row["file"].replace("\\", "/")).as_posix()): Origin(
                    source=_said(row[source]),
                    title=_said(row.get("title")),
                    asin=_said(row.get("asin")),
                    url=_said(row.get("url")),
                )
                for row in rows
                if row["file"]
            }
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"Cannot read {file}: {getattr(error, 'strerror', None) or error}.") from error
    finally:
        csv.field_size_limit(longest)


def find_origins(folder: Path, sources: Path | None = None) -> tuple[dict[str, Origin] | None, str | None]:
    """Where the pictures of a folder come from: as a CSV says that was named, or `SOURCES.csv` in the folder itself.

    Returns:
        what it says, or None where there is none; and a sentence about a file that nobody named.

    Raises:
        UsageError: the CSV that was named cannot be read.
    """
    if sources is not None:
        return read_origins(sources), None
    own = folder / SOURCES
    if not own.is_file():
        return None, None
    try:
        return read_origins(own), f"Where they come from is read from {own}."
    except UsageError as error:
        return None, f"{str(error).rstrip('.')}: it was not used."


def _said(value: str | None) -> str | None:
    """What a field says, or None where it says nothing."""
    word = (value or "").strip()
    if word.casefold() in _NOTHING or not any(sign.isalnum() and sign != "0" for sign in word):
        return None
    return word
