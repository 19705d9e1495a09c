"""One way to train on a dataset, run alone in a process: `python -m bench.training_ways WAY DATASET UNSEEN WEIGHTS [--epochs N]`.

Prints a line of JSON after every epoch: the CPU-seconds and seconds since the process began, without what was spent on judging,
and how many pictures of the shops in UNSEEN are named rightly. The pictures are read by Keras' own loader, anew in every epoch.

`notebook` is the student's: ResNet50 with all but its last ten layers frozen, pixels of 0 to 1, RMSprop, batches of 4, early
stopping. `guide` is Keras' "Transfer learning and fine-tuning": a frozen base that is called as in inference, flips and turns,
the mean of the last maps, dropout, Adam; then all of it thawed for a few epochs at 1e-5.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import psutil

from stj_model.backbones.registry import find_backbone
from stj_model.backend import KerasModel, keras
from stj_model.network import load_backbone
from stj_model.recipes.paper import build, compile_as_notebook, notebook_cut
from stj_model.weights import Weights, find_weights

SEED = 42
NOTEBOOK_SIZE, NOTEBOOK_BATCH, NOTEBOOK_RATE, PATIENCE = 256, 4, 1e-4, 20
GUIDE_SIZE, GUIDE_BATCH, GUIDE_RATE, THAWED_RATE = 224, 32, 1e-3, 1e-5
JUDGED_AT_ONCE = 16
Array = npt.NDArray[np.generic]
Pictures: TypeAlias = Any  # a tf.data.Dataset with class_names, which TensorFlow does not type


@dataclass
class Clock:
    """CPU-seconds and seconds since the process began, without what was spent on judging."""

    judging: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def spent(self) -> tuple[float, float]:
        """CPU-seconds of all threads, and seconds on the wall."""
        cpu, seconds = sum(os.times()[:2]), time.time() - psutil.Process().create_time()
        return cpu - self.judging[0], seconds - self.judging[1]


class Judge:
    """Says after every epoch what was spent and how many unseen pictures are named rightly.

    Args:
        truth: int[n], the labels.
        answer: gives the unseen pictures' probabilities, float[n, classes], by the network as it is.
        clock: of the process.
    """

    def __init__(self, truth: Array, answer: Callable[[], Array], clock: Clock) -> None:
        self.truth, self.answer, self.clock, self.epochs = truth, answer, clock, 0

    def __call__(self, val_loss: float, phase: str) -> None:
        """Judge the network as it is now."""
        cpu, seconds = self.clock.spent()
        self.epochs += 1
        right = int((np.asarray(self.answer()).argmax(axis=1) == self.truth).sum())
        line = {"epoch": self.epochs, "phase": phase, "cpu": cpu, "seconds": seconds, "val_loss": val_loss}
        print(json.dumps({**line, "correct": right, "n": len(self.truth)}), flush=True)
        after = self.clock.spent()
        self.clock.judging = [
            known + later - now for known, later, now in zip(self.clock.judging, after, (cpu, seconds), strict=True)
        ]


def notebook(dataset: Path, unseen: Path, weights: Weights, epochs: int) -> None:
    """The student's notebook, whole network, every picture through all of it in every epoch."""
    where = notebook_cut(find_backbone(weights.architecture))
    train, val = (
        pictures(dataset / split, NOTEBOOK_SIZE, NOTEBOOK_BATCH, split == "train") for split in ("train", "val")
    )
    classes = len(train.class_names)
    networks = build(load_backbone(weights, NOTEBOOK_SIZE, "unit"), where, classes, NOTEBOOK_RATE, SEED)
    compile_as_notebook(networks.whole, NOTEBOOK_RATE)
    clock = Clock()
    began = clock.spent()
    truth, pixels = unseen_pictures(unseen, NOTEBOOK_SIZE)
    # What is frozen says the same after every epoch: judging, which is not measured, need not ask it again.
    cut = networks.front.predict(pixels, batch_size=JUDGED_AT_ONCE, verbose=0)
    clock.judging = [later - now for later, now in zip(clock.spent(), began, strict=True)]
    judge = Judge(truth, lambda: networks.tail.predict(cut, batch_size=JUDGED_AT_ONCE, verbose=0), clock)
    stopping = keras().callbacks.EarlyStopping(monitor="val_loss", patience=PATIENCE)
    fit(networks.whole, train, val, epochs, judge, "all", [stopping])


