"""The student's recipe, faithfully, with its frozen part computed once.

A ResNet50 with all but its last ten layers frozen is cut by exactly one tensor, the output of the block before. That tensor
is cached per picture; the tail (the ten layers and the head) is trained on it and shares its layers with the whole network.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stj_core.console import Advance
from stj_core.errors import ModelError, UsageError
from stj_core.files import atomic_writer, write_json
from stj_model.backbones.base import Backbone, NotebookCut
from stj_model.backend import KerasModel, Tensor, as_array, keras
from stj_model.calibration import Calibration, Neighbours
from stj_model.damage import PARSER_ERRORS, check_stored, reading
from stj_model.data import LabelledPicture
from stj_model.features import BATCH, Extractor, FeatureStore, Floats, compiled, compute_features, run_padded
from stj_model.head import Doubles, Epoch, Ints, Normaliser, row
from stj_model.on_workers import feature_workers
from stj_model.recipes import FittedModel, TrainingJob, prepare_backbone
from stj_model.run_dir import HISTORY, TENSORBOARD, write_history
from stj_model.tensorboard import HistoryEvents

SCALING = "unit"
CHECKPOINT = "checkpoint.json"


@dataclass(frozen=True)
class Networks:
    """The whole network from pixels, its frozen front up to the cut, and the tail behind it; they share their layers."""

    whole: KerasModel
    front: KerasModel
    tail: KerasModel


def notebook_cut(backbone: Backbone) -> NotebookCut:
    """Where the notebook cuts a backbone.

    Raises:
        UsageError: it cannot be cut by one tensor.
    """
    if backbone.notebook is None:
        raise UsageError(
            f"--recipe paper is the student's notebook on ResNet50 and cannot be done with {backbone.name}: "
            "leave --backbone out, or take --recipe default."
        )
    return backbone.notebook


def build(backbone: KerasModel, where: NotebookCut, count: int, learning_rate: float, seed: int) -> Networks:
    """Put the notebook's head on the backbone, free its last ten layers, and cut it.

    Args:
        backbone: a network without its top, from pixels.
        where: to cut it, and what to train.
        count: number of classes.
        learning_rate: of RMSprop.
        seed: of the head's first weights and of the dropouts.
    """
    keras().utils.set_random_seed(seed)
    for layer in backbone.layers:
        layer.trainable = layer.name in where.trained
    head = _head_layers(count)
    whole = keras().Model(backbone.inputs[0], _through(head, backbone.output), name="stj_paper")
    cut = backbone.get_layer(where.layer).output
    front = keras().Model(backbone.inputs[0], cut, name="front")
    door = keras().Input(tuple(cut.shape[1:]), name=where.layer)
    tail = keras().Model(door, _through(head, _last_block(backbone, where, door)), name="tail")
    compile_as_notebook(tail, learning_rate)
    return Networks(whole, front, tail)


def compile_as_notebook(model: KerasModel, learning_rate: float) -> None:
    """Give a model the notebook's optimiser and loss."""
    optimizer = keras().optimizers.RMSprop(learning_rate)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])


def _head_layers(count: int) -> list[Any]:
    layers = keras().layers
    return [
        layers.AveragePooling2D((4, 4), name="pool"),
        layers.Flatten(name="flatten"),
        layers.Dense(256, activation="relu", name="dense_256"),
        layers.Dropout(0.3, name="dropout_3"),
        layers.Dense(128, activation="relu", name="dense_128"),
        layers.Dropout(0.2, name="dropout_2"),
        layers.Dense(count, activation="softmax", name="probabilities"),
    ]


