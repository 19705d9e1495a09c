"""Our recipe: a frozen backbone, its pooled features cached, and a regularised head that balances classes and shops.

Pictures of something else, where there are any, are one more output of the head: what is refused is learned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from stj_core.cli import counted
from stj_model.backbones.base import mean_of_mirrored
from stj_model.backend import keras
from stj_model.calibration import (
    ANSWERED_WANTED,
    RIGHT_WANTED,
    Bools,
    Calibration,
    Neighbours,
    choose_thresholds,
    fit_scope,
    fit_temperature,
    held_out_distances,
)
from stj_model.config import TrainConfig
from stj_model.fast import FastHead
from stj_model.folds import NEVER, holdable
from stj_model.head import (
    Doubles,
    Epoch,
    Head,
    Ints,
    Normaliser,
    accuracy_and_loss,
    attach,
    none_margin,
    row,
    softmax,
)
from stj_model.recipes import FittedModel, HeldOutPredictions, TrainingJob
from stj_model.recipes.frozen import (
    FeatureTable,
    FrozenFeatures,
    HeadFitter,
    extract_table,
    fitter,
    group_folds,
    held_out_logits,
    source_folds,
)
from stj_model.run_dir import HISTORY, write_history

FEATURES = "features"


def fit(job: TrainingJob) -> FittedModel:
    """Fit the head on the training split; validation calibrates nothing and chooses nothing, it is only shown."""
    from threadpoolctl import threadpool_limits

    seen = extract_table(job)
    with threadpool_limits(1):  # many small products: a second thread spins between them for longer than it helps
        return _fit(job, seen)


def _fit(job: TrainingJob, seen: FrozenFeatures) -> FittedModel:
    table, count = seen.table, len(job.dataset.labels)
    standardise, folds, seed = seen.weights.is_random, job.config.folds, job.config.seed
    held_out = _HeldOutHeads(fitter(job, standardise=standardise), standardise=standardise)
    train, learned = table.split("train"), table.split("train", "val")
    history: list[Epoch] = []
    head = held_out.fit_one(train, on_epoch=_watch(train.of_classes(), table.split("val").of_classes(), history))
    write_history(history, job.folder / HISTORY)
    normaliser = Normaliser.fit(seen.raw.split("train").flat(), standardise=standardise)
    calibration = _calibrate(learned, held_out, job.config)
    temperature = calibration.temperature
    known = learned.of_classes()
    chances = softmax(head.logits(known.averaged)[:, :count], temperature)
    features = keras().layers.Identity(name=FEATURES)(mean_of_mirrored(seen.tensor))
    whole = Head(normaliser, seen.widen(head.kernel), head.bias)
    by_shop = holdable(*table.of_classes().keys())
    return FittedModel(
        model=attach(seen.backbone, features, whole, temperature, count),
        weights=seen.weights,
        calibration=calibration,
        neighbours=_neighbours(seen.raw.split("train").of_classes(), normaliser),
        probabilities={picture.sha256: line for picture, line in zip(known.pictures, chances, strict=True)},
        out_of_fold=held_out.predictions(table, group_folds(table, folds, seed), calibration),
        leave_sources_out=held_out.predictions(table, source_folds(table, folds, seed), calibration)
        if by_shop
        else None,
        about={"features": seen.record, "epochs_run": len(history), "best_epoch": len(history)},
        frozen={**seen.record, "cut": FEATURES},
        head=FastHead(whole, temperature, count),
    )


def _watch(train: FeatureTable, val: FeatureTable, history: list[Epoch]) -> Callable[[int, Head], None]:
    """What writes accuracy and loss of both splits, of the classes alone, after each epoch."""
    points: list[Doubles] = []

    def on_epoch(epoch: int, head: Head) -> None:
        if not points:  # the normaliser is the same in every epoch
            points.extend(head.normaliser(part.averaged) for part in (train, val))
        found = [
            accuracy_and_loss(head.logits_at(at)[:, : part.count], part.classes)
            for at, part in zip(points, (train, val), strict=True)
        ]
        history.append(dict(row(epoch, *found)))

    return on_epoch


@dataclass(frozen=True)
class _HeldOut:
    """What heads that saw nothing of a picture say of it: logits (n, k or k + 1), log-odds of `none` and distances (n,)."""

    logits: Doubles
    margins: Doubles | None
    distances: Doubles

    def among(self, which: Bools) -> _HeldOut:
        """The same of some pictures, by a mask (n,)."""
        margins = None if self.margins is None else self.margins[which]
        return _HeldOut(self.logits[which], margins, self.distances[which])


class _HeldOutHeads:
    """Heads that saw nothing of what they judge, fitted once for the same pictures and folds.

    Without a test split the temperature and `leave_sources_out` are asked of the very same heads.
    """

    def __init__(self, fit_one: HeadFitter, *, standardise: bool) -> None:
        self.fit_one, self.standardise = fit_one, standardise
        self._known: dict[tuple[object, ...], _HeldOut] = {}

    def scores(self, table: FeatureTable, folds: Ints) -> _HeldOut:
        """What is said of a table's pictures, each by a head fitted on the other folds."""
        key = (*(picture.sha256 for picture in table.pictures), folds.tobytes())
        if key not in self._known:
            outputs = table.count + int(table.has_none)
            logits = held_out_logits(table, folds, self.fit_one, outputs)
            margins = none_margin(logits, table.count) if table.has_none else None
            points = Normaliser.fit(table.flat(), standardise=self.standardise)(table.averaged)
            compared = table.is_class & np.array([picture.split != "test" for picture in table.pictures])
            self._known[key] = _HeldOut(logits, margins, held_out_distances(points, folds, compared))
        return self._known[key]

    def predictions(self, table: FeatureTable, folds: Ints, calibration: Calibration) -> HeldOutPredictions:
        """What is said of every picture that can be held out, calibrated."""
        found, others = self.scores(table, folds), ~table.is_class
        held = table.is_class & (folds != NEVER)
        chances = softmax(found.logits[:, : table.count], calibration.temperature)
        scope = calibration.out_of_scope(found.distances, found.margins)
        return HeldOutPredictions(
            pictures=tuple(picture for picture, one in zip(table.pictures, held, strict=True) if one),
            folds=folds[held],
            probabilities=chances[held],
            out_of_scope=scope[held],
            others=scope[others],
            others_sure=chances[others].max(axis=1) if others.any() else np.empty(0),
        )


