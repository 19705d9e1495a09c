"""Nothing destroys: repairs set aside and ask, what is damaged is said in a sentence, and backups can be put back."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from stj_catalog.backup import KEPT, backup_before, find_backups
from stj_catalog.catalog import open_catalog
from stj_core.cli import outcome
from stj_core.files import unfinished_name
from stj_dataset.cli import app
from stj_images.store import FolderStore

from .pictures import jpeg

PICTURES = 30
EVERY_PAGE_OF = ("images", "ix_images_group_id", "exports", "reviews")
COMMANDS = (
    *(["stats"], ["stats", "--json"], ["verify"], ["verify", "--repair"], ["verify", "--repair", "--yes"], ["dedupe"]),
    *(["dedupe", "--dry-run"], ["export"], ["backup"], ["forget", "--sha256", "0" * 64, "--yes"], ["import", "pics"]),
    *(["label", "0" * 12, "--keep"], ["label", "0" * 12, "--undo"], ["card", "0" * 12]),
    *(
        ["why", "0" * 12],
        ["reviews", "export", "out.csv"],
        ["audit", "--pictures-only"],
        ["forget", "--purge", "--yes"],
    ),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a catalogue of 30 pictures, its image store, and the pictures that it was imported from."""
    folder = tmp_path_factory.mktemp("made")
    for number in range(PICTURES):
        place = folder / f"pics/{number % 3}/{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(jpeg(number, (75, 100)))
    environment = {"STJ_CATALOG": f"{folder}/catalog.sqlite", "STJ_IMAGES": f"{folder}/images"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        assert outcome(app, ["import", str(folder / "pics")]) == 0
    return folder


@pytest.fixture
def place(made, tmp_path):
    """A copy of it, in which commands work; every file is as old as a day."""
    for name in ("catalog.sqlite", "images", "pics"):
        source = made / name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, tmp_path / name)
    for file in (tmp_path / "images").rglob("*.jpg"):
        os.utime(file, (time.time() - 86_400,) * 2)
    return tmp_path


def run(capsys, *words):
    """Exit code and the last line of the talk."""
    capsys.readouterr()
    code = outcome(app, [*map(str, words)])
    return code, (capsys.readouterr().err.strip().splitlines() or [""])[-1]


def held(place):
    """Every byte of the image store, and what the catalogue says of every picture."""
    files = {str(one.relative_to(place)): one.read_bytes() for one in (place / "images").rglob("*") if one.is_file()}
    with closing(sqlite3.connect(place / "catalog.sqlite")) as connection:
        return files, connection.execute("SELECT id, status, reason, path FROM images ORDER BY id").fetchall()


def held_files(place):
    """Every byte of the image store."""
    return {str(one.relative_to(place)): one.read_bytes() for one in (place / "images").rglob("*") if one.is_file()}


def stranger(place, content, name=None, age=86_400.0):
    name = name or hashlib.sha256(content).hexdigest()
    path = place / f"images/{name[:2]}/{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_a_file_that_nothing_names_is_set_aside_with_a_list_and_never_deleted(place, capsys):
    whole, torn = stranger(place, b"a whole picture"), stranger(place, b"half a picture", name="e" * 64)
    code, _ = run(capsys, "verify", "--repair")
    assert code == 0
    lost = place / "images/lost+found"
    assert {one.read_bytes() for one in lost.glob("*.jpg")} == {b"a whole picture", b"half a picture"}
    rows = list(csv.DictReader((lost / "list.csv").read_text().splitlines()))
    assert {row["path"] for row in rows} == {f"{one.parent.name}/{one.name}" for one in (whole, torn)}
    assert run(capsys, "verify") == (0, "The catalogue and its image store: everything is as it should be.")


def test_a_young_file_is_left(place, capsys):
    young, old = stranger(place, b"just fetched", age=0), stranger(place, b"long ago", age=2_000)
    assert run(capsys, "verify", "--repair")[0] == 1
    assert young.exists()
    assert not old.exists()


def test_the_age_is_a_setting(place, capsys, monkeypatch):
    young = stranger(place, b"just fetched", age=30)
    monkeypatch.setenv("STJ_YOUNG_SECONDS", "10")
    assert run(capsys, "verify", "--repair")[0] == 0
    assert not young.exists()


@pytest.mark.parametrize("alive", [True, False])
def test_a_file_that_a_living_process_put_is_left_whatever_its_age(place, capsys, alive):
    old = stranger(place, b"put by somebody", age=90_000)
    name = unfinished_name() if alive else unfinished_name().replace(f"{os.getpid()}@", "999999999@")
    (place / f"images/{name}.paths").write_text(f"{old.parent.name}/{old.name}\n")
    assert run(capsys, "verify", "--repair")[0] == (1 if alive else 0)
    assert old.exists() == alive


