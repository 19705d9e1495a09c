"""The life of a catalogue: imported, worked out anew, repaired, forgotten from, backed up."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import delete, insert, select, update

from stj_catalog.backup import find_backups, make_backup
from stj_catalog.catalog import open_catalog
from stj_catalog.dedupe import dedupe
from stj_catalog.forget import forget, remove_forgotten_bytes
from stj_catalog.group_members import by_group
from stj_catalog.health import row_faults
from stj_catalog.importing import import_folder, survey
from stj_catalog.incremental import Settler
from stj_catalog.lookup import find_pictures
from stj_catalog.origins import read_origins
from stj_catalog.repair import plan_repair, repair
from stj_catalog.schema import crawls, export_images, exports, images, likenesses, pages, sightings
from stj_core.clock import now
from stj_core.errors import CatalogError, UsageError
from stj_core.labels import load_labels
from stj_images.likeness import Thresholds
from stj_images.store import FolderStore
from tests.catalog.crawling import Card, Walk, assert_lawful, print_of, state_of, statuses, url_of
from tests.catalog.pictures import draw, encode, jpeg
from tests.catalog.test_incremental import WORLD, crawl_in_order, rows_of

LABELS = load_labels()
RULE = Thresholds()


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "images")


@pytest.fixture
def folder(tmp_path):
    """Two classes: three pictures, a small copy of one of them, one that is no picture, a note."""
    root = tmp_path / "pictures"
    for name in ("0_saree", "Jeans"):
        (root / name).mkdir(parents=True)
    (root / "0_saree/a.jpg").write_bytes(jpeg(1))
    (root / "0_saree/b.png").write_bytes(encode(draw(2), "PNG"))
    (root / "0_saree/small.jpg").write_bytes(jpeg(1, (150, 200)))
    (root / "0_saree/page.jpg").write_bytes(b"<html>")
    (root / "0_saree/notes.txt").write_text("where these are from")
    (root / "Jeans/c.jpg").write_bytes(jpeg(3))
    return root


def bring(catalog, store, folder, **options):
    return import_folder(catalog, store, Settler.for_catalog(catalog, RULE), survey(folder, LABELS), **options)


def short(catalog):
    """Statuses by file name."""
    with catalog.read() as connection:
        rows = connection.execute(select(images)).all()
    return {row.image_key.split("/", 1)[-1].split("#")[0]: (row.status, row.reason, row.label) for row in rows}


def test_a_folder_becomes_rows(catalog, store, folder):
    report = bring(catalog, store, folder)
    assert short(catalog) == {
        "0_saree/a.jpg": ("kept", None, 0),
        "0_saree/b.png": ("kept", None, 0),
        "0_saree/small.jpg": ("duplicate", None, 0),
        "0_saree/page.jpg": ("rejected", "not_image", 0),
        "Jeans/c.jpg": ("kept", None, 2),
    }
    assert report.labels == {0: {"kept": 2, "duplicate": 1, "rejected": 1}, 2: {"kept": 1}}
    assert len(list(store.paths())) == 4
    assert list(row_faults(catalog)) == []


def test_importing_again_adds_sightings_only(catalog, store, folder):
    bring(catalog, store, folder)
    before = state_of(catalog)
    (folder / "Jeans/d.jpg").write_bytes(jpeg(4))
    report = bring(catalog, store, folder)
    # Four pictures are known; what was no picture the first time is looked at again.
    assert (report.known, report.labels[2]) == (4, {"kept": 2})
    assert {name: before[0][name] for name in before[0]}.items() <= state_of(catalog)[0].items()


def test_another_file_under_the_same_name_is_another_picture(catalog, store, folder):
    bring(catalog, store, folder)
    (folder / "Jeans/c.jpg").write_bytes(jpeg(5))
    bring(catalog, store, folder)
    assert len(rows_of(catalog)) == 6


def test_many_files_come_in_pages(catalog, store, tmp_path, monkeypatch):
    monkeypatch.setattr("stj_catalog.importing._PER_PAGE", 2)
    (tmp_path / "many/1").mkdir(parents=True)
    for seed in range(5):
        (tmp_path / f"many/1/{seed}.jpg").write_bytes(jpeg(seed, (75, 100)))
    bring(catalog, store, tmp_path / "many")
    with catalog.read() as connection:
        found = connection.execute(select(pages.c.number, pages.c.state, pages.c.cards).order_by(pages.c.number)).all()
        assert [tuple(row) for row in found] == [(1, "done", 2), (2, "done", 2), (3, "done", 1)]
        assert connection.execute(select(crawls.c.state)).scalars().all() == ["finished"]


def test_a_csv_says_where_pictures_came_from(catalog, store, folder, tmp_path):
    sources = tmp_path / "SOURCES.csv"
    with sources.open("w", newline="", encoding="utf-8-sig") as stream:
        rows = csv.writer(stream)
        rows.writerow(["file", "label", "repository", "asin", "title"])
        rows.writerow(["0_saree/a.jpg", 0, "someone/shop", "B0A", "Silk saree"])
        rows.writerow(["0_saree\\b.png", 0, "someone/shop", "B0A", ""])
    report = bring(catalog, store, folder, origins=read_origins(sources))
    with catalog.read() as connection:
        found = connection.execute(select(images.c.source, images.c.group_id).order_by(images.c.id).limit(2)).all()
        titles = connection.execute(select(sightings.c.title).order_by(sightings.c.id)).scalars().all()
    assert [row.source for row in found] == ["someone/shop", "someone/shop"]
    assert len({row.group_id for row in found}) == 1
    assert titles[:2] == ["Silk saree", "b"]
    assert report.unnamed == 3


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [("a,b\n", "needs the columns file and source (or repository), and has a, b."), ("", "and has none.")],
)
def test_a_csv_without_its_columns_is_refused(tmp_path, columns, sentence):
    (tmp_path / "s.csv").write_text(columns)
    with pytest.raises(UsageError) as caught:
        read_origins(tmp_path / "s.csv")
    assert str(caught.value).endswith(sentence)


@pytest.mark.parametrize(
    ("name", "label"),
    [("0", 0), ("0_saree", 0), ("00-x", 0), ("Sarees", 0), ("saree", 0), ("Trousers", 1), ("2", 2), ("JEANS", 2), ("3", None),
     ("20", None), ("shirts", None)],
)  # fmt: skip
def test_folders_name_classes(tmp_path, name, label):
    (tmp_path / "in" / name).mkdir(parents=True)
    if label is None:
        with pytest.raises(UsageError, match=rf"holds the folders {name} that name none"):
            survey(tmp_path / "in", LABELS)
    else:
        assert [one.label for one, _ in survey(tmp_path / "in", LABELS).classes] == [label]


def test_a_folder_that_cannot_be_imported_is_said(tmp_path):
    with pytest.raises(UsageError, match=r"There is no folder .*none to import"):
        survey(tmp_path / "none", LABELS)
    with pytest.raises(UsageError, match=r"should hold a folder for each class .*, and holds none"):
        survey(tmp_path, LABELS)


def test_working_out_anew_changes_nothing_that_was_settled(catalog):
    crawl_in_order(catalog, WORLD, per_page=3)
    before = state_of(catalog)
    report, _ = dedupe(catalog, RULE)
    assert (report.changes, report.regrouped) == ([], 0)
    assert state_of(catalog) == before
    assert_lawful(catalog)


def test_new_thresholds_are_followed_and_a_dry_run_changes_nothing(catalog):
    crawl_in_order(catalog, WORLD, per_page=3)
    before = state_of(catalog)
    strict = Thresholds(0, 0, 0, 0, 0)
    said, _ = dedupe(catalog, strict, dry_run=True)
    assert state_of(catalog) == before
    done, _ = dedupe(catalog, strict)
    assert (said.changes, said.statuses, said.regrouped) == (done.changes, done.statuses, done.regrouped)
    assert statuses(catalog)["a-far"] == ("kept", None)
    assert ["a-far"] in state_of(catalog)[1]
    assert {row[6] for row in state_of(catalog)[0].values() if row[6]} == {strict.rule}
    back, _ = dedupe(catalog, RULE)
    assert len(back.changes) == len(done.changes)
    assert state_of(catalog) == before


def test_a_second_run_changes_nothing(catalog):
    crawl_in_order(catalog, WORLD, per_page=5)
    with catalog.write() as connection:
        connection.execute(delete(likenesses))
        connection.execute(update(images).values(group_id=None))
    first, _ = dedupe(catalog, RULE)
    second, _ = dedupe(catalog, RULE)
    assert first.regrouped > 0
    assert (second.changes, second.regrouped, second.likenesses) == ([], 0, first.likenesses)


def test_groups_are_listed_for_a_person(catalog):
    crawl_in_order(catalog, WORLD, per_page=3)
    _, members = dedupe(catalog, RULE, members=True)
    groups = by_group(members)
    (six,) = (group for group in groups.values() if len(group) == 6)
    order = [one.key.rsplit("/", 1)[-1].removesuffix(".jpg") for one in six]
    assert (order[:3], set(order[3:5]), order[5]) == (["a-big", "a-relative", "e"], {"a", "a-same"}, "a-far")
    alike = {one.key.rsplit("/", 1)[-1]: one.alike for one in members}
    assert alike["c.jpg"] == "same product"
    assert alike["b-mirrored.jpg"].startswith("related, mirrored, 0/0 bits, to ")
    assert alike["a-same.jpg"].startswith("same bytes, to ")


def mend(catalog, store, problems):
    """Repair as if every file were old and nobody at work."""
    return repair(catalog, store, plan_repair(catalog, store, problems, young_seconds=0), RULE)


def damaged(catalog, store, folder):
    bring(catalog, store, folder)
    return rows_by_file(catalog)


def rows_by_file(catalog):
    with catalog.read() as connection:
        rows = connection.execute(select(images)).all()
    return {row.image_key.split("/")[-1].split("#")[0]: row for row in rows}


def test_lost_and_torn_files_are_given_up_and_copies_step_up(catalog, store, folder):
    rows = damaged(catalog, store, folder)
    (store.root / rows["a.jpg"].path).unlink()
    (store.root / rows["c.jpg"].path).write_bytes(b"torn")
    fixed = mend(catalog, store, [("missing", rows["a.jpg"].path), ("torn", rows["c.jpg"].path)])
    after = short(catalog)
    assert fixed == {"missing": 1, "torn": 1}
    assert after["0_saree/a.jpg"] == ("rejected", "missing_file", 0)
    assert after["0_saree/small.jpg"] == ("kept", None, 0)
    assert after["Jeans/c.jpg"] == ("rejected", "torn_file", 2)
    assert not (store.root / rows["c.jpg"].path).exists()
    assert_lawful(catalog)
    bring(catalog, store, folder)
    assert short(catalog)["0_saree/a.jpg"] == ("kept", None, 0)
    assert short(catalog)["0_saree/small.jpg"] == ("duplicate", None, 0)
    assert list(row_faults(catalog)) == []


def test_strangers_are_set_aside_unless_a_row_names_them_now(catalog, store, folder):
    rows = damaged(catalog, store, folder)
    stranger = FolderStore(store.root).put("f" * 64, "jpg", b"nobody's")
    fixed = mend(catalog, store, [("orphan", stranger), ("orphan", rows["a.jpg"].path)])
    assert fixed == {"orphan": 1}
    assert stranger not in set(store.paths())
    assert store.lost()["f" * 64] == f"lost+found/{'f' * 64}.jpg"
    assert f"{stranger},no picture of the catalogue names it" in (store.root / "lost+found/list.csv").read_text()
    assert rows["a.jpg"].path in set(store.paths())


def test_a_half_done_page_goes_back_to_the_frontier(catalog, store, folder):
    damaged(catalog, store, folder)
    with catalog.write() as connection:
        connection.execute(delete(sightings).where(sightings.c.crawl_id == 1))
    assert [one.kind for one in row_faults(catalog)] == ["half_done_page"]
    assert mend(catalog, store, []) == {"half_done_page": 1}
    with catalog.read() as connection:
        assert connection.execute(select(pages.c.state).where(pages.c.crawl_id == 1)).scalar() == "pending"
        assert connection.execute(select(crawls.c.state).where(crawls.c.id == 1)).scalar() == "interrupted"


def test_unsettled_pictures_are_settled(catalog, store, folder):
    damaged(catalog, store, folder)
    with catalog.write() as connection:
        connection.execute(delete(likenesses))
        connection.execute(update(images).values(compared=None, group_id=None))
    kinds = [one.kind for one in row_faults(catalog)]
    assert set(kinds) == {"unsettled"}
    assert mend(catalog, store, [(kind, "") for kind in kinds]) == {"unsettled": 4}
    assert list(row_faults(catalog)) == []
    assert short(catalog)["0_saree/small.jpg"] == ("duplicate", None, 0)


def bury(catalog, store, tmp_path, ids, **options):
    return forget(catalog, store, ids, RULE, cache=tmp_path / "cache", runs=tmp_path / "runs", **options)


def test_a_forgotten_picture_goes_with_its_copies_and_stays_out(catalog, store, folder, tmp_path):
    rows = damaged(catalog, store, folder)
    checksum = rows["a.jpg"].sha256
    ids = find_pictures(catalog, checksums=[checksum.upper()])
    assert ids == sorted([rows["a.jpg"].id, rows["small.jpg"].id])
    gone = bury(catalog, store, tmp_path, ids)
    assert sorted(gone.files) == sorted([rows["a.jpg"].path, rows["small.jpg"].path])
    assert not set(gone.files) & set(store.paths())
    with catalog.read() as connection:
        words = select(images.c.id, images.c.status, images.c.url).where(images.c.status == "forgotten")
        found = connection.execute(words.order_by(images.c.id)).all()
    assert [row.id for row in found] == ids
    assert all(row.url.startswith("forgotten:") for row in found)
    (folder / "0_saree/later.jpg").write_bytes(jpeg(1, (600, 800), 70))
    bring(catalog, store, folder)
    with catalog.read() as connection:
        copies = connection.execute(
            select(images.c.url, images.c.label).where(images.c.reason == "forgotten_copy")
        ).all()
    assert [(url.startswith("forgotten:"), label) for url, label in copies] == [(True, 0)]
    assert len(list(store.paths())) == 2, "the copy's bytes are gone when the import ends"
    assert remove_forgotten_bytes(catalog, store) == []
    report, _ = dedupe(catalog, RULE)
    assert report.changes == []
    assert list(row_faults(catalog)) == []


def test_forgetting_lists_what_still_holds_the_picture(catalog, store, folder, tmp_path):
    rows = damaged(catalog, store, folder)
    row = rows["c.jpg"]
    with catalog.write() as connection:
        made = {
            "out": "dataset",
            "scheme": "s",
            "settings": {},
            "digest": "d",
            "pictures": 1,
            "withheld": 0,
            "made_at": now(),
        }
        connection.execute(insert(exports).values(id=7, **made))
        held = {"export_id": 7, "image_id": row.id, "label": 2, "split": "train", "file": "train/2/x.jpg"}
        connection.execute(insert(export_images).values(**held))
    for name, text in (("runs/one/manifest.csv", row.sha256), ("runs/two/manifest.csv", "other")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    cache = tmp_path / "cache"
    (cache / "features/key").mkdir(parents=True)
    for name in (f"{row.sha256}.jpg", "features/key/s.npy", "features/key/t.npy"):
        (cache / name).write_bytes(b"x")
    (cache / "features/key/s.json").write_text(f'["{row.sha256}"]')
    (cache / "features/key/t.json").write_text('["other"]')
    said = bury(catalog, store, tmp_path, [row.id], dry_run=True)
    assert (said.files, short(catalog)["Jeans/c.jpg"][0]) == ([], "kept")
    gone = bury(catalog, store, tmp_path, [row.id])
    assert (gone.exports, gone.runs) == (["dataset (export 7)"], [str(tmp_path / "runs/one")])
    assert gone.cached == said.cached
    assert sorted(one.name for one in cache.rglob("*.*")) == ["t.json", "t.npy"]


def test_pictures_are_found_by_product_and_address(catalog):
    Walk(catalog).page([Card("a", print_of(1), asin="B0A", parent="P0"), Card("b", print_of(2), asin="B0B")])
    rows = rows_of(catalog)
    assert find_pictures(catalog, asins=["P0"]) == [rows["a"].id]
    assert find_pictures(catalog, urls=[url_of("b").replace(".jpg", "._SX300_.jpg")]) == [rows["b"].id]


@pytest.mark.parametrize(
    "given", [{"asins": ["B0X"]}, {"checksums": ["0" * 64]}, {"urls": ["https://shop.test/x.jpg"]}]
)
def test_what_is_not_there_cannot_be_forgotten(catalog, given):
    with pytest.raises(CatalogError, match=r"^The catalogue holds no picture to forget: a picture .* is not in it\.$"):
        find_pictures(catalog, **given)


def test_a_backup_is_whole_and_holds_what_was_forgotten_later(blank_catalog, tmp_path, store, folder):
    catalog = open_catalog(f"sqlite:///{tmp_path}/mine.sqlite", create=True)
    row = damaged(catalog, store, folder)["c.jpg"]
    file = make_backup(catalog, tmp_path / "backups")
    assert list((tmp_path / "backups").iterdir()) == [file]
    gone = bury(catalog, store, tmp_path, [row.id], backups=find_backups(catalog, tmp_path / "backups"))
    assert gone.backups == [str(file)]
    catalog.close()
    again = open_catalog(str(file))
    assert short(again)["Jeans/c.jpg"] == ("kept", None, 2)
    again.close()


def test_a_backup_that_cannot_be_written_is_said(catalog, tmp_path):
    (tmp_path / "taken").write_text("a file")
    sentence = "Cannot write the backup"
    with pytest.raises(CatalogError, match=sentence):
        make_backup(catalog, tmp_path / "taken")


def test_a_broken_copy_is_no_backup(tmp_path, monkeypatch):
    catalog = open_catalog(str(tmp_path / "mine.sqlite"), create=True)
    monkeypatch.setattr("stj_catalog.backup.copy_file", lambda _, target: target.write_bytes(b"not a database" * 99))
    with pytest.raises(CatalogError, match=r"Cannot write the backup .*: file is not a database"):
        make_backup(catalog, tmp_path / "backups")
    assert list((tmp_path / "backups").iterdir()) == []
    catalog.close()


def test_sqlite_files_stay_one_file(tmp_path):
    catalog = open_catalog(str(tmp_path / "mine.sqlite"), create=True)
    file = make_backup(catalog, tmp_path / "backups")
    catalog.close()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
