"""An export from end to end: the folder, its promises, and what happens when something is in the way."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import func, select, update

from stj_catalog.schema import assignments, export_images, exports, sightings
from stj_core.errors import DatasetError, LeakError, UsageError
from stj_core.stale import mark_stale
from stj_dataset import write
from stj_dataset.manifest import check_files, find_problems, read_manifest, read_settings
from stj_dataset.plan import Plan, make_plan

from .filling import Shelf, draw, encode, item, items

Export = Callable[..., Any]


def tree(root: Path) -> dict[str, str]:
    """Every file below a folder with the checksum of its bytes."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def leftovers() -> list[str]:
    """What an export wrote aside and did not remove."""
    return [path.name for path in Path().iterdir() if path.name.startswith(".dataset")]


def splits(root: Path) -> dict[str, str]:
    return {row.original_sha256: row.split for row in read_manifest(root)}


def test_the_folder_is_what_its_manifest_says(shelf: Shelf, export: Export) -> None:
    result = export()
    assert find_problems(Path("dataset")) == []
    assert (result.balance.splits) == {
        "train": {"0": 14, "1": 14, "2": 14},
        "val": {"0": 4, "1": 4, "2": 4},
        "test": {"0": 2, "1": 2, "2": 2},
    }
    assert sorted(path.name for path in Path("dataset").iterdir()) == [
        "README.md", "croissant.json", "dataset.json", "labels.json", "manifest.csv", "preview.html",
        "provenance.csv", "test", "train", "val",
    ]  # fmt: skip
    assert json.loads(Path("dataset/labels.json").read_text()) == {"0": "Saree", "1": "Trousers", "2": "Jeans"}
    assert read_settings(Path("dataset"))["slugs"] == {"0": "saree", "1": "trousers", "2": "jeans"}
    digest = hashlib.sha256(Path("dataset/manifest.csv").read_bytes()).hexdigest()
    assert digest == result.digest == read_settings(Path("dataset"))["digest"]


def test_a_row_tells_where_its_picture_came_from(shelf: Shelf, export: Export) -> None:
    export()
    row = next(row for row in read_manifest(Path("dataset")) if row.asin == "B000001003")
    assert (row.label, row.title, row.source) == (1, "Trousers 1003", "Acme")
    assert row.product_url == "http://127.0.0.1/dp/B000001003"
    assert row.page_url == "http://127.0.0.1/s?rh=1968125031&crawl=first"
    assert (row.page_number, row.crawl_id) == (1, 2)
    assert row.file == f"{row.split}/1/{row.original_sha256[:16]}.jpg"
    assert row.group == row.original_sha256[:16]


def test_two_exports_are_the_same_bytes(shelf: Shelf, export: Export) -> None:
    export("one")
    export("two")
    export("one")
    assert tree(Path("one")) == tree(Path("two"))


def test_growth_moves_nothing(shelf: Shelf, export: Export) -> None:
    export()
    before = splits(Path("dataset"))
    shelf.add(items(7, start=100), crawl="second")
    export()
    after = splits(Path("dataset"))
    assert len(after) == 81
    assert before == {sha: after[sha] for sha in before}


def test_the_order_of_arrival_decides_nothing(blank_catalog: Path, tmp_path: Path, export: Export) -> None:
    from stj_catalog.catalog import open_catalog
    from stj_dataset.export import export_dataset
    from stj_dataset.settings import ExportSettings
    from stj_images.likeness import Thresholds

    cards = [*items(8), item(0, 0, data=encode(draw(0, (144, 192))), asin="BX", key="larger")]
    found = []
    for name, order in (("a", cards), ("b", cards[::-1])):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copyfile(blank_catalog, folder / "catalog.sqlite")
        shelf = Shelf(open_catalog(str(folder / "catalog.sqlite")), folder)
        for start in range(0, len(order), 5):
            shelf.add(order[start : start + 5], crawl=str(start))
        out = ExportSettings(out=folder / "dataset")
        export_dataset(shelf.catalog, shelf.store, shelf.labels, out, thresholds=Thresholds())
        shelf.catalog.close()
        rows = read_manifest(folder / "dataset")
        found.append([(row.file, row.label, row.split, row.group, row.sha256) for row in rows])
    assert found[0] == found[1]


