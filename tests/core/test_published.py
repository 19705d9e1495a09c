"""What is published at an address is there whole or not at all, and what is fetched is what was published."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import fsspec
import pytest

from stj_core import fetched, published
from stj_core.errors import AddressError, DatasetError, ModelError, UsageError
from stj_core.fetched import as_it_lies, copies, fetch, read_one
from stj_core.locations import Location
from stj_core.published import DATASET, INVENTORY, MARKER, RUN, Publication, withdraw
from stj_core.remote import Remote
from tests.objects import bucket, serving_objects

FILES = {
    "dataset.json": "{}",
    "manifest.csv": "a,b\n",
    "train/0/a.jpg": "A" * 900,
    "train/1/b.jpg": "B",
    "none/é.jpg": "C",
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving_objects() as address:
        yield address


SLOW = pytest.mark.slow


@pytest.fixture(params=["memory", pytest.param("file", marks=SLOW), pytest.param("s3", marks=SLOW)])
def address(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty place of each kind: one without checksums of its own, one with folders, one that is really asked."""
    if request.param == "s3":
        with bucket(request.getfixturevalue("server"), "datasets", monkeypatch):
            yield "s3://datasets/one"
    elif request.param == "file":
        yield f"file://{tmp_path}/elsewhere/one"
    else:
        yield "memory://place/one"
        fsspec.filesystem("memory").store.clear()
        fsspec.filesystem("memory").pseudo_dirs[:] = [""]


