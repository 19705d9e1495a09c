"""Decisions as a CSV file that travels: written for a team that judges elsewhere, read back, checked line by line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from stj_catalog.catalog import Catalog
from stj_catalog.decisions import newest_decisions
from stj_catalog.gallery import Filter, tiles_of
from stj_catalog.lookup import ids_of_checksums
from stj_catalog.reviews import Wish, check_decision
from stj_core.errors import UsageError
from stj_core.labels import NO_LABEL
from stj_core.spreadsheet import read_table
from stj_core.text import cell_inert
from stj_core.vocabulary import Action
from stj_dataset.picking import filtered_ids

COLUMNS = ("sha256", "status", "label", "reason", "title", "action", "to", "why", "reviewer", "made_at")
_NEEDED = ("sha256", "action")
_BATCH = 500
_MOST_TOLD = 5


def review_lines(catalog: Catalog, wanted: Filter | None) -> Iterator[tuple[object, ...]]:
    """One line for each picture: those that a decision stands about, or all that a filter asks for; columns as in COLUMNS."""
    ids = list(filtered_ids(catalog, wanted or Filter()))
    for start in range(0, len(ids), _BATCH):
        some = ids[start : start + _BATCH]
        standing = newest_decisions(catalog, some)
        for tile in tiles_of(catalog, some):
            decision = standing.get(tile.id)
            if tile.sha256 is None or (wanted is None and decision is None):
                continue
            told: Sequence[Any] = ("", "", "", "", "")
            if decision is not None:
                label = "" if decision["label"] is None else decision["label"]
                words = [cell_inert(one or "") for one in (decision["reason"], decision["reviewer"])]
                told = (decision["action"], label, *words, decision["made_at"])
            label = "" if tile.label is None else tile.label
            words = [cell_inert(str(one or "")) for one in (tile.reason, tile.title)]
            yield (tile.sha256, tile.status, label, *words, *told)


def read_wishes(
    catalog: Catalog, text: str, place: str, reviewer: str, label_of: Callable[[str], int]
) -> tuple[list[Wish], int]:
    """The decisions of a CSV file, and how many lines hold none.

    Args:
        catalog: where the pictures are.
        text: the file's text: `sha256` and `action` are needed; `to` is the class, `why` the reason, `made_at` when the decision
            was made that stood when the file was written.
        place: what the file is called.
        reviewer: who decides where a line names nobody.
        label_of: reads a class; NO_LABEL for none of the classes.

    Raises:
        UsageError: a column is missing or a line cannot be right: nothing is to be written then.
    """
    table = read_table(text, place)
    lines = table.rows
    if missing := [name for name in _NEEDED if name not in table.columns]:
        raise UsageError(
            f"{place} lacks the column {missing[0]}: stj-dataset reviews export writes one that has them all."
        )
    judged = [(number, row) for number, row in lines if (row.get("action") or row.get("to", "")).strip()]
    ids = ids_of_checksums(catalog, [row["sha256"].strip().lower() for _, row in judged])
    wishes: dict[int, Wish] = {}
    wrong: list[str] = []
    for number, row in judged:
        try:
            wish = _wish(row, ids, reviewer, label_of)
            if wishes.setdefault(wish.image_id, wish) != wish:
                raise UsageError("another line decides otherwise about the same picture.")
        except UsageError as error:
            wrong.append(f"line {number}: {error}")
    if wrong:
        more = f" And {len(wrong) - _MOST_TOLD} more." if len(wrong) > _MOST_TOLD else ""
        raise UsageError(f"{place} cannot be read, nothing was changed; {' '.join(wrong[:_MOST_TOLD])}{more}")
    return list(wishes.values()), len(lines) - len(judged)


def _wish(row: dict[str, str], ids: dict[str, int], reviewer: str, label_of: Callable[[str], int]) -> Wish:
    cells = {name: _plain(value) for name, value in row.items()}
    image = ids.get(cells["sha256"].lower())
    if image is None:
        raise UsageError(f"no picture has the sha256 {cells['sha256']!r}.")
    action, to = cells["action"].lower() or Action.LABEL, cells.get("to", "")
    label = label_of(to) if action == Action.LABEL and to else None
    if label == NO_LABEL:
        action, label = Action.NONE, None
    why = cells.get("why") or None
    by = cells.get("reviewer") or reviewer
    check_decision(action, label, by, why)
    return Wish(image, str(action), by, label, why, cells.get("made_at"))


def _plain(cell: str) -> str:
    """A cell without the apostrophe that keeps a spreadsheet from taking it for a formula."""
    cell = cell.strip()
    return cell[1:] if cell.startswith("'") and cell_inert(cell[1:]) == cell else cell


def csv_text(lines: Iterable[Sequence[object]]) -> str:
    """The lines under their columns, as CSV."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(lines)
    return stream.getvalue()
