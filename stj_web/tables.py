"""Downloads of lists: CSV for spreadsheets, JSON for programs, written while they are read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from flask import Response, stream_with_context

from stj_core.text import cell_inert

KINDS = "any(csv, json):kind"
"""The ends of an address that gives a list as a file."""
_TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}


def download(kind: str, name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Response:
    """A list as a file.

    Args:
        kind: csv or json.
        name: of the file, without its ending.
        columns: what each row has, in this order.
        rows: read one by one.
    """
    written = _csv(columns, rows) if kind == "csv" else _json(columns, rows)
    response = Response(stream_with_context(written), content_type=_TYPES[kind])
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.{kind}"'
    return response


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield _line(columns)
    for row in rows:
        yield _line([_cell(row.get(column)) for column in columns])


def _json(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    before = "[\n"
    for row in rows:
        yield before + json.dumps({column: row.get(column) for column in columns}, ensure_ascii=False)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _cell(value: object) -> object:
    """What a spreadsheet shows: nothing for what is not known, and no text of a shop as a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        value = ", ".join(str(one) for one in value)
    return cell_inert(value) if isinstance(value, str) else value


def _line(cells: Iterable[object]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(cells)
    return stream.getvalue()