def test_a_store_lists_what_it_puts_while_it_lives(tmp_path):
    store = FolderStore(tmp_path / "images")
    path = store.put("a" * 64, "jpg", b"x")
    assert path in FolderStore(tmp_path / "images").in_hand()
    del store
    assert FolderStore(tmp_path / "images").in_hand() == set()


def test_a_repair_moves_no_files_of_somebody_elses(place, capsys, monkeypatch):
    """STJ_IMAGES may name a folder that is no image store, and a person may keep notes in one that is."""
    for name in ("holiday/1.jpg", "holiday/inside/2.jpg", "ab/notes.txt", "docs/report.pdf"):
        (place / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "images" / name).write_bytes(b"mine")
        os.utime(place / "images" / name, (1, 1))
    before = held(place)
    run(capsys, "verify", "--repair", "--yes")
    assert held(place) == before
    assert (place / "images/holiday/inside/2.jpg").read_bytes() == b"mine"
    assert not (place / "images/lost+found").exists()


def test_a_file_that_is_put_again_is_young_again(tmp_path):
    store = FolderStore(tmp_path / "images")
    path = store.put("a" * 64, "jpg", b"x")
    os.utime(tmp_path / "images" / path, (0, 0))
    store.put("a" * 64, "jpg", b"x")
    assert store.age(path) < 60


def test_a_living_writers_unfinished_file_is_no_leftover(place, capsys):
    part = place / "images/ab" / unfinished_name()
    part.parent.mkdir(exist_ok=True)
    part.write_bytes(b"half")
    assert run(capsys, "verify", "--repair")[0] == 0
    assert part.exists()


def test_a_large_repair_is_asked_about_and_changes_nothing_without_a_yes(place, capsys):
    for file in list((place / "images").rglob("*.jpg"))[:25]:
        file.unlink()
    before = held(place)
    code, last = run(capsys, "verify", "--repair")
    assert code == 2
    assert "25 of 30 rows (25 missing)" in last
    assert last.endswith("Nothing was changed: give --yes if that is meant.")
    assert held(place) == before
    assert run(capsys, "verify", "--repair", "--yes")[0] == 0
    assert sum(reason == "missing_file" for _, _, reason, _ in held(place)[1]) == 25


def test_many_files_of_a_catalogue_without_rows_are_asked_about(place, capsys, blank_catalog):
    shutil.copyfile(blank_catalog, place / "catalog.sqlite")
    before = held(place)
    assert run(capsys, "verify", "--repair")[0] == 2
    assert held(place) == before


@pytest.mark.parametrize("how", ["empty", "gone", "a lost+found alone"])
def test_an_image_folder_that_is_away_is_one_sentence_and_nothing_changes(place, capsys, how):
    before = held(place)
    (place / "images").rename(place / "away")
    if how != "gone":
        (place / "images").mkdir()
    if how == "a lost+found alone":
        (place / "images/lost+found").mkdir()
    code, last = run(capsys, "verify", "--repair")
    assert code == 1
    assert last == (
        f"The image store {place}/images is away or empty, and the catalogue names 30 files in it: mount it, set STJ_IMAGES, "
        "or restore a backup of that folder. Nothing was changed."
    )
    shutil.rmtree(place / "images", ignore_errors=True)
    (place / "away").rename(place / "images")
    assert held(place) == before
    assert run(capsys, "verify")[0] == 0


@pytest.mark.parametrize("age", [0, 5_000, -70 * 365 * 86_400])
def test_what_was_given_up_is_taken_back_when_its_file_is_there_again(place, capsys, age):
    """Whatever its age: files that were copied back are young, and clocks go wrong."""
    before = held(place)
    (place / "images").rename(place / "away")
    (place / "images").mkdir()
    assert run(capsys, "verify", "--repair", "--yes")[0] == 0
    (place / "images").rename(place / "mountpoint")
    (place / "away").rename(place / "images")
    for file in (place / "images").rglob("*.jpg"):
        os.utime(file, (time.time() - age,) * 2)
    assert run(capsys, "verify", "--repair", "--yes")[0] == 0
    assert held(place) == before


