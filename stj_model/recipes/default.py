"""Our recipe: a frozen ResNet50, its pooled features cached, and a regularised head that balances classes and shops."""

from __future__ import annotations

import numpy as np

from stj_model.backbones.base import mean_of_mirrored
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
from stj_model.head import Doubles, Epoch, Head, Ints, Normaliser, accuracy_and_loss, attach, row, softmax
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
    table = seen.table
    held_out = _HeldOutHeads(fitter(job, standardise=seen.weights.is_random), len(job.dataset.labels))
    splits = [picture.split for picture in table.pictures]
    train = table.part([split == "train" for split in splits])
    val = table.part([split == "val" for split in splits])
    history: list[Epoch] = []
    points: list[Doubles] = []

    def watch(epoch: int, head: Head) -> None:
        if not points:  # the normaliser is the same in every epoch
            points.extend(head.normaliser(part.averaged) for part in (train, val))
        judged = [
            accuracy_and_loss(head.logits_at(at), part.classes) for at, part in zip(points, (train, val), strict=True)
        ]
        history.append(dict(row(epoch, *judged)))

    head = held_out.fit_one(train, watch=watch)
    write_history(history, job.folder / HISTORY)
    learned = table.part([split != "test" for split in splits])
    calibration = _calibrate(learned, train, head.normaliser, job, held_out)
    temperature = calibration.temperature
    known = softmax(head.logits(learned.averaged), temperature)
    features = keras().layers.Identity(name=FEATURES)(mean_of_mirrored(seen.tensor))
    folds, seed = job.config.folds, job.config.seed
    raw = seen.raw.part([split == "train" for split in splits])
    normaliser = Normaliser.fit(raw.flat(), standardise=seen.weights.is_random)
    whole = Head(normaliser, seen.widen(head.kernel), head.bias)
    return FittedModel(
        model=attach(seen.backbone, features, whole, temperature),
        weights=seen.weights,
        calibration=calibration,
        neighbours=_neighbours(raw, normaliser),
        probabilities={picture.sha256: chances for picture, chances in zip(learned.pictures, known, strict=True)},
        out_of_fold=held_out.judged(table, group_folds(table, folds, seed), temperature),
        leave_sources_out=held_out.judged(table, source_folds(table, folds, seed), temperature)
        if holdable(table.classes, table.sources())
        else None,
        about={"features": seen.record, "epochs_run": len(history), "best_epoch": len(history)},
        frozen={**seen.record, "cut": FEATURES},
    )


class _HeldOutHeads:
    """Heads that saw nothing of what they judge, fitted once for the same pictures and folds.

    Without a test split the temperature and `leave_sources_out` are asked of the very same heads.
    """

    def __init__(self, fit_one: HeadFitter, count: int) -> None:
        self.fit_one, self.count = fit_one, count
        self._known: dict[tuple[object, ...], Doubles] = {}

    def logits(self, table: FeatureTable, folds: Ints) -> Doubles:
        """Logits (n, k) of a table's pictures, each by a head fitted on the other folds."""
        key = (*(picture.sha256 for picture in table.pictures), folds.tobytes())
        if key not in self._known:
            self._known[key] = held_out_logits(table, folds, self.fit_one, self.count)
        return self._known[key]

    def judged(self, table: FeatureTable, folds: Ints, temperature: float) -> HeldOutPredictions:
        """Probabilities from these logits."""
        return HeldOutPredictions(tuple(table.pictures), folds, softmax(self.logits(table, folds), temperature))


def _calibrate(
    learned: FeatureTable, train: FeatureTable, normaliser: Normaliser, job: TrainingJob, held_out: _HeldOutHeads
) -> Calibration:
    """Temperature and scope from pictures of shops that were held out; of groups, where a class has one shop only.

    The test split has no part in it.
    """
    by_source = holdable(learned.classes, learned.sources())
    folds = (source_folds if by_source else group_folds)(learned, job.config.folds, job.config.seed)
    logits = held_out.logits(learned, folds)
    at_train = folds[[picture.split == "train" for picture in learned.pictures]]
    distances = held_out_distances(normaliser(train.averaged), at_train)
    temperature = fit_temperature(logits, learned.classes)
    return Calibration(
        temperature=temperature,
        abstain_below=threshold_for(softmax(logits, temperature), learned.classes, job.config.abstain),
        out_of_scope_above=float(np.quantile(distances, SCOPE_QUANTILE)),
        fitted_on=f"{len(learned.pictures)} training and validation pictures, held out by {'shop' if by_source else 'group'}",
    )


def _neighbours(train: FeatureTable, normaliser: Normaliser) -> Neighbours:
    names = np.array([picture.sha256 for picture in train.pictures], dtype=np.str_)
    return Neighbours(FEATURES, normaliser, normaliser(train.averaged).astype(np.float32), names)