def test_a_larger_copy_takes_the_place_of_the_one_it_beats(shelf: Shelf, export: Export) -> None:
    export()
    before = {row.asin: row for row in read_manifest(Path("dataset"))}
    shelf.add([item(0, 3, data=encode(draw(3, (144, 192))), asin="BLARGER", key="larger")], crawl="second")
    export()
    after = {row.asin: row for row in read_manifest(Path("dataset"))}
    assert "B000000003" not in after
    assert before["B000000003"].split == after["BLARGER"].split
    assert len(before) == len(after)


def test_a_newcomer_that_ties_two_splits_together_withholds_and_moves_nothing(shelf: Shelf, export: Export) -> None:
    export()
    rows = read_manifest(Path("dataset"))
    train = next(row for row in rows if row.split == "train" and row.label == 0)
    test = next(row for row in rows if row.split == "test" and row.label == 0)
    family = "BFAMILY"
    cards = [
        item(
            0, 900 + at, data=(Path("dataset") / row.file).read_bytes(), asin=row.asin, parent=family, key=f"again{at}"
        )
        for at, row in enumerate((train, test))
    ]
    shelf.add([*cards, item(0, 950, parent=family)], crawl="second")
    result = export()
    after = {row.asin: row for row in read_manifest(Path("dataset"))}
    assert train.asin not in after
    assert after[test.asin].split == after["B000000950"].split == "test"
    assert result.balance.withheld == {"group_in_test": 1}
    assert result.as_json()["withheld"] == 1
    with shelf.catalog.read() as connection:
        why = connection.execute(select(export_images.c.reason).where(export_images.c.split.is_(None))).scalars().all()
        stored = connection.execute(select(assignments.c.split, func.count()).group_by(assignments.c.split)).all()
    assert why == ["group_in_test"]
    assert dict(stored) == {"train": 42, "val": 12, "test": 7}


def test_each_export_leaves_its_rows(shelf: Shelf, export: Export) -> None:
    result = export("out")
    with shelf.catalog.read() as connection:
        row = connection.execute(select(exports)).one()
        held = connection.execute(select(func.count()).select_from(export_images)).scalar_one()
    assert (row.out, row.digest, row.pictures, row.withheld) == ("out", result.digest, 60, 0)
    assert row.scheme == "seed=42 split=0.2 test=0.1 by=group"
    assert held == 60


def test_upright_rgb_jpeg_is_copied_and_everything_else_becomes_jpeg(empty_shelf: Shelf, export: Export) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    glass = draw(50).convert("RGBA")
    glass.putalpha(Image.fromarray(np.tile(np.array([0, 255] * 36, dtype=np.uint8), (96, 1))))
    odd = [
        item(0, 50, data=encode(glass, "PNG"), key="glass"),
        item(0, 51, data=encode(draw(51), "WEBP"), key="webp"),
        item(0, 52, data=encode(draw(52), exif=turned), key="turned"),
        item(0, 53, data=encode(draw(53).convert("L")), key="grey"),
        item(0, 54, data=encode(draw(54).convert("CMYK")), key="cmyk"),
    ]
    empty_shelf.add(items(6) + odd)
    export()
    rows = {row.asin: row for row in read_manifest(Path("dataset"))}
    for card in odd:
        row = rows[card.asin]
        with Image.open(Path("dataset") / row.file) as picture:
            picture.load()
            assert ("JPEG", "RGB", (row.width, row.height)) == (picture.format, picture.mode, picture.size)
            assert not picture.getexif()
        assert row.sha256 != row.original_sha256
    assert (rows["B000000052"].width, rows["B000000052"].height) == (96, 72)
    plain = rows["B000000001"]
    assert plain.sha256 == plain.original_sha256
    assert encode(draw(1)) == (Path("dataset") / plain.file).read_bytes()
    with Image.open(Path("dataset") / rows["B000000050"].file) as picture:
        assert min(picture.getpixel((0, 0))) > 200  # what was transparent is white


