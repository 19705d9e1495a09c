"""The image store: a file with its final name is whole, and storing it again changes nothing."""

from __future__ import annotations

import hashlib
import os
import stat
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stj_core.errors import CatalogError
from stj_images.store import FolderStore, RemoteStore, open_store, store_path

DATA = b"a picture's bytes"
SHA = hashlib.sha256(DATA).hexdigest()
PATH = f"{SHA[:2]}/{SHA}.jpg"


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    return open_store(str(tmp_path / "images") if request.param == "folder" else f"memory://{uuid.uuid4().hex}")


def test_bytes_come_back(store):
    assert store.put(SHA, "jpg", DATA) == PATH
    assert store.read(PATH) == DATA
    assert list(store.paths()) == [PATH]


def test_storing_again_changes_nothing(store):
    store.put(SHA, "jpg", DATA)
    store.put(SHA, "jpg", DATA)
    assert list(store.paths()) == [PATH]


def test_an_empty_store_holds_nothing(store):
    assert list(store.paths()) == []
    with pytest.raises(FileNotFoundError):
        store.read(PATH)


def test_deleting_twice_is_no_error(store):
    store.put(SHA, "jpg", DATA)
    store.delete(PATH)
    store.delete(PATH)
    assert list(store.paths()) == []


def test_a_torn_file_is_written_again(tmp_path):
    store = FolderStore(tmp_path)
    store.put(SHA, "jpg", DATA)
    (tmp_path / PATH).write_bytes(DATA[:5])
    store.put(SHA, "jpg", DATA)
    assert store.read(PATH) == DATA


def test_what_was_written_aside_is_known(tmp_path, monkeypatch):
    store = FolderStore(tmp_path)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        store.put(SHA, "jpg", DATA)
    assert list(store.paths()) == []
    left = tmp_path / SHA[:2] / ".part-abc"
    left.write_bytes(DATA[:3])
    (path,) = store.paths()
    assert store.is_leftover(path)
    assert not store.is_leftover(PATH)


def test_files_are_for_others_to_read(tmp_path):
    FolderStore(tmp_path).put(SHA, "jpg", DATA)
    assert stat.S_IMODE((tmp_path / PATH).stat().st_mode) == 0o644


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "images").write_text("a file")
    with pytest.raises(
        CatalogError, match=r"^Cannot write to the image store .*: .*\. Set STJ_IMAGES to another folder\.$"
    ):
        FolderStore(tmp_path / "images").put(SHA, "jpg", DATA)


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CatalogError, match=r"No space left on device\. Free some space, or set STJ_IMAGES"):
        FolderStore(tmp_path).put(SHA, "jpg", DATA)
    assert list(FolderStore(tmp_path).paths()) == []


def test_an_unknown_kind_of_store_is_said():
    with pytest.raises(CatalogError, match="Cannot open the image store nowhere://x: "):
        open_store("nowhere://x")


def test_a_store_elsewhere_that_cannot_be_used_is_said(monkeypatch):
    def locked(*_):
        raise RuntimeError("Unable to locate credentials")

    store = open_store(f"memory://{uuid.uuid4().hex}")
    for method in ("exists", "cat_file", "pipe_file", "info", "find"):
        monkeypatch.setattr(type(store._files), method, locked)
    for use in (lambda: store.put(SHA, "jpg", DATA), lambda: store.read(PATH), lambda: list(store.paths())):
        with pytest.raises(
            CatalogError, match=r"^Cannot use the image store memory://.*: Unable to locate credentials\. "
        ):
            use()


@pytest.mark.parametrize("kind", ["folder", "elsewhere"])
def test_a_file_is_set_aside_listed_and_taken_back(tmp_path, kind):
    store = open_store(str(tmp_path) if kind == "folder" else f"memory://{uuid.uuid4().hex}")
    assert store.is_empty()
    store.put(SHA, "jpg", DATA)
    assert 0 <= store.age(PATH) < 60
    store.set_aside(PATH, "nobody's")
    assert (list(store.paths()), store.is_empty()) == ([], True)
    lost = store.lost()[SHA]
    assert store.read(lost) == DATA
    assert f",{PATH},nobody's" in store.read("lost+found/list.csv").decode()
    store.take_back(lost, PATH)
    assert (list(store.paths()), SHA in store.lost()) == ([PATH], False)
    with pytest.raises(FileNotFoundError):
        store.age("ab/none.jpg")


def test_addresses_choose_the_store(tmp_path):
    assert isinstance(open_store(f"file://{tmp_path}"), FolderStore)
    assert isinstance(open_store("memory://x"), RemoteStore)


@given(st.text("0123456789abcdef", min_size=64, max_size=64), st.sampled_from(["jpg", "png", "webp"]))
def test_a_path_begins_with_its_checksum(sha256, extension):
    assert store_path(sha256, extension) == f"{sha256[:2]}/{sha256}.{extension}"
