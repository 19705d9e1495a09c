"""Opening a catalogue: made when asked for, migrated after a backup, refused in one sentence when it is something else."""

from __future__ import annotations

import runpy
import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, select, text
from sqlalchemy.engine import make_url

from stj_catalog import migrations
from stj_catalog.catalog import chunks, open_catalog, sqlite_file
from stj_catalog.schema import VIEWS, images, metadata
from stj_core.errors import CatalogError, NewerSchemaError
from tests.catalog.crawling import Card, Walk, assert_lawful, print_of, state_of, statuses

RELEASED = sorted((Path(__file__).parent / "released").glob("*.sql"))


def test_a_missing_catalogue_says_what_to_do(tmp_path):
    with pytest.raises(CatalogError) as caught:
        open_catalog(str(tmp_path / "none.sqlite"))
    assert str(caught.value) == (
        f"There is no catalogue at {tmp_path}/none.sqlite: crawl first (scrapy crawl amazon_sarees), or set STJ_CATALOG."
    )


def test_it_is_made_when_asked_for_with_its_folder(tmp_path):
    open_catalog(f"sqlite:///{tmp_path}/new/catalog.sqlite", create=True).close()
    assert (tmp_path / "new/catalog.sqlite").exists()


@pytest.mark.parametrize("content", [b"hello, this is a shopping list and not a database at all" * 20, b"\x00" * 4096])
def test_a_file_that_is_no_database_is_refused(tmp_path, content):
    file = tmp_path / "list.sqlite"
    file.write_bytes(content)
    with pytest.raises(
        CatalogError, match=r"^Cannot open the catalogue .*: file is not a database\. Restore a backup of it"
    ):
        open_catalog(str(file))
    assert file.read_bytes() == content


def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path):
    file = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(
        CatalogError, match=r"is no STJ catalogue: it holds the tables recipes\. Set STJ_CATALOG to another"
    ):
        open_catalog(str(file))


def test_a_newer_schema_is_refused(blank_catalog, tmp_path):
    file = tmp_path / "newer.sqlite"
    shutil.copyfile(blank_catalog, file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(NewerSchemaError, match=r"has schema 9999, newer than this STJ's \d{4}: upgrade STJ"):
        open_catalog(str(file))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nothing://", "Cannot open the catalogue nothing://: "),
        ("://", "STJ_CATALOG is neither a path nor a database URL: '://'."),
        ("postgresql+psycopg://127.0.0.1:1/none?connect_timeout=1", "Cannot open the catalogue postgresql"),
    ],
)
def test_an_address_that_leads_nowhere_is_said(url, sentence):
    if "psycopg" in url:
        pytest.importorskip("psycopg")
    with pytest.raises(CatalogError) as caught:
        open_catalog(url)
    assert str(caught.value).startswith(sentence)


def test_the_migrations_lead_to_the_schema(catalog):
    with catalog.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_the_migrations_make_the_constraints_comments_and_views_of_the_schema(catalog):
    with catalog.read() as connection:
        found = inspect(connection)
        assert set(found.get_view_names()) == set(VIEWS)
        for table in metadata.tables.values():
            checks = {one["name"] for one in found.get_check_constraints(table.name)}
            assert checks >= {one.name for one in table.constraints if type(one).__name__ == "CheckConstraint"}
            if connection.dialect.name == "postgresql":
                assert found.get_table_comment(table.name)["text"] == table.comment
        for name in VIEWS:
            connection.execute(text(f"SELECT * FROM {name}"))


def test_the_views_of_the_schema_are_those_of_the_migrations(catalog):
    if not catalog.is_sqlite:
        pytest.skip("PostgreSQL rewrites a view's text")
    with catalog.read() as connection:
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'view'"))
        made = {row.name: row.sql for row in rows}
    assert {name: sql.split() for name, sql in made.items()} == {name: sql.split() for name, sql in VIEWS.items()}


def test_opening_twice_changes_nothing(tmp_path, blank_catalog):
    file = tmp_path / "catalog.sqlite"
    shutil.copyfile(blank_catalog, file)
    before = file.read_bytes()
    open_catalog(str(file)).close()
    assert file.read_bytes() == before
    assert list(tmp_path.glob("*.before-*")) == []


