"""None is learned: from --none and from a dataset's own none/ pictures, and what it costs to have neither is said."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stj_core.cli import outcome
from stj_core.errors import DatasetError, UsageError
from stj_model.cli import app
from stj_model.data import NONE, open_dataset, open_labelled_folder, open_none_folder, with_none
from stj_model.evaluation import judge_run
from stj_model.exporting import exportable
from stj_model.predict import Predictor
from stj_model.run_dir import Run
from stj_model.training import honest_lines, train
from tests.model.conftest import LABELS, draw, tiny


def draw_other(number: int) -> Image.Image:
    """A picture of none of the classes: large discs on a plain ground."""
    rng = np.random.default_rng([9, number])
    y, x = np.mgrid[:72, :72]
    disc = ((x - 36) ** 2 + (y - 36) ** 2) < rng.integers(15, 30) ** 2
    colours = rng.integers(0, 256, (2, 3))
    return Image.fromarray(np.where(disc[..., None], colours[0], colours[1]).astype(np.uint8))


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty pictures of something else from four places, and what is no picture."""
    folder = tmp_path_factory.mktemp("none") / "others"
    for number in range(20):
        place = folder / f"shop {number % 4}"
        place.mkdir(parents=True, exist_ok=True)
        draw_other(number).save(place / f"{number}.png")
    (folder / "readme.txt").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def learned(drawn: Path, others: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that has learned what none is."""
    runs = tmp_path_factory.mktemp("learned") / "runs"
    return train(drawn, tiny(), runs=runs, cache=shared_cache, none=[others])


@pytest.fixture
def unseen(tmp_path: Path) -> Path:
    """Ten further pictures of something else."""
    folder = tmp_path / "unseen"
    folder.mkdir()
    for number in range(100, 110):
        draw_other(number).save(folder / f"{number}.png")
    return folder


@pytest.mark.medium
def test_what_is_refused_is_learned(learned: Run, run: Run, drawn: Path, unseen: Path):
    by_distance, by_both = (
        judge_run(one, none=unseen, dataset=drawn).document["out_of_scope"] for one in (run, learned)
    )
    assert by_both["auroc"] >= 0.99
    assert by_both["auroc"] >= by_distance["auroc"]
    assert by_both["refused"]["n"] >= 9
    assert by_both["refused"]["n"] + by_both["answers"].get("unsure", 0) == by_both["not_answered"]["n"]


@pytest.mark.medium
def test_probabilities_stay_those_of_the_classes_and_scores_rise_with_none(learned: Run, drawn: Path, unseen: Path):
    predictor = Predictor(learned)
    files = [*sorted(unseen.iterdir()), *(one.path for one in open_dataset(drawn).split("test"))]
    answers = list(predictor.answer_files(files))
    for answer in answers:
        assert answer.probabilities is not None
        assert list(answer.probabilities) == list(LABELS)
        assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert answer.out_of_scope is not None
        assert 0 <= answer.out_of_scope <= 1
    pixels = np.stack([predictor.read(file.read_bytes()) for file in files])
    margins = predictor.scores(pixels).margins
    assert margins is not None
    assert margins[:10].min() > margins[10:].mean()


@pytest.mark.medium
def test_an_export_holds_what_was_learned_of_none(learned: Run, drawn: Path, unseen: Path):
    predictor = Predictor(learned)
    pixels = np.stack([predictor.read(file.read_bytes()) for file in sorted(unseen.iterdir())])
    found = exportable(predictor)(pixels.astype(np.float32), training=False)
    scores = predictor.scores(pixels)
    wanted = predictor.calibration.out_of_scope(predictor.neighbours.distances(scores.features)[0], scores.margins)
    assert np.allclose(wanted, np.asarray(found["out_of_scope"]), atol=1e-4)
    assert np.allclose(scores.chances, np.asarray(found["probabilities"]), atol=1e-4)


@pytest.mark.medium
def test_accuracy_counts_the_classes_alone(learned: Run, drawn: Path):
    figures = json.loads((learned.folder / "metrics.json").read_text())["figures"]
    classes = len(open_dataset(drawn).pictures)
    assert figures["out_of_fold"]["n"] == figures["leave_sources_out"]["n"] == classes
    assert len(figures["test"]["confusion"]) == 3
    with (learned.folder / "out_of_fold.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["sha256", "label", "group", "fold", "p0", "p1", "p2"]
    assert len(rows) == classes
    apart = figures["leave_sources_out"]
    assert apart["out_of_scope"]["n_outside"] == 20
    assert apart["answered"]["n"] == classes


@pytest.mark.medium
def test_the_promise_and_its_price_are_told_together(learned: Run, capsys: pytest.CaptureFixture[str]):
    promise = learned.calibration().promise
    assert promise["answered"] >= 0.95
    text = "\n".join(honest_lines(learned))
    assert "believe: shops held out" in text
    assert f"{promise['answered']:.1%} are answered" in text
    assert f"{promise['refused']:.1%} of something else refused" in text
    report = (learned.folder / "report.html").read_text(encoding="utf-8")
    assert f"{100 * promise['answered']:.1f}" in report


@pytest.mark.slow
def test_training_without_others_says_what_that_costs_and_how_to_get_some(
    drawn: Path, shared_cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    from stj_core.console import Talk

    train(drawn, tiny(), runs=tmp_path / "runs", cache=shared_cache, talk=Talk())
    err = capsys.readouterr().err
    assert "There is no picture of something else to learn “none” from" in err
    assert "give a folder with --none" in err


@pytest.mark.slow
def test_the_dataset_s_own_pictures_of_something_else_are_learned_from_and_judged_by(
    dataset: Path, shared_cache: Path, tmp_path: Path
):
    from stj_core.files import file_sha256, write_json
    from stj_dataset.manifest import ManifestRow, read_manifest, write_manifest

    rows = read_manifest(dataset)
    for number in range(20):
        split = ("train", "train", "val", "test")[number % 4]
        file = f"none/{split}/{number}.png"
        (dataset / file).parent.mkdir(parents=True, exist_ok=True)
        draw_other(number).save(dataset / file)
        sha256 = file_sha256(dataset / file)
        rows.append(
            ManifestRow(file, None, split, f"none {number}", sha256, sha256, "0" * 16, 72, 72, source=f"s{number % 5}")
        )
    write_json({"digest": write_manifest(rows, dataset / "manifest.csv"), "settings": {}}, dataset / "dataset.json")
    opened = open_dataset(dataset)
    assert (len(opened.none), {one.label for one in opened.none}) == (20, {NONE})
    assert len(opened.pictures) == 60
    run = train(dataset, tiny(), runs=tmp_path / "runs", cache=shared_cache)
    figures = json.loads((run.folder / "metrics.json").read_text())["figures"]
    assert figures["test"]["out_of_scope"]["n_outside"] == 5
    assert run.calibration().none_learned
    assert run.none_checksums() == [], "the manifest names them already"
    assert judge_run(run, split="val", dataset=dataset).document["out_of_scope"]["n_outside"] == 5


@pytest.mark.medium
def test_what_was_learned_as_none_is_not_judged_by(learned: Run, drawn: Path, others: Path):
    with pytest.raises(DatasetError, match="20 of the 32 pictures to judge on were learned from"):
        judge_run(learned, none=others, dataset=drawn)


@pytest.mark.medium
def test_a_folder_to_judge_on_may_hold_none_itself(learned: Run, tmp_path: Path):
    folder = tmp_path / "judge"
    for label in LABELS:
        (folder / str(label)).mkdir(parents=True)
        (folder / str(label) / "a.jpg").write_bytes(draw(label, 900))
    (folder / "none").mkdir()
    draw_other(300).save(folder / "none" / "x.png")
    (folder / "notes.txt").write_text("no class")
    opened = open_labelled_folder(folder, LABELS)
    assert (len(opened.pictures), len(opened.none), len(opened.passed_over)) == (3, 1, 1)
    document = judge_run(learned, on=folder).document
    assert (document["n"], document["out_of_scope"]["n_outside"], document["passed_over"]) == (3, 1, 1)


def test_a_picture_is_not_both_a_class_and_none(drawn: Path, tmp_path: Path):
    copy = tmp_path / "none"
    copy.mkdir()
    (copy / "copy.jpg").write_bytes(open_dataset(drawn).pictures[0].path.read_bytes())
    draw_other(1).save(copy / "1.png")
    draw_other(1).save(copy / "1 again.png")
    with_it, left_out = with_none(open_dataset(drawn), open_none_folder(copy)[0])
    assert (len(with_it.none), left_out) == (1, 2)


def test_sources_of_none_come_from_sources_csv_or_the_folder(others: Path, tmp_path: Path):
    assert {one.source for one in open_none_folder(others)[0]} == {f"shop {n}" for n in range(4)}
    folder = tmp_path / "more"
    (folder / "none").mkdir(parents=True)
    draw_other(1).save(folder / "none" / "a.png")
    (folder / "SOURCES.csv").write_text("file,repository\nnone/a.png,some/where\n")
    assert [one.source for one in open_none_folder(folder / "none")[0]] == ["some/where"]


def test_the_notebook_s_recipe_learns_no_none(drawn: Path, others: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="which knows no answer none: leave --none out"):
        train(drawn, tiny("paper"), runs=tmp_path / "runs", cache=tmp_path / "cache", none=[others])


def test_other_pictures_of_none_are_another_training(drawn: Path, others: Path):
    from stj_model.training import none_digest

    plain = open_dataset(drawn)
    more, _ = with_none(plain, open_none_folder(others)[0])
    fewer = replace(more, none=more.none[1:])
    assert len({none_digest(one) for one in (plain, more, fewer)}) == 3


def test_a_folder_without_pictures_is_named(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "empty").mkdir()
    command = ["train", str(drawn), "--weights", "random", "--runs", str(tmp_path / "runs"), "--none"]
    assert outcome(app, [*command, str(tmp_path / "empty")]) == 1
    assert "--none takes a folder of pictures of something else." in capsys.readouterr().err
