"""Our recipe: a frozen ResNet50, its pooled features cached, and a regularised head that balances classes and shops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

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
from stj_model.network import mean_of_mirrored, one_way, pooled_features, textures
from stj_model.recipes import Fitted, Job, OutOfFold, prepare_backbone
from stj_model.run_dir import HISTORY, write_history
from stj_model.views import MIRROR, PLAIN, View

LAST_STAGE = "conv5_block3_out"
EARLY_STAGE = "conv2_block3_out"
"""Where random weights still say something: deeper, everything looks alike to them."""
GRID = 4
FEATURES = "features"


@dataclass(frozen=True)
class _Table:
    """Pictures with their classes (n,), how they look from each view (v, n, d), and what the network will say of them (n, d).

    The network looks at each picture and its mirror image and takes the mean (`asked`); a head is fitted on the views one by
    one, which teaches it more than their mean would.
    """

    pictures: list[Picture]
    classes: Ints
    views: Floats
    asked: Floats

    def part(self, chosen: Sequence[bool] | np.ndarray) -> _Table:
        mask = np.asarray(chosen, dtype=bool)
        kept = [picture for picture, keep in zip(self.pictures, mask, strict=True) if keep]
        return _Table(kept, self.classes[mask], self.views[:, mask], self.asked[mask])

    def sources(self) -> list[str]:
        return [picture.source for picture in self.pictures]


class _FitOne(Protocol):
    def __call__(self, table: _Table, *, watch: Callable[[int, Head], None] | None = None) -> Head: ...


def fit(job: Job) -> Fitted:
    """Fit the head on the training split; validation calibrates nothing and chooses nothing, it is only shown."""
    backbone, weights = prepare_backbone(job, used_if_random=(EARLY_STAGE,), mirrored=True)
    random = weights.is_random
    tensor = textures(backbone, EARLY_STAGE, GRID) if random else pooled_features(backbone, LAST_STAGE)
    record = {
        "weights": weights.sha256,
        "architecture": weights.architecture,
        "scaling": weights.preprocessing,
        "layer": EARLY_STAGE if random else LAST_STAGE,
        "pooling": f"mean and deviation in {GRID}×{GRID} cells" if random else "mean",
    }
    extractor = Extractor(one_way(backbone, tensor), job.config.preprocessing, record)
    table = _look(job, extractor)
    fit_one: _FitOne = partial(_fit, job=job, standardise=random)

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
    features = keras().layers.Identity(name=FEATURES)(mean_of_mirrored(tensor))
    return Fitted(
        model=attach(backbone, features, head, temperature),
        weights=weights,
        calibration=calibration,
        neighbours=_neighbours(train, head.normaliser),
        probabilities={picture.sha256: chances for picture, chances in zip(learned.pictures, known, strict=True)},
        out_of_fold=_held_out(table, _group_folds(table, job), fit_one, temperature),
        leave_sources_out=_held_out(table, _source_folds(table, job), fit_one, temperature)
        if holdable(table.classes, table.sources())
        else None,
        about={"features": record, "epochs_run": len(history), "best_epoch": len(history)},
    )


def _look(job: Job, extractor: Extractor) -> _Table:
    """See every picture from every view, and from the two that the network will look from."""
    pictures = list(job.dataset.pictures)
    names = [picture.sha256 for picture in pictures]
    seen = {
        view: compute_features(pictures, replace(extractor, view=View(view)), job.cache, job.talk).rows(names)
        for view in dict.fromkeys((PLAIN, MIRROR, *job.config.views))
    }
    views = np.stack([seen[view] for view in job.config.views])
    asked: Floats = 0.5 * (seen[PLAIN] + seen[MIRROR])
    return _Table(pictures, job.classes(pictures), views, asked)


def _fit(table: _Table, *, job: Job, standardise: bool, watch: Callable[[int, Head], None] | None = None) -> Head:
    times = len(table.views)
    return fit_head(
        np.concatenate(table.views),
        np.tile(table.classes, times),
        len(job.dataset.labels),
        weight=np.tile(balance_weights(table.classes, table.sources(), job.config.balance), times),
        l2=job.config.l2,
        epochs=job.config.epochs,
        standardise=standardise,
        watch=watch,
    )


def _judge(head: Head, table: _Table) -> tuple[float, float]:
    return judge(head.logits(table.asked), table.classes)


def _group_folds(table: _Table, job: Job) -> Ints:
    groups = [picture.group for picture in table.pictures]
    return grouped_folds(table.classes, groups, job.config.folds, job.config.seed)


def _source_folds(table: _Table, job: Job) -> Ints:
    return grouped_folds(table.classes, table.sources(), job.config.folds, job.config.seed, every_class=False)


def _calibrate(learned: _Table, train: _Table, normaliser: Normaliser, job: Job, fit_one: _FitOne) -> Calibration:
    """Temperature and scope from pictures of shops that were held out; of groups, where a class has one shop only.

    The test split has no part in it.
    """
    by_source = holdable(learned.classes, learned.sources())
    folds = (_source_folds if by_source else _group_folds)(learned, job)
    logits = _held_out_logits(learned, folds, fit_one, len(job.dataset.labels))
    at_train = folds[[picture.split == "train" for picture in learned.pictures]]
    distances = held_out_distances(normaliser(train.asked), at_train)
    temperature = fit_temperature(logits, learned.classes)
    return Calibration(
        temperature=temperature,
        abstain_below=threshold_for(softmax(logits, temperature), learned.classes, job.config.abstain),
        out_of_scope_above=float(np.quantile(distances, SCOPE_QUANTILE)),
        fitted_on=f"{len(learned.pictures)} training and validation pictures, held out by {'shop' if by_source else 'group'}",
    )


def _held_out(table: _Table, folds: Ints, fit_one: _FitOne, temperature: float) -> OutOfFold:
    logits = _held_out_logits(table, folds, fit_one, int(table.classes.max()) + 1)
    return OutOfFold(tuple(table.pictures), folds, softmax(logits, temperature))


def _held_out_logits(table: _Table, folds: Ints, fit_one: _FitOne, count: int) -> Doubles:
    """Logits (n, k), each by a head fitted on the other folds."""
    logits = np.zeros((len(folds), count))
    for fold in np.unique(folds):
        out = folds == fold
        logits[out] = fit_one(table.part(~out)).logits(table.asked[out])
    return logits


def _neighbours(train: _Table, normaliser: Normaliser) -> Neighbours:
    names = np.array([picture.sha256 for picture in train.pictures], dtype=np.str_)
    return Neighbours(FEATURES, normaliser, normaliser(train.asked).astype(np.float32), names)
