"""A dataset at an address: the same bytes as in a folder, found, proven, marked and taken away like one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from stj_core.cli import outcome
from stj_core.errors import DatasetError
from stj_core.fetched import copies, fetch
from stj_core.published import DATASET, INVENTORY, MARKER
from stj_core.remote import Remote
from stj_dataset.cli import app
from stj_dataset.manifest import check_files
from tests.objects import bucket, serving_objects

from .filling import Shelf, items

pytestmark = pytest.mark.medium

AT = "memory://bucket/dataset"


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    """Nothing is there before, nor afterwards."""
    yield
    fsspec.filesystem("memory").store.clear()
    fsspec.filesystem("memory").pseudo_dirs[:] = [""]


def said(capsys: pytest.CaptureFixture[str], *command: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = outcome(app, list(command))
    told = capsys.readouterr()
    return code, told.out, told.err.strip()


def held(address: str = AT) -> dict[str, bytes]:
    remote = Remote(address)
    return {name: remote.read(name) or b"" for name in remote.listing() if name != INVENTORY}


def files(folder: Path) -> dict[str, bytes]:
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


SLOW = pytest.mark.slow


@pytest.mark.medium
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--format", "webdataset"),
        pytest.param(("--layout", "student"), marks=SLOW),
        pytest.param(("--parquet",), marks=SLOW),
    ],
)
def test_an_address_gets_the_bytes_that_a_folder_gets(shelf: Shelf, capsys, options: tuple[str, ...]) -> None:
    if "--parquet" in options:
        pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'stj[parquet]'")
    code, out, _ = said(capsys, "export", "here", *options, "--json")
    here = json.loads(out)
    code, out, err = said(capsys, "export", AT, *options, "--json")
    assert code == 0, err
    assert json.loads(out) == {**here, "out": AT}
    assert held() == files(Path("here"))
    assert said(capsys, "verify", AT) == (0, "", f"The dataset {AT}: everything is as it should be.")
    assert not Path("memory:").exists()


def test_a_training_on_the_same_machine_fetches_nothing(shelf: Shelf, capsys, tmp_path: Path) -> None:
    assert said(capsys, "export", AT)[0] == 0
    told: list[str] = []
    folder = fetch(AT, DATASET, tmp_path / "cache", told.append)
    assert told == []
    assert len(check_files(folder, hashes=True)) == 60


def test_an_export_is_recorded_with_its_address(shelf: Shelf, capsys) -> None:
    digest = json.loads(said(capsys, "export", AT, "--json")[1])["digest"]
    assert f"export 1 to {AT} at " in said(capsys, "card", digest)[1]
    assert json.loads(said(capsys, "card", AT, "--json")[1])["digest"] == digest
    assert said(capsys, "card", AT)[1].encode() == held()["README.md"]


@pytest.mark.medium
def test_a_grown_catalogue_replaces_the_dataset_and_leaves_nothing_of_the_old_one(shelf: Shelf, capsys) -> None:
    said(capsys, "export", AT)
    said(capsys, "export", "before")
    shelf.add(items(4, start=500), crawl="second")
    Remote(AT).put("notes/mine.txt", b"not STJ's")
    assert said(capsys, "export", AT)[0] == 0
    said(capsys, "export", "after")
    assert held() == {**files(Path("after")), "notes/mine.txt": b"not STJ's"}
    code, out, err = said(capsys, "diff", "before", AT)
    assert (code, out.count("added "), err) == (0, 12, "12 added, 0 removed, 0 relabelled, 0 withheld, 0 moved.")
    code, out, _ = said(capsys, "verify", AT)
    assert (code, out) == (
        1,
        "unlisted: notes/mine.txt: it lies there, the manifest does not name it\n".replace("there", "in the folder"),
    )


def test_what_lies_there_and_is_no_dataset_is_left_alone(shelf: Shelf, capsys, catalog) -> None:
    Remote(AT).put("images/a.jpg", b"a picture store")
    code, _, err = said(capsys, "export", AT)
    assert (code, err) == (
        1,
        f"{AT} holds 1 file that stj-dataset export did not publish, so it is left alone: name another place, or move them away.",
    )
    assert held() == {"images/a.jpg": b"a picture store"}
    assert said(capsys, "card", "0", "--json")[0] == 1, "no export was recorded"


def test_an_interrupted_export_is_no_dataset_and_is_finished_by_the_same_command(
    shelf: Shelf, capsys, monkeypatch
) -> None:
    send, sent = Remote.send, []

    def cut(self: Remote, name: str, file: Path) -> None:
        sent.append(name)
        if len(sent) > 30:
            raise KeyboardInterrupt
        send(self, name, file)

    with monkeypatch.context() as patch:
        patch.setattr(Remote, "send", cut)
        assert said(capsys, "export", AT)[0] == 130
    assert MARKER in held()
    code, _, err = said(capsys, "verify", AT)
    assert code == 1
    assert err == (
        f"The dataset at {AT} is being published, or that was interrupted: wait for it, or give the same stj-dataset export "
        "again, which finishes it."
    )
    assert json.loads(said(capsys, "stats", "--json")[1])["images"]["kept"] == 60
    assert said(capsys, "export", AT)[0] == 0
    said(capsys, "export", "here")
    assert held() == files(Path("here"))
    assert f"export 1 to {AT}" in said(capsys, "card", json.loads(held()["dataset.json"])["digest"])[1]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("README.md", "changed"),
        pytest.param("manifest.csv", "digest", marks=SLOW),
        pytest.param("picture", "changed", marks=SLOW),
        ("gone", "missing"),
    ],
)
def test_verify_reads_all_of_it_again(shelf: Shelf, capsys, name: str, kind: str) -> None:
    said(capsys, "export", AT)
    remote, one = Remote(AT), min(file for file in held() if file.endswith(".jpg"))
    if name == "gone":
        remote.delete([one])
    else:
        file = one if name == "picture" else name
        data = bytearray(held()[file])
        data[-2] ^= 1
        remote.put(file, bytes(data))
    code, out, _ = said(capsys, "verify", AT, "--json")
    assert code == 1
    assert kind in {problem["kind"] for problem in json.loads(out)["problems"]}
    assert [one for one in copies(Path("cache")) if not (one / "dataset.json").exists()] == []


def test_hard_links_reach_no_address(shelf: Shelf, capsys) -> None:
    code, _, err = said(capsys, "export", AT, "--link")
    assert (code, err) == (2, f"--link is for a folder beside the images, and {AT} is an address: leave it out.")


def test_forgetting_marks_the_dataset_and_removes_its_copies(shelf: Shelf, capsys, tmp_path: Path) -> None:
    said(capsys, "export", AT)
    sha256 = next(iter(held()["manifest.csv"].decode().splitlines()[1].split(",")[5:]))
    copy = fetch(AT, DATASET, tmp_path / "cache")
    code, out, _ = said(capsys, "forget", "--sha256", sha256, "--yes", "--json")
    assert (code, str(copy) in json.loads(out)["cached"], copy.exists()) == (0, True, False)
    assert json.loads(held()["stale.json"])["sha256"] == [sha256]
    with pytest.raises(DatasetError, match="1 of its pictures were forgotten since it was made"):
        check_files(fetch(AT, DATASET, tmp_path / "cache"))
    assert said(capsys, "export", AT)[0] == 0
    assert sha256 not in held()["manifest.csv"].decode()
    assert "stale.json" not in held()
    assert len(check_files(fetch(AT, DATASET, tmp_path / "cache"))) == 59


def test_forgetting_removes_features_that_machines_share(shelf: Shelf, capsys, monkeypatch) -> None:
    said(capsys, "export", "here")
    sha256 = next(iter(Path("here/manifest.csv").read_text().splitlines()[1].split(",")[5:]))
    monkeypatch.setenv("STJ_FEATURES", "memory://bucket/features")
    remote = Remote("memory://bucket/features")
    for name, listed in (("a", sha256), ("b", "0" * 64)):
        remote.put(f"key/{name}.npy", b"array")
        remote.put(f"key/{name}.json", json.dumps({"names": [listed]}).encode())
    code, out, _ = said(capsys, "forget", "--sha256", sha256, "--yes", "--json")
    assert code == 0
    assert "memory://bucket/features/key/a.npy" in json.loads(out)["cached"]
    assert set(remote.listing()) == {"key/b.npy", "key/b.json"}


def test_purging_takes_the_dataset_away_or_says_that_it_remains(shelf: Shelf, capsys, monkeypatch) -> None:
    said(capsys, "export", AT)
    sha256 = next(iter(held()["manifest.csv"].decode().splitlines()[1].split(",")[5:]))
    with monkeypatch.context() as patch:
        from stj_core.errors import AddressError

        def away(*_: object) -> None:
            raise AddressError(f"{AT} cannot be reached: it is down.")

        patch.setattr(Remote, "delete", away)
        code, _, err = said(capsys, "forget", "--sha256", sha256, "--purge", "--yes")
        assert code == 0
        assert f"The dataset {AT} holds it still: {AT} cannot be reached: it is down." in err
    code, out, _ = said(capsys, "forget", "--purge", "--yes")
    assert (code, f"purged {AT}" in out) == (0, True)
    assert held() == {}


@pytest.mark.slow
def test_an_object_store_is_written_to_and_proven(shelf: Shelf, capsys, monkeypatch) -> None:
    with serving_objects() as address, bucket(address, "datasets", monkeypatch):
        for options in ((), ("--format", "webdataset")):
            assert said(capsys, "export", "here", *options)[0] == 0
            code, _, err = said(capsys, "export", "s3://datasets/one", *options)
            assert code == 0, err
            assert held("s3://datasets/one") == files(Path("here"))
            assert said(capsys, "verify", "s3://datasets/one")[0] == 0
        code, _, err = said(capsys, "export", "s3://no-such-bucket/one")
        assert (code, err) == (
            1,
            "Cannot use s3://no-such-bucket/one: there is no such bucket. Make it, or name another place.",
        )
