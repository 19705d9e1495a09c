"""What people bring is believed, or they are told: folders, names, files that are none, and words that say nothing."""

from __future__ import annotations

import csv
import json
import os
import shutil
import unicodedata
from pathlib import Path

import pytest
from sqlalchemy import func, select

from stj_catalog.dedupe import dedupe
from stj_catalog.importing import import_folder, survey
from stj_catalog.incremental import Settler
from stj_catalog.origins import read_origins
from stj_catalog.reviews import record_review, undo_review
from stj_catalog.schema import images, sightings
from stj_core.cli import outcome
from stj_core.errors import CatalogError, UsageError
from stj_core.labels import load_categories, load_labels
from stj_core.vocabulary import Reason, find_word
from stj_dataset.cli import app
from stj_images.likeness import Thresholds
from stj_images.store import open_store

from .crawling import Card, Walk, print_of
from .pictures import jpeg

RULE = Thresholds()


@pytest.fixture
def catalog_url(blank_catalog, tmp_path):
    """SQLite alone: what an import reads does not depend on the database."""
    shutil.copyfile(blank_catalog, tmp_path / "catalog.sqlite")
    return f"sqlite:///{tmp_path}/catalog.sqlite"


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "images"))


def make(root, *names, seed=1):
    for number, name in enumerate(names):
        place = Path(os.fsdecode(os.fsencode(root) + b"/" + (name if isinstance(name, bytes) else os.fsencode(name))))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(jpeg(seed + number, (60, 80)))
    return root


def bring(catalog, store, root, labels=None, **options):
    found = survey(root, labels or load_labels())
    return import_folder(catalog, store, Settler.for_catalog(catalog, RULE), found, **options)


def outcomes(catalog):
    """Status, reason and label of every picture, by its name below the folder."""
    with catalog.read() as connection:
        rows = connection.execute(select(images)).all()
    return {row.image_key.split("/", 1)[1].rsplit("#", 1)[0]: (row.status, row.reason, row.label) for row in rows}


@pytest.mark.parametrize(
    "folder",
    [
        *("0_jeans", "1 Sarees", "2-trousers", "7_jeans", "02.saree", "1-sarees", "0. jeans", "0_Jean", "2_trouser"),
        *("0_blue_jeans", "1_silk sarees (old)", "2 mens-trousers 2024", "0_none", "1 Other"),
        *("0_pants", "2 Chinos", "1_denim-men", "0_not_saree", "1 Non-Trousers", "2_no_jeans"),
    ],
)
def test_a_number_and_a_name_that_disagree_are_refused_with_exit_2(tmp_path, folder, capsys):
    make(tmp_path / "in", f"{folder}/a.jpg")
    assert outcome(app, ["import", str(tmp_path / "in")]) == 2
    assert f"The folder {folder} says two things" in capsys.readouterr().err
    assert not (tmp_path / "catalog.sqlite").exists()


@pytest.mark.parametrize(
    "folder",
    [
        "0",
        "00",
        "0_",
        "0_saree",
        "0 - SAREES",
        "saree",
        "Sarees",
        "0_sari",
        "0_saree_not_jeans",
        "०_saree",
        "Sa\u200dree",
    ],
)
def test_what_names_one_class_alone_is_that_class(tmp_path, folder, catalog, store):
    make(tmp_path / "in", f"{folder}/a.jpg")
    bring(catalog, store, tmp_path / "in")
    assert [label for _, _, label in outcomes(catalog).values()] == [0]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_folder_is_known_however_its_accents_are_written(tmp_path, catalog, store, form):
    labels = tmp_path / "labels.toml"
    labels.write_text('[[category]]\nlabel = 0\nslug = "skirt"\nname = "Röcke"\nnode = "1"\n')
    root = make(tmp_path / "in", unicodedata.normalize(form, "Röcke/é.jpg"))
    bring(catalog, store, root, load_labels(labels))
    assert outcomes(catalog) == {"Röcke/é.jpg": ("kept", None, 0)}


