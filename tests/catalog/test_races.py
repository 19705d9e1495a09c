"""Many processes and one catalogue: nobody fails because of another, and a database that is away is waited for."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time

import pytest
from sqlalchemy import func, select, text

import stj_catalog.migrations.versions  # noqa: F401 - so that every child has Alembic already
from stj_catalog.away import TRIES, again
from stj_catalog.catalog import open_catalog
from stj_catalog.frontier import lease_page, renew_leases
from stj_catalog.incremental import Settler
from stj_catalog.intake import FetchedPicture, SeenPage, commit_page, record_pictures
from stj_catalog.schema import images, pages
from stj_core.errors import AwayError, ConflictError
from stj_core.patience import patiently
from stj_images.store import store_path
from tests.catalog.crawling import Card, Walk, assert_lawful, print_of, url_of

PROCESSES = 12


def make(url, gate, sentences):
    gate.wait()
    try:
        open_catalog(url, create=True).close()
        sentences.put("")
    except BaseException as error:  # noqa: BLE001 - whatever it is, the test tells it
        sentences.put(f"{type(error).__name__}: {error}")


@pytest.mark.medium
@pytest.mark.parametrize("no_database", ["sqlite", "postgresql"], indirect=True)
def test_twelve_processes_make_one_empty_catalogue(no_database):
    process = multiprocessing.get_context("fork")
    gate, sentences = process.Barrier(PROCESSES), process.Queue()
    makers = [process.Process(target=make, args=(no_database, gate, sentences)) for _ in range(PROCESSES)]
    for maker in makers:
        maker.start()
    told = [sentences.get(timeout=120) for _ in makers]
    for maker in makers:
        maker.join()
    assert told == [""] * PROCESSES
    catalog = open_catalog(no_database)
    with catalog.read() as connection:
        assert connection.execute(select(func.count()).select_from(images)).scalar_one() == 0
    catalog.close()


def fetched(names, crawl_id):
    looks = {name: print_of(name) for name in names}
    return [
        FetchedPicture(
            url_of(f"p{name}"), url_of(f"p{name}"), crawl_id, look, store_path(look.sha256, "jpg"), None, 200
        )
        for name, look in looks.items()
    ]


ROUNDS = 30


@pytest.mark.medium
def test_overlapping_batches_hinder_nobody(catalog_url):
    """Four writers write the same pictures in orders of their own, thirty times, while two others commit pages."""
    catalog = open_catalog(catalog_url)
    walk = Walk(catalog)
    met = []

    def write(seed):
        own, dice = open_catalog(catalog_url), random.Random(seed)
        try:
            for number in range(ROUNDS):
                names = dice.sample(range(20 * number, 20 * number + 30), 20)
                record_pictures(own, fetched(names, walk.crawl.id))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test tells it
            met.append(error)
        finally:
            own.close()

    def commit(label):
        own = open_catalog(catalog_url)
        try:
            other = Walk(own, label=label, spider=f"other {label}")
            for number in range(ROUNDS // 3):
                other.page(
                    [Card(f"p{name}", print_of(name), f"B{name:09d}") for name in range(60 * number, 60 * number + 12)]
                )
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test tells it
            met.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    threads += [threading.Thread(target=commit, args=(label,)) for label in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert met == []
    assert_lawful(catalog)
    catalog.close()


def test_what_another_writer_undid_is_done_again():
    tried = []

    @again
    def write(times):
        tried.append(times)
        if len(tried) < times:
            raise ConflictError("another writer")
        return len(tried)

    assert write(3) == 3
    tried.clear()
    with pytest.raises(ConflictError):
        write(1000)
    assert len(tried) == TRIES


def test_a_deadlock_is_undone_for_one_and_told_as_such(postgres_url):
    """Two transactions that wait for each other: the database ends one, and it is no bug."""
    one, other = open_catalog(postgres_url), open_catalog(postgres_url)
    walk = Walk(one)
    record_pictures(one, fetched([1, 2], walk.crawl.id))
    first, second = (images.update().where(images.c.image_key == url_of(f"p{n}")).values(detail="x") for n in (1, 2))
    met, gate = [], threading.Barrier(2)

    def write(catalog, *updates):
        try:
            with catalog.write() as connection:
                connection.execute(text("SET LOCAL deadlock_timeout = '50ms'"))
                connection.execute(updates[0])
                gate.wait(10)
                connection.execute(updates[1])
        except ConflictError as error:
            met.append(str(error))

    threads = [
        threading.Thread(target=write, args=(one, first, second)),
        threading.Thread(target=write, args=(other, second, first)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one.close()
    other.close()
    assert len(met) == 1
    assert "deadlock" in met[0]
    assert met[0].endswith("Another program wrote the same rows: give the command again.")


def test_a_reader_sees_one_state_whatever_others_write(catalog_url):
    catalog, other = open_catalog(catalog_url), open_catalog(catalog_url)
    walk = Walk(other)
    count = select(func.count()).select_from(images)
    with catalog.read() as connection:
        assert connection.execute(count).scalar_one() == 0
        record_pictures(other, fetched([1, 2, 3], walk.crawl.id))
        assert connection.execute(count).scalar_one() == 0
        assert connection.execute(select(images)).all() == []
    with catalog.read() as connection:
        assert connection.execute(count).scalar_one() == 3
    catalog.close()
    other.close()


def test_a_database_that_restarts_is_waited_for(postgres_cluster, postgres_url, caplog):
    catalog = open_catalog(postgres_url)
    walk = Walk(catalog)
    page = lease_page(catalog, walk.crawl.id, 60, max_listing=9)
    with catalog.read() as connection:  # a connection in the pool that will be broken
        connection.execute(select(pages)).all()
    postgres_cluster.stop()
    with pytest.raises(AwayError, match="cannot be used"):
        renew_leases(catalog, walk.crawl.id, 60)
    back = threading.Timer(1.5, postgres_cluster.start)
    back.start()
    began = time.monotonic()
    assert patiently(lambda: renew_leases(catalog, walk.crawl.id, 60), 60) == 1
    assert time.monotonic() - began > 1
    back.join()
    assert "Waiting for it, 60 s at most." in caplog.text
    assert "It is back after" in caplog.text
    seen = SeenPage(page.id, walk.crawl.id, walk.crawl.category_id, walk_response(), token=page.token)
    assert commit_page(catalog, Settler.for_catalog(catalog, walk.thresholds), seen) == {}
    catalog.close()


def walk_response():
    from stj_catalog.frontier import Response

    return Response(200, "ok", 9, 0)


@pytest.mark.medium
def test_a_file_that_another_program_holds_is_away(tmp_path, blank_catalog, monkeypatch):
    monkeypatch.setattr("stj_catalog.catalog.BUSY_SECONDS", 0.2)
    file = tmp_path / "catalog.sqlite"
    file.write_bytes(blank_catalog.read_bytes())
    catalog, other = open_catalog(str(file)), open_catalog(str(file))
    walk = Walk(other)
    with catalog.write(), pytest.raises(AwayError, match="database is locked"):
        renew_leases(other, walk.crawl.id, 60)
    assert renew_leases(other, walk.crawl.id, 60) == 0
    catalog.close()
    other.close()


def test_nobody_waits_longer_than_asked_or_after_ctrl_c():
    def away():
        raise AwayError("The catalogue is away.")

    for seconds, hurried in ((0.0, False), (1.2, False), (900.0, True)):
        began = time.monotonic()
        with pytest.raises(AwayError, match="is away"):
            patiently(away, seconds, lambda hurried=hurried: hurried)
        assert time.monotonic() - began < seconds + 1.5 if seconds < 900 else 1.5
