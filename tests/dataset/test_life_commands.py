"""`stj-dataset import`, `dedupe`, `forget`, `backup` and `verify --repair` as people type them."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter

import pytest
from PIL import Image

from stj_core.cli import outcome
from stj_dataset.cli import app
from tests.catalog.pictures import jpeg


@pytest.fixture
def folder(tmp_path):
    for name, seeds in {"0_saree": (1, 2), "1": (3,)}.items():
        (tmp_path / "mine" / name).mkdir(parents=True)
        for seed in seeds:
            (tmp_path / f"mine/{name}/{seed}.jpg").write_bytes(jpeg(seed))
    (tmp_path / "mine/0_saree/small.jpg").write_bytes(jpeg(1, (150, 200)))
    return tmp_path / "mine"


def said(capsys, *words):
    code = outcome(app, [*map(str, words), "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out else err


def test_a_folder_is_imported_twice_and_known_the_second_time(folder, capsys):
    assert said(capsys, "import", folder) == (
        0,
        {"files": 4, "known": 0, "labels": {"0": {"duplicate": 1, "kept": 2}, "1": {"kept": 1}}, "crawls": [1, 2],
         "passed_over": [], "moved": [], "set_aside": []},
    )  # fmt: skip
    assert said(capsys, "import", folder)[1]["known"] == 4


def test_unknown_sources_are_counted(folder, tmp_path, capsys):
    (tmp_path / "sources.csv").write_text("file,source\n1/3.jpg,shop.test\n")
    assert outcome(app, ["import", str(folder), "--sources", str(tmp_path / "sources.csv")]) == 0
    out, err = capsys.readouterr()
    assert "3 of 4 files are not in" in err
    assert out.startswith("Imported 4 files, 0 known before\n"), "in one line, however narrow the table is"


def test_a_folder_without_classes_is_wrong_usage(tmp_path, capsys):
    assert outcome(app, ["import", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == (
        f"There is no folder {tmp_path / 'none'} to import: give one with a folder for each class "
        "(0 or saree, 1 or trousers, 2 or jeans).\n"
    )


def test_dedupe_changes_nothing_and_shows_the_groups(folder, tmp_path, capsys):
    said(capsys, "import", folder)
    code, report = said(capsys, "dedupe", "--dry-run", "--sheet", tmp_path / "groups.html")
    assert (code, report["changes"], report["shared_groups"], report["dry_run"]) == (0, [], 1, True)
    page = (tmp_path / "groups.html").read_text(encoding="utf-8")
    assert page.count("<figure") == 2
    assert "duplicate, plain" in page
    assert "Nothing was changed." in page


def test_dedupe_talks_to_people(folder, capsys):
    said(capsys, "import", folder)
    assert outcome(app, ["dedupe"]) == 0
    assert "groups of two and more" in capsys.readouterr().out


def test_forgetting_is_said_first_and_done_then(folder, capsys):
    said(capsys, "import", folder)
    assert said(capsys, "forget")[0] == 2
    _, before = said(capsys, "stats")
    url = next(iter_keys())
    code, would = said(capsys, "forget", "--url", url, "--dry-run")
    assert (code, len(would["ids"]), would["files"]) == (0, 2, [])
    assert said(capsys, "stats")[1] == before
    code, gone = said(capsys, "forget", "--url", url, "--yes")
    assert (code, len(gone["files"])) == (0, 2)
    assert said(capsys, "stats")[1]["images"] == {"forgotten": 2, "kept": 2}
    assert said(capsys, "verify") == (0, {"ok": True, "problems": []})


def iter_keys():
    from sqlalchemy import select

    from stj_catalog.catalog import open_catalog
    from stj_catalog.schema import images
    from stj_core.config import read_config

    catalog = open_catalog(read_config().catalog_url)
    with catalog.read() as connection:
        keys = (
            connection.execute(select(images.c.image_key).where(images.c.image_key.contains("/1.jpg"))).scalars().all()
        )
    catalog.close()
    return iter(keys)


def test_a_lost_file_is_found_and_repaired(folder, tmp_path, capsys):
    said(capsys, "import", folder)
    lost = min((tmp_path / "images").glob("*/*"))
    lost.unlink()
    code, found = said(capsys, "verify")
    assert (code, [one["kind"] for one in found["problems"]]) == (1, ["missing"])
    assert said(capsys, "verify", "--repair") == (0, {"ok": True, "problems": []})
    assert said(capsys, "stats")[1]["images"]["rejected"] == 1


@pytest.mark.parametrize("words", [("dedupe", "--sheet"), ("audit", "--pictures-only", "--page")])
def test_a_page_that_cannot_be_written_is_said_and_leaves_nothing(folder, tmp_path, capsys, words):
    said(capsys, "import", folder)
    (tmp_path / "page.html").mkdir()
    code, words = said(capsys, *words, tmp_path / "page.html")
    assert (code, words) == (
        1,
        f"Cannot write the page {tmp_path / 'page.html'}: Is a directory. Free some space, or name another file.\n",
    )
    assert not list(tmp_path.glob(".*part"))


def test_a_dataset_is_not_repaired(tmp_path, capsys):
    assert outcome(app, ["verify", str(tmp_path), "--repair"]) == 2


def test_a_backup_is_named_on_stdout(folder, tmp_path, capsys):
    said(capsys, "import", folder)
    code, made = said(capsys, "backup")
    assert code == 0
    assert (tmp_path / made["backup"]).stat().st_size == made["bytes"]


def test_crops_are_found_on_request_and_stay_in_one_split(tmp_path, capsys):
    """A part of a picture is no leak into another split, once it is known."""
    pytest.importorskip("cv2", reason="needs pip install 'stj[crops]'")
    for label in range(3):
        (tmp_path / f"many/{label}").mkdir(parents=True)
        for seed in range(8):
            (tmp_path / f"many/{label}/{seed}.jpg").write_bytes(jpeg(100 * label + seed, (300, 400)))
        with Image.open(tmp_path / f"many/{label}/0.jpg") as whole:
            whole.crop((45, 20, 270, 330)).save(tmp_path / f"many/{label}/part.jpg", quality=90)
    said(capsys, "import", tmp_path / "many")
    assert said(capsys, "dedupe")[1]["likenesses"]["crop"] == 0
    code, report = said(capsys, "dedupe", "--crops")
    assert (code, report["likenesses"]["crop"], report["shared_groups"]) == (0, 3, 3)
    said(capsys, "export", tmp_path / "dataset", "--split", "0.3", "--test", "0.3")
    sold = list(csv.DictReader((tmp_path / "dataset/manifest.csv").read_text(encoding="utf-8").splitlines()))
    together = Counter(row["group"] for row in sold)
    pairs = [group for group, number in together.items() if number == 2]
    assert len(pairs) == 3
    assert all(len({row["split"] for row in sold if row["group"] == group}) == 1 for group in pairs)


def test_crops_need_opencv(folder, capsys, monkeypatch):
    said(capsys, "import", folder)
    monkeypatch.setitem(sys.modules, "cv2", None)
    code, sentence = said(capsys, "dedupe", "--crops")
    assert code == 1
    assert sentence.startswith("Looking for crops needs OpenCV, and it cannot be imported (")
    assert sentence.endswith("): pip install 'stj[crops]'.\n")
