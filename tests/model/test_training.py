"""A run from end to end: what it leaves behind, that it is repeatable, and what it refuses."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stj_core.console import Talk
from stj_core.errors import DatasetError, ModelError, WeightsError
from stj_core.files import write_json
from stj_dataset.manifest import read_manifest, write_manifest
from stj_model import training
from stj_model.backend import keras
from stj_model.data import LabelledPicture, open_dataset
from stj_model.evaluation import evaluate, judge_pictures, judge_with_kept
from stj_model.features import FeatureStore
from stj_model.head import Head, Normaliser
from stj_model.predict import Predictor, load_model
from stj_model.preprocess import read_pixels
from stj_model.recipes.frozen import FeatureTable
from stj_model.recipes.held_out import HeldOutHeads
from stj_model.run_dir import Run, open_run
from stj_model.standalone import slug
from stj_model.training import summary, train
from tests.model.conftest import LABELS, PER_CLASS, make_dataset, tiny

FILES = {
    "calibration.json",
    "config.json",
    "environment.json",
    "history.csv",
    "labels.json",
    "leave_sources_out.csv",
    "manifest.csv",
    "metrics.json",
    "mistakes.json",
    "model.keras",
    "neighbours.npz",
    "out_of_fold.csv",
    "plots",
    "predictions.csv",
    "provenance.csv",
    "report.html",
    "tensorboard",
}


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_run_holds_what_the_contract_says_and_nothing_else(run: Run):
    assert {path.name for path in run.folder.iterdir()} == FILES
    latest = run.folder.parent / "latest"
    assert latest.is_symlink()
    assert latest.resolve() == run.folder.resolve()
    assert list((run.folder.parent / ".unfinished").iterdir()) == []


def test_it_learns_what_was_drawn(run: Run):
    figures = summary(run)
    assert set(figures) == {"run", "train", "val", "test", "out_of_fold", "leave_sources_out"}
    assert figures["out_of_fold"]["n"] == 60
    assert figures["out_of_fold"]["interval"][0] > 0.6
    assert figures["test"]["split"] == "test"


def test_predictions_and_figures_of_the_test_split_are_one_pass(run: Run, drawn: Path):
    written = lines(run.folder / "predictions.csv")
    test = open_dataset(drawn).split("test")
    assert [line["file"] for line in written] == [picture.name for picture in test]
    right = sum(max("012", key=lambda label: float(line[f"p{label}"])) == line["label"] for line in written)
    assert right == summary(run)["test"]["correct"]
    assert list(written[0]) == ["file", "sha256", "label", "p0", "p1", "p2", "answer", "out_of_scope"]
    assert {line["answer"] for line in written} <= {"saree", "trousers", "jeans", "unsure", "none"}
    assert evaluate(run, dataset=drawn)["confusion"] == summary(run)["test"]["confusion"]


def test_out_of_fold_covers_every_picture_once_and_keeps_groups_together(run: Run):
    written = lines(run.folder / "out_of_fold.csv")
    assert list(written[0]) == ["sha256", "label", "group", "fold", "p0", "p1", "p2"]
    assert sorted(line["sha256"] for line in written) == sorted(row.sha256 for row in run.manifest())
    folds: dict[str, set[str]] = {}
    for line in written:
        folds.setdefault(line["group"], set()).add(line["fold"])
        assert sum(float(line[f"p{label}"]) for label in LABELS) == pytest.approx(1, abs=1e-5)
    assert {len(found) for found in folds.values()} == {1}
    assert {line["fold"] for line in written} == set("01234")


def test_the_record_says_with_what_on_what_and_how(run: Run, drawn: Path):
    document = run.document
    assert document["dataset_digest"] == json.loads((drawn / "dataset.json").read_text())["digest"]
    assert document["weights"]["name"] == "random"
    assert len(document["weights"]["sha256"]) == 64
    assert document["config"]["seed"] == 42
    assert run.config().preprocessing.size == 64
    environment = json.loads((run.folder / "environment.json").read_text())
    assert environment["libraries"]["keras"] == keras().__version__


def test_history_has_both_figures_for_both_splits_by_epoch(run: Run):
    history = run.history()
    assert list(history[0]) == ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
    assert [line["epoch"] for line in history] == list(range(1, len(history) + 1))
    assert history[-1]["loss"] < history[0]["loss"]


@pytest.mark.medium
def test_the_model_file_alone_goes_from_pixels_to_the_same_probabilities(run: Run, drawn: Path):
    """Whoever has Keras needs nothing of ours: no custom object is in it."""
    picture = open_dataset(drawn).split("test")[0]
    model = keras().models.load_model(run.folder / "model.keras", safe_mode=True)
    pixels = read_pixels(picture.path, run.preprocessing())[None].astype(np.float32)
    alone = np.asarray(model(pixels, training=False))[0]
    answer = next(iter(Predictor(run).answer_files([picture.path])))
    assert np.allclose(alone, list(answer.probabilities.values()), atol=1e-6)
    assert "stj" not in {type(layer).__module__.split("_")[0] for layer in model.layers}


@pytest.mark.medium
def test_the_same_seed_gives_the_same_bits(run: Run, drawn: Path, tmp_path: Path):
    again = train(drawn, tiny(), runs=tmp_path / "runs", cache=tmp_path / "another-cache")
    for name in ("history.csv", "out_of_fold.csv", "predictions.csv", "calibration.json"):
        assert (again.folder / name).read_bytes() == (run.folder / name).read_bytes(), name
    ours, theirs = (keras().models.load_model(one.folder / "model.keras").get_weights() for one in (run, again))
    assert all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))


@pytest.mark.medium
def test_a_second_training_asks_the_network_nothing_again(
    run: Run, drawn: Path, shared_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for place in ("stj_model.features.run_padded", "stj_model.artifacts.last_maps"):
        monkeypatch.setattr(place, lambda *_: pytest.fail("computed again"))
    again = train(drawn, tiny(), runs=tmp_path / "runs", cache=shared_cache)
    heat = [path.name for path in (run.folder / "plots" / "heat").iterdir()]
    assert heat
    for name in ("predictions.csv", "mistakes.json", *(f"plots/heat/{name}" for name in heat)):
        assert (again.folder / name).read_bytes() == (run.folder / name).read_bytes(), name


@pytest.mark.medium
def test_what_is_kept_says_what_the_whole_network_says(run: Run, drawn: Path, tmp_path: Path):
    test, predictor = open_dataset(drawn).split("test"), Predictor(run)
    whole, _ = judge_pictures(predictor, test)
    kept = judge_with_kept(predictor, test, {"weights": "any"}, tmp_path)
    assert [one.picture for one in whole] == [one.picture for one in kept]
    for one, other in zip(whole, kept, strict=True):
        assert one.answer.answer == other.answer.answer
        assert one.answer.probabilities == pytest.approx(other.answer.probabilities, abs=1e-5)
        assert one.answer.out_of_scope == pytest.approx(other.answer.out_of_scope, abs=1e-5)


@pytest.mark.medium
def test_a_file_that_says_something_else_than_what_was_kept_is_believed(run: Run, drawn: Path, tmp_path: Path):
    test, predictor = open_dataset(drawn).split("test"), Predictor(run)
    whole, _ = judge_pictures(predictor, test)
    store = FeatureStore(tmp_path / "features" / predictor.extractor({"weights": "any"}).key)
    store.add([picture.sha256 for picture in test], np.zeros((len(test), predictor.neighbours.points.shape[1])))
    assert judge_with_kept(predictor, test, {"weights": "any"}, tmp_path) == whole


def test_the_same_pictures_and_folds_are_fitted_once():
    def fit_one(table: FeatureTable, *, on_epoch: Any = None) -> Head:
        fitted.append(len(table.pictures))
        return Head(Normaliser(np.zeros(2), np.ones(2)), np.eye(2), np.zeros(2))

    fitted: list[int] = []
    pictures = [LabelledPicture(Path(name), name, name, 0) for name in "abcd"]
    rows = np.ones((4, 2), np.float32)
    table, folds = FeatureTable(pictures, np.array([0, 1, 0, 1]), 2, rows[None], rows), np.array([0, 0, 1, 1])
    held_out = HeldOutHeads(fit_one, standardise=False)
    first = held_out.scores(table, folds)
    assert held_out.scores(table.part([True] * 4), folds) is first
    assert fitted == [2, 2]
    held_out.scores(table, folds[::-1])
    held_out.scores(table.part([True, True, True, False]), folds[:3])
    assert fitted == [2, 2, 2, 2, 1, 2]


@pytest.mark.slow
def test_heads_fitted_in_fewer_numbers_are_the_same_heads(
    shared: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With weights that have learned something, whose features are far wider than a small dataset is long."""
    config = replace(tiny(), weights=str(shared / "weights" / "resnet50_v1_5_imagenet_pqf.weights.h5"))
    turned = train(drawn, config, runs=tmp_path / "turned", cache=tmp_path / "cache")
    monkeypatch.setattr("stj_model.basis.WORTH", 0.0)
    plain = train(drawn, config, runs=tmp_path / "plain", cache=tmp_path / "cache")
    ours, theirs = (np.load(one.folder / "neighbours.npz") for one in (turned, plain))
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    for name in ("out_of_fold.csv", "predictions.csv"):
        for one, other in zip(lines(turned.folder / name), lines(plain.folder / name), strict=True):
            for column in ("p0", "p1", "p2"):
                assert float(one[column]) == pytest.approx(float(other[column]), abs=5e-3)


