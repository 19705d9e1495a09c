"""Drawings as SVG that the content policy lets through: classes and attributes, no inline style."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 640, 300, 60, 40, 14, 14


def bar(share: float, kind: str = "") -> Markup:
    """A bar that is filled to `share` of its width; what it means is said in text beside it."""
    width = max(0.0, min(100.0, 100 * share))
    return Markup(
        '<svg class="bar" aria-hidden="true" focusable="false" preserveAspectRatio="none" viewBox="0 0 100 8">'
        '<rect class="track" width="100" height="8" rx="1"/><rect class="fill {}" width="{}" height="8" rx="1"/></svg>'
    ).format(kind, f"{width:.2f}")


def stacked(parts: Sequence[tuple[str, float]]) -> Markup:
    """Parts of a whole side by side, each with the class of its word."""
    total = sum(value for _, value in parts) or 1
    pieces, start = [], 0.0
    for word, value in parts:
        width = 100 * value / total
        if width:
            pieces.append(
                Markup('<rect class="part {}" x="{}" width="{}" height="8"/>').format(
                    word, f"{start:.3f}", f"{width:.3f}"
                )
            )
        start += width
    return Markup(
        '<svg class="bar tall" aria-hidden="true" focusable="false" preserveAspectRatio="none" viewBox="0 0 100 8">{}</svg>'
    ).format(Markup("").join(pieces))


def curves(runs: Sequence[tuple[str, Sequence[Mapping[str, float]]]], value: str, title: str) -> Markup:
    """Lines over epochs, one colour per run: training dashed, validation solid.

    Args:
        runs: name and history of each.
        value: accuracy or loss.
        title: what a reader who cannot see it is told.
    """
    points = [line[name] for _, history in runs for line in history for name in (value, f"val_{value}") if name in line]
    if not points:
        return Markup('<p class="soft">No curve was written.</p>')
    low, high = (min(points), max(points)) if value == "accuracy" else (0.0, max(points))
    marks = _marks(low, high)
    low, high = marks[0], marks[-1]
    last = max(int(line["epoch"]) for _, history in runs for line in history)
    parts = [_grid(marks, last)]
    for place, (_, history) in enumerate(runs):
        for name, kind in ((value, "train"), (f"val_{value}", "val")):
            spots = [
                f"{_x(line['epoch'], last):.1f},{_y(line[name], low, high):.1f}" for line in history if name in line
            ]
            parts.append(
                Markup('<polyline class="curve run{} {}" points="{}"/>').format(place % 6, kind, " ".join(spots))
            )
    return Markup('<svg class="chart" role="img" viewBox="0 0 {} {}"><title>{}</title>{}</svg>').format(
        _WIDTH, _HEIGHT, title, Markup("").join(parts)
    )


def confusion(
    matrix: Sequence[Sequence[int]],
    names: Mapping[int, str],
    caption: str,
    link: Callable[[int, int], str] | None = None,
) -> Markup:
    """A confusion matrix as a table whose cells are shaded by their share of the row.

    Args:
        matrix: counts, a row for each true class and a column for each answer.
        names: the classes by label, in the order of the rows.
        caption: what it shows.
        link: the address that shows the pictures of a true class and an answer, by label.
    """
    labels = [*names, *range(len(names), len(matrix))][: len(matrix)]
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(names.get(label, label)) for label in labels)
    rows = []
    for place, row in enumerate(matrix):
        total = sum(row) or 1
        cells = Markup("").join(
            Markup('<td class="{} shade{}">{}</td>').format(
                "hit" if at == place else "miss",
                _shade(count / total),
                Markup('<a href="{}">{}</a>').format(link(labels[place], labels[at]), count)
                if link and count
                else count,
            )
            for at, count in enumerate(row)
        )
        rows.append(Markup('<tr><th scope="row">{}</th>{}</tr>').format(names.get(labels[place], labels[place]), cells))
    return Markup(
        '<table class="confusion"><caption>{}</caption><thead><tr><th scope="col">true ↓ answer →</th>{}</tr></thead>'
        "<tbody>{}</tbody></table>"
    ).format(caption, head, Markup("").join(rows))


def _shade(share: float) -> int:
    """0 to 5: how dark a cell is."""
    return 0 if share == 0 else min(5, 1 + int(share * 4.999))


def _x(epoch: float, last: int) -> float:
    span = max(1, last - 1)
    return _LEFT + (epoch - 1) / span * (_WIDTH - _LEFT - _RIGHT)


def _y(value: float, low: float, high: float) -> float:
    return _TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)


def _marks(low: float, high: float) -> list[float]:
    """Three to seven round numbers that hold everything between `low` and `high`."""
    span = max(high - low, 0.01)
    power = 10.0 ** math.floor(math.log10(span))
    step = next(power * part for part in (0.2, 0.5, 1, 2, 5) if span <= 5 * power * part)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if first == last:
        first, last = (first - 1, last) if first > 0 else (first, last + 1)
    return [round(step * place, 10) for place in range(first, last + 1)]


def _grid(marks: Sequence[float], last: int) -> Markup:
    parts: list[Any] = []
    digits = max(len(f"{value:.10f}".rstrip("0").partition(".")[2]) for value in marks)
    for value in marks:
        y = _y(value, marks[0], marks[-1])
        parts.append(
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="tick" x="{}" y="{}">{}</text>'
            ).format(_LEFT, _WIDTH - _RIGHT, f"{y:.1f}", f"{y:.1f}", _LEFT - 6, f"{y + 5:.1f}", f"{value:.{digits}f}")
        )
    parts += [
        Markup('<text class="tick middle" x="{}" y="{}">{}</text>').format(f"{_x(epoch, last):.1f}", _HEIGHT - 8, epoch)
        for epoch in sorted({1, *(round(last * share / 4) or 1 for share in range(1, 5))})
    ]
    return Markup("").join(parts)
