"""`stj-model runs`: every folder is a line, whatever state it is in."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path

import pytest

from stj_core.cli import outcome
from stj_core.files import write_json
from stj_model.cli import app
from stj_model.run_dir import Run, point_latest
from stj_model.runs import list_runs


@pytest.fixture
def shelf(own_run: Run) -> Path:
    """A whole run, one without its network, one whose figures are of another program, and two unfinished ones."""
    runs = own_run.folder.parent
    for name, age in (("no-network", 10), ("strange", 20)):
        shutil.copytree(own_run.folder, runs / name)
        os.utime(runs / name / "config.json", (1e9 - age, 1e9 - age))
    (runs / "no-network" / "model.keras").unlink()
    write_json({"figures": {"test": {"n": 3}}}, runs / "strange" / "metrics.json")
    for key in ("stopped", "busy"):
        (runs / ".unfinished" / key).mkdir(parents=True)
    write_json({"state": {"epoch": 7}}, runs / ".unfinished" / "stopped" / "checkpoint.json")
    point_latest(runs, own_run.folder)
    (runs / "notes.txt").write_text("no run")
    return runs


def test_every_folder_is_a_line_with_its_state(shelf: Path, own_run: Run):
    with (shelf / ".unfinished" / "busy" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lines = {line.name: line for line in list_runs(shelf)}
    assert {name: line.status for name, line in lines.items()} == {
        "mine": "finished",
        "no-network": "broken",
        "strange": "broken",
        ".unfinished/stopped": "interrupted",
        ".unfinished/busy": "training",
    }
    figures = json.loads((own_run.folder / "metrics.json").read_text())
    mine = lines["mine"]
    assert (mine.recipe, mine.source, mine.digest) == (
        "default",
        "none: drawn at random",
        own_run.document["dataset_digest"],
    )
    assert mine.figure("test") == {key: figures["figures"]["test"][key] for key in ("n", "accuracy", "interval")}
    assert mine.figures["out_of_fold"]["n"] == 60
    assert mine.cost["seconds"] == figures["cost"]["seconds"]
    assert "model.keras is missing" in lines["no-network"].reason
    assert "is not one that this STJ knows (KeyError: 'correct')" in lines["strange"].reason
    assert lines[".unfinished/stopped"].reason == "after epoch 7; the same stj-model train goes on from here"
    assert lines[".unfinished/busy"].reason == ""


def test_asking_does_not_hold_a_training_up(shelf: Path):
    lock = shelf / ".unfinished" / "busy" / "lock"
    lock.touch()
    list_runs(shelf)
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_newest_is_first(own_run: Run):
    runs = own_run.folder.parent
    for name, age in (("zebra", 100), ("aardvark", 50)):
        shutil.copytree(own_run.folder, runs / name)
        stamp = own_run.folder.joinpath("config.json").stat().st_mtime - age
        os.utime(runs / name / "config.json", (stamp, stamp))
    assert [line.name for line in list_runs(runs)] == ["mine", "aardvark", "zebra"]


def test_no_folder_is_no_run(tmp_path: Path):
    assert list_runs(tmp_path / "nowhere") == []


def test_the_command_prints_a_table_and_reasons_on_lines_of_their_own(shelf: Path, capsys: pytest.CaptureFixture[str]):
    assert outcome(app, ["runs", "--runs", str(shelf)]) == 0
    text = capsys.readouterr().out
    row = next(line for line in text.splitlines() if "mine" in line)
    assert "default" in row
    assert "n=12" in row
    assert "n=60" in row
    assert ".unfinished/stopped: interrupted: after epoch 7; the same stj-model train goes on from here" in text
    assert "no-network: broken: The run " in text


def test_the_command_gives_one_json_document(shelf: Path, capsys: pytest.CaptureFixture[str]):
    assert outcome(app, ["runs", "--runs", str(shelf), "--json"]) == 0
    found = {line["name"]: line for line in json.loads(capsys.readouterr().out)}
    assert len(found) == 5
    assert found["mine"]["test"]["interval"] == sorted(found["mine"]["test"]["interval"])
    assert found["no-network"]["test"] is None
