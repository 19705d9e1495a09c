"""Our recipe: a frozen backbone, its pooled features cached, and a regularised head that balances classes and shops.

Pictures of something else, where there are any, are one more output of the head: what is refused is learned.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stj_model.backbones.base import mean_of_mirrored
from stj_model.backend import keras
from stj_model.calibration import Neighbours
from stj_model.fast import FastHead
from stj_model.folds import holdable
from stj_model.head import (
    Doubles,
    Epoch,
    Head,
    Normaliser,
    accuracy_and_loss,
    attach,
    row,
    softmax,
)
from stj_model.recipes import FittedModel, TrainingJob
from stj_model.recipes.frozen import (
    FeatureTable,
    FrozenFeatures,
    extract_table,
    fitter,
    group_folds,
    source_folds,
)
from stj_model.recipes.held_out import HeldOutHeads, calibrate
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
    held_out = HeldOutHeads(fitter(job, standardise=standardise), standardise=standardise)
    train, learned = table.split("train"), table.split("train", "val")
    history: list[Epoch] = []
    head = held_out.fit_one(train, on_epoch=_watch(train.of_classes(), table.split("val").of_classes(), history))
    write_history(history, job.folder / HISTORY)
    normaliser = Normaliser.fit(seen.raw.split("train").flat(), standardise=standardise)
    calibration = calibrate(learned, held_out, job.config)
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


def _neighbours(train: FeatureTable, normaliser: Normaliser) -> Neighbours:
    names = np.array([picture.sha256 for picture in train.pictures], dtype=np.str_)
    return Neighbours(FEATURES, normaliser, normaliser(train.averaged).astype(np.float32), names)
