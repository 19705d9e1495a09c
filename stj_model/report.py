"""The report of a run or of an evaluation: one HTML file that needs nothing else, with its pictures also in `plots/`."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from stj_core.files import write_text
from stj_core.text import shown_in_html
from stj_core.vocabulary import SPLITS
from stj_dataset.manifest import ManifestRow, find_dataset
from stj_model.architecture import draw_architecture
from stj_model.data import LabelledPicture, picture_of
from stj_model.evaluation import ECE_BINS, UNKNOWN, Evaluation
from stj_model.layers import LayerRow
from stj_model.plots import Drawing, draw_confusion, draw_curve, draw_reliability
from stj_model.run_dir import CONFIG, ENVIRONMENT, HEAT, METRICS, MISTAKES, PLOTS, PREDICTIONS, REPORT, Run
from stj_model.runs import HEADLINES, why_no_honest_figure
from stj_model.runs import SPLIT_NAMES as JUDGED_BY
from stj_model.sheets import Tile, answered, draw_sheet, rows_of_samples
from stj_model.thumbnails import ReportThumbnails

UNUSED = {
    "default": {"patience", "learning_rate"},
    "thorough": {"patience", "learning_rate"},
    "paper": {"l2", "balance", "folds", "views", "abstain"},
}
"""Settings that a recipe does not look at, beside those that the report shows elsewhere."""
TEMPLATES = Path(__file__).with_name("templates")
SAMPLES_PER_CLASS, TEST_TILES, WORST, PAGES = 12, 60, 24, 40
SHEET_COLUMNS, SHEET_TILES = 6, 48
SPLIT_NAMES = {split: name.capitalize() for split, name in JUDGED_BY.items()}
JUDGED_ON = {
    "test": "test pictures",
    "out_of_fold": "pictures, each judged out of fold,",
    "leave_sources_out": "pictures, each judged without its shop,",
    "val": "validation pictures",
}


@dataclass(frozen=True)
class ReportedPicture:
    """A judged picture as the report shows it: `probabilities` are by label; the worst mistake is the surest."""

    picture: LabelledPicture
    probabilities: Mapping[int, float]
    answer: str
    nearest: LabelledPicture | None

    @property
    def label(self) -> int:
        """The likeliest class."""
        return max(self.probabilities, key=lambda label: self.probabilities[label])

    @property
    def right(self) -> bool:
        """Whether that is the true one."""
        return self.label == self.picture.label

    @property
    def sure(self) -> float:
        """Its probability."""
        return self.probabilities[self.label]


def write_report(run: Run, name: str, layers: Sequence[LayerRow] = (), dataset: Path | None = None) -> None:
    """Write a run's `report.html` and `plots/` from its own files and its dataset's pictures.

    Args:
        run: the folder, with everything else already in it.
        name: what the run will be called.
        layers: its network's, to be drawn; without them it is not.
        dataset: its dataset's folder; the recorded one, if not given.
    """
    metrics, labels, document = run.read_json(METRICS), run.labels(), run.document
    rows = run.manifest()
    dataset = dataset or find_dataset(Path(str(document["dataset"])), str(document.get("dataset_digest", "")))
    found = metrics["figures"]
    head = found.get("test") or found.get("out_of_fold") or found["val"]
    headline = next(found[split] for split in HEADLINES if split in found)
    guesses = read_guesses(run, rows, dataset)
    drawings = _draw_history(run)
    if layers:
        drawings["architecture"] = draw_architecture(
            layers, f"{document['config']['recipe']} on {document['weights']['architecture']}"
        )
    content = {
        "kind": "run",
        "name": name,
        "title": f"{name} · {_percent(headline['accuracy'])}",
        "judged_on": JUDGED_ON[head["split"]],
        "headline": headline,
        "headline_on": JUDGED_ON[headline["split"]],
        "refusals": _refusals({split: found[split] for split in ("leave_sources_out", "test") if split in found}),
        "no_honest_figure": why_no_honest_figure(str(document["config"]["recipe"])),
        "spurious": document["fit"].get("spurious", []),
        "unmeasured": document["fit"].get("unmeasured", []),
        "figures": found,
        "samples": {label: _samples(rows, label, dataset) for label in labels},
        "fit": document["fit"],
        "cost": metrics["cost"],
        "environment": run.read_json(ENVIRONMENT),
    }
    _render(run, run.folder, content, head, guesses, drawings)


def write_evaluation_report(evaluation: Evaluation, folder: Path, dataset: Path | None = None) -> None:
    """Write `report.html` and `plots/` of an evaluation.

    Args:
        evaluation: what was judged.
        folder: where to; where the network looked is found in its `plots/heat/`.
        dataset: the folder of the run's dataset; the recorded one, if not given.
    """
    run, head = evaluation.run, evaluation.document
    dataset = dataset or find_dataset(Path(str(run.document["dataset"])), str(run.document.get("dataset_digest", "")))
    known = {row.sha256: picture_of(row, dataset) for row in run.manifest()}
    guesses = [
        ReportedPicture(one.picture, one.answer.probabilities or {}, one.answer.answer, known.get(one.answer.nearest))
        for one in evaluation.judged
    ]
    own = JUDGED_ON.get(str(head["split"]))
    content: dict[str, Any] = {
        "kind": "evaluation",
        "name": f"{run.name} on {head['split']}",
        "title": f"{run.name} on {Path(str(head['split'])).name} · {_percent(head['accuracy'])}",
        "judged_on": own or f"pictures of {Path(str(head['split'])).resolve().name}",
        "headline": head,
        "headline_on": own or f"pictures of {Path(str(head['split'])).resolve().name}",
        "refusals": _refusals({str(head["split"]): head}),
        "no_honest_figure": "",
        "spurious": [],
        "unmeasured": [],
        "figures": {},
        "samples": {},
        "fit": {},
        "cost": None,
        "environment": None,
    }
    _render(run, folder, content, head, guesses, {})


def _refusals(found: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """The splits that say what the thresholds do, with their names."""
    return [(SPLIT_NAMES.get(split, Path(split).name), part) for split, part in found.items() if part.get("answered")]


def read_guesses(run: Run, rows: Sequence[ManifestRow], dataset: Path) -> list[ReportedPicture]:
    """The lines of `predictions.csv` with their pictures, and the nearest training picture of each mistake."""
    by_file = {row.file: row for row in rows}
    by_hash = {row.sha256: picture_of(row, dataset) for row in rows}
    mistakes = json.loads((run.folder / MISTAKES).read_text(encoding="utf-8"))
    nearest = {line["file"]: by_hash.get(line["nearest"]) for line in mistakes}
    labels = list(run.labels())
    with (run.folder / PREDICTIONS).open(encoding="utf-8", newline="") as stream:
        return [
            ReportedPicture(
                picture_of(by_file[line["file"]], dataset),
                {label: float(line[f"p{label}"]) for label in labels},
                line["answer"],
                nearest.get(line["file"]),
            )
            for line in csv.DictReader(stream)
        ]


def _render(
    run: Run,
    folder: Path,
    content: Mapping[str, Any],
    head: Mapping[str, Any],
    guesses: Sequence[ReportedPicture],
    drawings: Mapping[str, Drawing],
) -> None:
    """Draw, and fill the template with what runs and evaluations have in common, and `content`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    plots = folder / PLOTS
    plots.mkdir(exist_ok=True)
    thumbs = ReportThumbnails()
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown_in_html,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    heat = folder / HEAT
    environment.filters.update(
        percent=_percent,
        thumb=thumbs.address,
        looked=lambda picture: thumbs.warm_address(picture.path, heat / f"{picture.sha256}.png"),
        commas=lambda number: f"{number:,}",
        web=_web,
        short=_short,
    )
    html = environment.get_template("report.html.j2").render(
        **content, **_common(run, head, guesses, plots, thumbs, drawings, content["samples"])
    )
    write_text(folder / REPORT, html)


