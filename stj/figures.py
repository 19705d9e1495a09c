"""Figures for a notebook: each is a matplotlib figure with labelled axes that can be read in grey print too.

They are made without pyplot: nothing stays open behind them, and several notebooks of one process do not meet.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure as MatplotlibFigure

_SIDE = 1.9
"""Inches that a picture takes in a row of pictures, its title with it."""


class Figure(MatplotlibFigure):
    """A figure that a notebook shows by itself."""

    def _repr_png_(self) -> bytes:
        return self.png()

    def png(self, dpi: int = 110) -> bytes:
        """The figure as PNG."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight")
        return buffer.getvalue()


def pictures(shown: Sequence[tuple[Path, str]], title: str, columns: int = 6) -> Figure:
    """Pictures in rows, each under its caption, upright and on white as the model sees them.

    Args:
        shown: files and their captions.
        title: of the whole.
        columns: pictures in a row.
    """
    from stj_core.errors import PictureError
    from stj_images.decode import decode

    rows = max(1, -(-len(shown) // columns))
    figure = Figure(figsize=(_SIDE * columns, (_SIDE + 0.35) * rows + 0.4), layout="constrained")
    figure.suptitle(title, fontsize=11)
    for place, (file, caption) in enumerate(shown, start=1):
        axes = figure.add_subplot(rows, columns, place)
        axes.set_axis_off()
        axes.set_title(caption, fontsize=8, parse_math=False)
        try:
            picture = decode(file.read_bytes())
            picture.thumbnail((256, 256))
            axes.imshow(picture)
        except (PictureError, OSError) as error:
            axes.text(0.5, 0.5, str(error), ha="center", va="center", fontsize=6, wrap=True, parse_math=False)
    return figure


def history(lines: Sequence[Mapping[str, float]], title: str) -> Figure:
    """Accuracy and loss by epoch: training as a full line, validation as a dashed one with points."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    figure.suptitle(title, fontsize=11)
    epochs = [line["epoch"] for line in lines]
    for place, name in enumerate(("accuracy", "loss"), start=1):
        axes = figure.add_subplot(1, 2, place)
        axes.plot(epochs, [line[name] for line in lines], color="black", lw=1.6, label="training")
        validation = [line[f"val_{name}"] for line in lines]
        axes.plot(epochs, validation, color="tab:blue", lw=1.4, ls="--", marker="o", ms=3, label="validation")
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def confusion(counts: Sequence[Sequence[int]], names: Sequence[str], title: str) -> Figure:
    """Rows are what a picture is, columns what it was taken for; each cell has its number, shaded by its share of the row."""
    figure = Figure(figsize=(1.2 + 1.1 * len(names), 1.1 + 1.0 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    shares = [[n / max(sum(row), 1) for n in row] for row in counts]
    axes.imshow(shares, cmap="Greys", vmin=0, vmax=1)
    for i, row in enumerate(counts):
        for j, n in enumerate(row):
            axes.text(j, i, f"{n:,}", ha="center", va="center", color="white" if shares[i][j] > 0.5 else "black")
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("taken for")
    axes.set_ylabel("is")
    axes.set_title(title, fontsize=11)
    return figure


def spread(rows: Sequence[Any], most: int) -> list[Any]:
    """`most` of some rows, from everywhere among them, the same ones every time."""
    if len(rows) <= most:
        return list(rows)
    return [rows[place * len(rows) // most] for place in range(most)]