def _through(layers: list[Any], x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x


def _last_block(backbone: KerasModel, where: NotebookCut, cut: Tensor) -> Tensor:
    """Apply the backbone's own last layers to another input."""
    *inner, add, out = (backbone.get_layer(name) for name in where.trained)
    return out(add([cut, _through(inner, cut)]))


def fit(job: TrainingJob) -> FittedModel:
    """Train the tail by epochs on the cached tensor, keep the best epoch, and hand back the whole network."""
    where = notebook_cut(job.backbone)
    backbone, weights = prepare_backbone(job, SCALING)
    networks = build(backbone, where, len(job.dataset.labels), job.config.learning_rate, job.config.seed)
    record = {"weights": weights.sha256, "architecture": weights.architecture, "scaling": SCALING, "layer": where.layer}
    extractor = Extractor(networks.front, job.config.preprocessing, record)
    train, val = job.dataset.split("train"), job.dataset.split("val")
    workers = feature_workers(job.cluster, job.talk)
    store = compute_features([*train, *val], extractor, job.cache, job.talk, workers, job.shared)
    loop = _Loop(job, networks.tail, store, train, val)
    loop.run()
    return FittedModel(
        model=networks.whole,
        weights=weights,
        calibration=Calibration(fitted_on="nothing: the notebook has no calibration"),
        neighbours=_neighbours(networks, backbone, where, store, train),
        probabilities=_probabilities(networks.tail, store, [*train, *val]),
        out_of_fold=None,
        about={"features": record, "epochs_run": loop.state.epoch, "best_epoch": loop.state.best_epoch},
    )


def epoch_lines(found: Epoch, epochs: int, before: float, seconds: float) -> list[str]:
    """What a finished epoch says, in Keras' words.

    Args:
        found: its line of the history.
        epochs: how many there are at most.
        before: the best val_loss so far; infinite before the first.
        seconds: that it took.
    """
    number = int(found["epoch"])
    figures = " - ".join(f"{name}: {found[name]:.4f}" for name in ("accuracy", "loss", "val_accuracy", "val_loss"))
    best = f"val_loss did not improve from {before:.4f}"
    if found["val_loss"] < before:
        best = f"val_loss improved from {before:.4f} to {found['val_loss']:.4f}, saved"
    return [f"Epoch {number}/{epochs} - {seconds:.0f}s - {figures}", f"Epoch {number}: {best}"]


@dataclass
class _State:
    """Where the training is, between two epochs."""

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")


class _Loop:
    """Epochs over the cached tensor, with a checkpoint after each, so that the same command goes on after any end."""

    def __init__(
        self,
        job: TrainingJob,
        tail: KerasModel,
        store: FeatureStore,
        train: list[LabelledPicture],
        val: list[LabelledPicture],
    ) -> None:
        self.job, self.tail, self.store, self.train, self.val = job, tail, store, train, val
        self.truth = {
            picture.sha256: label for picture, label in zip([*train, *val], job.classes([*train, *val]), strict=True)
        }
        self.state = _State()
        self.history: list[Epoch] = []
        tail.optimizer.build(tail.trainable_variables)

    def run(self) -> None:
        """Train until the last epoch or until val_loss has not improved for `patience` epochs; end with the best weights."""
        config = self.job.config
        self._resume()
        steps = len(self.train) + len(self.val)
        bar = self.job.talk.bar(f"Training {config.epochs} epochs", config.epochs * steps, tenths=False)
        with bar as advance, HistoryEvents(self.job.folder / TENSORBOARD, self.history) as events:
            advance(self.state.epoch * steps)
            while self.state.epoch < config.epochs and self.state.epoch - self.state.best_epoch < config.patience:
                began, before = time.perf_counter(), self.state.best_loss
                self._epoch(advance)
                events.add(self.history[-1])
                for line in epoch_lines(self.history[-1], config.epochs, before, time.perf_counter() - began):
                    self.job.talk.say(line)
        _restore(self.tail.variables, self.job.folder / _best_name(self.state.best_epoch))

    def _epoch(self, advance: Advance) -> None:
        number = self.state.epoch + 1
        order = np.random.default_rng([self.job.config.seed, number]).permutation(len(self.train))
        learned = self._pass(self.tail.train_on_batch, [self.train[place] for place in order], advance)
        seen = self._pass(self.tail.test_on_batch, self.val, advance)
        self.history.append(dict(row(number, learned, seen)))
        self._save(number, seen[1])

    def _pass(
        self,
        step: Callable[..., Mapping[str, float]],
        pictures: list[LabelledPicture],
        advance: Advance = lambda _: None,
    ) -> tuple[float, float]:
        """Step once over all pictures; returns accuracy and loss, each picture counting the same (Keras says them per batch)."""
        accuracy = loss = 0.0
        for x, y in self._batches(pictures):
            logs = step(x, y, return_dict=True)
            accuracy += len(y) * float(logs["accuracy"])
            loss += len(y) * float(logs["loss"])
            advance(len(y))
        return accuracy / len(pictures), loss / len(pictures)

    def _batches(self, pictures: list[LabelledPicture]) -> Iterator[tuple[Floats, Ints]]:
        size = self.job.config.batch_size
        for start in range(0, len(pictures), size):
            names = [picture.sha256 for picture in pictures[start : start + size]]
            yield self.store.rows(names), np.array([self.truth[name] for name in names])

    def _save(self, number: int, val_loss: float) -> None:
        """Write the epoch's state, then the small file that makes it count, then drop what it replaces."""
        folder, before = self.job.folder, self.state
        self.state = _State(number, before.best_epoch, before.best_loss)
        if val_loss < before.best_loss:
            self.state = _State(number, number, val_loss)
            _keep(self.tail.variables, folder / _best_name(number))
        _keep([*self.tail.variables, *self.tail.optimizer.variables], folder / _last_name(number))
        write_history(self.history, folder / HISTORY)
        write_json({"state": vars(self.state), "history": self.history}, folder / CHECKPOINT)
        for stale in (
            _last_name(number - 1),
            _best_name(before.best_epoch) if self.state.best_epoch != before.best_epoch else "",
        ):
            if stale:
                (folder / stale).unlink(missing_ok=True)

    def _resume(self) -> None:
        """Go on from the checkpoint of an interrupted run, if there is one."""
        found = _read_checkpoint(self.job.folder)
        if found is None:
            return
        state = _State(**found["state"])
        variables = [*self.tail.variables, *self.tail.optimizer.variables]
        try:
            _restore(variables, self.job.folder / _last_name(state.epoch))
        except ModelError as error:
            self.job.talk.say(f"Not going on from the checkpoint of an interrupted training: {error}")
            return
        self.state, self.history = state, list(found["history"])
        self.job.talk.say(f"Going on after epoch {self.state.epoch} of an interrupted training.")


def _read_checkpoint(folder: Path) -> Mapping[str, Any] | None:
    try:
        document = json.loads((folder / CHECKPOINT).read_text(encoding="utf-8"))
        state = _State(**document["state"])
        needed = (_last_name(state.epoch), _best_name(state.best_epoch))
    except PARSER_ERRORS:
        return None
    return document if all((folder / name).is_file() for name in needed) else None


def _last_name(epoch: int) -> str:
    return f"last-{epoch:04d}.state.npz"


def _best_name(epoch: int) -> str:
    return f"best-{epoch:04d}.state.npz"


def _keep(variables: list[Any], path: Path) -> None:
    """Write variables in order, aside first; dropout's random states are among them."""
    with atomic_writer(path) as stream:
        np.savez(stream, *map(as_array, variables))


def _restore(variables: list[Any], path: Path) -> None:
    """Give variables the values of a checkpoint, all or none of them.

    Raises:
        ModelError: the file is damaged, or of another network.
    """
    with reading(path):
        check_stored(path)
        with np.load(path, allow_pickle=False) as held:
            values = [held[f"arr_{number}"] for number in range(len(variables))]
        for value, variable in zip(values, variables, strict=True):
            if value.shape != tuple(variable.shape):
                raise ValueError(f"a shape is {value.shape}, not {tuple(variable.shape)}")
    for value, variable in zip(values, variables, strict=True):
        variable.assign(value)


def _probabilities(tail: KerasModel, store: FeatureStore, pictures: list[LabelledPicture]) -> dict[str, Doubles]:
    run = compiled(tail)
    found: dict[str, Doubles] = {}
    for start in range(0, len(pictures), BATCH):
        names = [picture.sha256 for picture in pictures[start : start + BATCH]]
        found.update(zip(names, run_padded(run, store.rows(names), BATCH).astype(np.float64), strict=True))
    return found


def _neighbours(
    networks: Networks, backbone: KerasModel, where: NotebookCut, store: FeatureStore, train: list[LabelledPicture]
) -> Neighbours:
    """The training pictures by the mean over the last block's map."""
    door = networks.tail.inputs[0]
    pooled = keras().layers.GlobalAveragePooling2D()(_last_block(backbone, where, door))
    run = compiled(keras().Model(door, pooled))
    names = [picture.sha256 for picture in train]
    raw: npt.NDArray[np.float32] = np.concatenate(
        [run_padded(run, store.rows(names[start : start + BATCH]), BATCH) for start in range(0, len(names), BATCH)]
    )
    normaliser = Normaliser.fit(raw, standardise=False)
    return Neighbours(where.trained[-1], normaliser, normaliser(raw).astype(np.float32), np.array(names, dtype=np.str_))
