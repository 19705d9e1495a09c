"""Where the pictures of an imported folder come from, as a CSV file says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stj_core.class_folders import SOURCES, printable_name
from stj_core.errors import UsageError
from stj_core.spreadsheet import read_table, read_text

_SOURCE_COLUMNS = ("source", "repository", "host", "url")
# More pictures of one product than a shop shows: then the column holds something else.
_MOST_OF_A_PRODUCT = 20
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
    """Read where pictures came from: a table with columns `file` and `source` (or `repository`), perhaps `title`, `asin`, `url`.

    A word that stands for nothing (`nan`, `N/A`, `-`, `None`, `0`) says nothing.

    Raises:
        UsageError: it cannot be read, has no such columns, or says two things of one file.
    """
    table = read_table(read_text(str(file)), str(file))
    source = next((name for name in _SOURCE_COLUMNS if name in table.columns), None)
    if "file" not in table.columns or source is None:
        raise UsageError(
            f"{file} needs the columns file and source (or repository), and has {', '.join(table.columns) or 'none'}."
        )
    found: dict[str, Origin] = {}
    for number, row in table.rows:
        if not row["file"]:
            continue
        name = printable_name(PurePosixPath(row["file"].replace("\\", "/")).as_posix())
        origin = Origin(
            source=_said(row[source]),
            title=_said(row.get("title")),
            asin=_said(row.get("asin")),
            url=_said(row.get("url")),
        )
        if found.setdefault(name, origin) != origin:
            raise UsageError(
                f"Line {number} of {file} says of {name} what an earlier line says otherwise: keep one of them."
            )
    return found


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


def doubts_about(origins: Mapping[str, Origin], files: Iterable[str]) -> list[str]:
    """What about a table is probably not meant so, as sentences.

    Args:
        origins: what it says, by file.
        files: what lies in the folder, as paths below it.
    """
    there = set(files)
    told = []
    lost = [name for name in origins if name not in there]
    if lost:
        some = f"{', '.join(lost[:3])}{' …' if len(lost) > 3 else ''}"
        told.append(
            f"{len(lost):,} of the {len(origins):,} files that the list of sources names do not lie in the folder ({some}): "
            "their lines were not used. Paths begin below the folder, such as 0_saree/a.jpg."
        )
    often = Counter(origin.asin for name, origin in origins.items() if origin.asin and name in there)
    for asin, number in often.most_common(3):
        if number > _MOST_OF_A_PRODUCT:
            told.append(
                f"{number:,} pictures are of one product by the list of sources (asin {asin}): they stay in one split together. "
                "If it is no product's number, clear that column and import again from a new catalogue."
            )
    return told


def _said(value: str | None) -> str | None:
    """What a field says, or None where it says nothing."""
    word = (value or "").strip()
    if word.casefold() in _NOTHING or not any(sign.isalnum() and sign != "0" for sign in word):
        return None
    return word
