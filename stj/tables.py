"""Rows for people: a DataFrame where pandas is there, else a list of dicts; and the same as HTML for a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import escape

_ROWS = 20


def table(rows: Sequence[Mapping[str, Any]]) -> Any:  # noqa: ANN401 - a DataFrame, which not everybody has
    """The rows as a `pandas.DataFrame`, or as a list of dicts where pandas is not installed."""
    try:
        from pandas import DataFrame
    except ModuleNotFoundError:
        return [dict(row) for row in rows]
    return DataFrame.from_records([dict(row) for row in rows])


def html_table(title: str, rows: Sequence[Mapping[str, Any]], *, most: int = _ROWS) -> str:
    """Rows as an HTML table under a title; text from shops is escaped, and what is left out is counted."""
    heads = list(rows[0]) if rows else []
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_cell(row.get(name)))}</td>" for name in heads) + "</tr>" for row in rows[:most]
    )
    more = f"<p>… and {len(rows) - most:,} more</p>" if len(rows) > most else ""
    return f"<p><b>{escape(title)}</b></p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
