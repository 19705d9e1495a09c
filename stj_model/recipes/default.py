"""Our recipe: a frozen ResNet50, its pooled features cached, and a regularised head that balances classes and shops."""

from __future__ import annotations

import numpy as np

from stj_model.backend import keras
from stj_model.calibration import (
    SCOPE_QUANTILE,
    Calibration,
    Neighbours,
    fit_temperature,
    held_out_distances,
    threshold_for,
)
from stj_model.folds import holdable
from stj_model.head import Epoch, Head, Ints, Normaliser, attach, judge, row, softmax
from stj_model.network import mean_of_mirrored
from stj_model.recipes import Fitted, Job, OutOfFold
from stj_model.recipes.table import FitOne, Table, fitter, group_folds, held_out_logits, see, source_folds
from stj_model.run_dir import HISTORY, write_history

FEATURES = "features"


def fit(job: Job) -> Fitted:
    """Fit the head on the training split; validation calibrates nothing and chooses nothing, it is only shown."""
    seen = see(job)
    table = seen.table
    fit_one = fitter(job, standardise=seen.weights.is_random)

    splits = [picture.split for picture in table.pictures]
    train = table.part([split == "train" for split in splits])
    val = table.part([split == "val" for split in splits])
    history: list[Epoch] = []

    def watch(epoch: int, head: Head) -> None:
        history.append(dict(row(epoch, _judge(head, train), _judge(head, val))))

    head = fit_one(train, watch=watch)
    write_history(history, job.folder / HISTORY)
    learned = table.part([split != "test" for split in splits])
    calibration = _calibrate(learned, train, head.normaliser, job, fit_one)
    temperature = calibration.temperature
    known = softmax(head.logits(learned.asked), temperature)
    features = keras().layers.Identity(name=FEATURES)(mean_of_mirrored(seen.tensor))
    folds, seed = job.config.folds, job.config.seed
    return Fitted(
        model=attach(seen.backbone, features, head, temperature),
        weights=seen.weights,
        calibration=calibration,
        neighbours=_neighbours(train, head.normaliser),
        probabilities={picture.sha256: chances for picture, chances in zip(learned.pictures, known, strict=True)},
        out_of_fold=_held_out(table, group_folds(table, folds, seed), fit_one, temperature),
        leave_sources_out=_held_out(table, source_folds(table, folds, seed), fit_one, temperature)
        if holdable(table.classes, table.sources())
        else None,
        about={"features": seen.record, "epochs_run": len(history), "best_epoch": len(history)},
    )


def _judge(head: Head, table: Table) -> tuple[float, float]:
    return judge(head.logits(table.asked), table.classes)


def _calibrate(learned: Table, train: Table, normaliser: Normaliser, job: Job, fit_one: FitOne) -> Calibration:
    """Temperature and scope from pictures of shops that were held out; of groups, where a class has one shop only.

    The test split has no part in it.
    """
    by_source = holdable(learned.classes, learned.sources())
    folds = (source_folds if by_source else group_folds)(learned, job.config.folds, job.config.seed)
    logits = held_out_logits(learned, folds, fit_one, len(job.dataset.labels))
    at_train = folds[[picture.split == "train" for picture in learned.pictures]]
    distances = held_out_distances(normaliser(train.asked), at_train)
    temperature = fit_temperature(logits, learned.classes)
    return Calibration(
        temperature=temperature,
        abstain_below=threshold_for(softmax(logits, temperature), learned.classes, job.config.abstain),
        out_of_scope_above=float(np.quantile(distances, SCOPE_QUANTILE)),
        fitted_on=f"{len(learned.pictures)} training and validation pictures, held out by {'shop' if by_source else 'group'}",
    )


def _held_out(table: Table, folds: Ints, fit_one: FitOne, temperature: float) -> OutOfFold:
    logits = held_out_logits(table, folds, fit_one, int(table.classes.max()) + 1)
    return OutOfFold(tuple(table.pictures), folds, softmax(logits, temperature))


def _neighbours(train: Table, normaliser: Normaliser) -> Neighbours:
    names = np.array([picture.sha256 for picture in train.pictures], dtype=np.str_)
    return Neighbours(FEATURES, normaliser, normaliser(train.asked).astype(np.float32), names)
