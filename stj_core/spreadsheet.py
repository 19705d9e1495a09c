"""Tables that people write: CSV as their programs save it, read whole or refused with the line that is wrong.

A spreadsheet writes commas, semicolons or tabs, UTF-8 with or without a mark, or UTF-16. What could be meant in two ways is
refused: a cell too many would put every later one in the wrong column, and a quotation mark that is never closed would swallow
the lines after it.
"""

from __future__ import annotations

import codecs
import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stj_core.errors import UsageError

# A title may be long, and is cut when it is written; a field of more than this is no table of ours.
_LONGEST_FIELD = 10_000_000
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins with the mark of UTF-16: asked first
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True)
class Table:
    """A table with a line of columns.

    Attributes:
        columns: their names, without spaces around them and in lower case.
        rows: the number of each line that is not blank, with its cells by column; cells that a line lacks are empty.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]


def read_text(place: str) -> str:
    """The text of a file, or of standard input for `-`, whatever its mark says that its encoding is.

    Raises:
        UsageError: it cannot be read, or is no text.
    """
    try:
        data = sys.stdin.buffer.read() if place == "-" else Path(place).read_bytes()
    except OSError as error:
        raise UsageError(f"Cannot read {place}: {error.strerror or error}.") from error
    mark, encoding = next(((mark, name) for mark, name in _MARKS if data.startswith(mark)), (b"", "utf-8"))
    try:
        return data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"Cannot read {place}: it is no UTF-8 text (byte {error.start + 1}). Save it as CSV UTF-8, and give it again."
        ) from error


def read_table(text: str, place: str) -> Table:
    """Read a table.

    Args:
        text: the file's text.
        place: what the file is called.

    Raises:
        UsageError: it is no table, or a line could be meant in two ways.
    """
    limit = csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise UsageError(
            f"Line {max(reader.line_num, 1)} of {place} is no CSV ({error}): a quotation mark may be missing there or above."
        ) from error
    finally:
        csv.field_size_limit(limit)
    if not lines:
        return Table((), ())
    columns = _columns(lines[0][1], place)
    return Table(columns, tuple((number, _row(number, cells, columns, place)) for number, cells in lines[1:]))


def delimiter_of(text: str) -> str:
    """What parts the columns of a table: spreadsheets of some countries write semicolons, and some write tabs."""
    first = text.lstrip().partition("\n")[0]
    return max(",;\t", key=first.count)


def _columns(cells: Sequence[str], place: str) -> tuple[str, ...]:
    columns = [cell.strip().casefold() for cell in cells]
    while columns and not columns[-1]:
        columns.pop()
    twice = next((name for place, name in enumerate(columns) if name and name in columns[:place]), None)
    if twice is not None:
        raise UsageError(f"{place} has two columns called {twice}: rename one of them.")
    return tuple(columns)


def _row(number: int, cells: Sequence[str], columns: Sequence[str], place: str) -> dict[str, str]:
    if any(cell.strip() for cell in cells[len(columns) :]):
        raise UsageError(
            f"Line {number} of {place} has {len(cells)} cells, and there are {len(columns)} columns: "
            "put quotation marks around a text that holds the sign between columns."
        )
    filled = [*cells, *[""] * (len(columns) - len(cells))]
    return dict(zip(columns, filled, strict=False))
