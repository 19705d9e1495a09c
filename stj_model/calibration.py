"""How sure the model may be: the temperature, when it says "unsure" or "none", and what it has seen before."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stj_model.damage import check_stored, reading
from stj_model.head import Doubles, Ints, Normaliser, log_softmax

CALIBRATION, NEIGHBOURS = "calibration.json", "neighbours.npz"
SCOPE_QUANTILE = 0.9
"""Of pictures from shops that were held out, one in ten may be taken for something else: that is what refusing costs."""
_BOUNDS = (np.log(0.05), np.log(20.0))


@dataclass(frozen=True)
class Calibration:
    """When to believe the model.

    `temperature` divides the logits (it is inside model.keras already); an answer is `unsure` where its probability is below
    `abstain_below`, and `none` where its distance to all that was learned is above `out_of_scope_above`; `fitted_on` says
    on what these were chosen.
    """

    temperature: float = 1.0
    abstain_below: float = 0.0
    out_of_scope_above: float = 2.0
    fitted_on: str = "nothing"

    def save(self, path: Path) -> None:
        """Write `calibration.json`."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """Read `calibration.json`.

        Raises:
            ModelError: it is missing or says something else.
        """
        with reading(path):
            held = json.loads(path.read_text(encoding="utf-8"))
            found = cls(**{item.name: held[item.name] for item in fields(cls) if item.name in held})
            found.check()
        return found

    def check(self) -> None:
        """Make sure that the numbers can be what they are called.

        Raises:
            ValueError: one is no number, not finite, or out of its range.
        """
        ranges = {"temperature": (1e-6, 1e6), "abstain_below": (0.0, 1.0), "out_of_scope_above": (-1e6, 1e6)}
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise ValueError(f"its {name} is {value!r}")
        if not isinstance(self.fitted_on, str):
            raise ValueError(f"its fitted_on is {self.fitted_on!r}")  # noqa: TRY004 - a wrong value in a file


def fit_temperature(logits: Doubles, classes: Ints) -> float:
    """The temperature that makes held-out pictures likeliest (Guo et al. 2017, section 4.2).

    Args:
        logits: (n, k), of pictures that the head was not fitted on.
        classes: (n,), their true classes.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        log_p = log_softmax(logits / np.exp(log_temperature))
        return -float(log_p[np.arange(len(classes)), classes].mean())

    return float(np.exp(minimize_scalar(loss, bounds=_BOUNDS, method="bounded").x))


def threshold_for(chances: Doubles, classes: Ints, precision: float) -> float:
    """The lowest probability from which on answers are right as often as wanted.

    Args:
        chances: (n, k) calibrated probabilities of pictures that the head was not fitted on.
        classes: (n,), their true classes.
        precision: wanted share of right answers among those given, 0 to 1.

    Returns:
        Between 0 and 1; where even the surest answers are wrong too often, that of the surest.
    """
    sure = chances.max(axis=1)
    order = np.argsort(-sure, kind="stable")
    right = (chances.argmax(axis=1) == classes)[order].cumsum() / np.arange(1, len(order) + 1)
    # Equal probabilities are answered together.
    last = np.append(sure[order][:-1] != sure[order][1:], True)
    good = np.flatnonzero((right >= precision) & last)
    return float(sure[order][good[-1] if len(good) else 0])


@dataclass(frozen=True)
class Neighbours:
    """The embeddings of the training pictures: how far a new picture is from all that was learned.

    `layer` is the network's layer that gives the raw feature, `points` the normalised ones, (n, d), `names` their sha256.
    """

    layer: str
    normaliser: Normaliser
    points: npt.NDArray[np.float32]
    names: npt.NDArray[np.str_]

    def distances(self, features: npt.NDArray[np.floating]) -> tuple[Doubles, Ints]:
        """Cosine distance (0 to 2) of raw features (n, d) to the nearest training picture, and which one it is."""
        likeness = self.normaliser(features) @ self.points.T.astype(np.float64)
        nearest = likeness.argmax(axis=1)
        return 1 - likeness[np.arange(len(nearest)), nearest], nearest

    def closest(self, features: npt.NDArray[np.floating], count: int) -> tuple[Doubles, Ints]:
        """The nearest training pictures of raw features (n, d): cosine distances and places, (n, count) each, nearest first."""
        likeness = self.normaliser(features) @ self.points.T.astype(np.float64)
        places = np.argsort(-likeness, axis=1, kind="stable")[:, :count]
        return 1 - np.take_along_axis(likeness, places, axis=1), places

    def save(self, path: Path) -> None:
        """Write `neighbours.npz`."""
        np.savez(
            path,
            layer=np.array(self.layer),
            mean=self.normaliser.mean,
            scale=self.normaliser.scale,
            points=self.points,
            names=self.names,
        )

    @classmethod
    def load(cls, path: Path) -> Neighbours:
        """Read `neighbours.npz` (arrays only: no code can hide in it).

        Raises:
            ModelError: it is missing, damaged, or holds other shapes.
        """
        with reading(path):
            check_stored(path)
            with np.load(path, allow_pickle=False) as held:
                normaliser = Normaliser(held["mean"], held["scale"])
                found = cls(str(held["layer"]), normaliser, held["points"], held["names"])
            found.check()
        return found

    def check(self) -> None:
        """Make sure that the arrays belong together and hold numbers.

        Raises:
            ValueError: a shape or a value cannot be right.
        """
        n, d = self.points.shape
        mean, scale = self.normaliser.mean, self.normaliser.scale
        if not n or mean.shape != (d,) or scale.shape != (d,) or self.names.shape != (n,):
            raise ValueError(
                f"its shapes do not fit: {n} points of width {d}, mean {mean.shape}, names {self.names.shape}"
            )
        if self.names.dtype.kind != "U" or not all(np.isfinite(part).all() for part in (self.points, mean, scale)):
            raise ValueError("it holds what is no number")
        if not (scale > 0).all():
            raise ValueError("its scale is not above 0")


def held_out_distances(points: Doubles, folds: Ints) -> Doubles:
    """Each training picture's cosine distance to the nearest one outside its own fold, (n,) of unit vectors (n, d)."""
    likeness = points @ points.T
    likeness[folds[:, None] == folds[None, :]] = -1.0
    result: Doubles = 1 - likeness.max(axis=1)
    return result
