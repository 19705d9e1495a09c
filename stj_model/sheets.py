"""Sheets of pictures that stand alone in print: what each shows, what was answered and how surely, ✓ or ✗ beside the colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from stj_core.text import shortened, visible
from stj_model.plots import BAD, GOOD, INK, RIGHT_SIGN, WRONG_SIGN, house_figure, png_of
from stj_model.thumbnails import ReportThumbnails

SIDE, GAP, FRAME, LINE = 150, 14, 4, 19
"""Pixels of a picture, between two, of its frame, and of a line below it."""
DPI = 150
LEAST_COLUMNS, LETTER = 3, 0.078
"""A title needs its width: columns at least, and inches of a letter."""
_GONE = (232, 230, 226)
_LETTERS = 17


@dataclass(frozen=True)
class Tile:
    """A picture on a sheet: its file, the lines below it, and whether it was named rightly (None: nothing was asked)."""

    path: Path
    lines: tuple[str, ...]
    right: bool | None = None


def answered(path: Path, true: str, said: str, sure: float, *, right: bool, instead: str = "") -> Tile:
    """A judged picture: its class, and below that the likeliest class with its probability.

    Args:
        path: the picture.
        true: its class's name.
        said: the likeliest class's.
        sure: that class's probability.
        right: whether it is the true one.
        instead: what was answered in its place: `unsure` or `none`.
    """
    answer = f"{RIGHT_SIGN if right else WRONG_SIGN} {shortened(visible(said), _LETTERS - 6)} {sure:.0%}"
    return Tile(
        path, (shortened(visible(true), _LETTERS), answer, *([f"answered: {instead}"] if instead else [])), right
    )


def draw_sheet(tiles: Sequence[Tile], thumbs: ReportThumbnails, title: str, columns: int) -> bytes:
    """Pictures side by side under a title, as PNG.

    Args:
        tiles: one or more.
        thumbs: where the pictures are shrunk.
        title: says what they are, and how many of how many.
        columns: pictures per line.
    """
    columns = max(min(columns, len(tiles)), LEAST_COLUMNS)
    lines = -(-len(tiles) // columns)
    step, drop = SIDE + GAP, SIDE + GAP + 6 + LINE * max(len(tile.lines) for tile in tiles)
    sheet = np.full((lines * drop, columns * step, 3), 255, dtype=np.uint8)
    corners = [(place // columns * drop + GAP // 2, place % columns * step + GAP // 2) for place in range(len(tiles))]
    for tile, (top, left) in zip(tiles, corners, strict=True):
        if tile.lines:
            sheet[top : top + SIDE, left : left + SIDE] = _framed(thumbs.picture(tile.path))
    heading = wrap(title, max(20, round(sheet.shape[1] / DPI / LETTER))) or [""]
    size = (sheet.shape[1] / DPI, sheet.shape[0] / DPI + 0.13 + 0.17 * len(heading))
    with house_figure(size) as figure:
        axes = figure.add_axes((0, 0, 1, sheet.shape[0] / DPI / size[1]))
        axes.set_axis_off()
        axes.imshow(sheet, interpolation="none", aspect="auto")
        for tile, (top, left) in zip(tiles, corners, strict=True):
            colour = INK if tile.right is None else GOOD if tile.right else BAD
            for number, line in enumerate(tile.lines):
                own: dict[str, Any] = {"color": colour, "fontweight": "bold"} if number == 1 else {"color": INK}
                low = top + SIDE + 4 + LINE * number
                axes.text(left, low, line, va="top", fontsize=7.5, parse_math=False, **own)
            if tile.right is not None:
                dash = "solid" if tile.right else (0, (3, 2))
                frame = [[left, left + SIDE, left + SIDE, left, left], [top, top, top + SIDE, top + SIDE, top]]
                axes.plot(*frame, color=colour, lw=1.5 if tile.right else 2.2, ls=dash)
        axes.set_xlim(-0.5, sheet.shape[1] - 0.5)
        axes.set_ylim(sheet.shape[0] - 0.5, -0.5)
        figure.text(
            GAP / 2 / sheet.shape[1], 1 - 0.08 / size[1], "\n".join(heading), va="top", fontsize=9.5, parse_math=False
        )
        figure.set_layout_engine("none")
        return png_of(figure, DPI)


def rows_of_samples(samples: Mapping[str, Sequence[Path]], columns: int) -> list[Tile]:
    """Training pictures, each class beginning a line of its own."""
    tiles: list[Tile] = []
    for name, paths in samples.items():
        tiles += [Tile(path, (shortened(visible(name), _LETTERS),)) for path in paths]
        tiles += [Tile(Path(), ()) for _ in range(-len(tiles) % columns)]
    while tiles and not tiles[-1].lines:
        tiles.pop()
    return tiles


def _framed(picture: Image.Image | None) -> npt.NDArray[np.uint8]:
    """A picture in the middle of a white square; grey where it cannot be read."""
    if picture is None:
        return np.full((SIDE, SIDE, 3), _GONE, dtype=np.uint8)
    inner = picture.copy()
    inner.thumbnail((SIDE - 2 * FRAME, SIDE - 2 * FRAME))
    square = Image.new("RGB", (SIDE, SIDE), "white")
    square.paste(inner, ((SIDE - inner.width) // 2, (SIDE - inner.height) // 2))
    return np.asarray(square)
