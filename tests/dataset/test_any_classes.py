"""Any number of classes, in any script, with numbers as they come; what a reader is told is what they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stj_catalog.catalog import Catalog
from stj_core.cli import outcome
from stj_core.labels import load_labels
from stj_dataset.cli import app
from stj_dataset.manifest import read_labels, read_manifest

from .filling import draw, encode

NAMES = {0: ("kutta", "कुत्ता"), 2: ("gato", "Gato | azul"), 10: ("neko", "猫"), 11: ("nobody", "Nobody")}


@pytest.fixture
def own(catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A labels.toml of four classes in three scripts, and a folder with many, few, one and no picture of them."""
    labels = tmp_path / "own.toml"
    labels.write_text(
        "".join(
            f'[[category]]\nlabel = {label}\nslug = "{slug}"\nname = "{name}"\n'
            for label, (slug, name) in NAMES.items()
        ),
        encoding="utf-8",
    )
    monkeypatch.setenv("STJ_LABELS", str(labels))
    folder = tmp_path / "mine"
    for (label, (slug, _)), number in zip(NAMES.items(), (30, 5, 1, 0), strict=True):
        home = folder / f"{label}_{slug}"
        home.mkdir(parents=True)
        for at in range(number):
            (home / f"{at}.jpg").write_bytes(encode(draw(100 * label + at)))
    catalog.close()
    return folder


def test_classes_of_any_script_are_imported_and_exported(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [one.name for one in load_labels(Path("own.toml"))] == [name for _, name in NAMES.values()]
    assert outcome(app, ["import", str(own)]) == 0
    capsys.readouterr()
    assert outcome(app, ["export"]) == 1
    assert capsys.readouterr().err == (
        "No picture of class 11 (Nobody) is kept in the catalogue: import some, see stj-dataset stats for what became of "
        "those that came, or leave out classes without pictures with --allow-missing.\n"
    )
    assert outcome(app, ["export", "--allow-missing", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["left_out"] == [11]
    assert {label: sum(split[label] for split in answer["splits"].values()) for label in ("0", "2", "10")} == {
        "0": 30, "2": 5, "10": 1,
    }  # fmt: skip
    assert answer["splits"]["train"]["10"] == 1, "the only picture of a class is for learning"
    assert read_labels(Path("dataset")) == {0: "कुत्ता", 2: "Gato | azul", 10: "猫"}
    assert not (Path("dataset") / "train" / "11").exists()
    assert {row.label for row in read_manifest(Path("dataset"))} == {0, 2, 10}


@pytest.mark.medium
def test_the_readers_lines_give_the_order_of_the_labels(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(app, ["import", str(own)]) == 0
    assert outcome(app, ["export", "--allow-missing"]) == 0
    card = Path("dataset/README.md").read_text(encoding="utf-8")
    assert 'keras.utils.image_dataset_from_directory("train", class_names=["0", "2", "10"])' in card
    assert "| train | 2 | Gato \\¦ azul |" in card or "| train | 2 | Gato ¦ azul |" in card
    assert "- Class 11 (Nobody) has no picture and was left out." in card
    assert "no group was left for it; import more, or ask for a larger share" in card
    assert "Imported photographs, for image classification. Labels: 0 = कुत्ता" in card
    assert "crawl more" not in card
    told = capsys.readouterr().out
    assert "कुत्ता" in told
    assert "Class 11 (Nobody) has no picture and was left out." in told
    assert outcome(app, ["export", "student", "--allow-missing", "--layout", "student"]) == 0
    assert (
        'image_dataset_from_directory("Dataset", class_names=["0", "2", "10"])' in Path("student/README.md").read_text()
    )


def test_no_class_at_all_is_a_sentence(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    catalog.close()
    assert outcome(app, ["export", "--allow-missing"]) == 1
    assert capsys.readouterr().err == (
        "No picture of any class is kept in the catalogue: crawl or import some, or see stj-dataset stats.\n"
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_keras_reads_by_the_card_what_the_labels_say(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keras = pytest.importorskip("keras")
    assert outcome(app, ["import", str(own)]) == 0
    assert outcome(app, ["export", "--allow-missing"]) == 0
    names = [str(label) for label in read_labels(Path("dataset"))]
    read = keras.utils.image_dataset_from_directory(
        "dataset/train", class_names=names, image_size=(32, 32), shuffle=False, verbose=False
    )
    labels = np.concatenate([label for _, label in read.as_numpy_iterator()])
    assert [names[place] for place in labels] == [Path(path).parent.name for path in read.file_paths]
    assert read.class_names == ["0", "2", "10"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_students_notebook_reads_its_folders(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keras = pytest.importorskip("keras")
    assert outcome(app, ["import", str(own)]) == 0
    assert outcome(app, ["export", "dataset", "--allow-missing", "--layout", "student"]) == 0
    names = [str(label) for label in read_labels(Path("dataset"))]
    rows = read_manifest(Path("dataset"))
    settings = {"class_names": names, "validation_split": 0.2, "seed": 1, "image_size": (32, 32), "verbose": False}
    found = [
        keras.utils.image_dataset_from_directory("dataset/Dataset", subset=subset, **settings)
        for subset in ("training", "validation")
    ]
    assert sum(len(one.file_paths) for one in found) == sum(row.split != "test" for row in rows)
    generator = keras.src.legacy.preprocessing.image.ImageDataGenerator(rescale=1 / 255, validation_split=0.2)
    flows = [
        generator.flow_from_directory(
            "dataset/Dataset", classes=names, target_size=(32, 32), batch_size=4, subset=subset, seed=1
        )
        for subset in ("training", "validation")
    ]
    assert sum(flow.samples for flow in flows) == sum(row.split != "test" for row in rows)
    assert flows[0].class_indices == {"0": 0, "2": 1, "10": 2}
