"""How sure the model may be: the temperature, when it says "unsure" or "none", and what it has seen before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stj_core.files import write_json
from stj_model.damage import check_stored, reading
from stj_model.head import Doubles, Ints, Normaliser, log_softmax

Bools = npt.NDArray[np.bool_]

CALIBRATION, NEIGHBOURS = "calibration.json", "neighbours.npz"
RIGHT_WANTED, ANSWERED_WANTED = 0.98, 0.95
"""Of pictures of shops that were held out: the share of right answers that is aimed at, and the share that is answered at least.

The second is kept first, unless the first was asked for.
"""
REFUSED_SHARE, REFUSED_UNLEARNED = 0.8, 0.2
"""Of what is not answered, so much may be taken for something else; the rest is for `unsure`.

The second is for where nothing else was learned: a distance refuses pictures of unseen shops almost as readily as other things.
"""
SUREST = 0.999
SPARED_SHARE, NEAR = 0.02, 0.1
"""The threshold of `none` may rise until this share of the others slips below it; a distance below NEAR is no reason."""
RIDGE = 1e-4
BLOCK = 1024
_LIMITS, _SCOPE = ("temperature", "abstain_below", "out_of_scope_above"), ("margin_weight", "distance_weight", "offset")
_BOUNDS = (np.log(0.05), np.log(20.0))


@dataclass(frozen=True)
class Calibration:
    """The temperature and the thresholds that turn a network's outputs into a class, "unsure" or "none".

    Attributes:
        temperature: divides the logits (it is inside model.keras already).
        abstain_below: an answer with a lower probability is `unsure`.
        out_of_scope_above: an answer with a higher `out_of_scope` is `none`.
        fitted_on: on what these were chosen.
        none_learned: whether `out_of_scope` is the probability of `none` by a logistic regression on what the head has
            learned of it and on the distance to the nearest training picture; else it is that distance alone.
        margin_weight: of the head's log-odds of `none`.
        distance_weight: of the distance.
        offset: of both together.
        promise: what the thresholds do to the pictures that they were chosen on: `n`, `answered`, `answered_by_shop`
            (the mean of the shops' shares), `right` among those,
            `right_wanted`, `answered_wanted`, and where `none` was learned `others` and `refused` of those; shares are 0 to 1.
    """

    temperature: float = 1.0
    abstain_below: float = 0.0
    out_of_scope_above: float = 2.0
    fitted_on: str = "nothing"
    none_learned: bool = False
    margin_weight: float = 0.0
    distance_weight: float = 1.0
    offset: float = 0.0
    promise: dict[str, float] = field(default_factory=dict)

    def out_of_scope(self, distances: Doubles, margins: Doubles | None) -> Doubles:
        """How unlike the classes pictures are: higher is less like them.

        Args:
            distances: (n,) to the nearest training picture.
            margins: (n,) log-odds of `none`, where it was learned.
        """
        if not self.none_learned or margins is None:
            return distances
        score = self.margin_weight * margins + self.distance_weight * distances + self.offset
        result: Doubles = 1 / (1 + np.exp(-score.clip(-60, 60)))
        return result

    def save(self, path: Path) -> None:
        """Write `calibration.json`."""
        write_json(asdict(self), path)

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """Read `calibration.json`.

        Raises:
            ModelError: it is missing or says something else.
        """
        with reading(path):
            held = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(held, dict):
                raise TypeError(f"it holds a {type(held).__name__}")
            needed = (*_LIMITS, *(_SCOPE if held.get("none_learned") else ()))
            if missing := [name for name in needed if name not in held]:
                raise ValueError(f"it lacks {', '.join(missing)}")
            found = cls(**{item.name: held[item.name] for item in fields(cls) if item.name in held})
            found.check()
        return found

    def check(self) -> None:
        """Make sure that the numbers can be what they are called.

        Raises:
            ValueError: one is no number, not finite, or out of its range.
        """
        ranges = {
            "temperature": (1e-6, 1e6),
            "abstain_below": (0.0, 1.0),
            "out_of_scope_above": (0.0, 2.0),
            "margin_weight": (0.0, 1e6),
            "distance_weight": (0.0, 1e6),
            "offset": (-1e6, 1e6),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise ValueError(f"its {name} is {value!r}")
        if not isinstance(self.fitted_on, str) or not isinstance(self.none_learned, bool):
            raise TypeError(f"its fitted_on is {self.fitted_on!r}, its none_learned {self.none_learned!r}")
        if not isinstance(self.promise, dict) or not all(
            isinstance(value, int | float) and np.isfinite(value) for value in self.promise.values()
        ):
            raise ValueError(f"its promise is {self.promise!r}")


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
        0 where all answers together are right often enough; where even the surest are wrong too often, that of the
        surest; never above 0.999, which a network in single precision may not tell from 1.
    """
    sure = chances.max(axis=1)
    order = np.argsort(-sure, kind="stable")
    right = (chances.argmax(axis=1) == classes)[order].cumsum() / np.arange(1, len(order) + 1)
    # Equal probabilities are answered together.
    last = np.append(sure[order][:-1] != sure[order][1:], True)
    good = np.flatnonzero((right >= precision) & last)
    if len(good) and good[-1] == len(order) - 1:
        return 0.0
    return min(float(sure[order][good[-1] if len(good) else 0]), SUREST)


def choose_thresholds(
    chances: Doubles,
    classes: Ints,
    scores: Doubles,
    others: Doubles,
    abstain: float | None = None,
    shops: Sequence[str] = (),
) -> tuple[float, float]:
    """When to say `unsure` and when `none`, from pictures that the head was not fitted on.

    At least 95 % of them are answered, and where nothing else was learned 95 % of the pictures of an average shop. Within that,
    answers are right as often as is aimed at. A share of right answers that is asked for is kept instead, at whatever price.

    Args:
        chances: (n, k) calibrated probabilities.
        classes: (n,), their true classes.
        scores: (n,), their `out_of_scope`.
        others: (m,), `out_of_scope` of pictures of something else; none where it was not learned.
        abstain: the share of right answers that was asked for, 0 to below 1.
        shops: (n,), the shop of each; none where shops are unknown. Of other shops a shop of many pictures says no more than one
            of few, and a studio of hundreds hides how far the rest lies from all that was learned. Where `none` was learned,
            pictures of other shops were measured to be answered as promised without this.

    Returns:
        `abstain_below` and `out_of_scope_above`.
    """
    weights = [np.full(len(classes), 1 / len(classes))]
    if len(shops) and not len(others):
        weights.append(_shop_weights(shops))
    may_miss = 1 - ANSWERED_WANTED
    share = REFUSED_SHARE if len(others) else REFUSED_UNLEARNED
    # Where everything is told apart, the classes' own scores say nothing of how far one may go.
    floor = float(np.quantile(others, SPARED_SHARE)) if len(others) else NEAR
    above = max(floor, *(-_lowest_kept(-scores, weight, share * may_miss) for weight in weights))
    accepted = scores <= above
    below = threshold_for(chances[accepted], classes[accepted], RIGHT_WANTED if abstain is None else abstain)
    if abstain is None:
        sure = chances[accepted].max(axis=1)
        lowest = (_lowest_kept(sure, one[accepted], may_miss - float(one[~accepted].sum())) for one in weights)
        below = min(below, *lowest)
    return below, above


def _shop_weights(shops: Sequence[str]) -> Doubles:
    """How much each picture counts where every shop counts the same, (n,), 1 in all."""
    _, place, number = np.unique(np.asarray(shops, dtype=str), return_inverse=True, return_counts=True)
    result: Doubles = 1 / (len(number) * number[place])
    return result


def _lowest_kept(values: Doubles, weights: Doubles, may_lose: float) -> float:
    """The highest threshold below which the (n,) values together weigh no more than may be lost."""
    order = np.argsort(values, kind="stable")
    lost = int(np.searchsorted(weights[order].cumsum(), may_lose + 1e-9, side="right"))
    return float(values[order][min(lost, len(order) - 1)])


def fit_scope(margins: Doubles, distances: Doubles, outside: Bools) -> tuple[float, float, float]:
    """Logistic regression of "something else" on the head's log-odds of `none` and on the distance, both sides weighing the same.

    Args:
        margins: (n,), of pictures that the head was not fitted on.
        distances: (n,), of the same.
        outside: (n,), whether each is something else.

    Returns:
        The weights of both, 0 or more, and the offset.
    """
    from scipy.optimize import minimize

    scale = np.array([0.1, 10.0, 1.0])  # so that all three are of one order
    x = np.stack([margins, distances, np.ones_like(margins)], axis=1) * scale
    truth = outside.astype(np.float64)
    weight = np.where(outside, 0.5 / outside.sum(), 0.5 / (~outside).sum())

    def objective(c: Doubles) -> tuple[float, Doubles]:
        score = x @ c
        loss = float(weight @ (np.logaddexp(0, score) - truth * score)) + RIDGE * float(c @ c)
        return loss, x.T @ (weight * (1 / (1 + np.exp(-score.clip(-60, 60))) - truth)) + 2 * RIDGE * c

    bounds = [(0, None), (0, None), (None, None)]
    best = minimize(objective, np.zeros(3), jac=True, method="L-BFGS-B", bounds=bounds).x * scale
    return float(best[0]), float(best[1]), float(best[2])


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
        likeness = self._likeness(features)
        nearest = likeness.argmax(axis=1)
        return 1 - likeness[np.arange(len(nearest)), nearest].astype(np.float64), nearest

    def closest(self, features: npt.NDArray[np.floating], count: int) -> tuple[Doubles, Ints]:
        """The nearest training pictures of raw features (n, d): cosine distances and places, (n, count) each, nearest first."""
        likeness = self._likeness(features)
        places = np.argsort(-likeness, axis=1, kind="stable")[:, :count]
        return 1 - np.take_along_axis(likeness, places, axis=1).astype(np.float64), places

    def _likeness(self, features: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Cosines of raw features (n, d) and all points: (n, points), in single precision: these are the largest arrays."""
        result: npt.NDArray[np.float32] = self.normaliser(features).astype(np.float32) @ self.points.T
        return result

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
                points = np.ascontiguousarray(held["points"], dtype=np.float32)
                found = cls(str(held["layer"]), normaliser, points, held["names"])
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


def held_out_distances(points: Doubles, folds: Ints, known: Bools) -> Doubles:
    """Each picture's cosine distance to the nearest known one outside its own fold.

    Args:
        points: (n, d), unit vectors.
        folds: (n,).
        known: (n,), which of them are what a network would compare with.

    Returns:
        (n,), 0 to 2.
    """
    found = np.full(len(points), 2.0)
    for fold in np.unique(folds):
        out, others = folds == fold, known & (folds != fold)
        if others.any():
            found[out] = 1 - _largest_products(points[out], points[others])
    return found


def _largest_products(some: Doubles, others: Doubles) -> Doubles:
    """The largest product of each of `some` with any of `others`, block by block, so that memory stays small."""
    parts = [(some[at : at + BLOCK] @ others.T).max(axis=1) for at in range(0, len(some), BLOCK)]
    result: Doubles = np.concatenate(parts)
    return result
