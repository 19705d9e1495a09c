"""What is wrong with an input is one sentence on stderr, exit code 1, and nothing half-written."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from stj_core.cli import outcome
from stj_dataset.manifest import write_labels
from stj_model.backend import keras
from stj_model.cli import app
from stj_model.data import open_dataset
from stj_model.run_dir import Run

Say = Callable[[list[str]], str]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Give a command that must fail as expected; returns its one sentence."""

    def given(arguments: list[str]) -> str:
        assert outcome(app, arguments) == 1
        out, err = capsys.readouterr()
        assert out == ""
        return err.splitlines()[-1]

    return given


@pytest.mark.medium
@pytest.mark.usefixtures("small")
def test_a_broken_picture_in_the_dataset_is_named(dataset: Path, tmp_path: Path, say: Say):
    picture = open_dataset(dataset).pictures[0].path
    picture.write_bytes(picture.read_bytes()[:200])
    sentence = say(["train", str(dataset), "--weights", "random", "--runs", str(tmp_path / "runs")])
    assert picture.name in sentence
    assert not [path for path in (tmp_path / "runs").glob("*") if path.name != ".unfinished"]


@pytest.mark.parametrize(
    "name", ["config.json", "labels.json", "manifest.csv", "model.keras", "calibration.json", "neighbours.npz"]
)
def test_a_run_that_lacks_a_file_says_which(name: str, own_run: Run, drawn: Path, say: Say):
    (own_run.folder / name).unlink()
    sentence = f"The run {own_run.folder} is not whole: {name} is missing; train again."
    assert say(["evaluate", str(own_run.folder), "--dataset", str(drawn)]) == sentence


def test_predict_knows_a_run_that_is_not_whole_from_a_folder_of_pictures(own_run: Run, drawn: Path, say: Say):
    (own_run.folder / "model.keras").unlink()
    sentence = f"The run {own_run.folder} is not whole: model.keras is missing; train again."
    assert say(["predict", str(own_run.folder), str(drawn / "test")]) == sentence


def test_a_run_alone_has_nothing_to_predict(own_run: Run, say: Say):
    assert say(["predict", str(own_run.folder)]) == (
        f"{own_run.folder} is a run, and no picture was named: give files or folders of pictures."
    )


def test_code_in_a_foreign_network_is_not_run(own_run: Run, drawn: Path, tmp_path: Path, say: Say):
    proof = tmp_path / "ran"
    door = keras().Input((64, 64, 3))
    code = eval(f"lambda x: (open({str(proof)!r}, 'w').close(), x)[1]")  # as an attacker would write it
    network = keras().Model(door, keras().layers.Lambda(code, output_shape=(64, 64, 3))(door))
    proof.unlink(missing_ok=True)
    network.save(own_run.folder / "model.keras")
    proof.unlink(missing_ok=True)
    sentence = say(["predict", str(own_run.folder), str(drawn / "test" / "0")])
    assert sentence.startswith(f"{own_run.folder / 'model.keras'} cannot be loaded as a Keras model: ")
    assert "Lambda" in sentence
    assert "safe_mode" not in sentence, "nobody is led into running it"
    assert not proof.exists()


@pytest.mark.parametrize(
    "make", [lambda path: path.write_bytes(b"no network"), lambda path: zipfile.ZipFile(path, "w").close()]
)
def test_what_is_no_network_at_all_says_so(make: Callable[[Path], object], own_run: Run, drawn: Path, say: Say):
    make(own_run.folder / "model.keras")
    sentence = say(["predict", str(own_run.folder), str(drawn / "test" / "0")])
    assert sentence.startswith(f"{own_run.folder / 'model.keras'} cannot be loaded as a Keras model: ")


def test_a_network_of_another_number_of_classes_is_refused(own_run: Run, drawn: Path, say: Say):
    write_labels({0: "Saree", 1: "Trousers", 2: "Jeans", 3: "Kurta"}, own_run.folder / "labels.json")
    assert say(["predict", str(own_run.folder), str(drawn / "test" / "0")]) == (
        f"The network of {own_run.folder} has 3 classes, its labels.json 4: train again."
    )


def test_a_folder_of_other_classes_is_refused(own_run: Run, drawn: Path, tmp_path: Path, say: Say):
    shutil.copytree(drawn / "test" / "0", tmp_path / "elsewhere" / "7")
    sentence = say(["evaluate", str(own_run.folder), "--on", str(tmp_path / "elsewhere")])
    assert str(tmp_path / "elsewhere") in sentence
    (tmp_path / "none").mkdir()
    assert str(tmp_path / "none") in say(["evaluate", str(own_run.folder), "--on", str(tmp_path / "none")])


@pytest.mark.medium
def test_weights_of_another_network_are_refused(dataset: Path, tmp_path: Path, say: Say):
    door = keras().Input((8, 8, 3))
    keras().Model(door, keras().layers.Conv2D(4, 3)(door)).save_weights(tmp_path / "other.weights.h5")
    weights = str(tmp_path / "other.weights.h5")
    sentence = say(
        ["train", str(dataset), "--weights", weights, "--architecture", "resnet50", "--runs", str(tmp_path / "runs")]
    )
    assert "other.weights.h5" in sentence
    assert "resnet50" in sentence
