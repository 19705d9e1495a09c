"""Forgotten means forgotten everywhere: no byte, title or address of the picture is found afterwards but in what is named."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest

from stj_core.cli import outcome
from stj_dataset.cli import app

from .pictures import jpeg

TITLE, ADDRESS, ASIN = "Unforgettable silk saree", "https://shop.test/images/I/71unforgettable.jpg", "B0FORGETME"


def archive(path, pages, *, encoded=False):
    """A WARC file with an answer, and what was asked for it, for each address and body; returns each record's own bytes."""
    from io import BytesIO

    from warcio.statusandheaders import StatusAndHeaders
    from warcio.warcwriter import WARCWriter

    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=path.suffix == ".gz")
        about = b"software: test\r\n"
        writer.write_record(writer.create_warc_record(path.name, "warcinfo", payload=BytesIO(about), length=len(about)))
        for address, body in pages:
            data = gzip.compress(body.encode()) if encoded else body.encode()
            fields = [("Content-Type", "text/html"), *([("Content-Encoding", "gzip")] if encoded else [])]
            head = StatusAndHeaders("200 OK", fields, protocol="HTTP/1.1")
            answer = writer.create_warc_record(
                address, "response", payload=BytesIO(data), length=len(data), http_headers=head
            )
            line = StatusAndHeaders("GET / HTTP/1.1", [], is_http_request=True)
            question = writer.create_warc_record(address, "request", payload=BytesIO(), length=0, http_headers=line)
            writer.write_request_response_pair(question, answer)


def records(path):
    """Each record's kind, address and block."""
    from warcio.archiveiterator import ArchiveIterator

    with path.open("rb") as file:
        return [
            (one.rec_type, dict(one.rec_headers.headers), one.raw_stream.read())
            for one in ArchiveIterator(file, no_record_parse=True)
        ]


