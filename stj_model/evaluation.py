"""Figures, all from one prediction pass, and none without its split, its number of pictures and its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stj_core.class_folders import PassedOver, summed_up
from stj_core.cli import counted
from stj_core.console import SILENT, Talk
from stj_core.errors import DatasetError
from stj_core.intervals import wilson
from stj_dataset.manifest import find_dataset
from stj_model.data import LabelledPicture, open_dataset, open_labelled_folder, open_none_folder
from stj_model.features import compute_features
from stj_model.head import Doubles, Ints, softmax
from stj_model.on_workers import feature_workers
from stj_model.out_of_scope import answered_figures, rejection_figures
from stj_model.predict import Answer, Predictor
from stj_model.preprocess import read_pixels
from stj_model.run_dir import Run
from stj_model.standalone import slug

ECE_BINS = 10
TOLERANCE = 1e-3
"""How far two ways through the same network may differ in a probability."""
UNKNOWN = "unknown"
"""The source, page or day of a picture of which it is not known, beside others of which it is."""


@dataclass(frozen=True)
class JudgedPicture:
    """One picture with its true class and the model's answer."""

    picture: LabelledPicture
    answer: Answer

    @property
    def correct(self) -> bool:
        """Whether the likeliest class is the true one (an `unsure` answer still has a likeliest class)."""
        return self.answer.label == self.picture.label

    @property
    def confidence(self) -> float:
        """The probability of the likeliest class."""
        return max((self.answer.probabilities or {0: 0.0}).values())


def calibration_error(
    confidences: npt.NDArray[np.floating], correct: npt.NDArray[np.bool_], bins: int = ECE_BINS
) -> float:
    """Expected calibration error over bins of equal mass: Σ n_bin/n · |accuracy - confidence|.

    Args:
        confidences: (n,) probability of the likeliest class.
        correct: (n,) whether it was right.
        bins: number of bins; fewer where there are fewer pictures.
    """
    n = len(confidences)
    if n == 0:
        return 0.0
    order = np.argsort(confidences, kind="stable")
    parts = np.array_split(order, min(bins, n))
    gaps = [len(part) / n * abs(float(correct[part].mean()) - float(confidences[part].mean())) for part in parts]
    return float(sum(gaps))


def figures(
    truth: Ints, chances: Doubles, labels: Sequence[int], sources: Sequence[str], temperature: float = 1.0
) -> dict[str, Any]:
    """All figures of a set of predictions, in the JSON shape of `train` and `evaluate` (without `run` and `split`).

    Args:
        truth: (n,) true labels.
        chances: (n, k) probabilities, columns in the order of `labels`.
        labels: the classes.
        sources: (n,) each picture's shop.
        temperature: that the probabilities were made with; `ece_before` is what the error would be without it.
    """
    order = list(labels)
    guess = np.array(order)[chances.argmax(axis=1)] if len(truth) else np.array([], dtype=np.int64)
    right = guess == truth
    n, correct = len(truth), int(right.sum())
    if n == 0:
        raise DatasetError("There is no picture to judge: export with a larger --test, or name another --split.")
    confusion = count_pairs(truth, guess, order)
    per_class = {
        str(label): _of_class(int(confusion[place, place]), int(confusion[place].sum()), int(confusion[:, place].sum()))
        for place, label in enumerate(order)
    }
    return {
        "n": n,
        "correct": correct,
        "accuracy": _rounded(correct / n),
        "interval": _interval(correct, n),
        "per_class": per_class,
        "averages": _averages(list(per_class.values())),
        "confusion": confusion.tolist(),
        "ece": _rounded(calibration_error(chances.max(axis=1), right)),
        "ece_before": _rounded(
            calibration_error(softmax(np.log(chances.clip(1e-12)) * temperature).max(axis=1), right)
        ),
        "per_source": _per(right, sources) or {UNKNOWN: {"n": n, "correct": correct}},
    }


def count_pairs(truth: Ints, guess: Ints, labels: Sequence[int]) -> Ints:
    """The confusion matrix (k, k): how often each of `labels` (lines) was taken for each (columns).

    Counted here rather than by scikit-learn, whose import costs a tenth of a training that finds its features cached.

    Args:
        truth: (n,) true labels.
        guess: (n,) likeliest labels.
        labels: the classes.
    """
    wanted = np.asarray(labels)
    result: Ints = ((truth[:, None] == wanted).T.astype(np.int64)) @ (guess[:, None] == wanted).astype(np.int64)
    return result


