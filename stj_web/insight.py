"""What the model's room can say beyond an answer: where the network looked, and whether two runs differ by more than chance.

Both are asked for here only, and by name, so that a studio beside a model without them works and simply does not offer them.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from stj_model.predict import Predictor
    from stj_model.run_dir import Run


def explains() -> bool:
    """Whether the model's room can say where a network looked."""
    return _find("stj_model.explain", "grad_cam") is not None


def heat(predictor: Predictor, pixels: Any, label: int) -> bytes | None:  # noqa: ANN401 - numpy stays in the model's room
    """Where the network looked for a class, as a transparent PNG to lay over the picture; None where it cannot be said.

    Args:
        predictor: the loaded network.
        pixels: uint8 of shape (size, size, 3).
        label: the class.
    """
    grad_cam = _find("stj_model.explain", "grad_cam")
    if grad_cam is None:
        return None
    return overlay(grad_cam(predictor, pixels, label))


def overlay(warmth: Any) -> bytes:  # noqa: ANN401 - numpy stays in the model's room
    """Values from 0 to 1, of shape (h, w), as a PNG from clear through yellow to red."""
    levels = Image.fromarray((warmth.clip(0, 1) * 255).astype("uint8")).resize((224, 224), Image.Resampling.BICUBIC)
    layers = [
        levels.point(lambda _: 255),
        levels.point(lambda v: 220 - int(0.75 * v)),
        levels.point(lambda _: 30),
        levels,
    ]
    stream = io.BytesIO()
    Image.merge("RGBA", layers).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def verdict(one: Run, two: Run, split: str) -> str | None:
    """Whether two runs differ by more than chance on a split, in a sentence; None where that cannot be said."""
    compare = _find("stj_model.compare", "verdict")
    return None if compare is None else str(compare(one, two, split))


def _find(module: str, name: str) -> Callable[..., Any] | None:
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