def _common(
    run: Run,
    head: Mapping[str, Any],
    guesses: Sequence[ReportedPicture],
    plots: Path,
    thumbs: ReportThumbnails,
    more: Mapping[str, Drawing],
    samples: Mapping[int, Sequence[Path]],
) -> dict[str, Any]:
    document, labels, rows = run.read_json(CONFIG), run.labels(), run.manifest()
    wrong = sorted((guess for guess in guesses if not guess.right), key=lambda guess: -guess.sure)
    shown = sorted(guesses, key=lambda guess: guess.picture.sha256)[:TEST_TILES]
    _save_sheets(thumbs, plots, _Sheets(labels, samples, shown, wrong, head, len(guesses)))
    drawings = {**more, **_draw(head, guesses, labels)}
    for key, drawing in drawings.items():
        drawing.save(plots / f"{key}.png")
    recipe = document["config"]["recipe"]
    return {
        "labels": labels,
        "head": head,
        "split_names": SPLIT_NAMES,
        "drawings": {key: drawing.svg for key, drawing in drawings.items()},
        "guesses": shown,
        "wrong": wrong[:WORST],
        "wrong_total": len(wrong),
        "tested": len(guesses),
        "recipe": recipe,
        "config": document["config"],
        "unused": UNUSED.get(recipe, set()) | {"assumptions", "preprocessing", "weights", "architecture"},
        "weights": document["weights"],
        "digest": document["dataset_digest"],
        "counts": _counts(rows, labels),
        "sources": _weakest_first(head["per_source"]),
        "pages": _weakest_first(head.get("per_page", {}))[:PAGES],
        "pages_total": len(head.get("per_page", {})),
        "page_numbers": {page: line["page_number"] for page, line in head.get("per_page", {}).items()},
        "days": sorted(_weakest_first(head.get("per_crawl_date", {}))),
        "unknown": UNKNOWN,
        "calibration": run.calibration(),
    }