def test_names_that_are_no_text_large_files_pipes_and_dead_links_are_a_row_each_and_the_rest_goes_on(
    tmp_path, catalog, store
):
    root = make(tmp_path / "in", b"0_saree/caf\xe9.jpg", "0_saree/fine.jpg")
    with (root / "0_saree/giant.jpg").open("wb") as giant:
        giant.truncate(9 << 30)
    os.mkfifo(root / "0_saree/pipe.jpg")
    (root / "0_saree/zero.jpg").symlink_to("/dev/zero")
    (root / "0_saree/lost.png").symlink_to("nowhere.png")
    (root / "0_saree/self.jpg").symlink_to("self.jpg")
    report = bring(catalog, store, root)
    assert outcomes(catalog) == {
        r"0_saree/caf\xe9.jpg": ("kept", None, 0),
        "0_saree/fine.jpg": ("kept", None, 0),
        "0_saree/giant.jpg": ("rejected", "too_large", 0),
        "0_saree/pipe.jpg": ("rejected", "unreadable", 0),
        "0_saree/zero.jpg": ("rejected", "unreadable", 0),
        "0_saree/lost.png": ("rejected", "unreadable", 0),
        "0_saree/self.jpg": ("rejected", "unreadable", 0),
    }
    assert report.passed_over == ()
    assert bring(catalog, store, root).known == 6, "what was too large may be smaller now"


@pytest.mark.medium
def test_what_is_passed_over_is_counted_and_named(tmp_path, capsys):
    root = make(tmp_path / "in", "0_saree/a.jpg", "loose.jpg", "__MACOSX/0_saree/._a.jpg", "1_trousers/b.jpg")
    (root / "0_saree/notes.xyz").write_text("notes")
    (root / "1_trousers/.hidden").mkdir()
    assert outcome(app, ["import", str(root), "--json"]) == 0
    told = capsys.readouterr()
    answer = json.loads(told.out)
    assert answer["files"] == 2
    assert {one["name"] for one in answer["passed_over"]} == {
        *("__MACOSX", "loose.jpg", "0_saree/notes.xyz", "1_trousers/.hidden"),
    }
    for one in answer["passed_over"]:
        assert one["name"] in told.err
        assert one["why"] in told.err


@pytest.mark.medium
@pytest.mark.parametrize(
    ("name", "why"),
    [
        *(
            (f"a{ending}", "a kind of picture that is not read: make JPEG or PNG of it")
            for ending in (".jp2", ".PSD", ".svg")
        ),
        *((f"a{ending}", "an archive: unpack it first") for ending in (".zip", ".tar.gz", ".RAR")),
    ],
)
def test_a_picture_that_cannot_be_read_and_an_archive_are_not_said_to_be_no_picture(tmp_path, capsys, name, why):
    make(tmp_path / "in", "0/a.jpg")
    (tmp_path / "in" / "0" / name).write_bytes(b"whatever it is")
    assert outcome(app, ["import", str(tmp_path / "in")]) == 0
    assert f"1 thing was passed over ({why}): 0/{name}." in capsys.readouterr().err


@pytest.mark.parametrize("target", ["..", "../..", "../../in"])
def test_a_link_to_a_folder_that_holds_the_class_is_no_picture_of_it(tmp_path, catalog, store, target):
    root = tmp_path / "in"
    make(root, "0_saree/a.jpg", "1_trousers/b.jpg", "2_jeans/deep/c.jpg")
    (root / "0_saree/loop").symlink_to(target)
    report = bring(catalog, store, root)
    assert {row[2] for row in outcomes(catalog).values()} == {0, 1, 2}
    assert {row[:2] for row in outcomes(catalog).values()} == {("kept", None)}
    assert [(one.name, one.why) for one in report.passed_over] == [
        ("0_saree/loop", "a link to a folder that holds this one")
    ]


def test_a_linked_folder_is_followed_once(tmp_path, catalog, store):
    root = make(tmp_path / "in", "0_saree/a.jpg")
    make(tmp_path / "elsewhere", "b.jpg", seed=9)
    (root / "0_saree/more").symlink_to(tmp_path / "elsewhere")
    (root / "0_saree/loop").symlink_to(".")
    report = bring(catalog, store, root)
    assert set(outcomes(catalog)) == {"0_saree/a.jpg", "0_saree/more/b.jpg"}
    assert [one.name for one in report.passed_over] == ["0_saree/loop"]