def _averages(parts: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Precision, recall and F1 over the classes with pictures: `macro` counts each alike, `weighted` by its pictures."""
    total = sum(part["n"] for part in parts)
    found = {}
    # A class without a picture was not measured, and is no 0.
    for name, weights in (
        ("macro", [min(part["n"], 1) for part in parts]),
        ("weighted", [part["n"] for part in parts]),
    ):
        shares = {
            figure: _rounded(
                sum(weight * part[figure] for weight, part in zip(weights, parts, strict=True)) / sum(weights)
            )
            for figure in ("precision", "recall", "f1")
        }
        found[name] = {**shares, "n": total}
    return found


def _of_class(right: int, there: int, said: int) -> dict[str, Any]:
    """The figures of a class that `there` pictures are of and `said` were taken for; a share of nothing is 0."""
    return {
        "precision": _rounded(right / max(said, 1)),
        "recall": _rounded(right / max(there, 1)),
        "f1": _rounded(2 * right / max(there + said, 1)),
        "n": there,
        "recall_interval": _interval(right, there),
    }


def figures_on(
    pictures: Sequence[LabelledPicture], chances: Doubles, labels: Sequence[int], temperature: float = 1.0
) -> dict[str, Any]:
    """The figures of predictions for these pictures, also by listing page and by day of the crawl, where these are known.

    Args:
        pictures: n of them.
        chances: (n, k) probabilities, columns in the order of `labels`.
        labels: the classes.
        temperature: that the probabilities were made with.
    """
    truth = np.array([picture.label for picture in pictures], dtype=np.int64)
    found = figures(truth, chances, labels, [picture.source for picture in pictures], temperature)
    right = np.array(list(labels))[chances.argmax(axis=1)] == truth
    pages = _per(right, [picture.page_url for picture in pictures])
    numbers = {picture.page_url or UNKNOWN: picture.page_number for picture in pictures}
    return found | {
        "per_page": {page: {**line, "page_number": numbers[page]} for page, line in pages.items()},
        "per_crawl_date": _per(right, [picture.seen_at[:10] for picture in pictures]),
    }


def judge_pictures(
    predictor: Predictor, pictures: Sequence[LabelledPicture], talk: Talk = SILENT
) -> tuple[list[JudgedPicture], list[Answer]]:
    """The one prediction pass: every picture with its answer, and the answers of those that cannot be read."""
    with talk.bar(f"Predicting {counted(len(pictures), 'picture')}", len(pictures)) as advance:
        answers = list(
            predictor.answer_files(
                [picture.path for picture in pictures], [picture.name for picture in pictures], advance
            )
        )
    judged = [
        JudgedPicture(picture, answer)
        for picture, answer in zip(pictures, answers, strict=True)
        if answer.error is None
    ]
    return judged, [answer for answer in answers if answer.error is not None]


def judge_with_kept(
    predictor: Predictor,
    pictures: Sequence[LabelledPicture],
    frozen: dict[str, Any],
    cache: Path,
    talk: Talk = SILENT,
    cluster: str = "",
    shared: str = "",
) -> list[JudgedPicture]:
    """The same prediction pass where nothing before the network's raw feature was trained.

    What an earlier training's network said of a picture up to there, this one would say again: it is kept, and only what comes
    behind it is asked anew. That the file as a whole says the same is tried on one picture.

    Args:
        predictor: the finished run's.
        pictures: one or more; each can be read.
        frozen: all that decides the raw feature.
        cache: STJ_CACHE.
        talk: where progress is told.
        cluster: the workers that compute what is not kept yet, as STJ_CLUSTER names them; this process does, if empty.
        shared: where machines share features (STJ_FEATURES); nowhere, if empty.
    """
    names = [picture.sha256 for picture in pictures]
    features = compute_features(
        pictures, predictor.extractor(frozen), cache, talk, feature_workers(cluster, talk), shared
    ).rows(names)
    scores = predictor.scores_of(features)
    whole = predictor.chances_once(read_pixels(pictures[0].path, predictor.preprocessing)[None])
    if np.abs(whole - scores.chances[:1]).max() > TOLERANCE:
        return judge_pictures(predictor, pictures, talk)[0]
    answers = predictor.answers_of(scores, [picture.name for picture in pictures])
    return [JudgedPicture(picture, answer) for picture, answer in zip(pictures, answers, strict=True)]


def figures_of(
    judged: Sequence[JudgedPicture],
    labels: Sequence[int],
    temperature: float = 1.0,
    outside: Sequence[Answer] = (),
) -> dict[str, Any]:
    """The figures of one prediction pass.

    Args:
        judged: pictures of the classes.
        labels: the classes.
        temperature: that the probabilities were made with.
        outside: answers to pictures of something else; those that cannot be read are only counted.
    """
    chances = np.array(
        [[(one.answer.probabilities or {})[label] for label in labels] for one in judged], dtype=np.float64
    )
    found = figures_on([one.picture for one in judged], chances.reshape(len(judged), len(labels)), labels, temperature)
    words = [one.answer.answer for one in judged]
    found["answered"] = answered_figures(words, [one.correct for one in judged])
    if outside:
        read = [answer for answer in outside if answer.error is None]
        found["out_of_scope"] = {
            **rejection_figures(
                [one.answer.out_of_scope or 0.0 for one in judged],
                words,
                [answer.out_of_scope or 0.0 for answer in read],
                [answer.answer for answer in read],
            ),
            "unreadable": len(outside) - len(read),
        }
    return found


@dataclass(frozen=True)
class Evaluation:
    """A run judged once: `name` says on what, for a folder's name, and `document` is the JSON of `stj-model evaluate`."""

    run: Run
    name: str
    judged: tuple[JudgedPicture, ...]
    document: dict[str, Any]
    predictor: Predictor


def evaluate(
    run: Run,
    *,
    split: str = "test",
    on: Path | None = None,
    none: Path | None = None,
    dataset: Path | None = None,
    talk: Talk = SILENT,
) -> dict[str, Any]:
    """Judge a run as `judge_run` does, and keep nothing but the JSON document of `stj-model evaluate`."""
    return judge_run(run, split=split, on=on, none=none, dataset=dataset, talk=talk).document


def judge_run(
    run: Run,
    *,
    split: str = "test",
    on: Path | None = None,
    none: Path | None = None,
    dataset: Path | None = None,
    talk: Talk = SILENT,
    called: str = "",
) -> Evaluation:
    """Judge a run on a split of its dataset, or on any folder with a subfolder per class.

    Args:
        run: a finished run.
        split: `test` or `val`, of the dataset.
        on: a folder to judge it on instead.
        none: a folder of pictures that are none of the classes: whether it keeps out of them is judged too.
        dataset: the dataset's folder; the one it was trained on, if not given.
        talk: where progress is told.
        called: what the folder `on` is called, where it is the copy of an address.

    Raises:
        DatasetError: there is nothing to judge on, or the run was trained on it or on relatives of it.
    """
    labels, others = run.labels(), list[LabelledPicture]()
    if on is None:
        pictures, others, name = _split_of(run, split, dataset)
        title, passed_over = split, tuple[PassedOver, ...]()
    else:
        found = open_labelled_folder(on, labels)
        pictures, others, passed_over = list(found.pictures), list(found.none), found.passed_over
        name, title = f"on-{slug(on.resolve().name) or 'folder'}", called or str(on)
    if none is not None:
        given, also = open_none_folder(none)
        others, passed_over = [*others, *given], (*passed_over, *also)
    for line in summed_up(passed_over):
        talk.say(line)
    # What validation chose (a temperature, the best epoch) makes its figure kind, not worthless; it says "val" itself.
    learned = ("train",) if on is None and split == "val" else ("train", "val")
    seen = run.learned_from([*pictures, *others], learned)
    if seen:
        raise DatasetError(
            f"{len(seen)} of the {len(pictures) + len(others)} pictures to judge on were learned from by {run.name}, or are "
            f"relatives of such (first: {seen[0].name}): the figure would not be honest; train anew on this dataset, or leave "
            "them out."
        )
    predictor = Predictor(run, fast=False)
    judged, unreadable = judge_pictures(predictor, pictures, talk)
    outside = _answers_to(predictor, others, talk)
    for answer in (*unreadable, *(answer for answer in outside if answer.error is not None)):
        talk.say(f"Left out: {answer.error}")
    document = {
        "run": run.name,
        "split": title,
        **figures_of(judged, list(labels), predictor.calibration.temperature, outside),
        "unreadable": len(unreadable),
        "passed_over": len(passed_over),
    }
    return Evaluation(run, name, tuple(judged), document, predictor)


def sentence(document: Mapping[str, Any]) -> str:
    """The headline in words: accuracy with its split, number and interval."""
    low, high = document["interval"]
    return (
        f"{document['split']}: {document['correct']} of {document['n']} right, accuracy {document['accuracy']:.3f} "
        f"(95 % interval {low:.3f} to {high:.3f})"
    )


def classification_report(document: Mapping[str, Any], labels: Mapping[int, str]) -> list[str]:
    """Precision, recall, F1 and number by class, then accuracy and both averages: lines for a terminal, in columns."""
    rows = [(labels.get(int(label), label), part) for label, part in document["per_class"].items()]
    rows += [(f"{name} avg", part) for name, part in document.get("averages", {}).items()]
    wide = max(len(name) for name, _ in [*rows, ("accuracy", None)])
    head = f"  {'':{wide}}  precision  recall  f1-score  support"
    lines = [
        f"  {name:>{wide}}  {part['precision']:9.3f}  {part['recall']:6.3f}  {part['f1']:8.3f}  {part['n']:7d}"
        for name, part in rows
    ]
    accuracy = f"  {'accuracy':>{wide}}  {'':9}  {'':6}  {document['accuracy']:8.3f}  {document['n']:7d}"
    place = len(document["per_class"])
    return [head, *lines[:place], accuracy, *lines[place:]]


def _answers_to(predictor: Predictor, others: Sequence[LabelledPicture], talk: Talk) -> list[Answer]:
    """What is said of pictures of something else.

    Raises:
        DatasetError: not one of them can be read.
    """
    if not others:
        return []
    with talk.bar(f"Predicting {counted(len(others), 'other')}", len(others)) as advance:
        files, names = [one.path for one in others], [one.name for one in others]
        answers = list(predictor.answer_files(files, names, advance))
    if all(answer.error is not None for answer in answers):
        raise DatasetError(f"None of the {len(others)} pictures of something else can be read: {answers[0].error}")
    return answers


def _split_of(run: Run, split: str, dataset: Path | None) -> tuple[list[LabelledPicture], list[LabelledPicture], str]:
    """The pictures of a split, those of something else in it, and what to call it: another export's is not the run's own."""
    folder = dataset or find_dataset(
        Path(str(run.document.get("dataset", "dataset"))), str(run.document.get("dataset_digest", ""))
    )
    opened = open_dataset(folder)
    if list(opened.labels) != list(run.labels()):
        raise DatasetError(
            f"{folder} has the classes {list(opened.labels)}, {run.name} was trained on {list(run.labels())}: train anew."
        )
    pictures = opened.split(split)
    if not pictures:
        raise DatasetError(
            f"The dataset {folder} has no {split} picture: export it with a larger --{split if split == 'test' else 'split'}."
        )
    own = opened.digest == run.document.get("dataset_digest")
    none = [picture for picture in opened.none if picture.split == split]
    return pictures, none, split if own else f"{split}-{opened.digest[:12]}"


def _per(right: npt.NDArray[np.bool_], names: Sequence[str]) -> dict[str, dict[str, int]]:
    """How many of each name there are and are right; empty where no name is known."""
    found: dict[str, dict[str, int]] = {}
    if not any(names):
        return found
    for name, hit in sorted(zip(names, right.tolist(), strict=True)):
        line = found.setdefault(name or UNKNOWN, {"n": 0, "correct": 0})
        line["n"] += 1
        line["correct"] += int(hit)
    return found


def _interval(correct: int, n: int) -> list[float]:
    low, high = wilson(correct, n)
    return [_rounded(low), _rounded(high)]


def _rounded(value: float) -> float:
    return round(float(value), 4)