def _calibrate(learned: FeatureTable, held_out: _HeldOutHeads, config: TrainConfig) -> Calibration:
    """Temperature and thresholds from pictures of shops that were held out; of groups, where a class has one shop only.

    The test split has no part in it.
    """
    by_source = holdable(*learned.of_classes().keys())
    folds = (source_folds if by_source else group_folds)(learned, config.folds, config.seed)
    found, judged = held_out.scores(learned, folds).among(folds != NEVER), learned.part(folds != NEVER)
    inside = judged.is_class
    classes, logits = judged.classes[inside], found.logits[inside][:, : learned.count]
    temperature = fit_temperature(logits, classes)
    calibration = Calibration(temperature=temperature)
    if found.margins is not None:
        margin, distance, offset = fit_scope(found.margins, found.distances, ~inside)
        calibration = replace(
            calibration, none_learned=True, margin_weight=margin, distance_weight=distance, offset=offset
        )
    scores = calibration.out_of_scope(found.distances, found.margins)
    chances = softmax(logits, temperature)
    below, above = choose_thresholds(chances, classes, scores[inside], scores[~inside], config.abstain)
    others = f" and {counted(int((~inside).sum()), 'other')}" if learned.has_none else ""
    return replace(
        calibration,
        abstain_below=below,
        out_of_scope_above=above,
        fitted_on=f"{inside.sum()} training and validation pictures{others}, held out by {'shop' if by_source else 'group'}",
        promise=_promise(chances, classes, scores, inside, (below, above), config.abstain),
    )


def _promise(
    chances: Doubles, classes: Ints, scores: Doubles, inside: Bools, limits: tuple[float, float], abstain: float | None
) -> dict[str, float]:
    """What the thresholds do to the pictures that they were chosen on."""
    below, above = limits
    answered = (scores[inside] <= above) & (chances.max(axis=1) >= below)
    right = (chances.argmax(axis=1) == classes)[answered]
    found = {
        "n": len(classes),
        "answered": round(float(answered.mean()), 4),
        "right": round(float(right.mean()), 4) if len(right) else 0.0,
        "right_wanted": RIGHT_WANTED if abstain is None else abstain,
        "answered_wanted": ANSWERED_WANTED if abstain is None else 0.0,
    }
    if not inside.all():
        found |= {"others": int((~inside).sum()), "refused": round(float((scores[~inside] > above).mean()), 4)}
    return found


def _neighbours(train: FeatureTable, normaliser: Normaliser) -> Neighbours:
    names = np.array([picture.sha256 for picture in train.pictures], dtype=np.str_)
    return Neighbours(FEATURES, normaliser, normaliser(train.averaged).astype(np.float32), names)