def test_two_folders_of_one_class_are_one_crawl(tmp_path, catalog, store):
    report = bring(catalog, store, make(tmp_path / "in", "0_saree/a.jpg", "Sarees/b.jpg"))
    assert len(report.crawls) == 1
    assert report.labels[0] == {"kept": 2}


@pytest.mark.parametrize(
    "word", ["nan", "NaN", "N/A", "-", "--", "None", "0", "null", " ", "0.0", "#N/A", "?", "unknown"]
)
def test_words_for_nothing_are_no_product_no_source_and_no_address(tmp_path, word):
    with (tmp_path / "s.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "source", "asin", "url", "title"), ("0/a.jpg", word, word, word, word)])
    (origin,) = read_origins(tmp_path / "s.csv").values()
    assert (origin.source, origin.asin, origin.url, origin.title) == (None, None, None, None)


@pytest.mark.parametrize("word", ["B0", "none-such", "10", "Nan's shop", "कुत्ता", "A-1"])
def test_words_that_say_something_are_believed(tmp_path, word):
    with (tmp_path / "s.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "source", "asin"), ("0/a.jpg", word, word)])
    (origin,) = read_origins(tmp_path / "s.csv").values()
    assert (origin.source, origin.asin) == (word, word)


def test_a_title_of_any_length_is_read_and_cut_where_it_is_written(tmp_path, catalog, store):
    with (tmp_path / "s.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "source", "title"), ("0/a.jpg", "s", "Saree " + "x" * 200_000)])
    bring(catalog, store, make(tmp_path / "in", "0/a.jpg"), origins=read_origins(tmp_path / "s.csv"))
    with catalog.read() as connection:
        assert connection.execute(select(func.max(func.length(sightings.c.title)))).scalar_one() <= 2_000


def test_a_csv_names_files_however_accents_are_written(tmp_path):
    with (tmp_path / "s.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "source"), (unicodedata.normalize("NFD", "0/é.jpg"), "shop")])
    assert list(read_origins(tmp_path / "s.csv")) == ["0/é.jpg"]


def test_a_folder_that_is_no_class_is_refused(tmp_path):
    make(tmp_path / "in", "0_saree/a.jpg", "dresses/b.jpg")
    with pytest.raises(UsageError, match=r"holds the folders dresses that name none"):
        survey(tmp_path / "in", load_labels())


def test_a_reason_that_no_list_knows_crashes_nothing(tmp_path, capsys, catalog, store, monkeypatch):
    monkeypatch.setenv("STJ_CATALOG", catalog.engine.url.render_as_string(hide_password=False))
    bring(catalog, store, make(tmp_path / "in", "0_saree/a.jpg", "0_saree/b.jpg"))
    with catalog.write() as connection:
        connection.execute(
            images.update().where(images.c.id == 1).values(status="quarantined", reason="from_the_future")
        )
    assert find_word(Reason, "from_the_future") is None
    word = rows_of(catalog)[0].sha256[:12]
    for command in (["stats"], ["stats", "--json"], ["dedupe", "--dry-run"], ["label", word, "--keep"], ["verify"]):
        assert outcome(app, command) == 0, capsys.readouterr().err


def rows_of(catalog):
    with catalog.read() as connection:
        return connection.execute(select(images).order_by(images.c.id)).all()


@pytest.mark.parametrize("name", ["none", "other", "None of these", "Other"])
def test_pictures_of_none_of_the_classes_are_kept_without_a_label(tmp_path, catalog, store, name):
    root = make(tmp_path / "in", "0_saree/a.jpg", f"{name}/b.jpg")
    report = bring(catalog, store, root, load_categories())
    assert outcomes(catalog) == {"0_saree/a.jpg": ("kept", None, 0), f"{name}/b.jpg": ("kept", None, None)}
    assert report.labels == {0: {"kept": 1}, -1: {"kept": 1}}
    assert dedupe(catalog, RULE)[0].changes == []


def test_a_picture_of_a_class_and_of_none_is_a_conflict(tmp_path, catalog, store):
    root = make(tmp_path / "in", "0_saree/a.jpg", "other/b.jpg")
    (root / "other/b.jpg").write_bytes((root / "0_saree/a.jpg").read_bytes())
    bring(catalog, store, root, load_categories())
    assert {one[:2] for one in outcomes(catalog).values()} == {("quarantined", "label_conflict")}


def test_a_person_says_that_it_is_none_of_the_classes_and_takes_it_back(tmp_path, catalog, store, capsys, monkeypatch):
    monkeypatch.setenv("STJ_CATALOG", catalog.engine.url.render_as_string(hide_password=False))
    bring(catalog, store, make(tmp_path / "in", "0_saree/a.jpg"))
    word = rows_of(catalog)[0].sha256[:12]
    for said, after in (
        ("none", ("kept", None)),
        ("Jeans", ("kept", 2)),
        ("other", ("kept", None)),
        ("1", ("kept", 1)),
    ):
        assert outcome(app, ["label", word, "--as", said]) == 0
        assert (rows_of(catalog)[0].status, rows_of(catalog)[0].label) == after
    capsys.readouterr()
    for _ in range(4):
        assert outcome(app, ["label", word, "--undo"]) == 0
    assert (rows_of(catalog)[0].status, rows_of(catalog)[0].label) == ("kept", 0)
    assert outcome(app, ["label", word, "--as", "hats"]) == 2
    assert "There is no class hats: labels.toml knows 0 = Saree, 1 = Trousers, 2 = Jeans." in capsys.readouterr().err


def test_nothing_is_kept_without_a_label_but_what_is_none_of_the_classes(catalog):
    Walk(catalog).page([Card("a", print_of(1), reason="sponsored")])
    with catalog.write() as connection:
        connection.execute(sightings.delete())
    with pytest.raises(CatalogError, match=r"^Nothing says what picture 1 shows: give its label"):
        record_review(catalog, 1, "keep", reviewer="asha", thresholds=RULE)


def kept(catalog):
    return {row.sha256: row.label for row in rows_of(catalog) if row.status == "kept"}


@pytest.mark.parametrize("target", ["2_jeans", "none"])
def test_a_picture_moved_to_another_class_and_imported_again_is_a_correction_that_can_be_taken_back(
    tmp_path, catalog, store, target
):
    root = make(tmp_path / "in", "0_saree/a.jpg", "0_saree/b.jpg", f"{target}/c.jpg")
    bring(catalog, store, root, load_categories())
    first = rows_of(catalog)[0]
    (root / "0_saree/a.jpg").rename(root / f"{target}/moved.jpg")
    report = bring(catalog, store, root, load_categories())
    label = None if target == "none" else 2
    assert kept(catalog)[first.sha256] == label
    assert [(one.old, one.new) for one in report.moved] == [("0_saree/a.jpg", f"{target}/moved.jpg")]
    assert sorted(row.status for row in rows_of(catalog)) == ["duplicate", "kept", "kept", "kept"]
    assert bring(catalog, store, root, load_categories()).moved == []
    assert kept(catalog)[first.sha256] == label
    undone = undo_review(catalog, report.moved[0].image_id, RULE)
    assert (undone.review["reviewer"], undone.reason) == ("import", "label_conflict")
    assert bring(catalog, store, root, load_categories()).moved == []


def test_a_picture_moved_back_is_a_correction_too(tmp_path, catalog, store):
    root = make(tmp_path / "in", "0_saree/a.jpg", "2_jeans/b.jpg")
    bring(catalog, store, root)
    sha256 = rows_of(catalog)[0].sha256
    for old, new, label in (("0_saree", "2_jeans", 2), ("2_jeans", "0_saree", 0), ("0_saree", "2_jeans", 2)):
        (root / old / "a.jpg").rename(root / new / "a.jpg")
        assert len(bring(catalog, store, root).moved) == 1
        assert kept(catalog)[sha256] == label


def test_two_files_that_change_places_are_two_corrections(tmp_path, catalog, store):
    root = make(tmp_path / "in", "0_saree/a.jpg", "2_jeans/a.jpg")
    bring(catalog, store, root)
    one, two = (row.sha256 for row in rows_of(catalog))
    (root / "0_saree/a.jpg").rename(root / "x.jpg")
    (root / "2_jeans/a.jpg").rename(root / "0_saree/a.jpg")
    (root / "x.jpg").rename(root / "2_jeans/a.jpg")
    assert len(bring(catalog, store, root).moved) == 2
    assert kept(catalog) == {one: 2, two: 0}


def test_a_picture_that_lies_in_two_classes_at_once_stays_a_conflict(tmp_path, catalog, store):
    root = make(tmp_path / "in", "0_saree/a.jpg", "2_jeans/b.jpg")
    bring(catalog, store, root)
    (root / "2_jeans/copy.jpg").write_bytes((root / "0_saree/a.jpg").read_bytes())
    assert bring(catalog, store, root).moved == []
    assert outcomes(catalog)["0_saree/a.jpg"][:2] == ("quarantined", "label_conflict")


def test_a_later_decision_of_a_person_outlives_another_import(tmp_path, catalog, store):
    root = make(tmp_path / "in", "0_saree/a.jpg", "2_jeans/b.jpg")
    bring(catalog, store, root)
    (root / "0_saree/a.jpg").rename(root / "2_jeans/a.jpg")
    (moved,) = bring(catalog, store, root).moved
    record_review(catalog, moved.image_id, "label", label=1, reviewer="asha", thresholds=RULE)
    bring(catalog, store, root)
    assert kept(catalog)[rows_of(catalog)[0].sha256] == 1


def test_the_folders_own_list_of_sources_is_read_and_one_that_is_none_is_said(tmp_path, capsys):
    root = make(tmp_path / "in", "0/a.jpg")
    (root / "SOURCES.csv").write_text("file,repository\n0/a.jpg,someone/shop\n")
    assert outcome(app, ["import", str(root)]) == 0
    assert f"Where they come from is read from {root}/SOURCES.csv." in capsys.readouterr().err
    (root / "SOURCES.csv").write_text("a,b\n")
    assert outcome(app, ["import", str(root)]) == 0
    assert (
        "needs the columns file and source (or repository), and has a, b: it was not used." in capsys.readouterr().err
    )


def test_a_list_of_sources_that_says_two_things_of_a_file_is_refused(tmp_path):
    (tmp_path / "s.csv").write_text("file,source\n0/a.jpg,one\n0/b.jpg,one\n0/a.jpg,one\n", encoding="utf-8")
    assert len(read_origins(tmp_path / "s.csv")) == 2
    (tmp_path / "s.csv").write_text("file,source\n0/a.jpg,one\n0\\a.jpg,two\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"Line 3 of .*s\.csv says of 0/a\.jpg what an earlier line says otherwise"):
        read_origins(tmp_path / "s.csv")


def test_lines_of_sources_that_fit_no_file_and_a_product_of_many_pictures_are_told(tmp_path, capsys):
    names = [f"0/{number}.jpg" for number in range(21)]
    make(tmp_path / "in", *names)
    rows = [f"in/{name},shop,x" for name in names]
    (tmp_path / "s.csv").write_text("\n".join(["file,source,asin", *rows]), encoding="utf-8")
    assert outcome(app, ["import", str(tmp_path / "in"), "--sources", str(tmp_path / "s.csv")]) == 0
    said = capsys.readouterr().err
    assert (
        "21 of the 21 files that the list of sources names do not lie in the folder (in/0/0.jpg, in/0/1.jpg, in/0/2.jpg …)"
        in said
    )
    rows = [f"{name},shop,x" for name in names]
    (tmp_path / "s.csv").write_text("\n".join(["file,source,asin", *rows]), encoding="utf-8")
    assert outcome(app, ["import", str(tmp_path / "in"), "--sources", str(tmp_path / "s.csv")]) == 0
    said = capsys.readouterr().err
    assert "21 pictures are of one product by the list of sources (asin x): they stay in one split together." in said