@pytest.mark.parametrize("dump", RELEASED, ids=lambda one: one.stem)
def test_a_released_catalogue_with_rows_in_it_migrates_after_a_backup(tmp_path, dump):
    file = tmp_path / "catalog.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(dump.read_text(encoding="utf-8"))
    catalog = open_catalog(str(file))
    assert_lawful(catalog)
    assert statuses(catalog)["a"] == ("kept", None)
    Walk(catalog, spider="later").page([Card("a3", print_of(1, near=4, size=(60, 80)))])
    assert statuses(catalog)["a3"] == ("duplicate", None)
    catalog.close()
    migrated = dump.stem.split("-")[-1] != migrations.HEAD
    assert len(list(tmp_path.glob("catalog.sqlite.before-*"))) == migrated


def test_every_migration_follows_the_one_before_it_and_the_newest_is_the_present_schema():
    chain = []
    for revision in migrations.REVISIONS:
        (module,) = (Path(migrations.__file__).parent / "versions").glob(f"{revision}_*.py")
        found = runpy.run_path(str(module))
        assert (found["revision"], found["down_revision"]) == (revision, chain[-1] if chain else None)
        chain.append(revision)
    assert chain[-1] == migrations.HEAD


def test_a_migration_of_an_older_schema_makes_a_backup_first(tmp_path, blank_catalog, monkeypatch):
    file = tmp_path / "catalog.sqlite"
    shutil.copyfile(blank_catalog, file)
    ran = []
    monkeypatch.setattr(migrations, "HEAD", "9998")
    monkeypatch.setattr(migrations, "_run", ran.append)
    open_catalog(str(file)).close()
    (backup,) = tmp_path.glob("catalog.sqlite.before-9998-*")
    assert len(ran) == 1
    assert backup.stat().st_size == file.stat().st_size


def test_a_failed_transaction_leaves_nothing(catalog):
    row = {"image_key": "k", "url": "u", "status": "rejected", "reason": "x", "first_seen_at": "t", "last_seen_at": "t"}

    def fail_half_way():
        with catalog.write() as connection:
            connection.execute(images.insert().values(row))
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        fail_half_way()
    with catalog.read() as connection:
        assert connection.execute(select(images)).all() == []


@pytest.mark.medium
def test_two_crawls_and_a_reader_at_once(catalog_url):
    failures = []

    def crawl(name, seeds):
        try:
            own = open_catalog(catalog_url)
            walk = Walk(own, spider=name)
            for seed in seeds:
                walk.page([Card(f"{name}{seed}", print_of(seed, content=name, size=(seed, 10 + len(name))))])
            own.close()
        except Exception as error:  # noqa: BLE001 - a thread's failure belongs to the test
            failures.append(error)

    def read(stop):
        own = open_catalog(catalog_url)
        while not stop.is_set():
            assert_lawful(own)
        own.close()

    stop = threading.Event()
    reader = threading.Thread(target=read, args=(stop,))
    writers = [threading.Thread(target=crawl, args=(name, range(1, 13))) for name in ("one", "three")]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    catalog = open_catalog(catalog_url)
    assert failures == []
    assert sum(word == ("kept", None) for word in statuses(catalog).values()) == 12
    assert len(state_of(catalog)[1]) == 12
    assert_lawful(catalog)
    catalog.close()


def test_only_an_sqlite_file_has_a_place():
    assert sqlite_file(make_url("sqlite:///x/y.sqlite")) == Path("x/y.sqlite")
    assert sqlite_file(make_url("sqlite://")) is None
    assert sqlite_file(make_url("postgresql://h/d")) is None


def test_chunks_hold_everything_once():
    assert [list(one) for one in chunks(range(5), 2)] == [[0, 1], [2, 3], [4]]


def test_many_may_make_a_catalogue_at_once(tmp_path):
    """SQLite does not wait by itself where several switch a new file to the write-ahead log."""
    for turn in range(5):
        place, start = tmp_path / f"{turn}.sqlite", threading.Barrier(4)

        def make(place=place, start=start):
            start.wait()
            open_catalog(str(place), create=True).close()

        with ThreadPoolExecutor(4) as pool:
            for made in [pool.submit(make) for _ in range(4)]:
                made.result()
