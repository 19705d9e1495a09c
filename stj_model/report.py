"""The report of a run: one HTML file that needs nothing else, with its pictures also in `plots/`."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stj_dataset.manifest import ManifestRow
from stj_model.evaluation import ECE_BINS
from stj_model.plots import Drawing, draw_confusion, draw_curve, draw_reliability
from stj_model.run_dir import CONFIG, ENVIRONMENT, METRICS, MISTAKES, PLOTS, PREDICTIONS, REPORT, Run
from stj_model.thumbnails import Thumbnails

UNUSED = {
    "default": {"patience", "batch_size", "learning_rate"},
    "paper": {"l2", "balance", "folds"},
}
"""Settings that a recipe does not look at, beside those that the report shows elsewhere."""
TEMPLATES = Path(__file__).with_name("templates")
SAMPLES_PER_CLASS, TEST_TILES, WORST = 12, 60, 24
SPLIT_NAMES = {"test": "Test", "out_of_fold": "Out of fold", "val": "Validation", "train": "Training"}


@dataclass(frozen=True)
class Guess:
    """A test picture as the report shows it: `probabilities` are by label; the worst mistake is the surest."""

    row: ManifestRow
    path: Path
    probabilities: Mapping[int, float]
    answer: str
    out_of_scope: float
    nearest: ManifestRow | None

    @property
    def label(self) -> int:
        """The likeliest class."""
        return max(self.probabilities, key=lambda label: self.probabilities[label])

    @property
    def right(self) -> bool:
        """Whether that is the true one."""
        return self.label == self.row.label

    @property
    def sure(self) -> float:
        """Its probability."""
        return self.probabilities[self.label]


def write_report(run: Run, name: str) -> None:
    """Write `report.html` and `plots/` from the run's own files and its dataset's pictures.

    Args:
        run: the folder, with everything else already in it.
        name: what the run will be called.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    plots = run.folder / PLOTS
    plots.mkdir(exist_ok=True)
    thumbs = Thumbnails()
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=_percent, thumb=thumbs.address, commas=lambda number: f"{number:,}")
    html = environment.get_template("report.html.j2").render(**_content(run, name, thumbs, plots))
    part = run.folder / f"{REPORT}.part"
    part.write_text(html, encoding="utf-8")
    part.replace(run.folder / REPORT)


def _content(run: Run, name: str, thumbs: Thumbnails, plots: Path) -> dict[str, Any]:
    document, metrics, labels = run.read_json(CONFIG), run.read_json(METRICS), run.labels()
    rows = run.manifest()
    folder = Path(str(document["dataset"]))
    guesses = read_guesses(run, rows, folder)
    wrong = sorted((guess for guess in guesses if not guess.right), key=lambda guess: -guess.sure)
    samples = {label: _samples(rows, label, folder) for label in labels}
    _save_mosaics(thumbs, plots, samples, guesses, wrong)
    found = metrics["figures"]
    head = found.get("test") or found.get("out_of_fold") or found["val"]
    return {
        "name": name,
        "labels": labels,
        "figures": found,
        "head": head,
        "split_names": SPLIT_NAMES,
        "drawings": {key: drawing.svg for key, drawing in _draw(run, document, head, guesses, labels, plots).items()},
        "samples": samples,
        "guesses": sorted(guesses, key=lambda guess: guess.row.sha256)[:TEST_TILES],
        "wrong": wrong[:WORST],
        "wrong_total": len(wrong),
        "tested": len(guesses),
        "recipe": document["config"]["recipe"],
        "config": document["config"],
        "unused": UNUSED.get(document["config"]["recipe"], set())
        | {"assumptions", "preprocessing", "weights", "architecture"},
        "weights": document["weights"],
        "fit": document["fit"],
        "digest": document["dataset_digest"],
        "counts": _counts(rows, labels),
        "sources": _sources(head["per_source"]),
        "calibration": run.calibration(),
        "environment": run.read_json(ENVIRONMENT),
        "cost": metrics["cost"],
        "folder": folder,
    }