def _draw_history(run: Run) -> dict[str, Drawing]:
    history = run.history()
    best = run.document["fit"].get("best_epoch")
    return {kind: draw_curve(history, kind, best) for kind in ("accuracy", "loss")} if history else {}


def _draw(head: Mapping[str, Any], guesses: Sequence[ReportedPicture], labels: Mapping[int, str]) -> dict[str, Drawing]:
    title = f"{_split_name(head)}: {_in_words(head)}"
    drawings = {"confusion": draw_confusion(head["confusion"], list(labels.values()), title)}
    if len(guesses) >= 2 * ECE_BINS:
        sure = np.array([guess.sure for guess in guesses])
        drawings["reliability"] = draw_reliability(sure, np.array([guess.right for guess in guesses]), ECE_BINS)
    return drawings


@dataclass(frozen=True)
class _Sheets:
    """What the sheets of pictures are made from."""

    labels: Mapping[int, str]
    samples: Mapping[int, Sequence[Path]]
    shown: Sequence[ReportedPicture]
    wrong: Sequence[ReportedPicture]
    head: Mapping[str, Any]
    judged: int


def _save_sheets(thumbs: ReportThumbnails, plots: Path, about: _Sheets) -> None:
    """The sheets as picture files: samples (each class in lines of its own), judged pictures, and mistakes."""
    split = _split_name(about.head)
    samples = rows_of_samples({about.labels[label]: paths for label, paths in about.samples.items()}, SHEET_COLUMNS)
    shown, wrong = about.shown[:SHEET_TILES], about.wrong[:WORST]
    part = f"{len(shown)} of {about.judged}" if len(shown) < about.judged else f"all {about.judged}"
    sheets = {
        "samples": (samples, "Training pictures, some of each class"),
        "test": (
            [_tile(one, about.labels) for one in shown],
            f"{split}: above what it is, below what it was taken for ({part}; {_in_words(about.head)})",
        ),
        "mistakes": (
            [_tile(one, about.labels) for one in wrong],
            f"{split}, mistakes, the surest first ({len(wrong)} of {len(about.wrong)} among {about.judged})",
        ),
    }
    for key, (tiles, title) in sheets.items():
        if tiles:
            (plots / f"{key}.png").write_bytes(draw_sheet(tiles, thumbs, title, SHEET_COLUMNS))


def _tile(guess: ReportedPicture, labels: Mapping[int, str]) -> Tile:
    instead = guess.answer if guess.answer in {"unsure", "none"} else ""
    true, said = labels[guess.picture.label], labels[guess.label]
    return answered(guess.picture.path, true, said, guess.sure, right=guess.right, instead=instead)


def _split_name(head: Mapping[str, Any]) -> str:
    """What was judged, in words: a split's name, or a folder's."""
    return SPLIT_NAMES.get(str(head["split"])) or Path(str(head["split"])).resolve().name


def _in_words(head: Mapping[str, Any]) -> str:
    low, high = head["interval"]
    return f"{head['correct']:,} of {head['n']:,} right, {head['accuracy']:.3f} [{low:.3f}, {high:.3f}]"


def _samples(rows: Sequence[ManifestRow], label: int, folder: Path) -> list[Path]:
    """Some training pictures of a class, from as many shops as possible, always the same ones."""
    seen: dict[str, int] = {}
    ranked = []
    for row in sorted((row for row in rows if row.label == label and row.split == "train"), key=lambda row: row.sha256):
        seen[row.source] = seen.get(row.source, 0) + 1
        ranked.append((seen[row.source], row.sha256, folder / row.file))
    return [path for _, _, path in sorted(ranked)[:SAMPLES_PER_CLASS]]


def _counts(rows: Sequence[ManifestRow], labels: Mapping[int, str]) -> dict[str, dict[int, int]]:
    counts: dict[str, dict[int, int]] = {split: dict.fromkeys(labels, 0) for split in SPLITS}
    for row in rows:
        if row.label is not None:
            counts[row.split][row.label] += 1
    return counts


def _weakest_first(per: Mapping[str, Mapping[str, int]]) -> list[tuple[str, int, int]]:
    """Name (of a source, a page or a day), number right, number: the weakest share first, then the largest."""
    lines = [(name, line["correct"], line["n"]) for name, line in per.items()]
    return sorted(lines, key=lambda line: (line[1] / line[2], -line[2], line[0]))


def _percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f}\u202f%"  # a narrow space that does not break


def _web(address: str) -> str:
    """An address that a link may lead to: http or https; empty for any other."""
    try:
        return address if urlsplit(address).scheme in {"http", "https"} else ""
    except ValueError:
        return ""


def _short(address: str) -> str:
    """An address as a person reads it: the host and what follows, without what the scheme says."""
    return address.split("://", 1)[-1].removeprefix("www.")
