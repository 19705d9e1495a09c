"""The real readers of this field read what an export writes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stj_dataset.manifest import read_manifest

from .filling import Shelf

Export = Callable[..., Any]


def wanted(split: str) -> Counter[int]:
    return Counter(row.label for row in read_manifest(Path("dataset")) if row.split == split)


# webdataset leaves closing its streams to the garbage collector, and asks for torch in words.
@pytest.mark.filterwarnings("ignore")
def test_webdataset(shelf: Shelf, export: Export) -> None:
    webdataset = pytest.importorskip("webdataset")
    export(format="webdataset")
    for split in ("train", "val", "test"):
        reader = webdataset.WebDataset(f"dataset/{split}-000000.tar", shardshuffle=False).decode("pil")
        read = list(reader.to_tuple("jpg", "cls", "json", "__key__"))
        assert wanted(split) == Counter(label for _, label, _, _ in read)
        names = [
            row.file.split("/")[1].removesuffix(".jpg") for row in read_manifest(Path("dataset")) if row.split == split
        ]
        assert names == [key for *_, key in read]
        picture, label, facts, _ = read[0]
        assert (picture.mode, facts["label"]) == ("RGB", label)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_hugging_face_imagefolder(
    shelf: Shelf, export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    export()
    for given in (("imagefolder", {"data_dir": "dataset"}), ("dataset", {})):
        read = datasets.load_dataset(given[0], cache_dir=str(tmp_path / given[0] / "cache"), **given[1])
        assert set(read) == {"train", "validation", "test"}
        for name, split in (("train", "train"), ("validation", "val"), ("test", "test")):
            assert wanted(split) == Counter(read[name]["label"])
            rows = {row.sha256: row for row in read_manifest(Path("dataset"))}
            assert all(rows[one["sha256"]].label == one["label"] for one in read[name])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_keras_reads_every_layout(shelf: Shelf, export: Export) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    keras = pytest.importorskip("keras")
    export()
    for split in ("train", "val", "test"):
        read = keras.utils.image_dataset_from_directory(f"dataset/{split}", image_size=(32, 32), verbose=False)
        assert read.class_names == ["0", "1", "2"]
        assert wanted(split) == Counter(int(Path(path).parent.name) for path in read.file_paths)
    export("student", layout="student")
    read = keras.utils.image_dataset_from_directory("student/Dataset", image_size=(32, 32), verbose=False)
    assert read.class_names == ["0", "1", "2"]
    assert len(read.file_paths) == 54
