"""The run folder as a contract: made aside, renamed when it is whole, read back with a sentence for what is missing."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stj_core.errors import ModelError, UsageError
from stj_core.fetched import origin_of
from stj_core.files import write_csv, write_text
from stj_core.locations import Location
from stj_core.vocabulary import SPLITS
from stj_dataset.manifest import LABELS, MANIFEST, ManifestRow, read_labels, read_manifest
from stj_model.calibration import CALIBRATION, NEIGHBOURS, Calibration, Neighbours
from stj_model.config import TrainConfig, from_document
from stj_model.damage import PARSER_ERRORS, reading, reason
from stj_model.data import LabelledPicture, trained_on
from stj_model.preprocess import Preprocessing
from stj_model.standalone import NONE, UNSURE, short_names

CONFIG, ENVIRONMENT, HISTORY, METRICS = "config.json", "environment.json", "history.csv", "metrics.json"
PREDICTIONS, OUT_OF_FOLD, MISTAKES = "predictions.csv", "out_of_fold.csv", "mistakes.json"
LEAVE_SOURCES_OUT = "leave_sources_out.csv"
OTHERS = "none.csv"
MODEL, REPORT, PLOTS = "model.keras", "report.html", "plots"
HEAT, EVALUATIONS, TENSORBOARD, EXPORTS = f"{PLOTS}/heat", "evaluations", "tensorboard", "exports"
HISTORY_COLUMNS = ("epoch", "accuracy", "loss", "val_accuracy", "val_loss")
LATEST, UNFINISHED = "latest", ".unfinished"
_NEEDED = (CONFIG, LABELS, MANIFEST, MODEL, CALIBRATION, NEIGHBOURS)
_SCRATCH = ("lock", "checkpoint.json", "*.state.npz", ".part-*")


@dataclass(frozen=True)
class Run:
    """A finished (or nearly finished) run on disk."""

    folder: Path

    @property
    def name(self) -> str:
        """Its own name, also when it was reached as `latest` or fetched from an address."""
        address = origin_of(self.folder)
        return Location(address).name if address else self.folder.resolve().name

    def read_json(self, name: str) -> dict[str, Any]:
        """Read one of the run's JSON files.

        Raises:
            ModelError: it is missing or is no JSON object.
        """
        path = self.folder / name
        with reading(path):
            document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise ModelError(f"The run's {path} should hold a JSON object: train again.")
        return document

    @property
    def document(self) -> dict[str, Any]:
        """`config.json` as it is.

        Raises:
            ModelError: it is missing, damaged, or lacks what every training writes.
        """
        document = self.read_json(CONFIG)
        kinds = {"config": dict, "weights": dict, "fit": dict, "dataset": str, "dataset_digest": str}
        for name, kind in kinds.items():
            if not isinstance(document.get(name), kind):
                raise self._strange(f"{name} is {document.get(name)!r}")
        return document

    def config(self) -> TrainConfig:
        """The resolved config."""
        document = self.document
        try:
            return from_document(document["config"])
        except (UsageError, *PARSER_ERRORS) as error:
            raise self._strange(reason(error)) from error

    def preprocessing(self) -> Preprocessing:
        """How the network's pixels are read."""
        return self.config().preprocessing

    def labels(self) -> dict[int, str]:
        """The classes, by label."""
        with reading(self.folder / LABELS):
            return read_labels(self.folder)

    def words(self) -> dict[int, str]:
        """What is answered for each class: its short name as the dataset has it, or made of its name in older runs.

        Raises:
            ModelError: one of the words is no text, stands for two classes, or means something else.
        """
        labels, given = self.labels(), self.document.get("answers", {})
        if not isinstance(given, dict):
            raise self._strange(f"answers is {given!r}")
        for label, said in given.items():
            if not isinstance(said, str) or not said.strip() or not said.isprintable() or said in {UNSURE, NONE}:
                raise self._strange(f"answers has {said!r} for {label}")
        if len(set(given.values())) < len(given):
            raise self._strange("answers has a word twice")
        return short_names(labels, given)

    def _strange(self, what: str) -> ModelError:
        return ModelError(f"The run's {self.folder / CONFIG} is not one that this STJ knows ({what}): train again.")

    def manifest(self) -> list[ManifestRow]:
        """What the run was trained, validated and tested on."""
        with reading(self.folder / MANIFEST):
            return read_manifest(self.folder)

    def learned_from(
        self, pictures: Sequence[LabelledPicture], splits: Sequence[str] = SPLITS[:2]
    ) -> list[LabelledPicture]:
        """Those of some pictures that the run has learned from, or whose relatives it has.

        Args:
            pictures: what is to be judged.
            splits: the splits of its dataset that count; pictures of `--none` always do.
        """
        others = set(self.none_checksums())
        known = {picture.sha256 for picture in trained_on(self.manifest(), pictures, splits)} | others
        return [picture for picture in pictures if picture.sha256 in known]

    def none_checksums(self) -> list[str]:
        """The sha256 of each picture of something else that it learned from beside its dataset (`train --none`)."""
        path = self.folder / OTHERS
        if not path.is_file():
            return []
        with reading(path), path.open(encoding="utf-8", newline="") as stream:
            return [line["sha256"] for line in csv.DictReader(stream)]

    def calibration(self) -> Calibration:
        """Its temperature and thresholds."""
        return Calibration.load(self.folder / CALIBRATION)

    def neighbours(self) -> Neighbours:
        """The features of pictures that it learned from: how far a new picture is from all of them."""
        return Neighbours.load(self.folder / NEIGHBOURS)

    def history(self) -> list[dict[str, float]]:
        """The lines of `history.csv`; none where there is no such file.

        Raises:
            ModelError: it is damaged.
        """
        return read_history(self.folder / HISTORY)


