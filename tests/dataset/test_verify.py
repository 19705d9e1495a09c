"""What verify finds, and that it finds nothing where nothing is wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from stj_catalog.schema import images, pages
from stj_core.vocabulary import PageState, Status
from stj_dataset.verify import verify_catalog, verify_dataset

from .filling import Shelf, draw, encode, item


def found(shelf: Shelf) -> list[tuple[str, str]]:
    return [(one.kind, one.path) for one in verify_catalog(shelf.catalog, shelf.store)]


def test_nothing_is_wrong_after_a_crawl(shelf: Shelf) -> None:
    shelf.add([item(0, 3, data=encode(draw(3), quality=60), asin="BCOPY", key="copy")], crawl="second")
    assert found(shelf) == []


def test_missing_torn_foreign_and_unfinished_files(shelf: Shelf) -> None:
    missing, torn, changed = list(shelf.store.paths())[:3]
    root = shelf.store.root
    (root / missing).unlink()
    (root / torn).write_bytes((root / torn).read_bytes()[:-100])
    (root / changed).write_bytes(b"x" * (root / changed).stat().st_size)
    (root / "ab").mkdir(exist_ok=True)
    (root / "ab/stranger.jpg").write_bytes(b"x")
    (root / "ab/.part-dead").write_bytes(b"x")
    assert sorted(found(shelf)) == sorted(
        [
            ("missing", missing),
            ("torn", torn),
            ("torn", changed),
            ("orphan", "ab/stranger.jpg"),
            ("leftover", "ab/.part-dead"),
        ]
    )


def test_rows_that_cannot_be_right(shelf: Shelf) -> None:
    shelf.add([item(0, 3, data=encode(draw(3), quality=60), asin="BCOPY", key="copy")], crawl="second")
    with shelf.catalog.write() as connection:
        row = connection.execute(select(images).where(images.c.status == Status.DUPLICATE)).one()
        connection.execute(update(images).where(images.c.id == row.id).values(status=Status.KEPT, duplicate_of=None))
        connection.execute(update(images).where(images.c.id == 7).values(compared=None))
        connection.execute(update(images).where(images.c.id == 9).values(path=None))
        connection.execute(update(pages).where(pages.c.id == 2).values(state=PageState.PENDING))
    kinds = [kind for kind, _ in found(shelf)]
    assert sorted(kinds) == ["half_done_page", "kept_duplicate", "no_file", "orphan", "unsettled"]


def test_forgotten_bytes_that_are_still_there(shelf: Shelf) -> None:
    with shelf.catalog.write() as connection:
        path = connection.execute(select(images.c.path).where(images.c.id == 5)).scalar_one()
        connection.execute(update(images).where(images.c.id == 5).values(status=Status.FORGOTTEN))
    assert found(shelf) == [("not_forgotten", path)]


def test_a_dataset_that_was_touched(shelf: Shelf, export: Callable[..., Any]) -> None:
    export()
    root = Path("dataset")
    assert list(verify_dataset(root)) == []
    files = sorted(path for path in root.rglob("*.jpg"))
    files[0].unlink()
    files[1].write_bytes(b"x")
    (root / "train/0/stray.jpg").write_bytes(b"x")
    assert sorted(one.kind for one in verify_dataset(root)) == ["changed", "missing", "unlisted"]


@pytest.mark.parametrize(
    "labels",
    [
        {"0": "Trousers", "1": "Saree", "2": "Jeans"},
        {"0": "Saree", "1": "Saree", "2": "Jeans"},
        {"0": "Saree", "1": "Trousers"},
        {"0": "Saree", "1": "Trousers", "2": "Jeans", "3": "Kurta"},
    ],
)
def test_class_names_of_other_classes_are_a_problem(shelf: Shelf, export: Callable[..., Any], labels: Any) -> None:
    export()
    Path("dataset/labels.json").write_text(json.dumps(labels))
    assert {one.kind for one in verify_dataset(Path("dataset"))} == {"label"}


@pytest.mark.parametrize("swap", [(",train,", ",val,"), (",0,", ",1,")])
def test_a_manifest_that_says_otherwise_than_its_folders_is_a_problem(
    shelf: Shelf, export: Callable[..., Any], swap: tuple[str, str]
) -> None:
    export()
    manifest, settings = Path("dataset/manifest.csv"), Path("dataset/dataset.json")
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace(*swap, 1), encoding="utf-8")
    changed = json.loads(settings.read_text()) | {"digest": hashlib.sha256(manifest.read_bytes()).hexdigest()}
    settings.write_text(json.dumps(changed))
    assert "label" in {one.kind for one in verify_dataset(Path("dataset"))}


def test_every_damage_of_a_shard_is_named(shelf: Shelf, export: Any) -> None:
    export(format="webdataset")
    shard = Path("dataset/train-000000.tar")
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    found = list(verify_dataset(Path("dataset")))
    assert {one.kind for one in found} <= {"missing", "changed"}
    assert len(found) >= 1
    shard.write_bytes(b"no tar file" * 100)
    assert [(one.kind, one.path) for one in verify_dataset(Path("dataset"))] == [("changed", "train-000000.tar")]
    shard.unlink()
    (one,) = verify_dataset(Path("dataset"))
    assert one.detail == "the manifest names 42 pictures in it, the folder has no such file"