def test_hard_links_share_the_bytes(shelf: Shelf, export: Export) -> None:
    export("copied")
    export("linked", link=True)
    assert tree(Path("copied")) == tree(Path("linked"))
    row = read_manifest(Path("linked"))[0]
    assert (Path("linked") / row.file).stat().st_nlink == 2
    assert (Path("copied") / row.file).stat().st_nlink == 1


def test_the_students_folders(shelf: Shelf, export: Export) -> None:
    result = export(layout="student")
    assert sorted(path.name for path in Path("dataset").iterdir() if path.is_dir()) == ["Dataset", "Test"]
    assert len(list(Path("dataset/Dataset/1").iterdir())) == 18
    assert len(list(Path("dataset/Test/1").iterdir())) == 2
    assert len(check_files(Path("dataset"), hashes=True)) == result.balance.pictures


@pytest.mark.medium
def test_whole_shops_stay_together(empty_shelf: Shelf, export: Export) -> None:
    for at in range(12):
        empty_shelf.add(items(4, start=10 * at, brand=f"shop {at}"), crawl=str(at))
    result = export(by="source", test=0.2)
    home: dict[str, set[str]] = {}
    for row in read_manifest(Path("dataset")):
        home.setdefault(row.source, set()).add(row.split)
    assert all(len(found) == 1 for found in home.values())
    assert {"train", "val", "test"} == set.union(*home.values())
    assert result.balance.pictures == 144
    remarks = " ".join(result.balance.remarks())
    assert "groups" not in remarks, "it is no group that stays whole here"


def test_limits_withhold_with_their_reason(shelf: Shelf, export: Export) -> None:
    family = [item(0, 500 + at, parent="BFAMILY") for at in range(5)]
    small = [item(1, 600, data=encode(draw(600, (40, 60))))]
    shelf.add(family + small, crawl="second")
    result = export(max_related=2, min_side=50, per_class=10)
    assert result.balance.splits["train"].keys() == {"0", "1", "2"}
    assert result.balance.pictures == 30
    assert result.balance.withheld == {"max_related": 3, "min_side": 1, "per_class": 32}


def test_the_same_pictures_are_drawn_for_per_class(shelf: Shelf, export: Export) -> None:
    export("one", per_class=10)
    shelf.add(items(3, start=700), crawl="second")
    export("two", per_class=10)
    one, two = splits(Path("one")), splits(Path("two"))
    assert len(one.keys() & two.keys()) >= 20
    assert all(one[sha] == two[sha] for sha in one.keys() & two.keys())


def test_only_some_crawls(shelf: Shelf, export: Export) -> None:
    shelf.add(items(6, start=100), crawl="second")
    assert export(crawls=(4, 5, 6)).balance.pictures == 18
    with pytest.raises(UsageError) as caught:
        export(crawls=(9,))
    assert str(caught.value) == "--crawl 9: there is no such crawl; the view crawl_yield lists them."


def test_a_class_without_a_picture_is_told(empty_shelf: Shelf, export: Export) -> None:
    empty_shelf.add(items(4, labels=(0, 2)))
    with pytest.raises(DatasetError) as caught:
        export()
    assert (
        str(caught.value) == "No picture of class 1 (Trousers) is kept in the catalogue: "
        "crawl some, see stj-dataset stats for what became of those that came, or leave out classes without pictures with "
        "--allow-missing."
    )
    assert not Path("dataset").exists()


