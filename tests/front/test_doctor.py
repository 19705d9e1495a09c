"""`stj doctor`: it names what lacks and what is broken with the line that mends it, and changes nothing."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stj.cli import app
from stj_core.cli import outcome


def look(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and what was found by its name."""
    capsys.readouterr()
    code = outcome(app, ["doctor", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] == (code == 0)
    return code, {one["name"]: one for one in document["checks"]}


@pytest.fixture
def imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with a catalogue of three pictures and their files."""
    from stj_dataset.cli import app as dataset

    random = np.random.default_rng(7)
    for label in range(3):
        (tmp_path / "pictures" / str(label)).mkdir(parents=True)
        pixels = random.integers(0, 256, (90, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / str(label) / "one.png")
    assert outcome(dataset, ["import", "pictures"]) == 0
    return tmp_path


def test_an_empty_folder_lacks_things_and_is_not_broken(tmp_path: Path, capsys):
    code, found = look(capsys)
    assert code == 0
    assert (found["catalogue"]["state"], found["scrapy project"]["state"]) == ("lacks", "lacks")
    assert found["scrapy project"]["mend"] == "stj init"
    assert found["classes"]["found"].startswith("saree, trousers, jeans, from ")
    assert not list(tmp_path.iterdir())
    assert found["python"]["found"].endswith(", wanted >=3.11,<3.14")


def test_what_merely_lacks_is_counted_and_called_no_fault(capsys):
    assert outcome(app, ["doctor"]) == 0
    told = capsys.readouterr()
    lacks = sum(line.startswith("lacks ") for line in told.out.splitlines())
    assert lacks > 1
    assert told.err == f"Nothing is broken; {lacks} things above lack, for you to want or not.\n"


def test_every_extra_is_looked_at(capsys):
    from stj_core.extras import EXTRAS

    _, found = look(capsys)
    assert {f"stj[{extra}]" for extra in EXTRAS} <= set(found)


def test_after_init_the_project_is_found_from_below_too(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    assert outcome(app, ["init"]) == 0
    assert look(capsys)[1]["scrapy project"]["state"] == "ok"
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert look(capsys)[1]["scrapy project"]["found"] == str(tmp_path / "scrapy.cfg")


def test_the_environment_makes_a_project_as_well(capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SCRAPY_SETTINGS_MODULE", "stj_spiders.settings")
    assert look(capsys)[1]["scrapy project"]["state"] == "ok"
    monkeypatch.setenv("SCRAPY_SETTINGS_MODULE", "somebody.elses")
    assert look(capsys)[1]["scrapy project"]["state"] == "lacks"


def test_a_catalogue_and_its_pictures_are_counted(imported: Path, capsys):
    code, found = look(capsys)
    assert code == 0
    assert "3 pictures" in found["catalogue"]["found"]
    assert found["image store"] == {
        "name": "image store",
        "state": "ok",
        "found": f"{imported}/images: 3 files looked at",
        "mend": "",
    }


def test_pictures_that_are_not_where_the_catalogue_says_are_broken(imported: Path, capsys):
    shutil.rmtree(imported / "images")
    code, found = look(capsys)
    assert code == 1
    assert found["image store"]["state"] == "broken"
    assert "3 of the first 3 files" in found["image store"]["found"]
    assert not (imported / "images").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no database at all, but long enough to be looked at" * 40, "file is not a database"),
        (b"SQLite format 3\0" + b"\xff" * 4000, ""),
    ],
)
def test_a_damaged_catalogue_is_broken_and_left_alone(content, said, tmp_path: Path, capsys):
    (tmp_path / "catalog.sqlite").write_bytes(content)
    code, found = look(capsys)
    assert code == 1
    assert found["catalogue"]["state"] == "broken"
    assert said in found["catalogue"]["found"]
    assert (tmp_path / "catalog.sqlite").read_bytes() == content


def test_a_catalogue_of_another_program_or_of_tomorrow_is_broken(tmp_path: Path, blank_catalog: Path, capsys):
    with closing(sqlite3.connect(tmp_path / "catalog.sqlite")) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    assert "is no STJ catalogue" in look(capsys)[1]["catalogue"]["found"]
    shutil.copyfile(blank_catalog, tmp_path / "catalog.sqlite")
    with closing(sqlite3.connect(tmp_path / "catalog.sqlite")) as newer, newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "newer than this STJ's" in look(capsys)[1]["catalogue"]["found"]


def test_an_older_catalogue_is_not_migrated(tmp_path: Path, blank_catalog: Path, capsys):
    file = tmp_path / "catalog.sqlite"
    shutil.copyfile(blank_catalog, file)
    with closing(sqlite3.connect(file)) as older, older:
        older.execute("UPDATE alembic_version SET version_num = '0001'")
    before = file.read_bytes()
    code, found = look(capsys)
    assert code == 0
    assert found["catalogue"]["found"].endswith("schema 0001, migrated when it is next opened")
    assert file.read_bytes() == before


def test_a_setting_that_cannot_be_right_is_named(capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STJ_ORIGIN", "amazon")
    code, found = look(capsys)
    assert code == 1
    assert "STJ_ORIGIN cannot be 'amazon'" in found["settings"]["found"]


def test_a_cache_that_is_a_file_is_broken(tmp_path: Path, capsys):
    (tmp_path / "cache").write_text("")
    assert look(capsys)[1]["cache"]["state"] == "broken"


def test_people_read_a_line_each_and_the_line_that_mends(capsys):
    assert outcome(app, ["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("lacks   scrapy project"))
    assert lines[place + 1].split() == ["→", "stj", "init"]


def test_what_is_broken_is_counted_in_one_sentence(tmp_path: Path, capsys):
    (tmp_path / "cache").write_text("")
    assert outcome(app, ["doctor"]) == 1
    assert capsys.readouterr().err == "1 thing above is broken: mend that first.\n"
