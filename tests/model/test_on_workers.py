"""A network on workers: the same answers and features to the last bit, and what workers fail on is named."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from stj_core.cli import outcome
from stj_core.errors import ModelError
from stj_model import on_workers
from stj_model.cli import app
from stj_model.inputs import collect
from stj_model.on_workers import answers_by
from stj_model.predict import Predictor
from stj_model.run_dir import MODEL, Run
from stj_model.training import train
from tests.model.conftest import draw, tiny
from tests.workers import Inline, elsewhere, inline, kill_one


@pytest.fixture(scope="module")
def fast_run(drawn: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that answers without TensorFlow, where the libraries for that are installed."""
    return train(drawn, tiny(), runs=tmp_path_factory.mktemp("fast") / "runs", cache=shared_cache, fast=True)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Pictures in files and in an archive, and some that are none; one is left over when batches are whole."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(64):
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


@pytest.mark.parametrize("here", [True, False])
def test_answers_are_the_same_by_workers(run: Run, pictures: Path, here: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(on_workers, "BATCHES", 2)
    found, predictor, done = collect([str(pictures)]), Predictor(run), []
    wanted = list(predictor.answer_inputs(found.pictures, found.names))
    assert (len(wanted), sum(one.error is not None for one in wanted)) == (65, 2)
    workers = Inline(here)
    assert list(answers_by(workers, predictor, found.pictures, found.names, done.append)) == wanted
    assert (len(workers.done), sum(done)) == (5, 65)


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
