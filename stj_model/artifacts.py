"""What one prediction pass leaves behind: every prediction, every mistake, and where the network looked in the worst of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from stj_core.console import SILENT, Talk
from stj_core.errors import ModelError, PictureError
from stj_core.files import write_csv, write_json
from stj_core.folders import beside, swapped, sweep
from stj_model.evaluation import Evaluation, JudgedPicture
from stj_model.explain import Maps, last_maps, warmth
from stj_model.features import FeatureStore
from stj_model.predict import Predictor
from stj_model.run_dir import EVALUATIONS, HEAT, METRICS, MISTAKES, PREDICTIONS

LOOKED_AT = 24
"""So many mistakes, the surest first, are asked where the network looked: a person does not read more."""


def write_judged(judged: Sequence[JudgedPicture], labels: Sequence[int], folder: Path) -> None:
    """Write `predictions.csv` and `mistakes.json`.

    Args:
        judged: the prediction pass, which may be empty.
        labels: the classes.
        folder: where to.
    """
    columns = ("file", "sha256", "label", *(f"p{label}" for label in labels), "answer", "out_of_scope")
    write_csv(columns, [_row(one, labels) for one in judged], folder / PREDICTIONS)
    lines = [
        {
            **one.answer.as_json(),
            "sha256": one.picture.sha256,
            "true": one.picture.label,
            "nearest": one.answer.nearest,
            "source": one.picture.source,
            "asin": one.picture.asin,
            "product_url": one.picture.product_url,
            "page_url": one.picture.page_url,
            "page_number": one.picture.page_number,
        }
        for one in worst_first(judged)
    ]
    (folder / MISTAKES).write_text(json.dumps(lines, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_heat(
    judged: Sequence[JudgedPicture],
    predictor: Predictor,
    folder: Path,
    talk: Talk = SILENT,
    kept: FeatureStore | None = None,
) -> None:
    """Write where the network looked for what it said, for the worst mistakes: grey `plots/heat/<sha256>.png`.

    Args:
        judged: the prediction pass.
        predictor: what it was made with.
        folder: where to.
        talk: is told where that cannot be said.
        kept: the last maps of pictures, where nothing that leads to them was trained: what an earlier training's network saw
            in its mistakes is not computed again, and what this one sees in new ones is added.
    """
    place = folder / HEAT
    for one in worst_first(judged)[:LOOKED_AT]:
        assert one.answer.label is not None
        try:
            heat = warmth(predictor, _maps(one, predictor, kept), one.answer.label)
        except (ModelError, PictureError, OSError) as error:
            talk.say(f"Not looked into {one.picture.name}: {error}")
            continue
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray((heat * 255).round().astype(np.uint8)).save(place / f"{one.picture.sha256}.png")


def _maps(one: JudgedPicture, predictor: Predictor, kept: FeatureStore | None) -> Maps:
    name = one.picture.sha256
    if kept is not None and name in kept:
        found: Maps = kept.rows([name])[0]
        return found
    maps = last_maps(predictor, predictor.read(one.picture.path.read_bytes()))
    if kept is not None:
        kept.add([name], maps[None])
    return maps


def write_evaluation(evaluation: Evaluation, talk: Talk = SILENT, dataset: Path | None = None) -> Path:
    """Write an evaluation beside its run: `evaluations/<name>/` with predictions, figures, mistakes and a report.

    It is made aside and renamed when it is whole; an older one of the same name makes way, and so does what a killed one left.

    Args:
        evaluation: what was judged.
        talk: where progress is told.
        dataset: the folder of the run's dataset, where the recorded one is an address.

    Returns:
        The folder.

    Raises:
        ModelError: it cannot be written.
    """
    from stj_model.report import write_evaluation_report

    target = evaluation.run.folder / EVALUATIONS / evaluation.name
    part = beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target)
        part.mkdir()
        write_judged(evaluation.judged, list(evaluation.predictor.labels), part)
        write_json(evaluation.document, part / METRICS)
        write_heat(evaluation.judged, evaluation.predictor, part, talk)
        write_evaluation_report(evaluation, part, dataset)
        with swapped(part, target):
            pass
    except OSError as error:
        raise ModelError(
            f"Cannot keep the evaluation in {target} ({error.strerror}): make the run's folder one that can be written."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def worst_first(judged: Sequence[JudgedPicture]) -> list[JudgedPicture]:
    """The mistakes, those it was surest of first."""
    return sorted((one for one in judged if not one.correct), key=lambda one: (-one.confidence, one.picture.name))


def _row(one: JudgedPicture, labels: Sequence[int]) -> list[object]:
    chances = one.answer.probabilities or {}
    shares = (f"{chances[label]:.6f}" for label in labels)
    scope = f"{one.answer.out_of_scope:.6f}"
    return [one.picture.name, one.picture.sha256, one.picture.label, *shares, one.answer.answer, scope]