def guide(dataset: Path, unseen: Path, weights: Weights, epochs: int, thawed: int) -> None:
    """Keras' guide: a new head on a frozen base, then all of it for a few epochs at a small rate."""
    layers = keras().layers
    keras().utils.set_random_seed(SEED)
    base = load_backbone(weights, GUIDE_SIZE)
    base.trainable = False
    train, val = (pictures(dataset / split, GUIDE_SIZE, GUIDE_BATCH, split == "train") for split in ("train", "val"))
    varied = keras().Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)])
    classes = len(train.class_names)
    train = train.map(lambda pixels, label: (varied(pixels, training=True), label))
    entrance, door = keras().Input((GUIDE_SIZE, GUIDE_SIZE, 3)), keras().Input((base.output.shape[-1],))
    head = keras().Model(door, layers.Dense(classes)(layers.Dropout(0.2)(door)))
    pooled = layers.GlobalAveragePooling2D()(base(entrance, training=False))
    model, front = keras().Model(entrance, head(pooled)), keras().Model(entrance, pooled)
    clock = Clock()
    began = clock.spent()
    truth, pixels = unseen_pictures(unseen, GUIDE_SIZE)
    frozen = front.predict(pixels, batch_size=JUDGED_AT_ONCE, verbose=0)
    clock.judging = [later - now for later, now in zip(clock.spent(), began, strict=True)]

    def answer() -> Array:
        """As in `notebook`: while the base is frozen, it is not asked again."""
        if base.trainable:
            return model.predict(pixels, batch_size=JUDGED_AT_ONCE, verbose=0)
        return head.predict(frozen, batch_size=JUDGED_AT_ONCE, verbose=0)

    judge = Judge(truth, answer, clock)
    for phase, rate, number in (("head", GUIDE_RATE, epochs), ("thawed", THAWED_RATE, thawed)):
        base.trainable = phase == "thawed"
        loss = keras().losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras().optimizers.Adam(rate), loss, metrics=["accuracy"])
        fit(model, train, val, number, judge, phase, [])


def fit(
    model: KerasModel, train: Pictures, val: Pictures, epochs: int, judge: Judge, phase: str, also: Sequence[Any]
) -> None:
    """Train, and have every epoch judged."""
    judging = keras().callbacks.LambdaCallback(on_epoch_end=lambda _, logs: judge(float(logs["val_loss"]), phase))
    model.fit(train, validation_data=val, epochs=epochs, shuffle=False, verbose=0, callbacks=[judging, *also])


def pictures(folder: Path, size: int, batch: int, shuffled: bool) -> Pictures:
    """The labelled pictures of a folder of classes, by Keras' own loader."""
    return keras().utils.image_dataset_from_directory(
        folder, image_size=(size, size), batch_size=batch, label_mode="int", shuffle=shuffled, seed=SEED, verbose=False
    )


def unseen_pictures(folder: Path, size: int) -> tuple[Array, Array]:
    """The labels int[n] and the pixels float32[n, size, size, 3] of the pictures to judge by."""
    batches = [(pixels.numpy(), labels.numpy()) for pixels, labels in pictures(folder, size, JUDGED_AT_ONCE, False)]
    return np.concatenate([labels for _, labels in batches]), np.concatenate([pixels for pixels, _ in batches])


def main() -> int:
    """Train in one way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=["notebook", "guide"])
    parser.add_argument("dataset", type=Path, help="a folder with train/ and val/, each with a folder for a class")
    parser.add_argument("unseen", type=Path, help="a folder with a folder for a class")
    parser.add_argument("weights")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--thawed", type=int, default=3)
    given = parser.parse_args()
    keras().utils.set_random_seed(SEED)
    weights = find_weights(given.weights)
    if given.way == "notebook":
        notebook(given.dataset, given.unseen, weights, given.epochs)
    else:
        guide(given.dataset, given.unseen, weights, given.epochs, given.thawed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
