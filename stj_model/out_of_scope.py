"""Out-of-distribution AUROC: how well `out_of_scope` tells pictures of something else from pictures of the classes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from stj_core.intervals import Z95
from stj_model.predict import Answer


def scope_figures(inside: Sequence[Answer], outside: Sequence[Answer]) -> dict[str, Any]:
    """How well `out_of_scope` parts the two, and what was answered to pictures that are none of the classes.

    Args:
        inside: answers to pictures of the classes, all read.
        outside: answers to pictures of something else; those that cannot be read are only counted.

    Returns:
        `auroc` with its 95 % `interval`, `n_inside`, `n_outside`, `unreadable`, and under `answers` how often each word was
        said of the pictures outside, `none` and `unsure` among them.
    """
    read = [answer for answer in outside if answer.error is None]
    near = np.array([answer.out_of_scope for answer in inside], dtype=np.float64)
    far = np.array([answer.out_of_scope for answer in read], dtype=np.float64)
    area = auroc(near, far)
    low, high = auroc_interval(area, len(near), len(far))
    return {
        "auroc": round(area, 4),
        "interval": [round(low, 4), round(high, 4)],
        "n_inside": len(near),
        "n_outside": len(far),
        "unreadable": len(outside) - len(read),
        "answers": dict(sorted(Counter(answer.answer for answer in read).items())),
    }


def auroc(near: np.ndarray, far: np.ndarray) -> float:
    """The area under the ROC curve: how often something else scores above one of the classes.

    Counted over all pairs, as Mann and Whitney's U (1947).

    Args:
        near: (n,) distances of pictures of the classes.
        far: (m,) distances of the others; ties count half.
    """
    ordered = np.sort(near)
    pairs = np.searchsorted(ordered, far, "left") + np.searchsorted(ordered, far, "right")
    return float(pairs.sum() / (2 * len(near) * len(far)))


def auroc_interval(area: float, n: int, m: int) -> tuple[float, float]:
    """The 95 % interval of an area of n and m pictures, within 0 and 1 (Hanley and McNeil 1982, equation 2)."""
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (m - 1) * (one - area**2) + (n - 1) * (two - area**2)
    half = Z95 * math.sqrt(max(spread, 0.0) / (n * m))
    return max(0.0, area - half), min(1.0, area + half)
