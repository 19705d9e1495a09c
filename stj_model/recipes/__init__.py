"""How a network is fitted: one module per recipe, all with the same `fit(job) -> FittedModel`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stj_core.console import Talk
from stj_model.augment import View
from stj_model.backbones.base import Backbone
from stj_model.backbones.registry import find_backbone
from stj_model.backend import KerasModel, keras, make_deterministic
from stj_model.calibration import Calibration, Neighbours
from stj_model.config import TrainConfig
from stj_model.data import NONE, Dataset, LabelledPicture
from stj_model.fast import FastHead
from stj_model.features import read_batches
from stj_model.head import Doubles, Ints
from stj_model.network import estimate_norms, load_backbone, weights_digest, whiten_first
from stj_model.weights import Weights

NORM_BATCH = 8
"""Small, since a network in training keeps the maps of all its layers at once: 32 pictures and their mirror images take 6 GB."""
WHITEN_PICTURES, NORM_PICTURES = 128, 256


@dataclass(frozen=True)
class TrainingJob:
    """Everything that a recipe is given; what it writes goes into `folder`, the unfinished run.

    `cluster` names the workers that compute features (STJ_CLUSTER); this process does, where it is empty.
    `shared` is where machines share features (STJ_FEATURES); nowhere, where it is empty.
    """

    dataset: Dataset
    config: TrainConfig
    weights: Weights
    folder: Path
    cache: Path
    talk: Talk
    cluster: str = ""
    shared: str = ""

    @property
    def backbone(self) -> Backbone:
        """The names of the network's layers."""
        return find_backbone(self.weights.architecture)

    def classes(self, pictures: list[LabelledPicture]) -> Ints:
        """The position of each picture's label among the dataset's labels, (n,); something else comes after the last."""
        place = {label: number for number, label in enumerate([*self.dataset.labels, NONE])}
        return np.array([place[picture.label] for picture in pictures], dtype=np.int64)


@dataclass(frozen=True)
class HeldOutPredictions:
    """Predictions for every picture that can be held out, by a head that saw nothing of its fold.

    Attributes:
        pictures: n pictures of the classes.
        folds: (n,).
        probabilities: (n, k).
        out_of_scope: (n,).
        others: (m,), `out_of_scope` of the pictures of something else, where there are any.
        others_sure: (m,), the probability of the likeliest class of those.
    """

    pictures: tuple[LabelledPicture, ...]
    folds: Ints
    probabilities: Doubles
    out_of_scope: Doubles
    others: Doubles
    others_sure: Doubles


@dataclass(frozen=True)
class FittedModel:
    """What a recipe gives back.

    Attributes:
        model: from pixels to calibrated probabilities and, where it was learned, the probability of `none`.
        weights: what is known of the backbone's weights.
        calibration: when to believe it.
        neighbours: what it has seen.
        probabilities: those of each training and validation picture, by sha256, (k,) each.
        out_of_fold: what heads say that saw none of a picture's relatives.
        about: what the run's config keeps of the fit.
        leave_sources_out: what heads say that saw nothing of its shop, where each class has two shops.
        head: the head alone, where the rest of the network is frozen.
        frozen: what decides the raw feature that the neighbours are known by, where nothing that leads to it was trained:
            such features are kept for the next training.
    """

    model: KerasModel
    weights: Weights
    calibration: Calibration
    neighbours: Neighbours
    probabilities: dict[str, Doubles]
    out_of_fold: HeldOutPredictions | None
    about: dict[str, Any]
    leave_sources_out: HeldOutPredictions | None = None
    frozen: dict[str, Any] | None = None
    head: FastHead | None = None


def prepare_backbone(
    job: TrainingJob, scaling: str | None = None, used_if_random: Sequence[str] = (), *, mirrored: bool = False
) -> tuple[KerasModel, Weights]:
    """Load the backbone, everything in it frozen; random weights are fitted to the training pictures without their labels.

    Args:
        job: what is trained.
        scaling: how pixels are scaled, where the recipe insists.
        used_if_random: the layers that the recipe looks at when the weights are random: only what leads to them gets
            statistics, and the first filters are whitened; everything gets statistics, if empty.
        mirrored: each picture is followed through the network by its mirror image.

    Returns:
        The backbone and its weights' record, whose sha256 is filled in for random ones.
    """
    make_deterministic(job.config.seed)
    backbone = load_backbone(job.weights, job.config.preprocessing.size, scaling, mirrored=mirrored)
    backbone.trainable = False
    if not job.weights.is_random:
        return backbone, job.weights
    job.talk.say(
        "NO PRETRAINED WEIGHTS: the backbone is random and has never seen a picture. Textures in its early stages are all that "
        "is learned from; expect far less than with ImageNet weights (--weights FILE or imagenet)."
    )
    ordered = sorted(job.dataset.split("train"), key=lambda picture: picture.sha256)
    train = [(picture, View()) for picture in ordered[:NORM_PICTURES]]
    with job.talk.bar("BatchNorm statistics of the training pictures", len(train)) as advance:

        def batches() -> Any:  # noqa: ANN401 - a generator of uint8 batches
            for batch, pixels in read_batches(train, job.config.preprocessing, NORM_BATCH):
                yield pixels
                advance(len(batch))

        if used_if_random:
            few = read_batches(train[:WHITEN_PICTURES], job.config.preprocessing, NORM_BATCH)
            whiten_first(backbone, job.backbone, (pixels for _, pixels in few), job.config.seed)
        wanted = [backbone.get_layer(name).output for name in used_if_random] or backbone.output
        estimate_norms(keras().Model(backbone.inputs[0], wanted), batches())
    return backbone, replace(job.weights, sha256=weights_digest(backbone))
