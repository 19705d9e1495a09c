"""A trained run for a notebook: its figures, its mistakes, and its answers to new pictures."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stj.dataset import Dataset
from stj.tables import html_table, table
from stj_core.cli import counted

if TYPE_CHECKING:
    from stj.figures import Figure
    from stj_model.predict import Answer, Predictor
    from stj_model.run_dir import Run

PathLike = str | os.PathLike[str]


def train(dataset: Dataset | PathLike = "dataset", **options: Any) -> TrainedRun:  # noqa: ANN401 - as stj_model.train says
    """Train a ResNet50 on a dataset, as `stj-model train` does; how far it is shows below the cell.

    Args:
        dataset: the dataset, or its folder.
        options: those of `stj_model.train`: `recipe` (`default`, `thorough`, `paper`), `weights` (`imagenet`, `random`, or a
            file), `epochs`, `seed`, …; what is not given is the recipe's own.

    Raises:
        StjError: the dataset or the weights cannot be used.
    """
    from stj.cells import talk
    from stj_model import api

    folder = dataset.folder if isinstance(dataset, Dataset) else dataset
    return TrainedRun(api.train(folder, talk=talk(), **options))


def open_run(run: PathLike | None = None) -> TrainedRun:
    """Open a run.

    Args:
        run: its folder or address, or its name below STJ_RUNS; the newest, if not given.

    Raises:
        StjError: there is none, or it is not whole.
    """
    from stj_core.config import read_config
    from stj_core.locations import Location
    from stj_model.places import find_run

    settings = read_config()
    named = None if run is None else Location.of(os.fspath(run))
    return TrainedRun(find_run(named, Location(str(settings.runs)), settings.cache))


class TrainedRun:
    """A run folder: metrics, figures, answers."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self._run.folder

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self._run.name

    @property
    def report(self) -> Path:
        """The report, a page of one file."""
        return self.folder / "report.html"

    def figures(self, split: str = "test") -> dict[str, Any]:
        """What training measured on a split: `n`, `accuracy` and its `interval` (95 %), `per_class`, `confusion`, `ece`, ….

        Args:
            split: `train`, `val`, `test`, or `out_of_fold` (every picture judged by a model that had not seen it).

        Raises:
            StjError: the run has no figures of this split.
        """
        from stj_core.errors import UsageError

        found = self._run.read_json("metrics.json")["figures"]
        if split not in found:
            raise UsageError(f"The run {self.name} has no figures of {split!r}: it has {', '.join(found)}.")
        document: dict[str, Any] = found[split]
        return document

    def evaluate(
        self, on: PathLike | None = None, *, split: Literal["test", "val"] = "test", dataset: PathLike | None = None
    ) -> dict[str, Any]:
        """Judge the run on a split of its dataset, or on a folder of `0_…/ 1_…/ 2_…/` that it has not learned from.

        Raises:
            StjError: there is nothing to judge, or the run has learned from it.
        """
        from stj_model import api

        return api.evaluate(self.folder, split=split, on=on, dataset=dataset)

    def predict(self, *files: PathLike) -> Answers:
        """Answer pictures: files, or folders whose pictures are meant. One that cannot be read is an answer with a reason."""
        from stj.cells import progress
        from stj_model.data import list_pictures

        found: list[Path] = []
        for given in map(Path, files):
            found += list_pictures(given) if given.is_dir() else [given]
        advance = progress()("Predicting", len(found))
        return Answers(list(self._predictor.answer_files(found, advance=advance)))

    def history(self) -> Any:  # noqa: ANN401 - a DataFrame, which not everybody has
        """Accuracy and loss by epoch: a DataFrame, or a list of dicts without pandas."""
        return table(self._run.history())

    def plot_history(self) -> Figure:
        """Accuracy and loss by epoch, training and validation."""
        from stj.figures import history

        return history(self._run.history(), f"{self.name}: training")

    def plot_confusion(self, split: str = "test") -> Figure:
        """What was taken for what on a split; see `figures`."""
        from stj.figures import confusion

        found = self.figures(split)
        low, high = found["interval"]
        title = f"{split}: {found['accuracy']:.3f} right [{low:.3f}, {high:.3f}], n {found['n']}"
        return confusion(found["confusion"], list(self._run.labels().values()), title)

    def show_results(
        self, split: Literal["test", "out_of_fold"] = "test", most: int = 12, *, wrong: bool = False
    ) -> Figure:
        """Pictures with what they are and what they were taken for.

        Args:
            split: `test`, or `out_of_fold` (every picture, judged by a model that had not seen it).
            most: pictures at most, from everywhere among them.
            wrong: only those that were taken for another class.

        Raises:
            StjError: the run's predictions are gone.
        """
        from stj.figures import judged, pictures, spread

        names, dataset = self._run.labels(), Path(self._run.document["dataset"])
        lines, shown = self._predictions(split), []
        for line in lines:
            chances = {label: float(line[f"p{label}"]) for label in names}
            taken = max(chances, key=lambda label: chances[label])
            label = int(line["label"])
            if not wrong or taken != label:
                one = dataset / line["file"], names[label], names[taken], chances[taken]
                shown.append(judged(*one, right=taken == label))
        what = "taken for another class" if wrong else "judged: what it is, and below what it was taken for"
        title = f"{self.name}, {split}: {len(shown)} of {len(lines)} {what}"
        return pictures(spread(shown, most), title, columns=min(6, max(1, len(shown))))

    @cached_property
    def _predictor(self) -> Predictor:
        from stj_model.predict import Predictor

        return Predictor(self._run)

    def _predictions(self, split: str) -> list[dict[str, str]]:
        """The lines of a split's predictions, each with its `file`."""
        from stj_core.errors import ModelError, UsageError

        kept = {"test": "predictions.csv", "out_of_fold": "out_of_fold.csv"}
        if split not in kept:
            raise UsageError(f"split cannot be {split!r}: it is {' or '.join(kept)}.")
        path = self.folder / kept[split]
        if not path.is_file():
            raise ModelError(
                f"The run {self.folder} has no {path.name}: train again (recipe paper makes none out of fold)."
            )
        files = {row.sha256: row.file for row in self._run.manifest()}
        with path.open(encoding="utf-8", newline="") as stream:
            # Pictures of something else have no label: they are none of the classes that are compared here.
            return [{**line, "file": files[line["sha256"]]} for line in csv.DictReader(stream) if line["label"]]

    def _repr_html_(self) -> str:
        found = self._run.read_json("metrics.json")["figures"]
        rows = [
            {
                "split": split,
                "n": one["n"],
                "right": one["correct"],
                "accuracy": one["accuracy"],
                "95 %": _interval(one),
            }
            for split, one in found.items()
            if isinstance(one, dict) and "accuracy" in one
        ]
        return html_table(f"Run {self.name}", rows)


