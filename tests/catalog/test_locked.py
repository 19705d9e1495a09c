"""A catalogue that another program holds: the wait is told, and its end is a sentence."""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing

import pytest
from sqlalchemy import text

from stj_catalog.catalog import open_catalog
from stj_catalog.damage import remedy_for
from stj_core.errors import CatalogError

TOLD = "is locked by another program: waiting for it"


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr("stj_catalog.locked.SILENT_SECONDS", 0.2)
    monkeypatch.setattr("stj_catalog.locked.BUSY_SECONDS", 1.0)
    monkeypatch.setattr("stj_catalog.catalog.BUSY_SECONDS", 1.0)


def hold(file, *, whole=False):
    """A connection that holds the file's lock; `whole` lets nobody read either."""
    holder = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    if whole:
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN IMMEDIATE")
    if whole:
        holder.execute("UPDATE alembic_version SET version_num = version_num")
    return holder


def test_a_writer_that_waits_for_a_lock_says_so_once_and_goes_on(tmp_path, caplog, hurried):
    file = tmp_path / "catalog.sqlite"
    catalog = open_catalog(str(file), create=True)
    with closing(hold(file)) as holder:
        timer = threading.Timer(0.5, lambda: holder.execute("ROLLBACK"))
        timer.start()
        with caplog.at_level(logging.WARNING), catalog.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
        timer.join()
    catalog.close()
    assert [record.message for record in caplog.records] == [f"The catalogue {file} {TOLD}, 1 s at most."]


def test_a_writer_that_waits_in_vain_ends_with_a_sentence(tmp_path, hurried):
    file = tmp_path / "catalog.sqlite"
    catalog = open_catalog(str(file), create=True)
    said = "database is locked: another program has held it for long. Try again when that has ended"
    with closing(hold(file)), pytest.raises(CatalogError, match=said), catalog.write():
        pass
    catalog.close()


def test_opening_a_catalogue_that_is_held_whole_says_that_it_waits(tmp_path, caplog, hurried):
    file = tmp_path / "catalog.sqlite"
    open_catalog(str(file), create=True).close()
    held = closing(hold(file, whole=True))
    with held, caplog.at_level(logging.WARNING), pytest.raises(CatalogError, match="database is locked"):
        open_catalog(str(file))
    assert [TOLD in record.message for record in caplog.records] == [True]


def test_a_lock_that_is_free_costs_no_word(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        catalog = open_catalog(str(tmp_path / "catalog.sqlite"), create=True)
        with catalog.write():
            pass
        catalog.close()
    assert not caplog.records


@pytest.mark.parametrize(
    "code",
    [
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_SHMMAP,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY_DBMOVED,
        sqlite3.SQLITE_BUSY_SNAPSHOT,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    ],
)
def test_every_kind_of_trouble_with_the_file_comes_with_what_to_do(code):
    error = sqlite3.OperationalError("it went wrong")
    error.sqlite_errorcode = code
    assert len(remedy_for(error)) > 20
