"""The functions for a notebook: train on a dataset folder, load a run, judge it, export it.

>>> from stj_model import evaluate, export, load, train
>>> run = train("dataset", weights="imagenet")  # doctest: +SKIP
>>> [answer.answer for answer in load(run.folder).answer_files(["saree.jpg"])]  # doctest: +SKIP
['saree']
>>> evaluate(run.folder, on="elsewhere")["accuracy"]  # doctest: +SKIP
0.96
>>> export(run.folder, "onnx")[0].folder  # doctest: +SKIP
PosixPath('runs/20260301-120000-default/exports/onnx')

Folders that are not given are those of the settings: STJ_RUNS, STJ_CACHE, STJ_WEIGHTS. Nothing is printed; what goes wrong is a
`stj_core.errors.StjError` with a sentence that says what to do.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from stj_core.config import read_config
from stj_core.console import SILENT, Talk
from stj_core.locations import Location
from stj_model import evaluation, training
from stj_model.config import Balance, Recipe, resolve
from stj_model.exporting import Export, export_run
from stj_model.places import dataset_here, dataset_of, find_run
from stj_model.predict import Predictor
from stj_model.run_dir import Run

PathLike = str | os.PathLike[str]


def train(
    dataset: PathLike = "dataset",
    *,
    recipe: Recipe = "default",
    weights: PathLike | None = None,
    architecture: str | None = None,
    epochs: int | None = None,
    patience: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    l2: float | None = None,
    balance: Balance | None = None,
    abstain: float | None = None,
    none: PathLike | Sequence[PathLike] = (),
    seed: int = 42,
    talk: Talk = SILENT,
) -> Run:
    """Train a run; what is None is the recipe's own. An interrupted training is gone on with, a finished one done anew.

    Args:
        dataset: folder, or address, that `stj-dataset export` made.
        recipe: `default`, `thorough` or `paper`.
        weights: `imagenet`, `random`, or a `.weights.h5` file.
        architecture: the backbone of random weights, or of a file without its `.json`.
        epochs: passes over the training pictures, at most.
        patience: epochs without a better val_loss after which `paper` stops.
        batch_size: pictures per step of `paper`, or that the frozen network is asked at once: more suit a GPU.
        learning_rate: of `paper`'s RMSprop.
        l2: penalty on `default`'s head.
        balance: what weighs the same: `none`, `class`, `source` (classes, and shops more evenly) or `shop`.
        abstain: share of right answers that is kept at whatever price, 0 to below 1; less sure ones become `unsure`. If not
            given, 0.98 is aimed at and 95 % of pictures of unseen shops are answered.
        none: folder, or folders, of pictures of something else, from which the answer `none` is learned.
        seed: of everything random: the same one gives the same weights, bit for bit.
        talk: where it says how far it is.

    Returns:
        The run: `folder`, `name`, and its files by methods, such as `read_json("metrics.json")`.

    Raises:
        StjError: the dataset or the weights cannot be used.
    """
    settings = read_config(weights=None if weights is None else os.fspath(weights))
    config = resolve(
        recipe,
        weights=settings.weights,
        architecture=architecture,
        epochs=epochs,
        patience=patience,
        batch_size=batch_size,
        learning_rate=learning_rate,
        l2=l2,
        balance=balance,
        abstain=abstain,
        seed=seed,
    )
    folder = dataset_here(Location.of(os.fspath(dataset)), settings.cache, talk)
    return training.train(
        folder,
        config,
        runs=settings.runs,
        cache=settings.cache,
        none=_paths(none),
        fast=True,
        talk=talk,
        shared=settings.features,
    )


def load(run: PathLike | None = None) -> Predictor:
    """Load a run's network; the newest run, if none is given.

    Returns:
        A predictor: `answer_files(paths)` answers files, `read(bytes)` gives pixels (uint8 of shape (size, size, 3), RGB), and
        `scores(pixels)` takes n of them, (n, size, size, 3), to `chances` (n, k), `features` (n, d), `margins` (n,) of `none`.

    Raises:
        StjError: there is no such run, or it is not whole.
    """
    return Predictor(_open(run))


def evaluate(
    run: PathLike | None = None,
    *,
    split: Literal["test", "val"] = "test",
    on: PathLike | None = None,
    none: PathLike | None = None,
    dataset: PathLike | None = None,
) -> dict[str, Any]:
    """Judge a run on a split of its dataset, or on any folder of `0_…/ 1_…/ 2_…/`.

    Args:
        run: run folder, address or name; the newest, if not given.
        split: `test` or `val`.
        on: a folder to judge it on instead.
        none: a folder of pictures that are none of the classes, to judge too how well it keeps out of them.
        dataset: the dataset's folder, if it is no longer where the run was trained.

    Returns:
        The document of `stj-model evaluate --json`: `n`, `correct`, `accuracy` and `interval` (Wilson, 95 %), `per_class`,
        `confusion` (rows true, columns predicted), `ece`, `ece_before` temperature, `per_source`, …; with `none` also
        `out_of_scope`: `auroc` and its `interval`, `n_inside`, `n_outside`, `answers`; shares are 0 to 1.

    Raises:
        StjError: there is nothing to judge, or the run has learned from it.
    """
    opened = _open(run)
    judged = _dataset(opened, dataset) if on is None else None
    return evaluation.evaluate(opened, split=split, on=_path(on), none=_path(none), dataset=judged)


def export(
    run: PathLike | None = None, *formats: str, to: PathLike | None = None, dataset: PathLike | None = None
) -> list[Export]:
    """Export a run's network, each format into a folder of its own.

    Args:
        run: run folder, address or name; the newest, if None.
        formats: `saved_model` (if none is named), `onnx`, `openvino`, `litert`.
        to: where the folders go; the run's `exports/`, if not given.
        dataset: where the pictures for the check are, if the dataset is no longer where the run was trained.

    Returns:
        One per format: `format`, `folder`, `pictures`, and the largest differences to Keras on so many, of `probabilities` and
        of `out_of_scope`.

    Raises:
        StjError: a library is missing, or an export differs from Keras.
    """
    opened = _open(run)
    return export_run(opened, formats or ("saved_model",), to=_path(to), dataset=_dataset(opened, dataset))


def _open(run: PathLike | None) -> Run:
    settings = read_config()
    named = None if run is None else Location.of(os.fspath(run))
    return find_run(named, Location(str(settings.runs)), settings.cache)


def _dataset(run: Run, given: PathLike | None) -> Path | None:
    return dataset_of(run, None if given is None else Location.of(os.fspath(given)), read_config().cache)


def _paths(given: PathLike | Sequence[PathLike]) -> list[Path]:
    return [Path(given)] if isinstance(given, str | os.PathLike) else [Path(one) for one in given]


def _path(given: PathLike | None) -> Path | None:
    return None if given is None else Path(given)
