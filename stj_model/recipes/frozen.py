"""Every picture as the frozen network sees it, and heads fitted on some of them to judge the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from stj_model.augment import MIRROR, PLAIN, View
from stj_model.backbones.base import Backbone, one_way
from stj_model.backend import KerasModel, Tensor
from stj_model.basis import SpannedFeatures, worth_turning
from stj_model.config import Pooling
from stj_model.data import LabelledPicture
from stj_model.features import Extractor, Floats, compute_views
from stj_model.folds import NEVER, grouped_folds
from stj_model.head import Doubles, Head, Ints, balance_weights, fit_head
from stj_model.network import CROPPED, centred_features, pooled_features, textures
from stj_model.on_workers import feature_workers
from stj_model.recipes import TrainingJob, prepare_backbone
from stj_model.weights import Weights

GRID = 4


@dataclass(frozen=True)
class FeatureTable:
    """Pictures and their features.

    The network looks at each picture and its mirror image and takes the mean; a head is fitted on the views one by one, which
    teaches it more than their mean would.

    Attributes:
        pictures: n pictures.
        classes: (n,), 0 to count - 1; `count` is something else.
        count: number of classes k.
        views: (v, n, d), a picture's feature from each view.
        averaged: (n, d), what the network will say of it.
    """

    pictures: list[LabelledPicture]
    classes: Ints
    count: int
    views: Floats
    averaged: Floats

    @property
    def is_class(self) -> npt.NDArray[np.bool_]:
        """Which pictures are of a class, (n,)."""
        result: npt.NDArray[np.bool_] = self.classes < self.count
        return result

    @property
    def has_none(self) -> bool:
        """Whether there are pictures of something else."""
        return not self.is_class.all()

    def of_classes(self) -> FeatureTable:
        """The pictures of the classes alone."""
        return self.part(self.is_class)

    def split(self, *names: str) -> FeatureTable:
        """The pictures of some splits."""
        return self.part([picture.split in names for picture in self.pictures])

    def keys(self) -> tuple[Ints, list[str]]:
        """Class and shop of each picture."""
        return self.classes, self.sources()

    def part(self, chosen: Sequence[bool] | np.ndarray) -> FeatureTable:
        """The rows where `chosen`, (n,), is true."""
        mask = np.asarray(chosen, dtype=bool)
        kept = [picture for picture, keep in zip(self.pictures, mask, strict=True) if keep]
        return FeatureTable(kept, self.classes[mask], self.count, self.views[:, mask], self.averaged[mask])

    def flat(self) -> Floats:
        """Every view as a row of its own, (v·n, d), the views one after the other."""
        return self.views.reshape(-1, self.views.shape[-1])

    def sources(self) -> list[str]:
        """The shop of each picture."""
        return [picture.source for picture in self.pictures]


@dataclass(frozen=True)
class FrozenFeatures:
    """The dataset's table, and the frozen network that it comes from.

    `raw` holds the features as the network gives them; `table` the same in fewer numbers where that pays, and `widen` brings
    a kernel (r, k) fitted there back to the width of the network. `tensor` is the network's raw feature of a batch, pictures
    first, mirror images behind them; `record` is what decides it.
    """

    raw: FeatureTable
    table: FeatureTable
    widen: Callable[[Doubles], Doubles]
    backbone: KerasModel
    tensor: Tensor
    weights: Weights
    record: dict[str, Any]


class HeadFitter(Protocol):
    """What fits a head on a table."""

    def __call__(self, table: FeatureTable, *, on_epoch: Callable[[int, Head], None] | None = None) -> Head:
        """Fit; `on_epoch` is called after each epoch with its number and the head so far."""


def extract_table(job: TrainingJob) -> FrozenFeatures:
    """See every picture of the dataset from every view of the recipe, and from the two that the network will look from."""
    backbone, weights = prepare_backbone(job, used_if_random=(job.backbone.early_stage,), mirrored=True)
    tensor, layer, pooling = _features(backbone, job.backbone, job.config.pooling, random=weights.is_random)
    record = {
        "weights": weights.sha256,
        "architecture": weights.architecture,
        "scaling": weights.preprocessing,
        "layer": layer,
        "pooling": pooling,
    }
    network = one_way(backbone, tensor)
    extractor = Extractor(network, job.config.preprocessing, record, batch=job.config.batch_size)
    pictures = [*job.dataset.pictures, *job.dataset.none]
    names = [picture.sha256 for picture in pictures]
    views = list(dict.fromkeys((PLAIN, MIRROR, *job.config.views)))
    seen_as = [replace(extractor, view=View(view)) for view in views]
    stores = compute_views(pictures, seen_as, job.cache, job.talk, feature_workers(job.cluster, job.talk), job.shared)
    together = np.stack([store.rows(names) for store in stores])

    def table_of(seen: Floats) -> FeatureTable:
        averaged = 0.5 * (seen[views.index(PLAIN)] + seen[views.index(MIRROR)])
        shown = [views.index(view) for view in job.config.views]
        # Nothing is copied where every view is shown, in order: these are the largest arrays of all.
        as_shown = seen if shown == [*range(len(seen))] else seen[shown]
        return FeatureTable(pictures, job.classes(pictures), len(job.dataset.labels), as_shown, averaged)

    raw = table_of(together)
    rows = together.reshape(-1, together.shape[-1])
    # What is standardised cannot be turned: each of its columns has a scale of its own.
    if weights.is_random or not worth_turning(rows):
        return FrozenFeatures(raw, raw, lambda kernel: kernel, backbone, tensor, weights, record)
    turned = SpannedFeatures.of(rows)
    table = table_of(turned.rows.reshape(*together.shape[:2], -1))
    return FrozenFeatures(raw, table, turned.widen, backbone, tensor, weights, record)


def _features(network: KerasModel, backbone: Backbone, pooling: Pooling, *, random: bool) -> tuple[Tensor, str, str]:
    """What the head is given, (n, d); of which layer; and how that was pooled, for the record."""
    if random:
        layer = backbone.early_stage
        return textures(network, layer, GRID), layer, f"mean and deviation in {GRID}×{GRID} cells"
    layer = backbone.last_stage
    if pooling == "centre":
        shares = "×".join(f"{1 - 2 * share:.2f}" for share in CROPPED)
        return centred_features(network, layer), layer, f"root of the mean, and of the middle {shares}"
    return pooled_features(network, layer), layer, "mean"


def fitter(job: TrainingJob, *, standardise: bool) -> HeadFitter:
    """What fits a head on a table, as the config wants it."""

    def fit_one(table: FeatureTable, *, on_epoch: Callable[[int, Head], None] | None = None) -> Head:
        times = len(table.views)
        return fit_head(
            table.flat(),
            np.tile(table.classes, times),
            table.count + int(table.has_none),
            weight=np.tile(balance_weights(table.classes, table.sources(), job.config.balance), times),
            l2=job.config.l2,
            epochs=job.config.epochs,
            standardise=standardise,
            watch=on_epoch,
        )

    return fit_one


def group_folds(table: FeatureTable, folds: int, seed: int) -> Ints:
    """Folds that hold out relatives together, (n,)."""
    groups = [picture.group for picture in table.pictures]
    return _folds(table, groups, folds, seed, every_class=True)


def source_folds(table: FeatureTable, folds: int, seed: int) -> Ints:
    """Folds that hold out whole shops, (n,); something else from one place only is held out by relatives."""
    sources = table.sources()
    if len({source for source, inside in zip(sources, table.is_class, strict=True) if not inside}) < 2:
        groups = [picture.group for picture in table.pictures]
        sources = [
            source if inside else f"none {group}"
            for source, group, inside in zip(sources, groups, table.is_class, strict=True)
        ]
    return _folds(table, sources, folds, seed, every_class=False)


def _folds(table: FeatureTable, keys: list[str], folds: int, seed: int, *, every_class: bool) -> Ints:
    """Folds by key: those of the classes as if there were nothing else, and something else by the same keys."""
    inside = table.is_class
    names = np.array(keys, dtype=str)
    found = np.zeros(len(keys), dtype=np.int64)
    found[inside] = grouped_folds(table.classes[inside], names[inside].tolist(), folds, seed, every_class=every_class)
    if not inside.all():
        outside = ~inside
        found[outside] = grouped_folds(table.classes[outside], names[outside].tolist(), folds, seed, every_class=False)
        held = inside & (found != NEVER)
        home = dict(zip(names[held].tolist(), found[held].tolist(), strict=True))
        found[outside] = [
            home.get(name, fold) for name, fold in zip(names[outside].tolist(), found[outside].tolist(), strict=True)
        ]
    return found


def held_out_logits(table: FeatureTable, folds: Ints, fit_one: HeadFitter, outputs: int) -> Doubles:
    """Logits (n, outputs), each by a head fitted on the other folds; zeros for what is never held out.

    A head that was shown nothing else, since all of that is in its own fold, is sure of the classes.
    """
    logits = np.zeros((len(folds), outputs))
    for fold in np.unique(folds[folds != NEVER]):
        out = folds == fold
        found = fit_one(table.part(~out)).logits(table.averaged[out])
        logits[out, : found.shape[1]] = found
        logits[out, found.shape[1] :] = found.min(axis=1, keepdims=True)
    return logits