def garble(file, how):
    """Damage a catalogue's file as disks, copies and full file systems do."""
    size, numbers = file.stat().st_size, random.Random(1)
    with file.open("r+b") as stream:
        if how == "empty":
            stream.truncate(0)
        elif how == "cut":
            stream.truncate(size // 3)
        elif how == "no database":
            stream.write(b"\x00" * 4096)
        else:
            pages = range(5, size // 4096) if how == "garbled" else range(2, size // 4096)
            for page in numbers.sample(pages, len(pages) // (6 if how == "garbled" else 1)):
                stream.seek(page * 4096)
                stream.write(numbers.randbytes(4096) if how == "garbled" else b"\xff" * 4096)


@pytest.mark.parametrize("how", ["empty", "cut", "no database", "garbled", "overwritten"])
def test_a_damaged_catalogue_is_one_sentence_from_every_command_and_nothing_is_lost(place, capsys, how):
    garble(place / "catalog.sqlite", how)
    files, damaged = set((place / "images").rglob("*")), (place / "catalog.sqlite").read_bytes()
    for command in COMMANDS:
        code, last = run(capsys, *command)
        assert code == 1, (command, last)
        assert "Restore a backup of it (stj-dataset restore lists them)." in last, command
    assert set((place / "images").rglob("*")) >= files
    if how in {"empty", "cut", "no database"}:
        assert (place / "catalog.sqlite").read_bytes() == damaged


@pytest.mark.parametrize("what", EVERY_PAGE_OF)
def test_no_command_answers_from_what_is_left_of_a_damaged_table_or_index(place, capsys, what):
    file, numbers = place / "catalog.sqlite", random.Random(2)
    with closing(sqlite3.connect(file)) as connection:
        pages = [row[0] for row in connection.execute("SELECT pageno FROM dbstat WHERE name = ?", (what,))]
    with file.open("r+b") as stream:
        for page in pages:
            stream.seek((page - 1) * 4096)
            stream.write(numbers.randbytes(4096))
    assert pages
    damaged, files = file.read_bytes(), held_files(place)
    for command in COMMANDS:
        code, last = run(capsys, *command)
        assert (code, last[-55:]) == (1, "Restore a backup of it (stj-dataset restore lists them)."[-55:]), command
    assert (file.read_bytes(), held_files(place)) == (damaged, files)


@pytest.mark.parametrize("what", ["a folder", "a pipe", "a table short", "a column short", "no schema", "a text"])
def test_what_is_no_catalogue_is_one_sentence_from_every_command(place, capsys, what):
    file = place / "catalog.sqlite"
    broken = {
        "a table short": "DROP TABLE sightings",
        "a column short": "ALTER TABLE images DROP COLUMN detail",
        "no schema": "DELETE FROM alembic_version",
    }
    if what in broken:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute(broken[what])
            connection.commit()
    else:
        file.unlink()
        made = {
            "a folder": file.mkdir,
            "a pipe": lambda: os.mkfifo(file),
            "a text": lambda: file.write_text("hello\n" * 99),
        }
        made[what]()
    said = {
        "a folder": "is a folder, and should be an SQLite file: set STJ_CATALOG to one.",
        "a pipe": "is no regular file, and should be an SQLite file: set STJ_CATALOG to one.",
        "a table short": "is damaged (it has no table sightings). Restore a backup of it (stj-dataset restore lists them).",
        "a column short": "is damaged (it has no column images.detail). Restore a backup of it (stj-dataset restore lists them).",
        "no schema": "is damaged (it names no schema). Restore a backup of it (stj-dataset restore lists them).",
        "a text": "file is not a database. Restore a backup of it (stj-dataset restore lists them).",
    }
    for command in COMMANDS:
        code, last = run(capsys, *command)
        assert (code, last[-len(said[what]) :]) == (1, said[what]), command
    assert run(capsys, "restore")[0] == 0


def test_a_catalogue_that_another_program_holds_is_one_sentence(place, capsys, monkeypatch):
    monkeypatch.setattr("stj_catalog.catalog.BUSY_SECONDS", 0.2)
    monkeypatch.setattr("stj_catalog.locked.BUSY_SECONDS", 0.2)
    monkeypatch.setattr("stj_catalog.locked.SILENT_SECONDS", 0.1)
    with closing(sqlite3.connect(place / "catalog.sqlite", isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        for command in (["stats"], ["verify", "--repair", "--yes"], ["why", "0" * 12], ["import", "pics"]):
            code, last = run(capsys, *command)
            assert code == 1
            assert last.endswith("is locked: another program has held it for long. Try again when that has ended."), (
                last
            )


def test_an_empty_file_is_filled_where_no_pictures_lie_beside_it(tmp_path, capsys):
    (tmp_path / "pics/0").mkdir(parents=True)
    (tmp_path / "pics/0/a.jpg").write_bytes(jpeg(1, (60, 80)))
    (tmp_path / "catalog.sqlite").touch()
    assert run(capsys, "import", "pics")[0] == 0


def test_a_backup_is_listed_and_takes_the_place_of_a_lost_catalogue(place, capsys):
    before = held(place)
    assert run(capsys, "backup")[0] == 0
    garble(place / "catalog.sqlite", "garbled")
    assert outcome(app, ["restore", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed["pictures"] == PICTURES
    assert run(capsys, "restore", listed["path"])[0] == 2, "it asks first"
    assert run(capsys, "restore", listed["path"], "--yes")[0] == 0
    assert held(place) == before
    assert run(capsys, "verify")[0] == 0
    assert len(list(place.glob("catalog.sqlite.before-restore-*"))) == 1


def test_a_restored_catalogue_remembers_what_was_forgotten_since(place, capsys):
    assert run(capsys, "backup")[0] == 0
    with closing(sqlite3.connect(place / "catalog.sqlite")) as connection:
        sha256 = connection.execute("SELECT sha256 FROM images WHERE id = 3").fetchone()[0]
    assert run(capsys, "forget", "--sha256", sha256, "--yes")[0] == 0
    (backup,) = (place / "backups").iterdir()
    code, last = run(capsys, "restore", backup, "--yes")
    assert (code, last[:24]) == (0, "Forgot 1 picture again: ")
    assert held(place)[1][2][1] == "forgotten"


@pytest.mark.medium
def test_a_catalogue_in_use_is_not_replaced(place, capsys):
    assert run(capsys, "backup")[0] == 0
    (backup,) = (place / "backups").iterdir()
    user = open_catalog(str(place / "catalog.sqlite"))
    with user.write():
        code, last = run(capsys, "restore", backup, "--yes")
    user.close()
    assert code == 1
    assert "is in use" in last


@pytest.mark.parametrize("content", [b"", b"no database", None])
def test_only_a_backup_is_restored(place, capsys, content):
    before = held(place)
    if content is not None:
        (place / "b.sqlite").write_bytes(content)
    assert run(capsys, "restore", place / "b.sqlite", "--yes")[0] == 2
    assert held(place) == before


def test_backups_of_their_own_accord_are_rotated_by_kind(place):
    catalog = open_catalog(str(place / "catalog.sqlite"))
    made = [backup_before(catalog, "repair") for _ in range(KEPT + 2)]
    other = backup_before(catalog, "dedupe")
    catalog.close()
    assert sorted(place.glob("*.before-repair-*")) == made[-KEPT:]
    assert other.exists()


def test_a_repair_makes_a_backup_first(place, capsys):
    stranger(place, b"a whole picture")
    assert run(capsys, "verify", "--repair")[0] == 0
    assert len(list(place.glob("catalog.sqlite.before-repair-*"))) == 1


@pytest.mark.slow
def test_repairs_beside_a_running_import_lose_nothing(place, monkeypatch):
    (place / "catalog.sqlite").unlink()
    shutil.rmtree(place / "images")
    stj = [sys.executable, "-c", "from stj_dataset.cli import main; main()"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    work = subprocess.Popen([*stj, "import", "pics"], cwd=place, env=environment, stdout=subprocess.DEVNULL)
    while work.poll() is None:
        subprocess.run(
            [*stj, "verify", "--repair", "--yes"], cwd=place, env=environment, capture_output=True, check=False
        )
    assert work.returncode == 0
    assert len([row for row in held(place)[1] if row[1] == "kept"]) == PICTURES
    assert (
        subprocess.run([*stj, "verify"], cwd=place, env=environment, capture_output=True, check=False).returncode == 0
    )


def test_a_backup_of_a_newer_schema_is_not_put_back(place, capsys):
    before = held(place)
    shutil.copyfile(place / "catalog.sqlite", place / "newer.sqlite")
    with closing(sqlite3.connect(place / "newer.sqlite")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    code, last = run(capsys, "restore", place / "newer.sqlite", "--yes")
    assert code == 2
    assert "has schema 9999, newer than this STJ's" in last
    assert held(place) == before


def test_a_new_catalogue_beside_pictures_is_made_and_said(place, capsys):
    (place / "catalog.sqlite").unlink()
    capsys.readouterr()
    assert outcome(app, ["import", "pics"]) == 0
    assert "A new catalogue is made at" in capsys.readouterr().err


def test_what_a_killed_backup_left_is_swept_and_a_living_ones_is_not(place, capsys):
    (place / "backups").mkdir()
    living = place / "backups" / f"{unfinished_name()}.sqlite"
    dead = place / "backups" / f"{unfinished_name().replace(f'{os.getpid()}@', '999999999@')}.sqlite-journal"
    for file in (living, dead):
        file.touch()
    assert list(find_backups(place / "catalog.sqlite", place / "backups")) == []
    assert run(capsys, "backup")[0] == 0
    assert (living.exists(), dead.exists()) == (True, False)
