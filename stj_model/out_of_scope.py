"""How well the answer keeps out of what is none of the classes: AUROC, and what happens at the thresholds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stj_core.intervals import Z95, wilson
from stj_model.standalone import NONE, UNSURE

Doubles = npt.NDArray[np.float64]


def answered_figures(words: Sequence[str], right: Sequence[bool]) -> dict[str, Any]:
    """How many pictures of the classes get an answer, and how often that is right: what the thresholds cost and bring.

    Args:
        words: (n,) what was answered.
        right: (n,) whether the likeliest class is the true one.

    Returns:
        `n`, `answered`, `share` and its 95 % `interval`, `correct` of those answered, `accuracy` and its `accuracy_interval`.
    """
    given = [hit for said, hit in zip(words, right, strict=True) if said not in {NONE, UNSURE}]
    n, answered, correct = len(words), len(given), sum(given)
    return {
        "n": n,
        "answered": answered,
        "share": _share(answered, n),
        "interval": _interval(answered, n),
        "correct": correct,
        "accuracy": _share(correct, answered),
        "accuracy_interval": _interval(correct, answered),
    }


def rejection_figures(
    inside: Sequence[float], inside_words: Sequence[str], outside: Sequence[float], outside_words: Sequence[str]
) -> dict[str, Any]:
    """How well `out_of_scope` parts pictures of the classes from pictures of something else.

    Args:
        inside: (n,) `out_of_scope` of pictures of the classes.
        inside_words: (n,) what was answered to them.
        outside: (m,) `out_of_scope` of the others.
        outside_words: (m,) what was answered to them.

    Returns:
        `auroc` with its 95 % `interval`, `n_inside`, `n_outside`; at the threshold `accepted`, of the classes not answered
        `none`, and `refused`, of the others answered `none`, each a share with its interval; `not_answered`, of the others
        answered `none` or `unsure`; and under `answers` how often each word was said of the others.
    """
    area = auroc(np.asarray(inside, dtype=np.float64), np.asarray(outside, dtype=np.float64))
    low, high = auroc_interval(area, len(inside), len(outside))
    accepted = sum(said != NONE for said in inside_words)
    refused = sum(said == NONE for said in outside_words)
    silent = sum(said in {NONE, UNSURE} for said in outside_words)
    n, m = len(inside), len(outside)
    return {
        "auroc": round(area, 4),
        "interval": [round(low, 4), round(high, 4)],
        "n_inside": n,
        "n_outside": m,
        "accepted": {"n": accepted, "share": _share(accepted, n), "interval": _interval(accepted, n)},
        "refused": {"n": refused, "share": _share(refused, m), "interval": _interval(refused, m)},
        "not_answered": {"n": silent, "share": _share(silent, m), "interval": _interval(silent, m)},
        "answers": dict(sorted(Counter(outside_words).items())),
    }


def rejection_sentence(found: dict[str, Any]) -> str:
    """The refusal figures for a person."""
    low, high = found["interval"]
    return (
        f"out-of-distribution AUROC {found['auroc']:.3f} (95 % interval {low:.3f} to {high:.3f}); at the threshold "
        f"{_counted(found['accepted'], found['n_inside'])} of the classes are accepted and "
        f"{_counted(found['refused'], found['n_outside'])} of something else refused"
    )


def answered_sentence(found: dict[str, Any]) -> str:
    """What the thresholds cost and bring, for a person."""
    low, high = found["interval"]
    right_low, right_high = found["accuracy_interval"]
    return (
        f"{found['answered']} of {found['n']} answered ({found['share']:.3f} [{low:.3f}, {high:.3f}]), "
        f"{found['correct']} of those rightly ({found['accuracy']:.3f} [{right_low:.3f}, {right_high:.3f}])"
    )


def auroc(near: Doubles, far: Doubles) -> float:
    """The area under the ROC curve: how often something else scores above one of the classes.

    Counted over all pairs, as Mann and Whitney's U (1947).

    Args:
        near: (n,) scores of pictures of the classes.
        far: (m,) scores of the others; ties count half.
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


def _counted(part: dict[str, Any], total: int) -> str:
    low, high = part["interval"]
    return f"{part['n']} of {total} ({part['share']:.3f} [{low:.3f}, {high:.3f}])"


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _interval(part: int, whole: int) -> list[float]:
    if not whole:
        return [0.0, 1.0]
    low, high = wilson(part, whole)
    return [round(low, 4), round(high, 4)]