def folder_of(place: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return place


def read(folder: Path) -> dict[str, str]:
    return {one.relative_to(folder).as_posix(): one.read_text() for one in folder.rglob("*") if one.is_file()}


def publish(address: str, folder: Path) -> Publication:
    publication = Publication(address, DATASET)
    publication.check()
    publication.stage(folder)
    publication.commit()
    return publication


def names(address: str) -> set[str]:
    return set(Remote(address).listing())


def test_what_was_published_is_fetched_once_and_used_again(address: str, tmp_path: Path) -> None:
    publish(address, folder_of(tmp_path / "a", FILES))
    assert names(address) == {*FILES, INVENTORY}
    told: list[str] = []
    found = fetch(address, DATASET, tmp_path / "cache", told.append)
    assert read(found) == FILES
    assert fetch(address, DATASET, tmp_path / "cache", told.append) == found
    assert len(told) == 1
    assert told[0].startswith(f"Fetching {address}: 5 files, 0.0 MB")


def test_an_object_store_holds_what_was_published_and_replaced(server: str, tmp_path: Path, monkeypatch) -> None:
    """As the tests below, which ask one at leisure."""
    with bucket(server, "datasets", monkeypatch):
        publish("s3://datasets", folder_of(tmp_path / "a", FILES))
        other = {"dataset.json": "[]", "train/0/a.jpg": "changed", "new.jpg": "N"}
        publish("s3://datasets", folder_of(tmp_path / "b", other))
        assert names("s3://datasets") == {*other, INVENTORY}
        assert read(fetch("s3://datasets", DATASET, tmp_path / "cache")) == other


def test_another_state_replaces_what_was_published_and_nothing_else(address: str, tmp_path: Path) -> None:
    publish(address, folder_of(tmp_path / "a", FILES))
    first = fetch(address, DATASET, tmp_path / "cache")
    Remote(address).put("somebody/else.txt", b"keep me")
    other = {"dataset.json": "{ }", "manifest.csv": "a,c\n", "train/0/a.jpg": "A" * 900, "train/2/new.jpg": "N"}
    publication = publish(address, folder_of(tmp_path / "b", other))
    assert publication.strangers == 1
    assert names(address) == {*other, INVENTORY, "somebody/else.txt"}
    second = fetch(address, DATASET, tmp_path / "cache")
    assert (read(first), read(second)) == (FILES, other)


def test_the_same_again_sends_nothing_where_the_store_knows_its_checksums(
    address: str, tmp_path: Path, monkeypatch
) -> None:
    folder = folder_of(tmp_path / "a", FILES)
    publish(address, folder)
    sent: list[str] = []
    send = Remote.send
    monkeypatch.setattr(Remote, "send", lambda self, name, file: (sent.append(name), send(self, name, file)))
    publish(address, folder)
    assert set(sent) == ({MARKER} if address.startswith("s3") else {MARKER, INVENTORY, *FILES})
    assert names(address) == {*FILES, INVENTORY}


class StoppedError(Exception):
    """As a kill would stop it."""


@pytest.mark.parametrize("after", range(12))
def test_wherever_it_is_interrupted_there_is_the_old_the_new_or_none(
    address: str, tmp_path: Path, monkeypatch, after
) -> None:
    """And the same command finishes it, leaving nothing of either behind."""
    old, new = (
        folder_of(tmp_path / "a", FILES),
        {**FILES, "manifest.csv": "x", "dataset.json": "[]", "val/0/c.jpg": "new"},
    )
    del new["train/1/b.jpg"]
    fresh = folder_of(tmp_path / "b", new)
    publish(address, old)
    monkeypatch.setattr(published, "SENDERS", 1)
    done = 0

    def stopping(call):
        def counted(self, *given):
            nonlocal done
            done += 1
            if done > after:
                raise StoppedError
            return call(self, *given)

        return counted

    with monkeypatch.context() as patch:
        for name in ("send", "delete"):
            patch.setattr(Remote, name, stopping(getattr(Remote, name)))
        with suppress(StoppedError):
            publish(address, fresh)
    finished = done <= after
    found, why = None, ""
    try:
        found = read(fetch(address, DATASET, tmp_path / "cache"))
    except DatasetError as error:
        why = str(error)
    if finished or not why:
        assert found in ((new,) if finished else (FILES, new))
    else:
        assert re.search(r"is being published, or that was interrupted|is not what its inventory\.json says", why)
    publish(address, fresh)
    assert names(address) == {*new, INVENTORY}
    assert read(fetch(address, DATASET, tmp_path / "cache")) == new


def test_what_an_interrupted_one_left_goes_with_the_next_one(address: str, tmp_path: Path) -> None:
    first = Publication(address, DATASET)
    first.stage(folder_of(tmp_path / "a", FILES))
    with pytest.raises(
        DatasetError, match=r"^The dataset at \S+ is being published, or that was interrupted: wait for it, or"
    ):
        fetch(address, DATASET, tmp_path / "cache")
    other = {"dataset.json": "{}", "only.txt": "1"}
    publish(address, folder_of(tmp_path / "b", other))
    assert names(address) == {*other, INVENTORY}
    with pytest.raises(DatasetError, match="Another process publishes to"):
        first.commit()


@pytest.mark.parametrize("there", ["notes.txt", "dataset.json", "inventory.json", "publishing.json"])
def test_what_stj_did_not_publish_is_left_alone(address: str, tmp_path: Path, there: str) -> None:
    Remote(address).put(there, b'{"made_by": "somebody"}')
    for use in (lambda one: one.check(), lambda one: one.stage(folder_of(tmp_path / "a", FILES))):
        with pytest.raises(
            DatasetError, match=r"holds 1 file that stj-dataset export did not publish|is not a list of files that STJ"
        ):
            use(Publication(address, DATASET))
    with pytest.raises(DatasetError):
        withdraw(address, DATASET)
    assert names(address) == {there}


def test_a_dataset_is_no_run(address: str, tmp_path: Path) -> None:
    publish(address, folder_of(tmp_path / "a", FILES))
    for use in (lambda: fetch(address, RUN, tmp_path / "cache"), Publication(address, RUN).check):
        with pytest.raises(ModelError, match=r"holds a dataset, no run: name another place\."):
            use()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "is not there"),
        (b"A" * 899, "has 899 bytes where 900 were published"),
        (b"a" * 900, "holds other bytes than were"),
    ],
)
def test_what_is_not_as_it_was_published_is_a_sentence_and_leaves_no_copy(
    address: str, tmp_path: Path, data, why
) -> None:
    publish(address, folder_of(tmp_path / "a", FILES))
    remote = Remote(address)
    remote.delete(["train/0/a.jpg"]) if data is None else remote.put("train/0/a.jpg", data)
    with pytest.raises(DatasetError, match=rf"is not what its inventory\.json says: train/0/a\.jpg {why}"):
        fetch(address, DATASET, tmp_path / "cache")
    assert copies(tmp_path / "cache") == []
    remote.put("stray.txt", b"1")
    with as_it_lies(address, DATASET, tmp_path / "cache") as (folder, odd):
        assert [name for name, _ in odd] == ["train/0/a.jpg"]
        assert odd[0][1].startswith(why)
        assert (folder / "stray.txt").read_text() == "1"
    assert not folder.exists()
    publish(address, tmp_path / "a")
    assert read(fetch(address, DATASET, tmp_path / "cache")) == FILES


@pytest.mark.parametrize("name", ["../up.txt", "/etc/x", "a/../../b", "a//b", "", "a\\..\\b", "./a"])
def test_a_list_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    place = folder_of(tmp_path / "one", FILES)
    files = [{"path": name, "bytes": 1, "sha256": "0" * 64}]
    (place / INVENTORY).write_text(json.dumps({"made_by": "stj", "kind": "dataset", "files": files}))
    with pytest.raises(DatasetError, match="is not a list of files that STJ wrote"):
        fetch(f"file://{place}", DATASET, tmp_path / "cache")
    assert not (tmp_path / "up.txt").exists()


def test_what_was_copied_by_hand_is_named_as_such(tmp_path: Path) -> None:
    place = folder_of(tmp_path / "one", FILES)
    with pytest.raises(
        DatasetError, match=r"has a dataset\.json and no inventory\.json, so stj-dataset export did not publish it"
    ):
        fetch(f"file://{place}", DATASET, tmp_path / "cache")
    with pytest.raises(DatasetError, match=r"There is no dataset at \S+/two: stj-dataset export publishes one\."):
        fetch(f"file://{tmp_path}/two", DATASET, tmp_path / "cache")