def test_a_split_that_leaves_nothing_to_learn_from_is_told(shelf: Shelf, export: Export) -> None:
    with pytest.raises(DatasetError, match=r"Train would get none of the 20 pictures of class 0 \(Saree\)"):
        export(split=0.999)
    assert not Path("dataset").exists()


def test_a_group_larger_than_the_test_share_is_said_plainly(empty_shelf: Shelf, export: Export) -> None:
    empty_shelf.add(items(10) + [item(0, 500 + at, parent="BFAMILY") for at in range(30)])
    result = export()
    remarks = " ".join(result.balance.remarks())
    assert "groups stay whole, and its largest has 30 pictures" in remarks
    assert remarks.split(".")[0] in Path("dataset/README.md").read_text()


@pytest.mark.parametrize("content", ["file", "folder"])
def test_what_is_not_ours_is_left_alone(shelf: Shelf, export: Export, content: str) -> None:
    if content == "file":
        Path("dataset").write_text("mine")
    else:
        Path("dataset").mkdir()
        Path("dataset/dataset.json").write_text("{}")
    with pytest.raises(DatasetError, match="so it is left alone: name another folder, or move it away"):
        export()
    assert leftovers() == []
    assert Path("dataset").exists()


def test_a_full_disk_changes_nothing(shelf: Shelf, export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    export()
    before = tree(Path("dataset"))
    shelf.add(items(4, start=100), crawl="second")
    put, left = write.FolderSink.put, [10]

    def full(self: write.FolderSink, file: str, *rest: Any, **more: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device", file)
        put(self, file, *rest, **more)

    monkeypatch.setattr(write.FolderSink, "put", full)
    with pytest.raises(DatasetError, match="No space left on device\\): nothing was changed; free some space"):
        export()
    assert before == tree(Path("dataset"))
    assert leftovers() == []
    with shelf.catalog.read() as connection:
        assert connection.execute(select(func.count()).select_from(exports)).scalar_one() == 1


def test_ctrl_c_changes_nothing(shelf: Shelf, export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    export()
    before = tree(Path("dataset"))

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stj_dataset.export.write_preview", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(seed=7)
    assert before == tree(Path("dataset"))
    assert leftovers() == []


def test_the_old_folder_comes_back_when_the_swap_fails(
    shelf: Shelf, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    export()
    before = tree(Path("dataset"))
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if self.name == "dataset" and self.parent.name.startswith(".dataset.part"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(DatasetError, match="Input/output error"):
        export(seed=7)
    assert before == tree(Path("dataset"))
    with shelf.catalog.read() as connection:
        assert connection.execute(select(func.count()).select_from(exports)).scalar_one() == 1


def test_an_export_that_died_between_its_renames_is_restored(shelf: Shelf, export: Export) -> None:
    export()
    before = tree(Path("dataset"))
    Path("dataset").rename(".dataset.before")
    Path(".dataset.part-999999999").mkdir()
    export()
    assert before == tree(Path("dataset"))
    assert leftovers() == []


def test_an_export_that_leaks_is_not_put_in_place(
    shelf: Shelf, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.add([item(0, 800, parent="BFAMILY"), item(0, 801, parent="BFAMILY")], crawl="second")

    def torn(*given: Any) -> Plan:
        plan = make_plan(*given)
        _, first, sizes = np.unique(plan.pictures.groups, return_index=True, return_counts=True)
        splits = plan.splits.copy()
        splits[first[sizes == 2]] = (splits[first[sizes == 2]] + 1) % 3
        return Plan(plan.pictures, splits, plan.classes)

    monkeypatch.setattr("stj_dataset.export.make_plan", torn)
    with pytest.raises(
        LeakError,
        match=r"so it was not put in place: 1 pair across splits: \S+ and \S+ \(product\); run stj-dataset dedupe",
    ):
        export()
    assert not Path("dataset").exists()


def test_a_torn_file_stops_the_export(shelf: Shelf, export: Export) -> None:
    path = next(shelf.store.paths())
    other = encode(draw(999))
    (shelf.root / "images" / path).write_bytes(other)
    with pytest.raises(DatasetError, match=r"is not what the catalogue says: its sha256 is .* stj-dataset verify"):
        export()
    (shelf.root / "images" / path).unlink()
    with pytest.raises(DatasetError, match=r"The image store has no file .* stj-dataset verify lists what is wrong"):
        export()
    assert not Path("dataset").exists()


def test_webdataset_shards_hold_the_same_pictures(shelf: Shelf, export: Export) -> None:
    from stj_dataset.verify import verify_dataset

    export("folder")
    export("shards", format="webdataset")
    export("again", format="webdataset")
    assert tree(Path("shards")) == tree(Path("again"))
    assert [row.sha256 for row in read_manifest(Path("folder"))] == [
        row.sha256 for row in read_manifest(Path("shards"))
    ]
    assert list(verify_dataset(Path("shards"))) == []
    shard = Path("shards/test-000000.tar")
    data = bytearray(shard.read_bytes())
    data[700] ^= 255
    shard.write_bytes(data)
    assert [one.kind for one in verify_dataset(Path("shards"))] == ["changed"]


def test_the_manifest_reads_back_as_it_was_written(shelf: Shelf, export: Export) -> None:
    shelf.add([item(0, 990, title='Red "Banarasi", 6.3 m\nनीली साड़ी')], crawl="second")
    export()
    titles = {row.asin: row.title for row in read_manifest(Path("dataset"))}
    assert titles["B000000990"] == 'Red "Banarasi", 6.3 m\nनीली साड़ी'
    rows = []
    for split in ("train", "val", "test"):
        with Path(f"dataset/{split}/metadata.csv").open(encoding="utf-8", newline="") as stream:
            rows += list(csv.DictReader(stream))
    assert {"B000000990"} == {row["asin"] for row in rows if row["title"].startswith("Red")}
    assert len(rows) == 61


def test_a_title_that_no_csv_reader_takes_is_cut(shelf: Shelf, export: Export) -> None:
    with shelf.catalog.write() as connection:
        connection.execute(update(sightings).values(title="x" * 200_000))
    export()
    assert {len(row.title) for row in read_manifest(Path("dataset"))} == {2_000}


def test_an_image_store_that_is_away_is_told_before_anything_is_written(shelf: Shelf, export: Export) -> None:
    (shelf.root / "images").rename(shelf.root / "elsewhere")
    with pytest.raises(DatasetError, match=r"is away or empty, and the catalogue names 60 files in it: mount it"):
        export()
    assert leftovers() == []


def test_a_dataset_that_holds_forgotten_pictures_says_so(shelf: Shelf, export: Export) -> None:
    export()
    row = read_manifest(Path("dataset"))[0]
    mark_stale(Path("dataset"), {row.original_sha256})
    assert [(one.kind, one.detail) for one in find_problems(Path("dataset"))] == [
        ("stale", "1 of its pictures were forgotten since it was made: export again")
    ]
    with pytest.raises(DatasetError, match="1 of its pictures were forgotten since it was made"):
        check_files(Path("dataset"))
    export()
    assert find_problems(Path("dataset")) == []


@pytest.mark.parametrize("out", ["dataset/inner", "dataset/train/0/inner", "images/ab/dataset", "/", "images"])
def test_a_dataset_lies_in_no_other_dataset_nor_in_the_image_store(shelf: Shelf, export: Any, out: str) -> None:
    """The next export of the outer one would remove it, and a repair would take its files for pictures that nobody names."""
    export()
    place = Path(out) if not out.startswith("images") else Path(str(shelf.store.local("")) + out.removeprefix("images"))
    with pytest.raises(DatasetError, match="name another"):
        export(out=place)


def test_a_negative_seed_is_wrong_usage(export: Any) -> None:
    with pytest.raises(UsageError, match="--seed must be 0 or more, got -1: 42 is usual"):
        export(seed=-1)
