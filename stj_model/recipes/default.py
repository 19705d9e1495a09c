"""Our recipe: a frozen ResNet50, its pooled features cached, and a regularised head that balances classes and shops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from stj_model.backend import keras
from stj_model.calibration import SCOPE_QUANTILE, Calibration, Neighbours, fit_temperature, held_out_distances
from stj_model.data import Picture
from stj_model.features import Extractor, Floats, compute_features
from stj_model.folds import grouped_folds, holdable
from stj_model.head import (
    Doubles,
    Epoch,
    Head,
    Ints,
    Normaliser,
    attach,
    balance_weights,
    fit_head,
    judge,
    row,
    softmax,
)
from stj_model.network import pooled_features, textures
from stj_model.recipes import Fitted, Job, OutOfFold, prepare_backbone
from stj_model.run_dir import HISTORY, write_history

LAST_STAGE = "conv5_block3_out"
EARLY_STAGE = "conv2_block3_out"
"""Where random weights still say something: deeper, everything looks alike to them."""
GRID = 4
FEATURES = "features"


@dataclass(frozen=True)
class _Table:
    """Pictures with their features (n, d) and classes (n,)."""

    pictures: list[Picture]
    features: Floats
    classes: Ints

    def part(self, chosen: Sequence[bool] | np.ndarray) -> _Table:
        mask = np.asarray(chosen, dtype=bool)
        kept = [picture for picture, keep in zip(self.pictures, mask, strict=True) if keep]
        return _Table(kept, self.features[mask], self.classes[mask])


class _FitOne(Protocol):
    def __call__(self, table: _Table, *, watch: Callable[[int, Head], None] | None = None) -> Head: ...


def fit(job: Job) -> Fitted:
    """Fit the head on the training split; validation calibrates nothing and chooses nothing, it is only shown."""
    backbone, weights = prepare_backbone(job, used_if_random=(EARLY_STAGE,))
    random = weights.is_random
    tensor = textures(backbone, EARLY_STAGE, GRID) if random else pooled_features(backbone, LAST_STAGE)
    tensor = keras().layers.Identity(name=FEATURES)(tensor)
    record = {
        "weights": weights.sha256,
        "architecture": weights.architecture,
        "scaling": weights.preprocessing,
        "layer": EARLY_STAGE if random else LAST_STAGE,
        "pooling": f"mean and deviation in {GRID}×{GRID} cells" if random else "mean",
    }
    extractor = Extractor(keras().Model(backbone.inputs[0], tensor), job.config.preprocessing, record)
    store = compute_features(job.dataset.pictures, extractor, job.cache, job.talk)
    pictures = list(job.dataset.pictures)
    table = _Table(pictures, store.rows([picture.sha256 for picture in pictures]), job.classes(pictures))
    fit_one: _FitOne = partial(_fit, job=job, standardise=random)

    train = table.part([picture.split == "train" for picture in pictures])
    val = table.part([picture.split == "val" for picture in pictures])
    history: list[Epoch] = []

    def watch(epoch: int, head: Head) -> None:
        history.append(dict(row(epoch, _judge(head, train), _judge(head, val))))

    head = fit_one(train, watch=watch)
    write_history(history, job.folder / HISTORY)
    learned = table.part([picture.split != "test" for picture in pictures])
    calibration = _calibrate(learned, train, head.normaliser, job, fit_one)
    out_of_fold = _out_of_fold(table, job, fit_one, calibration.temperature)
    known = softmax(head.logits(learned.features), calibration.temperature)
    return Fitted(
        model=attach(backbone, tensor, head, calibration.temperature),
        weights=weights,
        calibration=calibration,
        neighbours=_neighbours(train, head.normaliser),
        probabilities={picture.sha256: chances for picture, chances in zip(learned.pictures, known, strict=True)},
        out_of_fold=out_of_fold,
        about={"features": record, "epochs_run": len(history), "best_epoch": len(history)},
    )


def _fit(table: _Table, *, job: Job, standardise: bool, watch: Callable[[int, Head], None] | None = None) -> Head:
    sources = [picture.source for picture in table.pictures]
    return fit_head(
        table.features,
        table.classes,
        len(job.dataset.labels),
        weight=balance_weights(table.classes, sources, job.config.balance),
        l2=job.config.l2,
        epochs=job.config.epochs,
        standardise=standardise,
        watch=watch,
    )


def _judge(head: Head, table: _Table) -> tuple[float, float]:
    return judge(head.logits(table.features), table.classes)


def _calibrate(learned: _Table, train: _Table, normaliser: Normaliser, job: Job, fit_one: _FitOne) -> Calibration:
    """Temperature and scope from pictures of shops that were held out; of groups, where a class has one shop only.

    The test split has no part in it.
    """
    sources = [picture.source for picture in learned.pictures]
    by_source = holdable(learned.classes, sources)
    units = sources if by_source else [picture.group for picture in learned.pictures]
    folds = grouped_folds(learned.classes, units, job.config.folds, job.config.seed)
    logits = _held_out_logits(learned, folds, fit_one, len(job.dataset.labels))
    at_train = folds[[picture.split == "train" for picture in learned.pictures]]
    distances = held_out_distances(normaliser(train.features), at_train)
    return Calibration(
        temperature=fit_temperature(logits, learned.classes),
        out_of_scope_above=float(np.quantile(distances, SCOPE_QUANTILE)),
        fitted_on=f"{len(learned.pictures)} training and validation pictures, held out by {'shop' if by_source else 'group'}",
    )


def _out_of_fold(table: _Table, job: Job, fit_one: _FitOne, temperature: float) -> OutOfFold:
    groups = [picture.group for picture in table.pictures]
    folds = grouped_folds(table.classes, groups, job.config.folds, job.config.seed)
    logits = _held_out_logits(table, folds, fit_one, len(job.dataset.labels))
    return OutOfFold(tuple(table.pictures), folds, softmax(logits, temperature))


def _held_out_logits(table: _Table, folds: Ints, fit_one: _FitOne, count: int) -> Doubles:
    """Logits (n, k), each by a head fitted on the other folds."""
    logits = np.zeros((len(folds), count))
    for fold in np.unique(folds):
        out = folds == fold
        logits[out] = fit_one(table.part(~out)).logits(table.features[out])
    return logits


def _neighbours(train: _Table, normaliser: Normaliser) -> Neighbours:
    names = np.array([picture.sha256 for picture in train.pictures], dtype=np.str_)
    return Neighbours(FEATURES, normaliser, normaliser(train.features).astype(np.float32), names)
