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
    PROVENANCE_COLUMNS,
    ManifestRow,
    check_files,
    find_dataset,
    find_problems,
    read_labels,
    read_manifest,
    read_settings,
    write_labels,
    write_manifest,
)

# Titles come from a shop: any character but those that no CSV file or UTF-8 text can hold.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=30)
HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
ROWS = st.builds(
    ManifestRow,
    file=st.from_regex(r"train/[0-9]/[a-z0-9]{1,20}\.jpg", fullmatch=True),
    label=st.none() | st.integers(0, 9),
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
    seen_at=st.sampled_from(["", "2026-05-01T10:00:00Z"]),
)


@given(st.lists(ROWS, max_size=8, unique_by=lambda row: row.file))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[ManifestRow]):
    folder = tmp_path_factory.mktemp("dataset")
    digest = write_manifest(rows, folder / "manifest.csv")
    assert read_manifest(folder) == rows
    assert digest == file_sha256(folder / "manifest.csv")


def test_a_carriage_return_in_a_title_becomes_a_line_feed(tmp_path: Path):
    row = ManifestRow("train/0/a.jpg", 0, "train", "g", "a", "b", "c", 1, 1, title="one\rtwo\r\nthree")
    write_manifest([row], tmp_path / "manifest.csv")
    assert read_manifest(tmp_path)[0].title == "one\ntwo\nthree"


def test_the_columns_are_the_contract(tmp_path: Path):
    wanted = (
        "file,label,split,group,sha256,original_sha256,phash,width,height,asin,title,source,image_url,product_url,"
        "page_url,page_number"
    )
    assert ",".join(COLUMNS) == wanted
    assert ",".join(PROVENANCE_COLUMNS) == "file,crawl_id,seen_at"
    write_manifest([], tmp_path / "manifest.csv")
    assert (tmp_path / "manifest.csv").read_bytes() == f"{wanted}\n".encode()
    assert (tmp_path / "provenance.csv").read_bytes() == b"file,crawl_id,seen_at\n"


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


@pytest.mark.parametrize("value", ["", " "])
@pytest.mark.parametrize("column", ["group", "sha256"])
def test_a_row_without_what_a_leak_is_told_by_is_named(folder: Path, column: str, value: str):
    rows = read_manifest(folder)
    rewrite(folder, [rows[0], dataclasses.replace(rows[1], **{column: value})])
    assert "blank" in kinds(folder)
    with pytest.raises(DatasetError, match=rf"its {column} is empty, so nothing says that it is in no other split"):
        check_files(folder)


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


@pytest.mark.parametrize("opening", ["[", '{"0":', '[{"":'])
def test_json_that_is_nested_too_deep_is_named(folder: Path, opening: str):
    for name, read in (("labels.json", read_labels), ("dataset.json", read_settings)):
        (folder / name).write_text(opening * 100_000)
        with pytest.raises(DatasetError, match=f"{name} is not valid JSON .*: export the dataset again"):
            read(folder)


def test_when_and_in_which_crawl_changes_nothing_that_is_digested(tmp_path: Path):
    row = ManifestRow("train/0/a.jpg", 0, "train", "g", "a", "b", "c", 1, 1, crawl_id=1, seen_at="2026-05-01T10:00:00Z")
    later = dataclasses.replace(row, crawl_id=7, seen_at="2026-06-01T10:00:00Z")
    digests = {write_manifest([one], tmp_path / f"{one.crawl_id}.csv") for one in (row, later)}
    assert len(digests) == 1


def test_an_older_manifest_that_holds_the_moments_itself_still_opens(folder: Path):
    rows = [dataclasses.replace(row, crawl_id=3, seen_at="2026-05-01T10:00:00Z") for row in read_manifest(folder)]
    columns = (*COLUMNS, "crawl_id", "seen_at")
    lines = [",".join(columns)]
    lines += [",".join("" if (value := getattr(row, name)) is None else str(value) for name in columns) for row in rows]
    (folder / "manifest.csv").write_text("".join(f"{line}\n" for line in lines))
    (folder / "provenance.csv").unlink()
    (folder / "dataset.json").write_text(json.dumps({"digest": file_sha256(folder / "manifest.csv")}))
    assert check_files(folder, hashes=True) == rows
    assert kinds(folder) == []


