"""A network drawn as boxes and arrows: the base stage by stage, the head layer by layer, what is frozen and what was trained."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from stj_core.text import shortened
from stj_model.layers import LayerRow
from stj_model.plots import FAINT, INK, TRAIN, Drawing, draw_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PER_LINE = 6
WIDE, HIGH, ACROSS, DOWN = 1.5, 0.92, 0.32, 0.5
"""Inches of a box, and between two beside and below each other."""
SHADE = 0.18
"""How much of their colour what was trained is filled with: letters stay readable on paper and on a dark page."""
MOST_OF_HEAD = 18
_STAGE = re.compile(r"(?:conv|pool|block|stage)(\d+)", re.ASCII)
_BLOCK = re.compile(r"(?:conv\d+_block|block\d+)([a-z]|\d+)", re.ASCII)


@dataclass(frozen=True)
class Box:
    """A box of the drawing: its title, what is said below, and whether any of it was trained (None: it holds no parameter)."""

    title: str
    lines: tuple[str, ...]
    trained: bool | None


def boxes_of(rows: Sequence[LayerRow]) -> list[Box]:
    """The boxes of a network: one for each stage of the base, cut where the training begins, and one for each layer behind it."""
    base, head = [row for row in rows if row.base], [row for row in rows if not row.base]
    found = []
    stage, trained = "", False
    keyed: list[tuple[tuple[str, bool], LayerRow]] = []
    for row in base:
        named = _STAGE.match(row.name)
        stage = f"stage {named[1]}" if named else stage
        trained = bool(row.trained) if row.parameters else trained
        keyed.append(((stage, trained), row))
    for (name, _), members in groupby(keyed, key=lambda pair: pair[0]):
        found.append(_of_stage(name or "pixels", [row for _, row in members]))
    shown = [row for row in head if row.parameters or row.kind not in {"Identity", "GetItem"}]
    found += [_of_layer(row) for row in shown[:MOST_OF_HEAD]]
    if len(shown) > MOST_OF_HEAD:
        found.append(Box("…", (f"{len(shown) - MOST_OF_HEAD} layers more",), None))
    return found


def draw_architecture(rows: Sequence[LayerRow], name: str) -> Drawing:
    """The drawing of a network.

    Args:
        rows: its layers, from `stj_model.layers`.
        name: of the network, for the title.
    """
    boxes = boxes_of(rows)
    lines = -(-len(boxes) // PER_LINE)
    width = PER_LINE * (WIDE + ACROSS)
    height = lines * (HIGH + DOWN) + 0.35 - DOWN + 0.1
    total, learned = sum(row.parameters for row in rows), sum(row.trained for row in rows)

    def draw(axes: Axes) -> None:
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.set_axis_off()
        said = f"{name}: {total:,} parameters, {learned:,} of them trained"
        axes.text(ACROSS / 2, 0.12, said, va="center", fontsize=10.5, fontweight="bold", parse_math=False)
        for place, box in enumerate(boxes):
            _draw_box(axes, box, *_corner(place))
            if place + 1 < len(boxes):
                _draw_arrow(axes, place)

    return draw_figure(draw, (width, height))


def _corner(place: int) -> tuple[float, float]:
    line, column = divmod(place, PER_LINE)
    return ACROSS / 2 + column * (WIDE + ACROSS), 0.35 + line * (HIGH + DOWN)


def _draw_box(axes: Axes, box: Box, left: float, top: float) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import FancyBboxPatch

    style: dict[str, Any] = {"fc": "none", "ec": FAINT, "lw": 1.0}
    if box.trained:
        style = {"fc": to_rgba(TRAIN, SHADE), "ec": TRAIN, "lw": 2.0}
    if box.trained is False:
        style |= {"ls": (0, (4, 2))}
    patch = FancyBboxPatch((left, top), WIDE, HIGH, boxstyle="round,pad=0,rounding_size=0.06", **style)
    axes.add_patch(patch)
    middle, size = left + WIDE / 2, min(8.5, 8.5 * 17 / max(len(box.title), 1))
    axes.text(
        middle, top + 0.17, box.title, ha="center", va="center", fontsize=size, fontweight="bold", parse_math=False
    )
    for number, line in enumerate(box.lines):
        axes.text(middle, top + 0.36 + 0.16 * number, line, ha="center", va="center", fontsize=7.5, parse_math=False)


def _draw_arrow(axes: Axes, place: int) -> None:
    """From a box to the next, which may begin the line below."""
    left, top = _corner(place)
    there, below = _corner(place + 1)
    how = {"arrowstyle": "-|>", "color": INK, "lw": 1.0, "shrinkA": 0, "shrinkB": 0}
    if below == top:
        axes.annotate("", (there, top + HIGH / 2), (left + WIDE, top + HIGH / 2), arrowprops=how)
        return
    halfway, out, into = top + HIGH + DOWN / 2, left + WIDE / 2, there + WIDE / 2
    axes.plot([out, out, into], [top + HIGH, halfway, halfway], color=INK, lw=1.0)
    axes.annotate("", (into, below), (into, halfway), arrowprops=how)


def _of_stage(name: str, rows: Sequence[LayerRow]) -> Box:
    convolutions = sum("conv" in row.kind.lower() for row in rows)
    blocks = list(dict.fromkeys(found[1] for row in rows if (found := _BLOCK.match(row.name))))
    several = f"blocks {blocks[0]} to {blocks[-1]}" if len(blocks) > 1 else ""
    parts = [several or f"block {blocks[0]}"] if blocks else []
    parts += [f"{convolutions} conv."] if convolutions else []
    return _box(name, ", ".join(parts) or "input, scaling", rows)


def _of_layer(row: LayerRow) -> Box:
    return _box(row.name, row.kind, [row])


def _box(title: str, kind: str, rows: Sequence[LayerRow]) -> Box:
    parameters, learned = sum(row.parameters for row in rows), sum(row.trained for row in rows)
    trained = bool(learned) if parameters else None
    count = f"{learned:,} trained" if learned else f"{parameters:,} frozen" if parameters else "no parameters"
    shape = " × ".join("?" if side is None else f"{side}" for side in rows[-1].shape[1:]) or "one number"
    return Box(shortened(title, 26), (kind[:24], f"→ {shape}", count), trained)
