"""The manifest: what goes in comes out, bytes depend on the rows alone, and what does not fit is a sentence."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stj_core.errors import DatasetError
from stj_core.files import file_sha256
from stj_dataset.manifest import (
    COLUMNS,
    ManifestRow,
    check_files,
    find_problems,
    manifest_bytes,
    read_labels,
    read_manifest,
    write_labels,
    write_manifest,
)

# Titles come from a shop: any character but those that no CSV file or UTF-8 text can hold.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=30)
HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
ROWS = st.builds(
    ManifestRow,
    file=st.from_regex(r"train/[0-9]/[a-z0-9]{1,20}\.jpg", fullmatch=True),
    label=st.integers(0, 9),
    split=st.sampled_from(["train", "val", "test"]),
    group=st.integers(0, 999).map(str),
    sha256=HEX,
    original_sha256=HEX,
    phash=st.just("0" * 16),
    width=st.integers(1, 9999),
    height=st.integers(1, 9999),
    asin=TEXT,
    title=TEXT,
    source=TEXT,
    page_number=st.none() | st.integers(1, 400),
    crawl_id=st.none() | st.integers(1, 99),
)


@given(st.lists(ROWS, max_size=8))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[ManifestRow]):
    folder = tmp_path_factory.mktemp("dataset")
    digest = write_manifest(rows, folder / "manifest.csv")
    assert read_manifest(folder) == rows
    assert digest == file_sha256(folder / "manifest.csv")


def test_a_carriage_return_in_a_title_becomes_a_line_feed(tmp_path: Path):
    row = ManifestRow("train/0/a.jpg", 0, "train", "g", "a", "b", "c", 1, 1, title="one\rtwo\r\nthree")
    write_manifest([row], tmp_path / "manifest.csv")
    assert read_manifest(tmp_path)[0].title == "one\ntwo\nthree"


def test_the_columns_are_the_contract():
    wanted = (
        "file,label,split,group,sha256,original_sha256,phash,width,height,asin,title,source,image_url,product_url,"
        "page_url,page_number,crawl_id,seen_at"
    )
    assert ",".join(COLUMNS) == wanted
    assert manifest_bytes([]) == f"{wanted}\n".encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole dataset of two pictures."""
    place = tmp_path / "dataset"
    rows = []
    for label, split in ((0, "train"), (1, "test")):
        file = place / split / str(label) / "a.jpg"
        file.parent.mkdir(parents=True)
        file.write_bytes(bytes([label]))
        sha256 = file_sha256(file)
        rows.append(ManifestRow(f"{split}/{label}/a.jpg", label, split, f"g{label}", sha256, sha256, "0" * 16, 1, 1))
    rewrite(place, rows)
    write_labels({0: "Saree", 1: "Trousers"}, place / "labels.json")
    return place


def rewrite(place: Path, rows: list[ManifestRow]) -> None:
    digest = write_manifest(rows, place / "manifest.csv")
    (place / "dataset.json").write_text(json.dumps({"digest": digest}))


def kinds(place: Path) -> list[str]:
    return [problem.kind for problem in find_problems(place)]


def test_a_whole_dataset_has_no_problem(folder: Path):
    assert kinds(folder) == []
    assert [row.label for row in check_files(folder, hashes=True)] == [0, 1]


def test_each_thing_that_can_be_off_has_its_word(folder: Path):
    rows = read_manifest(folder)
    (folder / "train" / "0" / "a.jpg").write_bytes(b"other")
    assert kinds(folder) == ["changed"]
    check_files(folder)  # bytes are compared only when asked for
    (folder / "train" / "0" / "a.jpg").unlink()
    assert kinds(folder) == ["missing"]
    (folder / "train" / "0" / "a.jpg").write_bytes(b"\0")
    (folder / "train" / "0" / "b.jpg").touch()
    assert kinds(folder) == ["unlisted"]
    check_files(folder)  # a stray file is no danger to a training
    (folder / "train" / "0" / "b.jpg").unlink()
    (folder / "dataset.json").write_text('{"digest": "0"}')
    assert kinds(folder) == ["digest"]
    rewrite(folder, [rows[0], rows[0], rows[1]])
    assert kinds(folder) == ["repeated"]
    rewrite(folder, [rows[0], dataclasses.replace(rows[1], label=7)])
    assert kinds(folder) == ["label"]
    rewrite(folder, [rows[0], dataclasses.replace(rows[1], group=rows[0].group)])
    assert kinds(folder) == ["leak"]


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("label", "one", "cannot be read"),
        ("split", "dev", "has the split 'dev': it must be train, val or test"),
        ("file", "../outside.jpg", "it must lie inside the dataset"),
        ("file", "/etc/passwd", "it must lie inside the dataset"),
    ],
)
def test_a_line_that_cannot_be_right_is_named(folder: Path, column: str, value: str, sentence: str):
    rows = read_manifest(folder)
    write_manifest([rows[0], dataclasses.replace(rows[1], **{column: value})], folder / "manifest.csv")
    with pytest.raises(DatasetError, match=rf"Line 3 of .*{sentence}"):
        read_manifest(folder)


def test_what_is_no_dataset_says_so(folder: Path, tmp_path: Path):
    with pytest.raises(DatasetError, match="There is no dataset folder"):
        check_files(tmp_path / "nowhere")
    (folder / "labels.json").write_text('["Saree"]')
    with pytest.raises(DatasetError, match="should hold a JSON object, got a list"):
        read_labels(folder)
    (folder / "manifest.csv").write_text("file,label\na.jpg,0\n")
    with pytest.raises(DatasetError, match="lacks the columns split, group"):
        read_manifest(folder)