def test_the_report_needs_nothing_from_elsewhere(run: Run):
    html = (run.folder / "report.html").read_text()
    assert not re.findall(r'src="(?!data:)|href="(?!#|https://www\.amazon\.in/(?:dp/|s\?))', html)
    assert "<script" not in html
    assert "@import" not in html
    assert not re.findall(r"url\((?!data:|#)", html)
    assert html.count("data:image/jpeg;base64,") >= 12
    for words in ("No pretrained weights", "Class by class", "Mistakes, the worst first", "95 % interval", run.name):
        assert words in html
    plots = {path.name for path in (run.folder / "plots").iterdir()}
    assert {"accuracy.png", "loss.png", "confusion.png", "samples.png", "test.png"} <= plots


@pytest.mark.medium
def test_titles_from_the_shop_cannot_break_the_report(run: Run, own_run: Run):
    rows = read_manifest(own_run.folder)
    wicked = '<script>alert("x")</script>'
    wicked_rows = [
        replace(row, title=wicked, source=wicked, product_url="javascript:alert(1)", page_url="javascript:alert(2)")
        for row in rows
    ]
    write_manifest(wicked_rows, own_run.folder / "manifest.csv")
    mistakes = own_run.folder / "mistakes.json"
    first = lines(own_run.folder / "predictions.csv")[0]
    mistakes.write_text(json.dumps([{"file": first["file"], "nearest": first["sha256"]}]))
    from stj_model.report import write_report

    metrics = own_run.folder / "metrics.json"
    metrics.write_text(metrics.read_text().replace("https://www.amazon.in/s?", "javascript:alert(3)//"))
    write_report(own_run, wicked)
    html = (own_run.folder / "report.html").read_text()
    assert "<script" not in html
    assert not re.findall(r'href="(?!#)', html)  # a drawing's marks refer to each other