def read_guesses(run: Run, rows: Sequence[ManifestRow], folder: Path) -> list[Guess]:
    """The lines of `predictions.csv` with their manifest rows, and the nearest training picture of each mistake."""
    by_file = {row.file: row for row in rows}
    by_hash = {row.sha256: row for row in rows}
    mistakes = json.loads((run.folder / MISTAKES).read_text(encoding="utf-8"))
    nearest = {line["file"]: by_hash.get(line["nearest"]) for line in mistakes}
    labels = list(run.labels())
    with (run.folder / PREDICTIONS).open(encoding="utf-8", newline="") as stream:
        return [
            Guess(
                by_file[line["file"]],
                folder / line["file"],
                {label: float(line[f"p{label}"]) for label in labels},
                line["answer"],
                float(line["out_of_scope"]),
                nearest.get(line["file"]),
            )
            for line in csv.DictReader(stream)
        ]


def _draw(
    run: Run,
    document: Mapping[str, Any],
    head: Mapping[str, Any],
    guesses: Sequence[Guess],
    labels: Mapping[int, str],
    plots: Path,
) -> dict[str, Drawing]:
    drawings = {"confusion": draw_confusion(head["confusion"], list(labels.values()))}
    history = run.history()
    if history:
        best = document["fit"].get("best_epoch")
        drawings.update({kind: draw_curve(history, kind, best) for kind in ("accuracy", "loss")})
    if len(guesses) >= 2 * ECE_BINS:
        sure = np.array([guess.sure for guess in guesses])
        drawings["reliability"] = draw_reliability(sure, np.array([guess.right for guess in guesses]), ECE_BINS)
    for key, drawing in drawings.items():
        drawing.save(plots / f"{key}.png")
    return drawings


def _save_mosaics(
    thumbs: Thumbnails,
    plots: Path,
    samples: Mapping[int, Sequence[Path]],
    guesses: Sequence[Guess],
    wrong: Sequence[Guess],
) -> None:
    """The grids as picture files: samples (a line per class), test pictures, and mistakes, framed by right and wrong."""
    grids: dict[str, list[tuple[Path, bool | None]]] = {
        "samples": [(path, None) for paths in samples.values() for path in paths],
        "test": [(guess.path, guess.right) for guess in guesses[:TEST_TILES]],
        "mistakes": [(guess.path, False) for guess in wrong[:WORST]],
    }
    for key, tiles in grids.items():
        if tiles:
            thumbs.mosaic(tiles, SAMPLES_PER_CLASS).save(plots / f"{key}.png")


def _samples(rows: Sequence[ManifestRow], label: int, folder: Path) -> list[Path]:
    """Some training pictures of a class, from as many shops as possible, always the same ones."""
    seen: dict[str, int] = {}
    ranked = []
    for row in sorted((row for row in rows if row.label == label and row.split == "train"), key=lambda row: row.sha256):
        seen[row.source] = seen.get(row.source, 0) + 1
        ranked.append((seen[row.source], row.sha256, folder / row.file))
    return [path for _, _, path in sorted(ranked)[:SAMPLES_PER_CLASS]]


def _counts(rows: Sequence[ManifestRow], labels: Mapping[int, str]) -> dict[str, dict[int, int]]:
    counts = {split: dict.fromkeys(labels, 0) for split in ("train", "val", "test")}
    for row in rows:
        counts[row.split][row.label] += 1
    return counts


def _sources(per_source: Mapping[str, Mapping[str, int]]) -> list[tuple[str, int, int]]:
    """Source, number right, number: the weakest share first, then the largest."""
    lines = [(source, line["correct"], line["n"]) for source, line in per_source.items()]
    return sorted(lines, key=lambda line: (line[1] / line[2], -line[2], line[0]))


def _percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f}\u202f%"  # a narrow space that does not break