OTHER = ("https://shop.test/s?page=2", "<p>B0SOMETHING Other silk saree</p>" + "x" * 70_000)
HOLDERS = {
    "address": ("https://shop.test/s?page=1", f'<img src="{ADDRESS}">'),
    "another size": (
        "https://shop.test/s?page=1",
        '{"src":"https:\\/\\/shop.test\\/images\\/I\\/71unforgettable._SX9_.jpg"}',
    ),
    "title": ("https://shop.test/s?page=1", f"<h2>{TITLE}</h2>"),
    "its product's page": (f"https://shop.test/dp/{ASIN}", "<p>nothing</p>"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A catalogue with a dataset, a run, a cache, a web archive and a backup that all hold the picture in question."""
    folder = tmp_path_factory.mktemp("made")
    for number in range(24):
        place = folder / f"pics/{number % 3}/{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(jpeg(number, (75, 100)))
    with (folder / "sources.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "source", "asin", "title", "url"])
        rows.writerow(["0/3.jpg", "shop.test", ASIN, TITLE, ADDRESS])
        rows.writerow(["1/4.jpg", "shop.test", "B0ANOTHER1", "Another", "https://shop.test/images/I/71other.jpg"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STJ_CATALOG", str(folder / "catalog.sqlite"))
        patch.setenv("STJ_IMAGES", str(folder / "images"))
        patch.chdir(folder)
        assert outcome(app, ["import", "pics", "--sources", "sources.csv"]) == 0
        assert outcome(app, ["export", "dataset"]) == 0
    return folder


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    with closing(sqlite3.connect(tmp_path / "catalog.sqlite")) as connection:
        (sha256,) = connection.execute("SELECT sha256 FROM images WHERE url = ?", (ADDRESS,)).fetchone()
    run = tmp_path / "runs/one"
    (run / "plots/heat").mkdir(parents=True)
    shutil.copyfile(tmp_path / "dataset/manifest.csv", run / "manifest.csv")
    (run / "predictions.csv").write_text(f"file,sha256,label\nx.jpg,{sha256},0\ny.jpg,{'b' * 64},1\n")
    (run / "mistakes.json").write_text(json.dumps([{"sha256": sha256, "title": TITLE}, {"sha256": "b" * 64}]))
    (run / "report.html").write_text(f"<p>{TITLE}</p>")
    (run / f"plots/heat/{sha256}.png").write_bytes(b"heat")
    for drawing in ("samples", "mistakes", "test", "loss", "confusion"):
        (run / f"plots/{drawing}.png").write_bytes(b"drawn")
    (run / "provenance.csv").write_text(
        f"file,crawl_id,seen_at\ntrain/0/{sha256[:16]}.jpg,1,2026\ntrain/0/b.jpg,1,2026\n"
    )
    (run / "model.keras").write_bytes(b"weights")
    points = np.arange(6.0).reshape(3, 2)
    np.savez(run / "neighbours.npz", names=np.array(["a" * 64, sha256, "b" * 64]), points=points, mean=np.arange(3.0))
    (tmp_path / "cache").mkdir()
    (tmp_path / f"cache/{sha256}.jpg").write_bytes(b"thumbnail")
    (tmp_path / "warc").mkdir()
    archive(tmp_path / "warc/crawl.warc.gz", [OTHER, HOLDERS["address"]])
    monkeypatch.setenv("STJ_WARC", str(tmp_path / "warc"))
    return tmp_path


@pytest.fixture
def sha256(place):
    with closing(sqlite3.connect(place / "catalog.sqlite")) as connection:
        return connection.execute("SELECT sha256 FROM images WHERE url = ?", (ADDRESS,)).fetchone()[0]


def answered(capsys, *words):
    capsys.readouterr()
    assert outcome(app, [*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def holding(place, *words):
    """Every file, but what the person brought, that holds one of some words, gzipped or not, or is called so."""
    found = set()
    for file in place.rglob("*"):
        name = file.relative_to(place).as_posix()
        if file.is_file() and not name.startswith(("pics/", "sources.csv")):
            data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
            if any(word.encode() in data or word in name for word in words):
                found.add(name)
    return found


@pytest.mark.parametrize("how", ["--asin", "--url", "--sha256", "name", "prefix"])
def test_no_word_of_it_is_found_afterwards(place, sha256, capsys, how):
    given = {"--asin": ASIN, "--url": ADDRESS, "--sha256": sha256}
    words = [how, given[how]] if how in given else [f"train/0/{sha256}.jpg" if how == "name" else sha256[:10]]
    gone = answered(capsys, "forget", *words, "--purge", "--yes")
    assert len(gone["ids"]) == 1
    assert holding(place, TITLE, ADDRESS, ASIN) == set()
    assert not (place / "dataset").exists()
    assert gone["rewritten"] == {str(place / "warc/crawl.warc.gz"): 2}
    assert (gone["archives"], gone["remaining"]) == ([], [])
    original = (place / "pics/0/3.jpg").read_bytes()
    assert not [
        one for one in place.rglob("*") if one.is_file() and "pics" not in one.parts and one.read_bytes() == original
    ]


def test_a_run_loses_what_it_knows_of_the_picture_and_nothing_else(place, sha256, capsys):
    before = len((place / "runs/one/manifest.csv").read_text().splitlines())
    answered(capsys, "forget", sha256[:12], "--purge", "--yes")
    run = place / "runs/one"
    assert len((run / "manifest.csv").read_text().splitlines()) == before - 1
    assert (run / "predictions.csv").read_text() == f"file,sha256,label\ny.jpg,{'b' * 64},1\n"
    assert json.loads((run / "mistakes.json").read_text()) == [{"sha256": "b" * 64}]
    with np.load(run / "neighbours.npz") as held:
        assert held["names"].tolist() == ["a" * 64, "b" * 64]
        assert held["points"].tolist() == [[0, 1], [4, 5]]
        assert held["mean"].tolist() == [0, 1, 2]
    assert (run / "provenance.csv").read_text() == "file,crawl_id,seen_at\ntrain/0/b.jpg,1,2026\n"
    assert sorted(one.relative_to(run).as_posix() for one in run.rglob("*") if one.is_file()) == [
        *("manifest.csv", "mistakes.json", "model.keras", "neighbours.npz", "plots/confusion.png", "plots/loss.png"),
        *("predictions.csv", "provenance.csv"),
    ]


def test_datasets_and_runs_are_marked_and_purged_later_by_one_command(place, sha256, capsys):
    gone = answered(capsys, "forget", sha256, "--yes")
    assert (gone["exports"], gone["runs"]) == (["dataset (export 1)"], [str(place / "runs/one")])
    for folder in ("dataset", "runs/one"):
        assert json.loads((place / folder / "stale.json").read_text())["sha256"] == [sha256]
    later = answered(capsys, "forget", "--purge", "--yes")
    assert len(later["ids"]) == 1
    assert not (place / "dataset").exists()
    assert holding(place, TITLE, ADDRESS, ASIN) == set()


def test_it_asks_first_and_a_no_changes_nothing(place, sha256, capsys):
    before = (place / "catalog.sqlite").read_bytes()
    assert outcome(app, ["forget", sha256]) == 2
    assert (
        "1 picture would be forgotten for good, with every copy; the pages that hold them would be taken out of 1 web archive. "
        "Nothing was changed: give --yes" in capsys.readouterr().err
    )
    assert (place / "catalog.sqlite").read_bytes() == before


def test_the_same_command_again_goes_on_where_it_was_cut_short(place, sha256, capsys):
    answered(capsys, "forget", "--asin", ASIN, "--yes")
    (place / f"images/{sha256[:2]}").mkdir(exist_ok=True)
    shutil.copyfile(place / "pics/0/3.jpg", place / f"images/{sha256[:2]}/{sha256}.jpg")
    again = answered(capsys, "forget", "--asin", ASIN, "--yes")
    assert again["files"] == [f"{sha256[:2]}/{sha256}.jpg"]


def test_neither_an_import_nor_another_address_brings_it_back(place, sha256, capsys):
    answered(capsys, "forget", sha256, "--purge", "--yes")
    shutil.copyfile(place / "pics/0/3.jpg", place / "pics/0/renamed.jpg")
    assert outcome(app, ["import", "pics", "--sources", "sources.csv"]) == 0
    assert holding(place, TITLE, ADDRESS, ASIN) == set()
    original = (place / "pics/0/3.jpg").read_bytes()
    assert not [one for one in (place / "images").rglob("*.jpg") if one.read_bytes() == original]
    assert outcome(app, ["verify"]) == 0
    assert answered(capsys, "stats")["images"]["forgotten"] == 1


def test_what_was_set_aside_is_forgotten_too(place, sha256, capsys):
    (place / "images/lost+found").mkdir()
    shutil.copyfile(place / "pics/0/3.jpg", place / f"images/lost+found/{sha256}.jpg")
    answered(capsys, "forget", sha256, "--yes")
    assert list((place / "images/lost+found").iterdir()) == []


def test_a_backup_that_holds_it_is_named(place, sha256, capsys):
    assert outcome(app, ["backup"]) == 0
    gone = answered(capsys, "forget", sha256, "--yes")
    assert [one.split("/")[-2] for one in gone["backups"]] == ["backups"]
    assert list(place.glob("*.before-*")) == [], "never a backup before forgetting"


@pytest.mark.parametrize("how", HOLDERS)
@pytest.mark.parametrize("name", ["a.warc.gz", "a.warc"])
def test_pages_that_hold_it_are_taken_out_of_archives_and_every_other_record_stays_as_it_is(place, capsys, how, name):
    (place / "warc/crawl.warc.gz").unlink()
    archive(place / "warc" / name, [OTHER, HOLDERS[how], OTHER], encoded=how == "title")
    before = records(place / "warc" / name)
    gone = answered(capsys, "forget", "--asin", ASIN, "--purge", "--yes")
    assert gone["rewritten"] == {str(place / "warc" / name): 2}
    assert (gone["archives"], gone["remaining"]) == ([], [])
    assert records(place / "warc" / name) == [*before[:3], *before[5:]]


def test_a_products_number_too_short_to_mean_it_alone_takes_no_page_out(place, sha256, capsys):
    with closing(sqlite3.connect(place / "catalog.sqlite")) as connection:
        connection.execute("UPDATE products SET asin = '7' WHERE asin = ?", (ASIN,))
        connection.commit()
    archive(place / "warc/crawl.warc.gz", [("https://shop.test/s?page=7", "<p>7 of 77 results</p>")])
    assert answered(capsys, "forget", sha256, "--yes")["rewritten"] == {}


@pytest.mark.parametrize("how", ["cut", "no WARC", "in use"])
def test_an_archive_that_cannot_be_rewritten_is_named_and_left(place, capsys, how):
    path = place / "warc/crawl.warc.gz"
    archive(path, [HOLDERS["address"], OTHER])
    if how == "in use":
        path = path.rename(place / f"warc/amazon-20260101T000000000000Z-{os.getpid()}-00001.warc.gz")
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        path.write_bytes(gzip.compress(f"a note about {ADDRESS}".encode()))
    before = path.read_bytes()
    gone = answered(capsys, "forget", "--asin", ASIN, "--yes")
    assert (gone["archives"], gone["rewritten"]) == ([str(path)], {})
    assert f"The web archive {path} holds it still and could not be rewritten" in gone["remaining"][0]
    assert path.read_bytes() == before


@pytest.mark.parametrize("left", ["manifest.csv dataset.json", "dataset.json"])
def test_a_dataset_whose_removal_was_cut_short_is_removed_by_the_same_command_again(place, sha256, capsys, left):
    for file in [one for one in (place / "dataset").rglob("*") if one.is_file() and one.name not in left.split()]:
        file.unlink()
    answered(capsys, "forget", sha256, "--purge", "--yes")
    assert not (place / "dataset").exists()


def test_a_dry_run_and_a_no_leave_archives_as_they_are(place, capsys):
    path = place / "warc/crawl.warc.gz"
    archive(path, [HOLDERS["address"], OTHER])
    before = path.read_bytes()
    assert answered(capsys, "forget", "--asin", ASIN, "--dry-run")["archives"] == [str(path)]
    assert outcome(app, ["forget", "--asin", ASIN]) == 2
    assert "the pages that hold them would be taken out of 1 web archive" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_thumbnails_and_heat_of_converted_files_go_though_the_catalogue_knows_no_export(place, sha256, capsys):
    converted = "c" * 64
    manifest = place / "runs/one/manifest.csv"
    with manifest.open("a") as file:
        columns = manifest.read_text().splitlines()[0].split(",")
        row = {"file": "train/0/c.jpg", "sha256": converted, "original_sha256": sha256, "label": "0"}
        file.write(",".join(row.get(column, "") for column in columns) + "\n")
    (place / f"cache/{converted}.jpg").write_bytes(b"thumbnail")
    (place / f"runs/one/plots/heat/{converted}.png").write_bytes(b"heat")
    answered(capsys, "forget", sha256, "--purge", "--yes")
    assert holding(place, converted, sha256) <= {"catalog.sqlite"}


def test_an_evaluation_that_alone_names_it_is_purged_too(place, sha256, capsys):
    folder = place / "runs/other/evaluations/on-a-folder"
    folder.mkdir(parents=True)
    (folder / "predictions.csv").write_text(f"file,sha256,label\nx.jpg,{sha256},0\n")
    gone = answered(capsys, "forget", sha256, "--purge", "--yes")
    assert gone["runs"] == [str(place / "runs/one"), str(place / "runs/other")]
    assert (folder / "predictions.csv").read_text() == "file,sha256,label\n"


def test_what_a_purge_that_was_killed_wrote_aside_is_swept_by_the_next(place, sha256, capsys):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    aside = place / f"runs/one/.part-{dead.pid}@{socket.gethostname()}-0a1b2c3d.csv"
    aside.write_text("file,sha256,label\n")
    answered(capsys, "forget", sha256, "--purge", "--yes")
    assert not aside.exists()


def test_a_later_copy_under_another_address_keeps_no_word_of_its_own(place, sha256, capsys):
    answered(capsys, "forget", sha256, "--purge", "--yes")
    (place / "later/0").mkdir(parents=True)
    shutil.copyfile(place / "pics/0/3.jpg", place / "later/0/new-name.jpg")
    url = "https://other-shop.test/images/I/81elsewhere.jpg"
    with (place / "sources.csv").open("w", newline="") as file:
        lines = [
            ("file", "source", "asin", "title", "url"),
            ("0/new-name.jpg", "other-shop", "B0LATER001", f"{TITLE} again", url),
        ]
        csv.writer(file).writerows(lines)
    assert outcome(app, ["import", "later", "--sources", "sources.csv"]) == 0
    shutil.rmtree(place / "later")
    with closing(sqlite3.connect(place / "catalog.sqlite")) as connection:
        connection.execute("VACUUM")
    assert holding(place, TITLE, url, "B0LATER001", "other-shop", "new-name") == set()
    assert answered(capsys, "why", url)["pictures"][0]["why"].startswith("A copy of a picture that was to be forgotten")
    assert outcome(app, ["verify"]) == 0