@pytest.mark.slow
def test_both_layouts_train(tmp_path: Path, shared_cache: Path):
    folder = make_dataset(tmp_path / "dataset", layout="student")
    run = train(folder, tiny(epochs=3), runs=tmp_path / "runs", cache=shared_cache)
    assert lines(run.folder / "predictions.csv")[0]["file"].startswith("Test/0/")


def change(dataset: Path, **changes: object) -> None:
    """Rewrite the manifest with `keep` (rows to keep) and the digest that belongs to it."""
    rows = [row for row in read_manifest(dataset) if changes["keep"](row)]  # type: ignore[operator]
    digest = write_manifest(rows, dataset / "manifest.csv")
    write_json({"digest": digest}, dataset / "dataset.json")


def test_what_cannot_be_learned_from_is_refused_and_leaves_nothing(dataset: Path, tmp_path: Path):
    runs = tmp_path / "runs"

    def refused(match: str, kind: type[Exception] = DatasetError, **config: object) -> None:
        with pytest.raises(kind, match=match):
            train(dataset, tiny(**config), runs=runs, cache=tmp_path / "cache")
        assert not runs.exists()

    with pytest.raises(DatasetError, match=r"There is no dataset folder .*nowhere: stj-dataset export makes one\."):
        train(tmp_path / "nowhere", tiny(), runs=runs, cache=tmp_path)
    manifest = (dataset / "manifest.csv").read_bytes()
    (dataset / "manifest.csv").write_bytes(manifest + b"\n")
    refused("does not match its manifest")
    (dataset / "manifest.csv").write_bytes(manifest)
    change(dataset, keep=lambda row: row.label != 2 or row.split != "train")
    refused(r"has no training picture of 2 \(Jeans\): crawl that category")
    (dataset / "manifest.csv").write_bytes(manifest)
    change(dataset, keep=lambda row: row.split != "val")
    refused("has no validation picture: export it with a larger --split")
    (dataset / "manifest.csv").write_bytes(manifest)
    change(dataset, keep=lambda row: False)
    refused("holds no picture: crawl first")
    (dataset / "manifest.csv").unlink()
    refused("Cannot read .*manifest.csv")


