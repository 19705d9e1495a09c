"""One training from a dataset folder to a finished run."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from stj_core.class_folders import summed_up
from stj_core.cli import counted
from stj_core.console import SILENT, Talk
from stj_core.errors import UsageError
from stj_core.fetched import origin_of
from stj_core.files import write_csv, write_json
from stj_dataset.manifest import LABELS, MANIFEST, PROVENANCE, read_manifest
from stj_model.artifacts import write_heat, write_judged
from stj_model.calibration import CALIBRATION, NEIGHBOURS, Calibration
from stj_model.config import TrainConfig
from stj_model.data import Dataset, check_trainable, open_dataset, open_none_folder, with_none
from stj_model.evaluation import JudgedPicture, figures_of, figures_on, judge_pictures, judge_with_kept
from stj_model.fast import CHECKED_ON, write_fast
from stj_model.features import BATCH, Extractor, FeatureStore
from stj_model.layers import LayerRow, layers_of
from stj_model.out_of_scope import answered_figures, rejection_figures, rejection_sentence
from stj_model.places import RunsAt
from stj_model.plots import check_drawing
from stj_model.predict import Predictor
from stj_model.preprocess import read_pixels
from stj_model.recipes import FittedModel, HeldOutPredictions, TrainingJob
from stj_model.run_dir import (
    CONFIG,
    ENVIRONMENT,
    LEAVE_SOURCES_OUT,
    METRICS,
    MODEL,
    OTHERS,
    OUT_OF_FOLD,
    TENSORBOARD,
    Run,
    discard,
    drop_scratch,
    finish,
    forget_name,
    free_name,
    keep_name,
    kept_name,
    unfinished,
)
from stj_model.runs import why_no_honest_figure
from stj_model.shortcuts import look_for_shortcuts
from stj_model.standalone import word
from stj_model.tensorboard import write_events
from stj_model.weights import find_weights

MAPS = "last map"
NO_HONEST_FIGURE = (
    "believe: no figure here is honest about other shops, for {why}: stj-model evaluate --on FOLDER tells"
)
FEW_OTHERS, FEW_SOURCES = 40, 5
NOTHING_ELSE = (
    "There is no picture of something else to learn “none” from: what is refused is guessed from the distance to what was "
    'learned, which lets many other garments through as one of the classes. Crawl another category (role = "none" in '
    "labels.toml) or keep quarantined pictures as none, export again, or give a folder with --none."
)
"""Measured: out-of-distribution AUROC by distance about 0.8 to 0.9, learned from some 130 pictures 0.97 (docs/model.md)."""
LIBRARIES = ("keras", "tensorflow", "numpy", "scipy", "pillow")


def train(
    dataset: Path,
    config: TrainConfig,
    *,
    runs: Path,
    cache: Path,
    none: Sequence[Path] = (),
    fast: bool = False,
    cluster: str = "",
    talk: Talk = SILENT,
    at: RunsAt | None = None,
    shared: str = "",
) -> Run:
    """Train a run on a dataset folder.

    The run is made aside and renamed when it is whole. The same config on the same dataset with the same weights goes on
    where an interrupted training stopped.

    Args:
        dataset: folder with manifest.csv, labels.json and dataset.json.
        config: from `stj_model.config.resolve`.
        runs: folder of runs (STJ_RUNS).
        cache: folder of features (STJ_CACHE).
        none: folders of pictures that are none of the classes, from which the answer `none` is learned, beside those that
            the dataset itself may hold.
        fast: keep the network as an ONNX file too, where the libraries for it are installed, so that it answers without
            TensorFlow.
        cluster: the workers that compute features, as STJ_CLUSTER names them; this process does, if empty.
        talk: where progress is told.
        at: publishes the run at an address; `runs` is its home then. A training that ended before its run was there publishes
            it when it is asked for again.
        shared: where machines share features (STJ_FEATURES); nowhere, if empty.

    Raises:
        UsageError: `paper` was to learn `none`.
        DatasetError: the dataset does not match its manifest, has nothing to learn in some class, or the folder of other
            pictures holds none.
        WeightsError: the weights cannot be had.
        ModelError: matplotlib, which draws the report, cannot be used.
    """
    started = time.perf_counter(), time.process_time()
    check_drawing()
    opened = open_dataset(dataset)
    unmeasured = check_trainable(opened, config.recipe)
    for line in unmeasured:
        talk.say(f"Warning: {line}")
    opened = _with_others(opened, none, config.recipe, talk)
    weights = find_weights(config.weights, config.architecture)
    with unfinished(runs, config.digest(opened.digest, weights.sha256, none_digest(opened))) as folder:
        if at is not None and (kept := kept_name(folder)) is not None:
            return _publish(at, folder, kept)
        job = TrainingJob(opened, config, weights, folder, cache, talk, cluster, shared)
        try:
            shortcuts = look_for_shortcuts(opened, talk, config.seed)
            fitted = _recipe(config.recipe)(job)
            fitted.about["spurious"], fitted.about["unmeasured"] = shortcuts, unmeasured
            _write_fit(job, fitted)
            if fast:
                _write_fast(job, fitted)
            _write_figures(job, fitted, started)
            name = free_name(runs, config.recipe) if at is None else at.name(config.recipe)
            _write_report(Run(folder), name, _layers(fitted), talk, opened.folder)
        except Exception:
            if not (folder / "checkpoint.json").is_file():
                discard(folder)
            raise
        if at is None:
            return finish(folder, runs, name)
        drop_scratch(folder)
        keep_name(folder, name)
        return _publish(at, folder, name)


def _publish(at: RunsAt, folder: Path, name: str) -> Run:
    run = at.publish(folder, name)
    forget_name(folder)
    return run


def _with_others(dataset: Dataset, folders: Sequence[Path], recipe: str, talk: Talk) -> Dataset:
    """The dataset with what `--none` adds; says what it costs where there is nothing to learn `none` from."""
    if recipe == "paper":
        if folders:
            raise UsageError("--recipe paper is the student's notebook, which knows no answer none: leave --none out.")
        return replace(dataset, none=())
    for folder in folders:
        others, passed_over = open_none_folder(folder)
        for line in summed_up(passed_over):
            talk.say(line)
        dataset, left_out = with_none(dataset, others)
        if left_out:
            talk.say(
                f"{counted(left_out, 'picture')} of {folder} left out: unreadable, there twice, or in the dataset itself."
            )
    learned = [picture for picture in dataset.none if picture.split == "train"]
    if not learned:
        talk.say(NOTHING_ELSE)
    elif len(learned) < FEW_OTHERS or len({picture.source for picture in learned}) < FEW_SOURCES:
        talk.say(
            f"Only {counted(len(learned), 'picture')} of something else from "
            f"{counted(len({picture.source for picture in learned}), 'source')} to learn “none” from: "
            f"{FEW_OTHERS} from {FEW_SOURCES} sources or more refuse far better."
        )
    return dataset


def none_digest(dataset: Dataset) -> str:
    """A short name for the pictures of something else that a dataset does not hold by itself."""
    lines = [f"{one.sha256} {one.split} {one.source} {one.group}" for one in dataset.none]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def summary(run: Run) -> dict[str, Any]:
    """The JSON document of `stj-model train`: the figures of each split, and out of fold."""
    metrics = run.read_json(METRICS)
    return {"run": run.name, **{name: {"run": run.name, **part} for name, part in metrics["figures"].items()}}


def honest_lines(run: Run) -> list[str]:
    """What else a person should know of a finished run: which figure to believe, and what its thresholds do."""
    metrics, limits = run.read_json(METRICS)["figures"], run.calibration()
    shops = metrics.get("leave_sources_out")
    if shops:
        low, high = shops["interval"]
        lines = [
            f"believe: shops held out, {shops['accuracy']:.3f} ({low:.3f} to {high:.3f}): each picture judged without its shop"
        ]
    else:
        lines = [NO_HONEST_FIGURE.format(why=why_no_honest_figure(str(run.document["config"]["recipe"])))]
    if limits.promise:
        lines.append(f"thresholds: {promise_sentence(limits.promise, limits.fitted_on)}")
    if shops and "out_of_scope" in shops:
        lines.append(f"none: shops held out, {rejection_sentence(shops['out_of_scope'])}")
    return lines


def promise_sentence(promise: Mapping[str, float], fitted_on: str) -> str:
    """What the thresholds promise and what that costs, in words."""
    wanted = "asked for" if not promise["answered_wanted"] else "aimed at"
    by_shop = f" ({promise['answered_by_shop']:.1%} of an average shop)" if "answered_by_shop" in promise else ""
    found = (
        f"of {fitted_on}, {promise['answered']:.1%} are answered{by_shop}, {promise['right']:.1%} of those rightly "
        f"({promise['right_wanted']:.0%} {wanted})"
    )
    if "refused" in promise:
        found += f"; {promise['refused']:.1%} of something else refused"
    return found


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
    for name in (MANIFEST, LABELS, PROVENANCE):
        if (job.dataset.folder / name).is_file():  # older datasets have no provenance.csv
            shutil.copyfile(job.dataset.folder / name, folder / name)
    document = {
        "dataset": origin_of(job.dataset.folder) or str(job.dataset.folder.resolve()),
        "dataset_digest": job.dataset.digest,
        "answers": {str(label): said for label, said in job.dataset.answers().items()},
        "config": job.config.describe(),
        "weights": fitted.weights.describe(),
        "fit": fitted.about,
    }
    write_json(document, folder / CONFIG)
    write_json(environment(), folder / ENVIRONMENT)
    if not (folder / TENSORBOARD).is_dir():  # a recipe that takes its time writes them while it trains
        write_events(Run(folder).history(), folder / TENSORBOARD)
    own = {row.sha256 for row in read_manifest(folder)}
    others = [one for one in job.dataset.none if one.sha256 not in own]
    if others:
        columns = ("file", "sha256", "source")
        write_csv(columns, [(one.name, one.sha256, one.source) for one in others], folder / OTHERS)
    if fitted.out_of_fold is not None:
        _write_held_out(fitted.out_of_fold, list(job.dataset.labels), folder / OUT_OF_FOLD)
    if fitted.leave_sources_out is not None:
        _write_held_out(fitted.leave_sources_out, list(job.dataset.labels), folder / LEAVE_SOURCES_OUT)


def _write_fast(job: TrainingJob, fitted: FittedModel) -> None:
    """Keep the network as an ONNX file too, where all but its head is frozen."""
    if fitted.head is None or fitted.frozen is None:
        return
    extractor = Extractor(fitted.model, job.config.preprocessing, {**fitted.frozen, "format": "onnx"}, run=True)
    kept = job.cache / "onnx" / f"{extractor.key}.onnx"
    shown = sorted(job.dataset.split("train"), key=lambda picture: picture.sha256)[:CHECKED_ON]
    pixels = np.stack([read_pixels(picture.path, job.config.preprocessing) for picture in shown])
    write_fast(job.folder, fitted.model, fitted.head, fitted.neighbours.layer, kept, pixels, job.talk)


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
        batch = BATCH if fitted.frozen is None else job.config.batch_size
        predictor = Predictor(Run(job.folder), fast=False, batch=batch)
        kept = None
        if fitted.frozen is None:
            judged, _ = judge_pictures(predictor, test, job.talk)
        else:
            judged = judge_with_kept(predictor, test, fitted.frozen, job.cache, job.talk, job.cluster, job.shared)
            kept = FeatureStore(job.cache / "features" / predictor.extractor({**fitted.frozen, "cut": MAPS}).key)
        write_heat(judged, predictor, job.folder, job.talk, kept)
        others = [picture for picture in job.dataset.none if picture.split == "test"]
        outside = list(
            predictor.answer_files([one.path for one in others], [one.name for one in others]) if others else ()
        )
        found["test"] = {"split": "test", **figures_of(judged, labels, temperature, outside)}
    else:
        job.talk.say("The dataset has no test split: export with --test above 0 for an honest figure.")
    write_judged(judged, labels, job.folder)
    for name, held_out in (("out_of_fold", fitted.out_of_fold), ("leave_sources_out", fitted.leave_sources_out)):
        if held_out is not None:
            judged_apart = figures_on(held_out.pictures, held_out.probabilities, labels, temperature)
            found[name] = {"split": name, **judged_apart, **_thresholds(held_out, fitted.calibration, labels)}
    spent = {
        "seconds": round(time.perf_counter() - started[0], 1),
        "cpu_seconds": round(time.process_time() - started[1], 1),
    }
    write_json({"figures": found, "cost": spent}, job.folder / METRICS)


def _thresholds(held_out: HeldOutPredictions, limits: Calibration, labels: list[int]) -> dict[str, Any]:
    """What the thresholds do to pictures that were held out, and to the others."""
    sure, best = held_out.probabilities.max(axis=1), held_out.probabilities.argmax(axis=1)
    right = [labels[place] == picture.label for place, picture in zip(best, held_out.pictures, strict=True)]

    def said(scope: float, probability: float) -> str:
        return word("answered", probability, scope, limits.abstain_below, limits.out_of_scope_above)

    words = [said(scope, p) for scope, p in zip(held_out.out_of_scope.tolist(), sure.tolist(), strict=True)]
    found: dict[str, Any] = {"answered": answered_figures(words, right)}
    if len(held_out.others):
        refused = [
            said(scope, p) for scope, p in zip(held_out.others.tolist(), held_out.others_sure.tolist(), strict=True)
        ]
        found["out_of_scope"] = rejection_figures(
            held_out.out_of_scope.tolist(), words, held_out.others.tolist(), refused
        )
    return found


def _write_held_out(out: HeldOutPredictions, labels: list[int], path: Path) -> None:
    columns = ("sha256", "label", "group", "fold", *(f"p{label}" for label in labels))
    rows = [
        (picture.sha256, picture.label, picture.group, int(fold), *(f"{p:.6f}" for p in chances))
        for picture, fold, chances in zip(out.pictures, out.folds, out.probabilities, strict=True)
    ]
    write_csv(columns, rows, path)


def _layers(fitted: FittedModel) -> list[LayerRow]:
    feature = str(fitted.about["features"].get("layer", ""))
    return layers_of(fitted.model, fitted.weights.architecture, feature)


def _write_report(run: Run, name: str, layers: Sequence[LayerRow], talk: Talk, dataset: Path) -> None:
    from stj_model.report import write_report

    talk.say("Writing the report …")
    write_report(run, name, layers, dataset)


def environment() -> dict[str, Any]:
    """What the numbers were computed with."""
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "libraries": versions,
    }