def test_withdrawing_takes_away_what_was_published_only(address: str, tmp_path: Path) -> None:
    publish(address, folder_of(tmp_path / "a", FILES))
    Remote(address).put("somebody/else.txt", b"keep me")
    assert withdraw(address, DATASET) == len(FILES)
    assert names(address) == {"somebody/else.txt"}


def test_copies_that_were_not_used_for_longest_make_room(tmp_path: Path) -> None:
    cache, kept = tmp_path / "cache", []
    for number in range(3):
        place = f"file://{tmp_path}/there/{number}"
        publish(place, folder_of(tmp_path / f"{number}", {"dataset.json": "{}", "a": f"{number}" * 1000}))
        kept.append(fetch(place, DATASET, cache))
        os.utime(kept[-1], (number, number))
    publish(f"file://{tmp_path}/there/3", folder_of(tmp_path / "3", {"dataset.json": "{}", "a": "3" * 1000}))
    newest = fetch(f"file://{tmp_path}/there/3", DATASET, cache, most_bytes=2100)
    assert copies(cache) == sorted([*kept, newest]), "what this process uses stays"
    fetched.let_go()
    again = fetch(f"file://{tmp_path}/there/0", DATASET, cache, most_bytes=2100)
    assert again == kept[0]
    publish(f"file://{tmp_path}/there/4", folder_of(tmp_path / "4", {"dataset.json": "{}", "a": "4" * 1000}))
    last = fetch(f"file://{tmp_path}/there/4", DATASET, cache, most_bytes=2100)
    assert copies(cache) == sorted([again, last])


def test_one_file_is_read_without_the_others(address: str, tmp_path: Path) -> None:
    publish(address, folder_of(tmp_path / "a", FILES))
    assert read_one(address, DATASET, "manifest.csv") == b"a,b\n"
    Remote(address).put("manifest.csv", b"a,x\n")
    with pytest.raises(DatasetError, match=r"has no manifest\.csv, or another than"):
        read_one(address, DATASET, "manifest.csv")


def test_a_missing_bucket_is_a_sentence(server: str, tmp_path: Path, monkeypatch) -> None:
    with bucket(server, "datasets", monkeypatch):
        for use in (
            Publication("s3://nowhere/x", DATASET).check,
            lambda: fetch("s3://nowhere/x", DATASET, tmp_path / "cache"),
        ):
            with pytest.raises(AddressError) as caught:
                use()
            assert str(caught.value) == (
                "Cannot use s3://nowhere/x: there is no such bucket. Make it, or name another place."
            )


def test_a_server_that_is_away_and_keys_that_are_refused_are_sentences(
    server: str, tmp_path: Path, monkeypatch
) -> None:
    import s3fs

    with bucket(server, "datasets", monkeypatch):
        with monkeypatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            patch.setenv("AWS_MAX_ATTEMPTS", "1")
            patch.setattr(s3fs.S3FileSystem, "retries", 1)
            s3fs.S3FileSystem.clear_instance_cache()
            with pytest.raises(
                AddressError, match=r"^s3://datasets/x cannot be reached: .* Give the same command again"
            ):
                Publication("s3://datasets/x", DATASET).check()
        s3fs.S3FileSystem.clear_instance_cache()

        async def refused(*_: object, **__: object) -> None:
            raise PermissionError(13, "Access Denied")

        with monkeypatch.context() as patch:
            patch.setattr(s3fs.S3FileSystem, "_call_s3", refused)
            with pytest.raises(AddressError, match=r"^Cannot use s3://datasets/x: .*Access Denied"):
                fetch("s3://datasets/x", DATASET, tmp_path / "cache")


@pytest.mark.parametrize("error", [MemoryError(), OSError(28, "No space left on device")])
def test_what_this_machine_lacks_is_not_told_of_the_address(error: Exception, monkeypatch) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise error

    place = Remote("memory://place/one")
    monkeypatch.setattr(place._files, "find", fail)
    with pytest.raises(type(error)) as raised:
        place.listing()
    assert raised.value is error


@pytest.mark.parametrize("given", ["nothing://bucket/x", "s3://", "s3:///"])
def test_what_is_no_address_is_wrong_usage(given: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        fetch(given, DATASET, tmp_path)


@pytest.mark.parametrize("given", ["sftp://me:secret@host.example/x", "s3://key:secret@bucket/x"])
def test_a_password_in_an_address_is_refused_and_not_repeated(given: str, tmp_path: Path) -> None:
    """It would be kept in the catalogue, and in every run."""
    with pytest.raises(UsageError, match="with a password in it would be kept") as caught:
        Publication(given, DATASET)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("s3://bucket/a", "s3://bucket/a"),
        (Path("s3://bucket/a"), "s3://bucket/a"),
        ("s3://bucket/a/", "s3://bucket/a"),
        (Path("file:///tmp/a"), "file:///tmp/a"),
        ("C:/here", None),
        ("dataset", None),
        ("a:b", None),
        ("/tmp/s3:/x", None),
    ],
)
def test_an_address_is_told_from_a_folder(given: str | Path, address: str | None) -> None:
    assert Location.of(given).address == address
    assert Location.of(Location.of(given)) == Location.of(given)