@pytest.mark.medium
def test_a_class_of_one_picture_is_learned_and_said_to_be_unmeasured(
    dataset: Path, tmp_path: Path, shared_cache: Path, capsys: pytest.CaptureFixture[str]
):
    jeans = [row for row in read_manifest(dataset) if row.label == 2]
    change(
        dataset, keep=lambda row: row.label != 2 or row.file == next(one.file for one in jeans if one.split == "train")
    )
    run = train(dataset, tiny(), runs=tmp_path / "runs", cache=shared_cache, talk=Talk())
    why = "There is one picture of 2 (Jeans): it is learned, and cannot be held out, so no figure says how well it is known"
    assert f"Warning: {why}" in capsys.readouterr().err
    assert why in (run.folder / "report.html").read_text(encoding="utf-8")
    judged = lines(run.folder / "out_of_fold.csv")
    assert {row["label"] for row in judged} == {"0", "1"}
    assert len(judged) == 2 * PER_CLASS
    assert {float(row["p2"]) < 1 for row in judged} == {True}


def test_missing_weights_are_refused_before_anything_is_written(dataset: Path, tmp_path: Path):
    with pytest.raises(WeightsError, match="There is no weights file nowhere"):
        train(dataset, replace(tiny(), weights="nowhere.weights.h5"), runs=tmp_path / "runs", cache=tmp_path)
    assert not (tmp_path / "runs").exists()