class Answers(Sequence["Answer"]):
    """What a run said of some pictures, in their order."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = list(answers)

    def __len__(self) -> int:
        return len(self._answers)

    def __getitem__(self, place: Any) -> Any:  # noqa: ANN401 - a place or a slice
        return self._answers[place]

    def table(self) -> Any:  # noqa: ANN401 - a DataFrame, which not everybody has
        """A row for each picture: a DataFrame, or a list of dicts without pandas."""
        return table(self._rows())

    def show(self, most: int = 12) -> Figure:
        """The pictures with their answers."""
        from stj.figures import Shown, pictures

        shown = [
            Shown(Path(one.file), f"{one.answer} {max((one.probabilities or {0: 0.0}).values()):.0%}")
            for one in self._answers[:most]
            if one.error is None
        ]
        return pictures(shown, f"{len(shown)} of {len(self._answers)} answers", columns=min(6, max(1, len(shown))))

    def _rows(self) -> list[dict[str, Any]]:
        rows = []
        for one in self._answers:
            document = one.as_json()
            chances = {f"p{label}": p for label, p in (document.pop("probabilities") or {}).items()}
            rows.append({**document, **chances})
        return rows

    def _repr_html_(self) -> str:
        return html_table(counted(len(self._answers), "answer"), self._rows())


def _interval(figures: dict[str, Any]) -> str:
    low, high = figures["interval"]
    return f"{low:.3f} to {high:.3f}"
