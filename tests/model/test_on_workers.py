"""A network on workers: the same answers and features to the last bit, and what workers fail on is named."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stj_core.cli import outcome
from stj_core.console import SILENT
from stj_core.errors import DatasetError, ModelError
from stj_model import on_workers
from stj_model.augment import View
from stj_model.backend import keras
from stj_model.cli import app
from stj_model.data import LabelledPicture, open_dataset
from stj_model.features import Extractor, FeatureStore, compute_views
from stj_model.inputs import collect
from stj_model.on_workers import answers_by, feature_workers
from stj_model.predict import Predictor
from stj_model.preprocess import Preprocessing
from stj_model.recipes import TrainingJob, paper
from stj_model.recipes.frozen import extract_table
from stj_model.run_dir import MODEL, Run
from stj_model.training import train
from stj_model.weights import find_weights
from tests.model.conftest import draw, tiny
from tests.workers import Inline, elsewhere, inline, kill_one

pytestmark = pytest.mark.medium


@pytest.fixture(scope="module")
def fast_run(drawn: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that answers without TensorFlow, where the libraries for that are installed."""
    return train(drawn, tiny(), runs=tmp_path_factory.mktemp("fast") / "runs", cache=shared_cache, fast=True)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Pictures in files and in an archive, and some that are none; one is left over when batches are whole."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(32):
        (folder / f"{number:02d}.png").write_bytes(draw(number % 3, 100 + number))
    (folder / "05.png").write_bytes(b"no picture at all")
    (folder / "06.png").write_bytes((folder / "07.png").read_bytes()[:200])
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("inside.png", draw(0, 500))
    return folder


