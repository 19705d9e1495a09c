"""The training runs that there are; a name from a request is looked up among them and never becomes a path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stj_core.errors import ModelError

if TYPE_CHECKING:
    from stj_model.run_dir import Run

import csv
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from stj_core.errors import DatasetError
from stj_dataset.manifest import ManifestRow
from stj_model.run_dir import ENVIRONMENT, LATEST, MISTAKES, PREDICTIONS, REPORT, Run, is_run
from stj_model.runs import RunEntry, read_run
from stj_web.errors import RefusalError, not_found

_SPLITS = ("test", "out_of_fold", "val", "train")


class Runs:
    """The run folders below STJ_RUNS."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._manifest = lru_cache(maxsize=4)(_manifest)

    def names(self) -> list[str]:
        """The names of finished runs, newest first."""
        if not self._root.is_dir():
            return []
        found = [path for path in self._root.iterdir() if not path.name.startswith(".") and not path.is_symlink()]
        return sorted((path.name for path in found if is_run(path)), reverse=True)

    def latest(self) -> str | None:
        """The newest run's name, or None."""
        link = self._root / LATEST
        names = self.names()
        if link.is_dir() and link.resolve().name in names:
            return link.resolve().name
        return names[0] if names else None

    def open(self, name: str | None) -> Run:
        """A run by its name; the newest for None.

        Raises:
            RefusalError: there is none.
        """
        names = self.names()
        if name is None or name == LATEST:
            name = self.latest()
            if name is None:
                raise RefusalError(503, "no_model", "There is no run yet: stj-model train makes one.")
        if name not in names:
            raise not_found(f"There is no run of this name: {len(names)} are in STJ_RUNS.")
        return Run(self._root / name)

    def story(self, name: str) -> RunEntry:
        """What a run was and how it did.

        Raises:
            RefusalError: there is no such run.
            ModelError: its files are not what a training writes.
        """
        found = read_run(self.open(name).folder)
        if found.status != "finished":
            raise ModelError(found.reason)
        return found

    def stories(self) -> list[RunEntry]:
        """Every run that can be read, newest first."""
        found = []
        for name in self.names():
            try:
                found.append(self.story(name))
            except (ModelError, RefusalError):
                continue
        return found

    def environment(self, name: str) -> dict[str, Any]:
        """The versions and the machine that a run was trained on."""
        return _optional(self.open(name), ENVIRONMENT)

    def report(self, name: str) -> bytes | None:
        """A run's report, or None where it has none."""
        path = self.open(name).folder / REPORT
        return path.read_bytes() if path.is_file() else None

    def mistakes(self, name: str) -> list[dict[str, Any]]:
        """The pictures that a run got wrong, the surest first, as far as it wrote them down."""
        path = self.open(name).folder / MISTAKES
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def predictions(self, name: str) -> dict[str, dict[str, str]]:
        """The lines of a run's `predictions.csv` by checksum of the file."""
        path = self.open(name).folder / PREDICTIONS
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                return {line["sha256"]: line for line in csv.DictReader(stream)}
        except (OSError, KeyError):
            return {}

    def manifest(self, name: str) -> dict[str, ManifestRow]:
        """What a run learned from, by checksum of the written file; empty where that cannot be read."""
        return self._manifest(self.open(name))

    def dataset_file(self, name: str, row: ManifestRow) -> Path:
        """Where the dataset of a run has one of its pictures."""
        return Path(str(self.open(name).document.get("dataset", ""))) / row.file


def run_json(entry: RunEntry) -> dict[str, Any]:
    """A run in the REST interface."""
    return {
        "name": entry.name,
        "recipe": entry.recipe,
        "dataset_digest": entry.digest,
        "figures": entry.figures,
        "config": entry.config,
    }


def shared_splits(stories: Sequence[RunEntry]) -> list[str]:
    """The splits that all of some runs were judged on."""
    return [split for split in _SPLITS if stories and all(story.figures.get(split) for story in stories)]


def _manifest(run: Run) -> dict[str, ManifestRow]:
    try:
        return {row.sha256: row for row in run.manifest()}
    except (DatasetError, ModelError):
        return {}


def _optional(run: Run, name: str) -> dict[str, Any]:
    try:
        return run.read_json(name)
    except ModelError:
        return {}


def verdict(one: Run, two: Run, split: str) -> str:
    """Whether two runs differ by more than chance on a split, in a sentence, or why that cannot be said."""
    from stj_model.compare import verdict as compared

    try:
        return compared(one, two, split)
    except ModelError as refusal:
        return str(refusal)
