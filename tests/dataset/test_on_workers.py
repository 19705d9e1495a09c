"""Heavy commands on workers: the same answers as without them, and what workers fail on is named."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import select

from stj_catalog.schema import images
from stj_core.cli import outcome
from stj_core.errors import DatasetError
from stj_dataset import digests, leaks, write
from stj_dataset.audit import page
from stj_dataset.cli import app
from stj_dataset.verify import verify_catalog, verify_dataset
from tests.dataset.filling import Shelf, draw, encode, item
from tests.workers import Inline, elsewhere, inline, kill_one

pytestmark = pytest.mark.medium


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few files a partition that there are many."""
    monkeypatch.setattr(digests, "_NAMED", 5)
    monkeypatch.setattr(digests, "_SENT", 5)


@pytest.fixture
def damaged(shelf: Shelf) -> Shelf:
    """A store with a file missing, one cut and one changed."""
    with shelf.catalog.read() as connection:
        paths = connection.execute(select(images.c.path).order_by(images.c.path)).scalars().all()
    root = shelf.root / "images"
    (root / paths[2]).unlink()
    (root / paths[11]).write_bytes((root / paths[11]).read_bytes()[:100])
    (root / paths[20]).write_bytes(bytes(reversed((root / paths[20]).read_bytes())))
    return shelf


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Exit code and JSON of a command."""
    capsys.readouterr()
    code = outcome(app, [*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("here", [True, False])
def test_verify_finds_the_same_by_workers(damaged: Shelf, small_parts: None, here: bool) -> None:
    told: list[int] = []
    wanted = list(verify_catalog(damaged.catalog, damaged.store, told.append))
    assert {one.kind for one in wanted} == {"missing", "torn"}
    workers, ticks = Inline(here), []
    assert list(verify_catalog(damaged.catalog, damaged.store, ticks.append, workers)) == wanted
    assert sum(ticks) == sum(told) > 0
    assert len(workers.done) > 5
    assert len({one.name for one in workers.done}) == len(workers.done)


@pytest.mark.parametrize("here", [True, False])
@pytest.mark.parametrize("form", ["folder", "webdataset"])
def test_verify_of_a_dataset_finds_the_same_by_workers(
    shelf: Shelf, export: Callable[..., Any], small_parts: None, form: str, here: bool
) -> None:
    export(format=form)
    root = Path("dataset")
    file = min(root.rglob("*.jpg" if form == "folder" else "*.tar"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    wanted = list(verify_dataset(root))
    assert wanted
    workers = Inline(here)
    assert list(verify_dataset(root, workers)) == wanted
    assert bool(workers.done) == (here or form == "folder")


def test_what_workers_failed_to_read_is_unchecked_and_an_exit_code(
    damaged: Shelf, small_parts: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, before = answer(capsys, "verify")
    assert code == 1
    with inline(Inline(fails=lambda place: place == 1), monkeypatch):
        code, found = answer(capsys, "verify", "--cluster", "local:2")
    assert code == 1
    lost = [one for one in found["problems"] if one["kind"] == "unchecked"]
    assert len(lost) == 5
    assert lost[0]["detail"] == (
        "workers failed on it three times (KilledWorker: it died): the same command tries again"
    )
    rest = [one for one in found["problems"] if one["kind"] != "unchecked"]
    gone = {one["path"] for one in lost}
    assert rest == [one for one in before["problems"] if one["path"] not in gone]


def test_a_repair_leaves_alone_what_workers_failed_on(
    shelf: Shelf, small_parts: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with shelf.catalog.read() as connection:
        before = connection.execute(select(images)).all()
    with inline(Inline(fails=lambda _: True), monkeypatch):
        assert answer(capsys, "verify", "--repair", "--cluster", "local:2")[0] == 1
    with shelf.catalog.read() as connection:
        assert connection.execute(select(images)).all() == before
    assert answer(capsys, "verify") == (0, {"ok": True, "problems": []})


@pytest.mark.slow
def test_verify_says_the_same_with_any_number_of_workers_and_one_killed(
    damaged: Shelf,
    small_parts: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'stj[cluster]'")
    wanted = answer(capsys, "verify")
    assert wanted[0] == 1
    for workers in (1, 2, 3):
        assert answer(capsys, "verify", "--cluster", f"local:{workers}") == wanted
    with elsewhere() as address:
        assert answer(capsys, "verify", "--cluster", address) == wanted
    kill_one(monkeypatch, tmp_path / "mark")
    monkeypatch.setenv("STJ_CLUSTER", "local:2")
    assert answer(capsys, "verify") == wanted
    assert (tmp_path / "mark").exists()


@pytest.fixture
def mixed(empty_shelf: Shelf) -> Shelf:
    """Pictures of which a third has to be converted."""
    kinds = ("JPEG", "PNG", "JPEG")
    empty_shelf.add(
        [
            item(label, 1_000 * label + at, data=encode(draw(1_000 * label + at), kinds[at % 3]))
            for label in (0, 1, 2)
            for at in range(20)
        ]
    )
    return empty_shelf


@pytest.fixture
def few_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "_CONVERTED", 3)
    monkeypatch.setattr(leaks, "_SENT", 4)


def contents(folder: str) -> dict[str, str]:
    """The digest of every file of a dataset, but of those that name the folder."""
    files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    found = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes().replace(folder.encode(), b"OUT")).hexdigest()
        for path in files
    }
    assert len(found) > 60 or any(name.endswith(".tar") for name in found)
    return found


@pytest.mark.parametrize("form", ["folder", "webdataset"])
@pytest.mark.parametrize("rehash", [False, True])
def test_an_export_has_the_same_bytes_by_workers(
    mixed: Shelf, export: Callable[..., Any], few_together: None, form: str, rehash: bool
) -> None:
    wanted = export("zzone", format=form, rehash=rehash)
    workers = Inline()
    found = export("zztwo", format=form, rehash=rehash, workers=workers)
    assert found.digest == wanted.digest
    assert (found.proof.files, found.proof.afresh) == (wanted.proof.files, wanted.proof.afresh)
    assert found.proof.sentence == wanted.proof.sentence
    assert contents("zztwo") == contents("zzone")
    sent: Counter[str] = Counter()
    for one in workers.done:
        sent[one.function.__name__] += len(one.arguments[0])
    assert sent == {"jpegs_of": 21, "prints_of": wanted.proof.afresh}


@pytest.mark.parametrize(("function", "what"), [("jpegs_of", "convert"), ("prints_of", "hash")])
def test_an_export_that_workers_failed_on_is_not_put_in_place(
    mixed: Shelf, export: Callable[..., Any], few_together: None, function: str, what: str
) -> None:
    workers = Inline()
    workers.fails = lambda place: workers.done[place].function.__name__ == function and place % 3 == 2
    with pytest.raises(DatasetError) as told:
        export(workers=workers)
    assert re.fullmatch(
        rf"Workers failed three times to {what} \d+ pictures \(\S+ …: KilledWorker: it died\), so the dataset was not put in "
        "place: the same command tries again, and without --cluster it needs no worker.",
        str(told.value),
    )
    assert not Path("dataset").exists()
    assert export().proof.leaks == 0


def test_an_export_names_a_broken_file_as_without_workers(
    mixed: Shelf, export: Callable[..., Any], few_together: None
) -> None:
    file = min((mixed.root / "images").rglob("*.png"))
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(DatasetError) as wanted:
        export()
    with pytest.raises(DatasetError) as told:
        export(workers=Inline())
    assert str(told.value) == str(wanted.value)
    assert "is broken" in str(told.value)


@pytest.mark.slow
def test_an_export_has_the_same_digest_with_any_number_of_workers_and_one_killed(
    mixed: Shelf,
    few_together: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'stj[cluster]'")
    assert answer(capsys, "export", "zzone")[0] == 0
    wanted = contents("zzone")
    for workers in (1, 2, 3):
        assert answer(capsys, "export", f"n{workers}", "--rehash", "--cluster", f"local:{workers}")[0] == 0
        assert contents(f"n{workers}")["manifest.csv"] == wanted["manifest.csv"]
    kill_one(monkeypatch, tmp_path / "mark")
    monkeypatch.setenv("STJ_CLUSTER", "local:2")
    assert answer(capsys, "export", "zztwo")[0] == 0
    assert (tmp_path / "mark").exists()
    assert contents("zztwo") == wanted


def test_an_audit_finds_the_same_by_workers(
    mixed: Shelf, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flat = encode(Image.new("RGB", (80, 80), (90, 90, 90)))
    mixed.add([item(0, 90_000, data=flat), item(1, 90_001, data=encode(draw(90_001, (40, 140))))], crawl="odd")
    wanted = answer(capsys, "audit", "--pictures-only")
    assert len(wanted[1]["odd"]) >= 2
    monkeypatch.setattr(page, "_TASK", 5)
    with inline(workers := Inline(here=False), monkeypatch):
        assert answer(capsys, "audit", "--pictures-only", "--cluster", "local:2") == wanted
    assert len(workers.done) == 13
    with inline(Inline(fails=lambda place: place == 1), monkeypatch):
        assert outcome(app, ["audit", "--pictures-only", "--cluster", "local:2"]) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.fullmatch(
        r"5 pictures \(\w{12} …\) were not looked at: workers failed on them three times \(KilledWorker: it died\)\. The same "
        r"command tries again; the page has all others\.",
        last,
    )


@pytest.mark.slow
def test_an_audit_finds_the_same_with_any_number_of_workers_and_one_killed(
    mixed: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'stj[cluster]'")
    monkeypatch.setattr(page, "_TASK", 5)
    wanted = answer(capsys, "audit", "--pictures-only")
    for workers in (1, 2, 3):
        assert answer(capsys, "audit", "--pictures-only", "--cluster", f"local:{workers}") == wanted
    kill_one(monkeypatch, tmp_path / "mark")
    assert answer(capsys, "audit", "--pictures-only", "--cluster", "local:2") == wanted
    assert (tmp_path / "mark").exists()
