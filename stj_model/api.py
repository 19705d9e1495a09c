"""The functions for a notebook: train on a dataset folder, load a run, judge it.

>>> from stj_model import load, train
>>> run = train("dataset", recipe="default", weights="imagenet")  # doctest: +SKIP
>>> load().answer_files([Path("saree.jpg")])  # doctest: +SKIP
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from stj_catalog.config import read_config
from stj_model import evaluation, training
from stj_model.config import resolve
from stj_model.predict import Predictor
from stj_model.progress import SILENT
from stj_model.run_dir import Run, open_run

PathLike = str | os.PathLike[str]


def train(dataset: PathLike = "dataset", *, recipe: str = "default", seed: int = 42, **changes: object) -> Run:
    """Train a run; `changes` are fields of `stj_model.config.TrainConfig`, such as `weights` or `epochs`.

    Raises:
        StjError: the dataset or the weights cannot be used; the message says what to do.
    """
    settings = read_config(weights=changes.pop("weights", None))
    config = resolve(recipe, seed=seed, weights=settings.weights, **changes)
    return training.train(Path(dataset), config, runs=settings.runs, cache=settings.cache, talk=SILENT)


def load(run: PathLike | None = None) -> Predictor:
    """Load a run's network (the newest if not given): `answer_files(paths)` or `scores(uint8 pixels (n, size, size, 3))`."""
    return Predictor(open_run(None if run is None else Path(run), read_config().runs))


def evaluate(run: PathLike | None = None, *, split: str = "test", on: PathLike | None = None) -> dict[str, Any]:
    """Judge a run on a split of its dataset or on a folder of `0_…/ 1_…/ 2_…/`: the document of `stj-model evaluate`."""
    found = open_run(None if run is None else Path(run), read_config().runs)
    return evaluation.evaluate(found, split=split, on=None if on is None else Path(on))
