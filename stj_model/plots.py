"""The report's drawings: curves, confusion and reliability, as PNG for `plots/` and as SVG that follows light and dark.

Whoever prints one in grey can still read it: lines differ in dash and mark, and every axis begins at zero.
"""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stj_core.errors import ModelError
from stj_core.text import shortened, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, TRAIN, VAL = "#1c1a18", "#8a837b", "#2f5b93", "#c2571a"
GOOD, BAD = "#0b5cad", "#c04a00"
"""Right and wrong: blue and vermilion, which differ to every eye; never without their sign."""
RIGHT_SIGN, WRONG_SIGN = "✓", "✗"
_VARIABLES = {INK: "currentColor", FAINT: "var(--faint)", TRAIN: "var(--train)", VAL: "var(--val)"}
"""Colours of the drawings, and the report's CSS variables that take their place in inline SVG."""
# Any, since the type of a setting's name lists every one that matplotlib has.
_STYLE: Any = {
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


def check_drawing() -> None:
    """Make sure before a long work that its report can be drawn.

    Raises:
        ModelError: matplotlib is missing, or cannot be used.
    """
    try:
        with _quiet_backend():
            import matplotlib.figure  # noqa: F401 - whether it can be
    except ModuleNotFoundError as error:
        raise ModelError(
            f"There is no module {error.name}, with which the report is drawn: pip install 'stj[model]', and train then."
        ) from error
    except Exception as error:  # a broken installation or setting may raise anything
        first = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise ModelError(
            f"matplotlib, with which the report is drawn, cannot be used ({first}): mend it first."
        ) from error


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
        few = len(epochs) <= 30
        learned, seen = ([line[prefix + name] for line in history] for prefix in ("", "val_"))
        axes.plot(epochs, learned, color=TRAIN, lw=2, marker="o" if few else None, ms=4, label="training")
        mark = "s" if few else None
        axes.plot(epochs, seen, color=VAL, lw=2, ls=(0, (4, 1.5)), marker=mark, ms=4, mfc="white", label="validation")
        axes.set_title(f"{name.capitalize()} by epoch", loc="left", fontweight="bold", fontsize=11)
        axes.set_xlabel("epoch")
        axes.set_ylabel("share named rightly" if name == "accuracy" else "mean cross-entropy")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _quiet(axes)
        axes.set_ylim(0, 1.03 if name == "accuracy" else 1.08 * max(*learned, *seen, 1e-9))
        if best is not None and best < max(epochs):
            axes.axvline(best, color=INK, lw=1, ls=":", label=f"kept: epoch {best}")
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
        axes.plot([0, 1], [0, 1], color=INK, lw=1, ls=":", label="as it should be")
        label = f"{len(confidences)} pictures, {len(parts)} bins of equal number"
        axes.plot(sure, share, color=TRAIN, lw=2, marker="o", ms=5, label=label)
        axes.set_title("Reliability", loc="left", fontweight="bold", fontsize=11)
        axes.set_xlabel("how sure it says it is (probability)")
        axes.set_ylabel("how often it is right")
        axes.set_xlim(0, 1.02)
        axes.set_ylim(0, 1.03)
        _quiet(axes)
        axes.legend(loc="upper left", fontsize=9)

    return _render(draw, (4.6, 3.6))


def draw_confusion(confusion: Sequence[Sequence[int]], names: Sequence[str], title: str = "") -> Drawing:
    """The confusion matrix: rows are true, columns predicted, shaded by the share of the row."""
    counts = np.asarray(confusion, dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shown = [shortened(visible(name), 16) for name in names]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.2)
        axes.set_xticks(range(len(names)), shown, rotation=90 if len(names) > 6 else 0, parse_math=False)
        axes.set_yticks(range(len(names)), shown, parse_math=False)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        axes.set_title(title, loc="left", fontsize=10, parse_math=False)
        axes.tick_params(length=0)
        for (line, column), count in np.ndenumerate(counts):
            share = shares[line, column]
            text = f"{int(count)}\n{share:.0%}" if len(names) <= 6 else f"{int(count)}"
            colour = "white" if share > 0.6 else INK
            axes.text(column, line, text, ha="center", va="center", color=colour, fontsize=9)

    return _render(draw, (1.8 + 0.9 * len(names), 1.6 + 0.8 * len(names)))


def _quiet(axes: Axes) -> None:
    axes.grid(axis="y", color=FAINT, lw=0.5, alpha=0.4)
    axes.tick_params(length=0)


def draw_figure(draw: Callable[[Axes], None], size: tuple[float, float]) -> Drawing:
    """A figure of so many inches whose one axes fill it, drawn by `draw`."""

    def on(figure: Figure) -> None:
        figure.set_layout_engine("none")
        draw(figure.add_axes((0, 0, 1, 1)))

    return _render(on, size)


def _render(draw: Any, size: tuple[float, float]) -> Drawing:  # noqa: ANN401 - a function that draws on a figure
    with house_figure(size) as figure:
        draw(figure)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
        return Drawing(_inline(text.getvalue()), png_of(figure))


def png_of(figure: Figure, dpi: int = 150) -> bytes:
    """A figure as PNG on white; the same figure gives the same bytes."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    return picture.getvalue()


@contextmanager
def house_figure(size: tuple[float, float]) -> Iterator[Figure]:
    """A figure of so many inches in the house's style, whatever a machine's `matplotlibrc` says."""
    with _quiet_backend():
        import matplotlib as mpl
        from matplotlib.figure import Figure

    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a class may be called in any script
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield Figure(figsize=size, layout="constrained")


@contextmanager
def _quiet_backend() -> Iterator[None]:
    """Import matplotlib without the backend that a machine asks for: no window is ever opened, and a wrong name is fatal."""
    asked = os.environ.pop("MPLBACKEND", None)
    try:
        yield
    finally:
        if asked is not None:
            os.environ["MPLBACKEND"] = asked


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
