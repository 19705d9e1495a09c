"""What the model's room can say beyond an answer: where the network looked, and whether two runs differ by more than chance."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from stj_catalog.errors import ModelError

if TYPE_CHECKING:
    from stj_model.predict import Predictor
    from stj_model.run_dir import Run

SIDE = 224


def heat(predictor: Predictor, pixels: Any, label: int) -> bytes | None:  # noqa: ANN401 - numpy stays in the model's room
    """Where the network looked for a class, as a transparent PNG to lay over the picture; None where it cannot be said.

    Args:
        predictor: the loaded network.
        pixels: uint8 of shape (size, size, 3).
        label: the class.
    """
    from stj_model.explain import grad_cam, tint

    try:
        layer = tint(grad_cam(predictor, pixels, label), (SIDE, SIDE))
    except ModelError:
        return None
    stream = io.BytesIO()
    layer.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def verdict(one: Run, two: Run, split: str) -> str:
    """Whether two runs differ by more than chance on a split, in a sentence, or why that cannot be said."""
    from stj_model.compare import verdict as compared

    try:
        return compared(one, two, split)
    except ModelError as refusal:
        return str(refusal)