@pytest.mark.medium
def test_a_failure_on_the_way_leaves_nothing_half_written(
    dataset: Path, shared_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(*args: object) -> None:
        raise ModelError("no")

    monkeypatch.setattr(training, "_write_report", fail)
    with pytest.raises(ModelError):
        train(dataset, tiny(epochs=2), runs=tmp_path / "runs", cache=shared_cache)
    assert not (tmp_path / "runs").exists()


@pytest.mark.medium
def test_without_a_test_split_the_report_speaks_of_out_of_fold(dataset: Path, shared_cache: Path, tmp_path: Path):
    change(dataset, keep=lambda row: row.split != "test")
    run = train(dataset, tiny(epochs=3), runs=tmp_path / "runs", cache=shared_cache)
    assert set(summary(run)) == {"run", "train", "val", "out_of_fold", "leave_sources_out"}
    assert "each judged out of fold" in (run.folder / "report.html").read_text()


def exchange(dataset: Path, one: str, other: str) -> None:
    """Let two splits of a dataset change places, as another export may deal them."""
    for source, target in ((one, "aside"), (other, one), ("aside", other)):
        (dataset / source).rename(dataset / target)
    swap = {one: other, other: one}
    rows = []
    for row in read_manifest(dataset):
        split = swap.get(row.split, row.split)
        rows.append(replace(row, split=split, file=split + row.file.removeprefix(row.split)))
    write_json({"digest": write_manifest(rows, dataset / "manifest.csv")}, dataset / "dataset.json")


def test_a_dataset_whose_test_pictures_were_learned_is_refused(own_run: Run, dataset: Path):
    exchange(dataset, "train", "test")
    with pytest.raises(DatasetError, match=r"36 of the 36 pictures to judge on were learned from by mine"):
        evaluate(own_run, dataset=dataset)


def written_anew(path: Path) -> str:
    """Write a picture's file anew, as another export may: the same picture in other bytes; their checksum."""
    path.write_bytes(path.read_bytes() + b"\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("known_by", ["original", "group"])
def test_a_training_picture_is_known_again_in_other_bytes(own_run: Run, dataset: Path, known_by: str):
    """Another export moved one training picture to its test split, written anew: only its origin or its group tells."""
    before = read_manifest(dataset)
    moved = next(row for row in before if row.split == "train")
    sha256 = written_anew(dataset / moved.file)
    file = "test" + moved.file.removeprefix("train")
    (dataset / moved.file).rename(dataset / file)
    anew = replace(
        moved,
        file=file,
        split="test",
        sha256=sha256,
        original_sha256=moved.original_sha256 if known_by == "original" else sha256,
        group=moved.group if known_by == "group" else "of its own",
    )
    rows = [
        anew,
        *(row for row in before if row.group != moved.group),
    ]  # its relative would be a leak inside the dataset
    write_json({"digest": write_manifest(rows, dataset / "manifest.csv")}, dataset / "dataset.json")
    with pytest.raises(DatasetError, match=r"1 of the 13 pictures .* learned from by mine, or are relatives of such"):
        evaluate(own_run, dataset=dataset)


@pytest.mark.medium
def test_validation_may_be_judged_but_not_with_training_pictures_in_it(own_run: Run, dataset: Path):
    assert evaluate(own_run, split="val", dataset=dataset)["n"] == 12
    exchange(dataset, "train", "val")
    with pytest.raises(DatasetError, match="36 of the 36 pictures to judge on were learned from"):
        evaluate(own_run, split="val", dataset=dataset)


def test_a_folder_of_classes_is_judged_with_its_sources(own_run: Run, dataset: Path, tmp_path: Path):
    folder = tmp_path / "elsewhere"
    listed = []
    for picture in open_dataset(dataset).split("test"):
        place = folder / f"{picture.label}_{LABELS[picture.label].lower()}" / picture.path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture.path, place)
        listed.append(f"{place.relative_to(folder).as_posix()},{picture.label},{picture.source}\n")
    (folder / "SOURCES.csv").write_text("file,label,repository\n" + "".join(listed))
    (folder / "0_saree" / "torn.jpg").write_bytes(b"no picture")
    found = evaluate(own_run, on=folder)
    assert (found["n"], found["unreadable"]) == (12, 1)
    assert set(found["per_source"]) == {"shop 0", "shop 1"}
    shutil.move(folder / "0_saree", folder / "9_hats")
    with pytest.raises(DatasetError, match="holds the folders 9_hats that name none"):
        evaluate(own_run, on=folder)
    with pytest.raises(DatasetError, match="should hold a folder for each class"):
        evaluate(own_run, on=tmp_path / "runs" / "mine" / "plots")


@pytest.mark.parametrize(
    "missing", ["config.json", "model.keras", "labels.json", "neighbours.npz", "calibration.json", "manifest.csv"]
)
def test_a_run_with_a_missing_file_says_which(own_run: Run, missing: str):
    (own_run.folder / missing).unlink()
    with pytest.raises(ModelError, match=f"is not whole: {re.escape(missing)} is missing"):
        open_run(own_run.folder, own_run.folder.parent)


def test_no_run_at_all_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(ModelError, match=r"There is no run in .*runs yet: stj-model train makes one"):
        open_run(None, tmp_path / "runs")
    with pytest.raises(ModelError, match="There is no run folder mine"):
        open_run(Path("mine"), tmp_path / "runs")


def test_a_model_from_elsewhere_runs_no_code(tmp_path: Path):
    (tmp_path / "model.keras").write_bytes(b"no model")
    with pytest.raises(ModelError, match="cannot be loaded as a Keras model"):
        load_model(tmp_path / "model.keras")
    door = keras().Input((4,))
    wicked = keras().Model(door, keras().layers.Lambda(lambda x: x * 2)(door))
    wicked.save(tmp_path / "wicked.keras")
    with pytest.raises(ModelError, match="cannot be loaded as a Keras model"):
        load_model(tmp_path / "wicked.keras")


def test_broken_pictures_become_rows_with_a_reason(run: Run, drawn: Path, tmp_path: Path):
    good = open_dataset(drawn).pictures[0].path
    (tmp_path / "page.jpg").write_text("<html>")
    answers = list(Predictor(run).answer_files([tmp_path / "page.jpg", good, tmp_path / "gone.png"]))
    assert [answer.error is None for answer in answers] == [False, True, False]
    assert "no picture" in str(answers[0].error)
    assert answers[1].as_json()["answer"] in {"saree", "trousers", "jeans", "unsure", "none"}
    assert set(answers[0].as_json()) == {"file", "answer", "label", "probabilities", "out_of_scope", "error"}


def test_one_picture_alone_is_answered_as_among_others(run: Run, drawn: Path):
    files = [picture.path for picture in open_dataset(drawn).split("test")]
    predictor = Predictor(run)
    together = list(predictor.answer_files(files))
    alone = next(iter(predictor.answer_files(files[3:4])))
    assert alone.label == together[3].label
    assert alone.out_of_scope == pytest.approx(together[3].out_of_scope, abs=1e-4)


def test_a_training_picture_is_its_own_neighbour(run: Run, drawn: Path):
    picture = open_dataset(drawn).split("train")[0]
    answer = next(iter(Predictor(run).answer_files([picture.path])))
    assert answer.out_of_scope == pytest.approx(0, abs=1e-3)
    assert hashlib.sha256(picture.path.read_bytes()).hexdigest() == answer.nearest


def test_slugs_are_the_short_names():
    assert [slug(name) for name in ("Saree", "Trousers", "T-shirts & tops")] == ["saree", "trousers", "t-shirts-tops"]