def is_run(path: Path) -> bool:
    """Whether a folder is a run."""
    return (path / CONFIG).is_file() and (path / MODEL).is_file()


def is_meant_as_run(path: Path) -> bool:
    """Whether a folder is a run, or what is left of one: it holds what only a run has, readable or not.

    What is half gone must not be taken for a folder of pictures, and the newest run be asked instead.
    """
    return any(os.path.lexists(path / name) for name in (CONFIG, MODEL, CALIBRATION, NEIGHBOURS))


def open_run(path: Path | None, runs: Path) -> Run:
    """Open a run: by path, by name below `runs`, or the newest.

    Raises:
        ModelError: there is none, or a file of it is missing.
    """
    folder = runs / LATEST if path is None else path
    if path is not None and not folder.is_dir() and (runs / path).is_dir():
        folder = runs / path
    if not folder.is_dir():
        if path is None:
            raise ModelError(f"There is no run in {runs} yet: stj-model train makes one.")
        raise ModelError(f"There is no run folder {path}: give one below {runs}, or train with stj-model train.")
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"The run {folder} is not whole: {', '.join(missing)} is missing; train again.")
    return Run(folder)


@contextmanager
def unfinished(runs: Path, key: str) -> Iterator[Path]:
    """Hold the folder of an unfinished run: the same key finds the same folder, one process at a time.

    Raises:
        ModelError: it cannot be made, or another process is at it.
    """
    folder = runs / UNFINISHED / key
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise ModelError(
            f"Cannot make a run below {runs} ({error.strerror}): set STJ_RUNS to a folder that can be written."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ModelError(
                f"Another process is at this very training ({folder}): wait for it, or change the seed."
            ) from error
        yield folder


def free_name(runs: Path, recipe: str) -> str:
    """A name for a new run: when, and by which recipe."""
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{recipe}"
    name, number = stem, 1
    while (runs / name).exists():
        number += 1
        name = f"{stem}-{number}"
    return name


def drop_scratch(folder: Path) -> None:
    """Remove what only an unfinished run needs."""
    for pattern in _SCRATCH:
        for path in folder.glob(pattern):
            path.unlink()


def kept_name(folder: Path) -> str | None:
    """The name of a run that is whole, and was not published yet when its process ended; None for any other."""
    try:
        name = _name_file(folder).read_text(encoding="utf-8")
    except OSError:
        return None
    return name if is_run(folder) else None


def keep_name(folder: Path, name: str) -> None:
    """Write down that an unfinished folder is whole but for its publication, and its name."""
    write_text(_name_file(folder), name)


def forget_name(folder: Path) -> None:
    """A run was published: the same training is another one."""
    _name_file(folder).unlink(missing_ok=True)


def _name_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.name")


def finish(folder: Path, runs: Path, name: str) -> Run:
    """Rename the unfinished run into place and point `latest` at it."""
    drop_scratch(folder)
    target = runs / name
    folder.rename(target)
    point_latest(runs, target)
    return Run(target)


def point_latest(runs: Path, target: Path) -> None:
    """Make `runs/latest` lead to `target`, in one step."""
    link = runs / f".{LATEST}-{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(target.name, target_is_directory=True)
    link.replace(runs / LATEST)


def discard(folder: Path) -> None:
    """Throw an unfinished run away: nothing half-written stays behind a failure."""
    shutil.rmtree(folder, ignore_errors=True)
    for parent in (folder.parent, folder.parent.parent):
        try:
            parent.rmdir()
        except OSError:
            return


def write_history(history: Sequence[Mapping[str, float]], path: Path) -> None:
    """Write accuracy and loss by epoch."""
    rows = [[int(line["epoch"]), *(f"{line[name]:.6f}" for name in HISTORY_COLUMNS[1:])] for line in history]
    write_csv(HISTORY_COLUMNS, rows, path)


def read_history(path: Path) -> list[dict[str, float]]:
    """Read accuracy and loss by epoch; empty where there is no such file."""
    if not path.is_file():
        return []
    with reading(path), path.open(encoding="utf-8", newline="") as stream:
        return [{name: float(line[name]) for name in HISTORY_COLUMNS} for line in csv.DictReader(stream)]
