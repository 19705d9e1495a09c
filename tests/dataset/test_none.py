"""Pictures of something that is none of the classes: beside the splits, grouped and leak-checked, and unseen by readers."""

from __future__ import annotations

import io
import json
import tarfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageOps
from sqlalchemy import select

from stj_catalog.schema import export_images, images
from stj_core.cli import outcome
from stj_dataset.cli import app
from stj_dataset.diff import compare
from stj_dataset.manifest import check_files, find_problems, read_manifest, read_settings
from stj_dataset.verify import verify_dataset

from .filling import Shelf, draw, encode, item, items

Export = Callable[..., Any]
OTHERS = 12


@pytest.fixture
def mixed(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> Shelf:
    """Twenty pictures of each class, and twelve that a person calls none of them; two of those are mirror images."""
    cards = [item(1, 300 + at) for at in range(OTHERS - 1)]
    cards.append(item(1, 399, data=encode(ImageOps.mirror(draw(300)))))
    shelf.add(cards, crawl="second")
    with shelf.catalog.read() as connection:
        ids = {row.image_key.rsplit("/", 1)[-1]: row.sha256 for row in connection.execute(select(images))}
    for card in cards:
        assert outcome(app, ["label", ids[f"{card.key}.jpg"], "--as", "none"]) == 0
    capsys.readouterr()
    return shelf


def test_they_lie_beside_the_splits_with_an_empty_label(mixed: Shelf, export: Export) -> None:
    result = export()
    rows = [row for row in check_files(Path("dataset"), hashes=True) if row.label is None]
    assert len(rows) == OTHERS
    assert {row.file for row in rows} == {
        path.relative_to("dataset").as_posix() for path in Path("dataset/none").rglob("*.jpg")
    }
    assert {row.file.split("/")[:2][1] for row in rows} == {row.split for row in rows} == {"train", "val", "test"}
    assert Counter(row.split for row in rows) == Counter(result.balance.others)
    lines = (Path("dataset") / "manifest.csv").read_text().splitlines()
    assert all(line.split(",")[1] == "" for line in lines if line.startswith("none/"))
    assert result.proof.files == 60 + OTHERS
    assert json.loads(Path("dataset/labels.json").read_text()) == {"0": "Saree", "1": "Trousers", "2": "Jeans"}
    assert find_problems(Path("dataset")) == []


@pytest.mark.medium
def test_the_classes_are_counted_without_them(mixed: Shelf, export: Export) -> None:
    result = export()
    answer = result.as_json()
    assert sum(sum(row.values()) for row in answer["splits"].values()) == result.balance.pictures == 60
    assert sum(answer["none"].values()) == OTHERS
    assert read_settings(Path("dataset"))["none"] == answer["none"]
    assert sum(share["got"] for share in answer["shares"].values()) == pytest.approx(1, abs=1e-5)


def test_they_are_grouped_keep_their_split_and_are_checked_for_leaks(mixed: Shelf, export: Export) -> None:
    export("one")
    mixed.add(items(4, start=700), crawl="third")
    export("two")
    found = compare(Path("one"), Path("two"))
    assert (found.moved, found.removed, found.relabelled) == ({}, [], {})
    for out in ("one", "two"):
        rows = {row.asin: row for row in read_manifest(Path(out))}
        assert rows["B000000300"].split == rows["B000000399"].split
        assert rows["B000000300"].group == rows["B000000399"].group


@pytest.mark.medium
def test_an_export_remembers_them_without_a_label(mixed: Shelf, export: Export) -> None:
    export()
    with mixed.catalog.read() as connection:
        held = connection.execute(select(export_images.c.file).where(export_images.c.label.is_(None))).scalars().all()
    assert len(held) == OTHERS
    assert all(file.startswith("none/") for file in held)


@pytest.mark.medium
def test_the_students_folders_leave_them_out_and_say_so(
    mixed: Shelf, export: Export, capsys: pytest.CaptureFixture[str]
) -> None:
    result = export(layout="student")
    assert sorted(path.name for path in Path("dataset").iterdir() if path.is_dir()) == ["Dataset", "Test"]
    assert {row.label for row in read_manifest(Path("dataset"))} == {0, 1, 2}
    assert result.balance.withheld == {"no_class": OTHERS}
    assert outcome(app, ["export", "again", "--layout", "student"]) == 0
    assert f"{OTHERS} withheld: of something that is none of the classes" in capsys.readouterr().out


@pytest.mark.medium
def test_shards_of_their_own_hold_them(mixed: Shelf, export: Export) -> None:
    export(format="webdataset")
    assert sorted(path.relative_to("dataset").as_posix() for path in Path("dataset").rglob("*.tar")) == [
        "none/test-000000.tar", "none/train-000000.tar", "none/val-000000.tar",
        "test-000000.tar", "train-000000.tar", "val-000000.tar",
    ]  # fmt: skip
    with tarfile.open("dataset/none/train-000000.tar") as shard:
        names = shard.getnames()
        assert not any(name.endswith(".cls") for name in names)
        told = [json.load(io.BytesIO(shard.extractfile(name).read())) for name in names if name.endswith(".json")]  # type: ignore[union-attr]
    assert {one["label"] for one in told} == {None}
    assert list(verify_dataset(Path("dataset"))) == []


@pytest.mark.medium
def test_the_card_tells_readers_where_the_classes_are(mixed: Shelf, export: Export) -> None:
    export()
    card = Path("dataset/README.md").read_text()
    assert [line.strip() for line in card.split("---")[1].splitlines() if "path" in line] == [
        "- {split: train, path: 'train/**'}",
        "- {split: validation, path: 'val/**'}",
        "- {split: test, path: 'test/**'}",
    ]
    assert "`none/` holds pictures of something else (train " in card
    assert not list(Path("dataset/none").rglob("*.csv"))
    page = Path("dataset/preview.html").read_text()
    assert 'id="train-none"' in page


@pytest.mark.medium
def test_a_reader_of_croissant_gets_an_empty_label(mixed: Shelf, export: Export) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    export()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reader is built on parts that have been renamed since
        read = mlcroissant.Dataset(jsonld=Path("dataset/croissant.json").resolve())
        found = Counter(one["pictures/label"] for one in read.records("pictures"))
    assert sum(found.values()) == 60 + OTHERS
    assert (found[0.0], found[1.0], found[2.0]) == (20, 20, 20)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_hugging_face_sees_the_classes_alone(
    mixed: Shelf, export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    export()
    read = datasets.load_dataset("dataset", cache_dir=str(tmp_path / "cache"))
    assert set(read) == {"train", "validation", "test"}
    assert sum(len(part) for part in read.values()) == 60
    assert {label for part in read.values() for label in part["label"]} == {0, 1, 2}
