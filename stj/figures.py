"""Figures for a notebook: each is a matplotlib figure with labelled axes that can be read in grey print too.

They are made without pyplot: nothing stays open behind them, and several notebooks of one process do not meet.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from stj_model.plots import BAD, GOOD, RIGHT_SIGN, TRAIN, VAL, WRONG_SIGN

_SIDE = 1.9
"""Inches that a picture takes in a row of pictures."""
_PIXELS = 256


class Figure(MatplotlibFigure):
    """A figure that a notebook shows by itself."""

    def _repr_png_(self) -> bytes:
        return self.png()

    def png(self, dpi: int = 110) -> bytes:
        """The figure as PNG."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight")
        return buffer.getvalue()


@dataclass(frozen=True)
class Shown:
    """A picture in a figure: its file, what stands above it, and whether it was named rightly (None: nothing was asked)."""

    file: Path
    caption: str
    right: bool | None = None


def judged(file: Path, true: str, taken: str, sure: float, *, right: bool) -> Shown:
    """A judged picture: what it is, and below that ✓ or ✗, what it was taken for, and how surely."""
    return Shown(file, f"{true}\n{RIGHT_SIGN if right else WRONG_SIGN} {taken} {sure:.0%}", right)


def pictures(shown: Sequence[Shown], title: str, columns: int = 6) -> Figure:
    """Pictures in rows, each under its caption, upright and on white as the model sees them.

    What was named rightly has a full frame and wrongly a dashed one, beside their colours.

    Args:
        shown: the pictures.
        title: of the whole.
        columns: pictures in a row.
    """
    from stj_core.errors import PictureError
    from stj_images.decode import decode

    rows, lines = max(1, -(-len(shown) // columns)), 1 + max((one.caption.count("\n") for one in shown), default=0)
    figure = Figure(figsize=(_SIDE * columns, (_SIDE + 0.1 + 0.18 * lines) * rows + 0.4), layout="constrained")
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    for place, one in enumerate(shown, start=1):
        axes = figure.add_subplot(rows, columns, place)
        colour = "black" if one.right is None else GOOD if one.right else BAD
        axes.set_title(one.caption, fontsize=8, parse_math=False, color=colour)
        axes.set(xticks=(), yticks=(), xlim=(-0.5, _PIXELS - 0.5), ylim=(_PIXELS - 0.5, -0.5), aspect="equal")
        axes.spines[:].set(
            visible=one.right is not None, color=colour, linewidth=1.6, linestyle="-" if one.right else (0, (3, 2))
        )
        try:
            axes.imshow(_squared(decode(one.file.read_bytes())))
        except (PictureError, OSError) as error:
            middle = _PIXELS / 2
            axes.text(middle, middle, str(error), ha="center", va="center", fontsize=6, wrap=True, parse_math=False)
    return figure


def _squared(picture: Image.Image) -> Image.Image:
    """A picture in the middle of a white square, so that those of a row stand side by side."""
    picture.thumbnail((_PIXELS - 8, _PIXELS - 8))
    square = Image.new("RGB", (_PIXELS, _PIXELS), "white")
    square.paste(picture, ((_PIXELS - picture.width) // 2, (_PIXELS - picture.height) // 2))
    return square


def history(lines: Sequence[Mapping[str, float]], title: str) -> Figure:
    """Accuracy and loss by epoch, both from zero: training as a full line, validation as a dashed one with points."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    epochs = [line["epoch"] for line in lines]
    for place, (name, meaning) in enumerate(
        (("accuracy", "share named rightly"), ("loss", "mean cross-entropy")), start=1
    ):
        axes = figure.add_subplot(1, 2, place)
        learned, seen = ([line[prefix + name] for line in lines] for prefix in ("", "val_"))
        axes.plot(epochs, learned, color=TRAIN, lw=1.8, label="training")
        axes.plot(epochs, seen, color=VAL, lw=1.4, ls="--", marker="o", ms=3, label="validation")
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("epoch")
        axes.set_ylabel(meaning)
        axes.set_ylim(0, 1.03 if name == "accuracy" else 1.08 * max(*learned, *seen, 1e-9))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def confusion(counts: Sequence[Sequence[int]], names: Sequence[str], title: str) -> Figure:
    """Rows are what a picture is, columns what it was taken for; each cell has its number, and its share of the row."""
    figure = Figure(figsize=(1.6 + 1.1 * len(names), 1.1 + 0.9 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    shares = [[n / max(sum(row), 1) for n in row] for row in counts]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.2, aspect="auto")
    for i, row in enumerate(counts):
        for j, n in enumerate(row):
            text = f"{n:,}\n{shares[i][j]:.0%}"
            axes.text(j, i, text, ha="center", va="center", color="white" if shares[i][j] > 0.6 else "black")
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.set_xlabel("taken for")
    axes.set_ylabel("is")
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    return figure


def spread(rows: Sequence[Any], most: int) -> list[Any]:
    """`most` of some rows, from everywhere among them, the same ones every time."""
    if len(rows) <= most:
        return list(rows)
    return [rows[place * len(rows) // most] for place in range(most)]