def predicted(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, answers and the last line of the talk."""
    capsys.readouterr()
    code = outcome(app, ["predict", *arguments, "--json"])
    told = capsys.readouterr()
    return code, json.loads(told.out), told.err.strip().splitlines()[-1]


@pytest.mark.medium
@pytest.mark.parametrize("here", [True, False])
def test_answers_are_the_same_by_workers(run: Run, pictures: Path, here: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(on_workers, "BATCHES", 2)
    found, predictor, done = collect([str(pictures)]), Predictor(run), []
    wanted = list(predictor.answer_inputs(found.pictures, found.names))
    assert (len(wanted), sum(one.error is not None for one in wanted)) == (33, 2)
    workers = Inline(here)
    assert list(answers_by(workers, predictor, found.pictures, found.names, done.append)) == wanted
    assert (len(workers.done), sum(done)) == (3, 33)


@pytest.mark.medium
def test_what_workers_fail_on_is_an_error_of_its_own(
    run: Run, pictures: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(on_workers, "BATCHES", 1)
    wanted = predicted(capsys, str(run.folder), str(pictures))[1]
    with inline(Inline(fails=lambda place: place == 2), monkeypatch):
        code, found, last = predicted(capsys, str(run.folder), str(pictures), "--cluster", "local:2")
    assert code == 1
    assert found[:16] + found[24:] == wanted[:16] + wanted[24:]
    assert {one["error"] for one in found[16:24]} == {
        "workers failed on it three times (KilledWorker: it died): ask again"
    }
    assert "2 could not be read, 8 that workers failed on" in last


def test_a_damaged_network_is_the_same_sentence(own_run: Run, pictures: Path):
    found, predictor = collect([str(pictures)]), Predictor(own_run)
    on_workers._kept.clear()
    (own_run.folder / MODEL).write_bytes((own_run.folder / MODEL).read_bytes()[:1000])
    with pytest.raises(ModelError) as wanted:
        Predictor(own_run)
    with pytest.raises(ModelError) as told:
        list(answers_by(Inline(here=False), predictor, found.pictures, found.names))
    assert str(told.value) == str(wanted.value)


@pytest.mark.slow
def test_answers_are_the_same_with_any_number_of_workers_and_one_killed(
    run: Run,
    fast_run: Run,
    pictures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'stj[cluster]'")
    monkeypatch.setattr(on_workers, "BATCHES", 1)
    asked = [str(fast_run.folder), str(pictures)]
    wanted = predicted(capsys, *asked)
    assert wanted[0] == 1
    for workers in (1, 3):
        assert predicted(capsys, *asked, "--cluster", f"local:{workers}") == wanted
    slow = predicted(capsys, str(run.folder), str(pictures))
    with elsewhere() as address:
        assert predicted(capsys, *asked, "--cluster", address) == wanted
        # In Keras, and from a folder that is gone on the workers' hosts.
        copy = shutil.copytree(run.folder, tmp_path / "copy")
        assert predicted(capsys, str(copy), str(pictures), "--cluster", address) == slow
    kill_one(monkeypatch, tmp_path / "mark")
    monkeypatch.setenv("STJ_CLUSTER", "local:2")
    assert predicted(capsys, *asked) == wanted
    assert (tmp_path / "mark").exists()


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    """A small network, as frozen as a large one."""
    keras().utils.set_random_seed(0)
    door = keras().Input((64, 64, 3))
    features = keras().layers.GlobalAveragePooling2D()(keras().layers.Conv2D(7, 3, strides=2)(door))
    return Extractor(keras().Model(door, features), Preprocessing(64), {"weights": "a"})


def kept_features(dataset: Path, extractor: Extractor, cache: Path, cluster: str) -> dict[str, dict[str, str]]:
    """The features of two views, as they are kept."""
    pictures = open_dataset(dataset).pictures
    compute_views(
        pictures,
        [replace(extractor, view=View(view)) for view in ("plain", "mirror")],
        cache,
        SILENT,
        feature_workers(cluster, SILENT),
    )
    return rows_of(cache, pictures)


def rows_of(cache: Path, pictures: Sequence[LabelledPicture]) -> dict[str, dict[str, str]]:
    """Of each store each row's bytes, by the picture's sha256."""
    found: dict[str, dict[str, str]] = {}
    for folder in sorted((cache / "features").iterdir()):
        store = FeatureStore(folder)
        names = [one.sha256 for one in pictures if one.sha256 in store]
        rows = zip(names, store.rows(names), strict=True)
        found[folder.name] = {name: hashlib.sha256(row.tobytes()).hexdigest() for name, row in rows}
    return found


@pytest.mark.parametrize("here", [True, False])
def test_features_are_the_same_by_workers(drawn: Path, tmp_path: Path, extractor: Extractor, here: bool, monkeypatch):
    monkeypatch.setattr(on_workers, "BATCHES", 1)
    wanted = kept_features(drawn, extractor, tmp_path / "here", "")
    workers = Inline(here)
    with inline(workers, monkeypatch):
        assert kept_features(drawn, extractor, tmp_path / "there", "local:2") == wanted
    assert [len(rows) for rows in wanted.values()] == [60, 60]
    assert len({one.name for one in workers.done}) == 15


def test_what_workers_fail_on_is_named_and_all_else_is_kept(drawn: Path, tmp_path: Path, extractor, monkeypatch):
    monkeypatch.setattr(on_workers, "BATCHES", 1)
    wanted = kept_features(drawn, extractor, tmp_path / "here", "")
    with inline(Inline(here=False, fails=lambda place: place == 1), monkeypatch):
        with pytest.raises(
            ModelError, match=r"Workers failed three times on 8 pictures \(\S+ …: KilledWorker: it died\)"
        ):
            kept_features(drawn, extractor, tmp_path / "some", "local:2")
        some = rows_of(tmp_path / "some", open_dataset(drawn).pictures)
        assert sorted(map(len, some.values())) == [52, 60]
    again = Inline(here=False)
    with inline(again, monkeypatch):
        assert kept_features(drawn, extractor, tmp_path / "some", "local:2") == wanted
    assert len(again.done) == 1


def test_a_picture_that_was_changed_is_the_same_sentence(dataset: Path, tmp_path: Path, extractor, monkeypatch):
    file = min(dataset.rglob("*.png"))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DatasetError) as wanted:
        kept_features(dataset, extractor, tmp_path / "a", "")
    with inline(Inline(here=False), monkeypatch), pytest.raises(DatasetError) as told:
        kept_features(dataset, extractor, tmp_path / "b", "local:2")
    assert str(told.value) == str(wanted.value)


def test_a_picture_that_is_none_is_the_same_sentence(tmp_path: Path, extractor, monkeypatch):
    (tmp_path / "none.jpg").write_bytes(b"no picture")
    picture = LabelledPicture(tmp_path / "none.jpg", "none.jpg", hashlib.sha256(b"no picture").hexdigest(), 0)
    with pytest.raises(DatasetError) as wanted:
        compute_views([picture], [extractor], tmp_path / "a")
    with inline(Inline(here=False), monkeypatch), pytest.raises(DatasetError) as told:
        compute_views([picture], [extractor], tmp_path / "b", SILENT, feature_workers("local:2", SILENT))
    assert str(told.value) == str(wanted.value)


def test_where_everything_is_known_no_worker_is_asked_for(drawn: Path, tmp_path: Path, extractor):
    wanted = kept_features(drawn, extractor, tmp_path, "")
    assert kept_features(drawn, extractor, tmp_path, "tcp://127.0.0.1:9") == wanted


@pytest.mark.slow
def test_features_are_the_same_with_any_number_of_workers_and_one_killed(
    drawn: Path, tmp_path: Path, extractor: Extractor, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'stj[cluster]'")
    monkeypatch.setattr(on_workers, "BATCHES", 1)
    wanted = kept_features(drawn, extractor, tmp_path / "here", "")
    for number in (1, 3):
        assert kept_features(drawn, extractor, tmp_path / f"local{number}", f"local:{number}") == wanted
    with elsewhere() as address:
        assert kept_features(drawn, extractor, tmp_path / "elsewhere", address) == wanted
    kill_one(monkeypatch, tmp_path / "mark")
    assert kept_features(drawn, extractor, tmp_path / "killed", "local:2") == wanted
    assert (tmp_path / "mark").exists()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_a_recipe_has_the_same_features_on_workers(drawn: Path, tmp_path: Path, recipe: str, monkeypatch):
    """Its frozen network goes into a file and comes back as it was."""
    with inline(workers := Inline(here=False), monkeypatch):
        kept = [recipe_features(drawn, tmp_path / f"in{where}", recipe, where) for where in ("", "local:2")]
    assert kept[0] == kept[1]
    assert workers.done


@pytest.mark.slow
def test_a_training_has_the_same_figures_on_two_workers_and_one_killed(drawn: Path, tmp_path: Path, monkeypatch):
    """The same features to the last bit, and so the same figures out of fold, of shops held out, and of the test split."""
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'stj[cluster]'")
    monkeypatch.setattr(on_workers, "BATCHES", 1)
    here = train(drawn, tiny(), runs=tmp_path / "here" / "runs", cache=tmp_path / "here")
    with monkeypatch.context() as patch:
        kill_one(patch, tmp_path / "mark")
        there = train(drawn, tiny(), runs=tmp_path / "there" / "runs", cache=tmp_path / "there", cluster="local:2")
    assert (tmp_path / "mark").exists()
    pictures = open_dataset(drawn).pictures
    kept = rows_of(tmp_path / "here", pictures)
    assert rows_of(tmp_path / "there", pictures) == kept
    assert max(map(len, kept.values())) == 60
    for name in ("out_of_fold.csv", "leave_sources_out.csv", "predictions.csv"):
        assert (there.folder / name).read_bytes() == (here.folder / name).read_bytes(), name
    assert there.read_json("metrics.json")["figures"] == here.read_json("metrics.json")["figures"]


def recipe_features(dataset: Path, cache: Path, recipe: str, cluster: str) -> dict[str, dict[str, str]]:
    """The features that a training computes."""
    opened = open_dataset(dataset)
    job = TrainingJob(opened, tiny(recipe), find_weights("random"), cache, cache, SILENT, cluster)
    if recipe == "default":
        extract_table(job)
    else:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(paper, "_Loop", stopped)
            with pytest.raises(StoppedError):
                paper.fit(job)
    return rows_of(cache, opened.pictures)


class StoppedError(Exception):
    """The features are there: the epochs are another test's."""


def stopped(*_: object) -> None:
    raise StoppedError


def test_without_a_cluster_no_worker_is_asked_for(run: Run, drawn: Path, monkeypatch: pytest.MonkeyPatch):
    """Not by predict, nor by a training's features; nothing of Dask is imported."""
    from stj_core import cluster

    for name in ("dask", "distributed"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(cluster, "open_cluster", lambda *_: pytest.fail("workers were asked for"))
    assert outcome(app, ["predict", str(run.folder), str(min(drawn.rglob("*.png")))]) == 0
