"""One training from a dataset folder to a finished run."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from stj_core.console import SILENT, Talk
from stj_core.files import write_csv, write_json
from stj_dataset.manifest import LABELS, MANIFEST
from stj_model.artifacts import write_heat, write_judged
from stj_model.calibration import CALIBRATION, NEIGHBOURS
from stj_model.config import TrainConfig
from stj_model.data import check_trainable, open_dataset
from stj_model.evaluation import JudgedPicture, figures_of, figures_on, judge_pictures, judge_with_kept
from stj_model.features import FeatureStore
from stj_model.predict import Predictor
from stj_model.recipes import FittedModel, HeldOutPredictions, TrainingJob
from stj_model.run_dir import (
    CONFIG,
    ENVIRONMENT,
    METRICS,
    MODEL,
    OUT_OF_FOLD,
    TENSORBOARD,
    Run,
    discard,
    finish,
    free_name,
    unfinished,
)
from stj_model.tensorboard import write_events
from stj_model.weights import find_weights

MAPS = "last map"
LIBRARIES = ("keras", "tensorflow", "numpy", "scipy", "pillow")


def train(dataset: Path, config: TrainConfig, *, runs: Path, cache: Path, talk: Talk = SILENT) -> Run:
    """Train a run on a dataset folder.

    The run is made aside and renamed when it is whole. The same config on the same dataset with the same weights goes on
    where an interrupted training stopped.

    Args:
        dataset: folder with manifest.csv, labels.json and dataset.json.
        config: from `stj_model.config.resolve`.
        runs: folder of runs (STJ_RUNS).
        cache: folder of features (STJ_CACHE).
        talk: where progress is told.

    Raises:
        DatasetError: the dataset does not match its manifest, or has nothing to learn in some class.
        WeightsError: the weights cannot be had.
    """
    started = time.perf_counter(), time.process_time()
    opened = open_dataset(dataset)
    check_trainable(opened, config.recipe)
    weights = find_weights(config.weights, config.architecture)
    with unfinished(runs, config.digest(opened.digest, weights.sha256)) as folder:
        job = TrainingJob(opened, config, weights, folder, cache, talk)
        try:
            fitted = _recipe(config.recipe)(job)
            _write_fit(job, fitted)
            _write_figures(job, fitted, started)
            name = free_name(runs, config.recipe)
            _write_report(Run(folder), name, talk)
        except Exception:
            if not (folder / "checkpoint.json").is_file():
                discard(folder)
            raise
        return finish(folder, runs, name)


def summary(run: Run) -> dict[str, Any]:
    """The JSON document of `stj-model train`: the figures of each split, and out of fold."""
    metrics = run.read_json(METRICS)
    return {"run": run.name, **{name: {"run": run.name, **part} for name, part in metrics["figures"].items()}}


def _recipe(name: str) -> Callable[[TrainingJob], FittedModel]:
    if name == "paper":
        from stj_model.recipes import paper

        return paper.fit
    from stj_model.recipes import default

    return default.fit


def _write_fit(job: TrainingJob, fitted: FittedModel) -> None:
    """Write the model and all that belongs to it."""
    folder = job.folder
    fitted.model.save(folder / MODEL)
    fitted.calibration.save(folder / CALIBRATION)
    fitted.neighbours.save(folder / NEIGHBOURS)
    for name in (MANIFEST, LABELS):
        shutil.copyfile(job.dataset.folder / name, folder / name)
    document = {
        "dataset": str(job.dataset.folder.resolve()),
        "dataset_digest": job.dataset.digest,
        "config": job.config.describe(),
        "weights": fitted.weights.describe(),
        "fit": fitted.about,
    }
    write_json(document, folder / CONFIG)
    write_json(environment(), folder / ENVIRONMENT)
    write_events(Run(folder).history(), folder / TENSORBOARD)
    if fitted.out_of_fold is not None:
        _write_out_of_fold(fitted.out_of_fold, list(job.dataset.labels), folder / OUT_OF_FOLD)


def _write_figures(job: TrainingJob, fitted: FittedModel, started: tuple[float, float]) -> None:
    """Judge the finished model file on the test split, in one pass that all test figures come from."""
    labels, temperature = list(job.dataset.labels), fitted.calibration.temperature
    found: dict[str, Any] = {}
    for split in ("train", "val"):
        known = job.dataset.split(split)
        chances = np.stack([fitted.probabilities[picture.sha256] for picture in known])
        found[split] = {"split": split, **figures_on(known, chances, labels, temperature)}
    test = job.dataset.split("test")
    judged: list[JudgedPicture] = []
    if test:
        predictor = Predictor(Run(job.folder))
        kept = None
        if fitted.frozen is None:
            judged, _ = judge_pictures(predictor, test, job.talk)
        else:
            judged = judge_with_kept(predictor, test, fitted.frozen, job.cache, job.talk)
            kept = FeatureStore(job.cache / "features" / predictor.extractor({**fitted.frozen, "cut": MAPS}).key)
        write_heat(judged, predictor, job.folder, job.talk, kept)
        found["test"] = {"split": "test", **figures_of(judged, labels, temperature)}
    else:
        job.talk.say("The dataset has no test split: export with --test above 0 for an honest figure.")
    write_judged(judged, labels, job.folder)
    for name, held_out in (("out_of_fold", fitted.out_of_fold), ("leave_sources_out", fitted.leave_sources_out)):
        if held_out is not None:
            judged_apart = figures_on(held_out.pictures, held_out.probabilities, labels, temperature)
            found[name] = {"split": name, **judged_apart}
    spent = {
        "seconds": round(time.perf_counter() - started[0], 1),
        "cpu_seconds": round(time.process_time() - started[1], 1),
    }
    write_json({"figures": found, "cost": spent}, job.folder / METRICS)


def _write_out_of_fold(out: HeldOutPredictions, labels: list[int], path: Path) -> None:
    columns = ("sha256", "label", "group", "fold", *(f"p{label}" for label in labels))
    rows = [
        (picture.sha256, picture.label, picture.group, int(fold), *(f"{p:.6f}" for p in chances))
        for picture, fold, chances in zip(out.pictures, out.folds, out.probabilities, strict=True)
    ]
    write_csv(columns, rows, path)


def _write_report(run: Run, name: str, talk: Talk) -> None:
    from stj_model.report import write_report

    talk.say("Writing the report …")
    write_report(run, name)


def environment() -> dict[str, Any]:
    """What the numbers were computed with."""
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "libraries": versions,
    }
