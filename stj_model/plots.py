"""The report's drawings: curves, confusion and reliability, as PNG for `plots/` and as SVG that follows light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, TRAIN, VAL = "#1c1a18", "#8a837b", "#2f5b93", "#c2571a"
_VARIABLES = {INK: "currentColor", FAINT: "var(--faint)", TRAIN: "var(--train)", VAL: "var(--val)"}
"""Colours of the drawings, and the report's CSS variables that take their place in inline SVG."""
_STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "stj",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "savefig.facecolor": "none",
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Drawing:
    """One figure in both forms."""

    svg: str
    png: bytes

    def save(self, path: Path) -> None:
        """Write the PNG."""
        path.write_bytes(self.png)


def draw_curve(history: Sequence[Mapping[str, float]], name: str, best: int | None) -> Drawing:
    """One figure of `history.csv` by epoch, for training and validation.

    Args:
        history: its lines.
        name: `accuracy` or `loss`.
        best: the epoch whose weights were kept, marked where it is not the last.
    """
    from matplotlib.ticker import MaxNLocator

    epochs = [line["epoch"] for line in history]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        marker = "o" if len(epochs) < 4 else None
        axes.plot(epochs, [line[name] for line in history], color=TRAIN, lw=2, marker=marker, label="training")
        axes.plot(
            epochs,
            [line[f"val_{name}"] for line in history],
            color=VAL,
            lw=2,
            ls=(0, (4, 1.5)),
            marker=marker,
            label="validation",
        )
        axes.set_title(name.capitalize(), loc="left", fontweight="bold", fontsize=11)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _quiet(axes)
        if name == "loss":
            axes.set_ylim(bottom=0)
        if best is not None and best < max(epochs):
            axes.axvline(best, color=FAINT, lw=1, ls=":")
            axes.annotate(
                f"kept: {best}", (best, axes.get_ylim()[1]), xytext=(4, -10), textcoords="offset points", fontsize=9
            )
        axes.legend(loc="best")

    return _render(draw, (5, 3.2))


def draw_reliability(confidences: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], bins: int) -> Drawing:
    """How often the model is right when it is this sure, in bins of equal mass, beside the diagonal of honesty."""
    parts = [
        part
        for part in np.array_split(np.argsort(confidences, kind="stable"), min(bins, len(confidences)))
        if len(part)
    ]
    sure = [float(confidences[part].mean()) for part in parts]
    share = [float(right[part].mean()) for part in parts]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=":")
        axes.plot(sure, share, color=TRAIN, lw=2, marker="o", ms=5)
        axes.set_xlabel("how sure it says it is")
        axes.set_ylabel("how often it is right")
        low = max(0.0, min(*sure, *share) - 0.05)
        axes.set_xlim(low, 1.01)
        axes.set_ylim(low, 1.01)
        _quiet(axes)

    return _render(draw, (4.2, 3.2))


def draw_confusion(confusion: Sequence[Sequence[int]], names: Sequence[str]) -> Drawing:
    """The confusion matrix: rows are true, columns predicted, shaded by the share of the row."""
    counts = np.asarray(confusion, dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.2)
        axes.set_xticks(range(len(names)), names)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        for (line, column), count in np.ndenumerate(counts):
            axes.text(
                column,
                line,
                f"{int(count)}",
                ha="center",
                va="center",
                color="white" if shares[line, column] > 0.6 else INK,
            )

    return _render(draw, (4.2, 3.6))


def _quiet(axes: Axes) -> None:
    axes.grid(axis="y", color=FAINT, lw=0.5, alpha=0.4)
    axes.tick_params(length=0)


def _render(draw: Any, size: tuple[float, float]) -> Drawing:  # noqa: ANN401 - a function that draws on a figure
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):  # type: ignore[arg-type,unused-ignore]  # matplotlib 3.11 lists every key as a literal
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=150, facecolor="white", metadata={"Software": None})
    return Drawing(_inline(text.getvalue()), picture.getvalue())


def _inline(svg: str) -> str:
    """Cut the SVG out of its XML file, let it scale, and let the page choose its colours."""
    body = svg[svg.index("<svg") :]
    body = re.sub(
        r'<svg([^>]*?) width="[^"]*"',
        r"<svg\1",
        re.sub(r'<svg([^>]*?) height="[^"]*"', r"<svg\1", body, count=1),
        count=1,
    )
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, variable)
    return body
