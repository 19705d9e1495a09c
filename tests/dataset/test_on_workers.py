"""Heavy commands on workers: the same answers as without them, and what workers fail on is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from stj_catalog.schema import images
from stj_core.cli import outcome
from stj_dataset import digests
from stj_dataset.cli import app
from stj_dataset.verify import verify_catalog, verify_dataset
from tests.dataset.filling import Shelf
from tests.workers import Inline, elsewhere, inline, kill_one


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