@pytest.mark.parametrize("column", ["page_number", "source"])
def test_a_dataset_made_before_a_column_with_a_default_was_there_still_opens(folder: Path, column: str):
    rows = read_manifest(folder)
    columns = [name for name in COLUMNS if name != column]
    lines = [
        columns,
        *(["" if (cell := getattr(row, name)) is None else str(cell) for name in columns] for row in rows),
    ]
    (folder / "manifest.csv").write_text("".join(f"{','.join(line)}\n" for line in lines))
    (folder / "dataset.json").write_text(json.dumps({"digest": file_sha256(folder / "manifest.csv")}))
    default = ManifestRow.__dataclass_fields__[column].default
    assert check_files(folder) == [dataclasses.replace(row, **{column: default}) for row in rows]


def test_a_line_that_ends_before_its_last_column_is_refused(folder: Path):
    first, second, *rest = (folder / "manifest.csv").read_text().splitlines()
    (folder / "manifest.csv").write_text("\n".join([first, second.rpartition(",")[0], *rest]) + "\n")
    with pytest.raises(DatasetError, match=f"Line 2 of .*{COLUMNS[-1]} is missing"):
        read_manifest(folder)


def test_a_manifest_without_its_provenance_opens_and_is_told_of(folder: Path):
    rows = [dataclasses.replace(row, crawl_id=3, seen_at="2026-05-01T10:00:00Z") for row in read_manifest(folder)]
    rewrite(folder, rows)
    assert check_files(folder) == rows
    write_manifest(rows[:1], folder / "other.csv")  # its provenance.csv is of one file only
    assert next((one.kind, one.detail) for one in find_problems(folder)) == (
        "provenance",
        "it and the manifest do not name the same files: test/1/a.jpg",
    )
    (folder / "other.csv").unlink()
    (folder / "provenance.csv").unlink()
    assert kinds(folder) == ["provenance"]
    assert [row.seen_at for row in check_files(folder)] == ["", ""]
    (folder / "provenance.csv").write_text("file,when\n")
    with pytest.raises(DatasetError, match=r"provenance\.csv lacks the columns crawl_id, seen_at"):
        read_manifest(folder)


def test_a_picture_of_no_class_has_an_empty_label(folder: Path):
    rows = read_manifest(folder)
    rewrite(folder, [rows[0], dataclasses.replace(rows[1], label=None)])
    assert (folder / "manifest.csv").read_text().splitlines()[2].startswith("test/1/a.jpg,,test,")
    assert [row.label for row in check_files(folder)] == [0, None]


@pytest.mark.parametrize("rest", ['"' + "x" * 200_000 + '"', "a\0b"])
def test_what_is_no_csv_is_named_with_its_line(folder: Path, rest: str):
    manifest = folder / "manifest.csv"
    head, first, _ = manifest.read_text().split("\n", 2)
    cells = first.split(",")
    cells[COLUMNS.index("title")] = rest
    manifest.write_text("\n".join([head, first, ",".join(cells), ""]))
    try:
        rows = read_manifest(folder)
    except DatasetError as error:
        assert "Line 3 of" in str(error)  # noqa: PT017 - Python 3.11 reads a NUL, older ones refuse it
    else:
        assert rows[1].title == rest


def test_a_dataset_that_was_moved_is_found_by_its_digest(folder: Path, monkeypatch: pytest.MonkeyPatch):
    digest = file_sha256(folder / "manifest.csv")
    assert find_dataset(folder, digest) == folder
    moved = folder.with_name("renamed")
    folder.rename(moved)
    assert find_dataset(folder, digest) == moved
    assert find_dataset(folder, "0" * 64) == folder, "another dataset is not taken for it"
    elsewhere = folder.parent / "work"
    elsewhere.mkdir()
    moved.rename(elsewhere / "data")
    assert find_dataset(folder, digest) == folder
    monkeypatch.chdir(elsewhere)
    assert find_dataset(folder, digest) == Path("data")
    assert find_dataset(Path("/nowhere/at/all"), "") == Path("/nowhere/at/all")
