"""The frontier: one holder for a page at a time, and no page lost with its holder."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from sqlalchemy import select, update

from stj_catalog import frontier
from stj_catalog.catalog import open_catalog
from stj_catalog.crawls import (
    begin_crawl,
    crawl_summary,
    earlier_coverages,
    end_crawl,
    fields_of_cards,
    kept_in_crawl,
    pages_set_aside,
    products_before,
    record_categories,
    unfinished_crawl,
)
from stj_catalog.frontier import (
    Response,
    add_page,
    lease_page,
    open_pages,
    record_response,
    release_page,
    set_page_aside,
)
from stj_catalog.schema import categories, pages
from stj_core.labels import Category, load_labels
from stj_core.vocabulary import CrawlState, PageState
from tests.catalog.crawling import LABELS, ORIGIN, Card, Walk, print_of


def begin(catalog, fresh=False, label=0, origin=ORIGIN):
    return begin_crawl(
        catalog, spider="test", category=LABELS[label], origin=origin, settings={"pages": 2},
        first_url=f"{origin}/s?1", fresh=fresh,
    )  # fmt: skip


def lease(catalog, crawl, **options):
    return lease_page(catalog, crawl.id, 60, max_listing=options.get("max_listing", 20))


def put(catalog, crawl, kind, number):
    with catalog.write() as connection:
        add_page(connection, crawl.id, kind, number, f"{ORIGIN}/{kind}{number}")


def hold_elsewhere(catalog, page_id, **lease_values):
    with catalog.write() as connection:
        connection.execute(update(pages).where(pages.c.id == page_id).values(**lease_values))


def test_a_new_crawl_has_its_first_page(catalog):
    crawl = begin(catalog)
    page = lease(catalog, crawl)
    assert (crawl.resumed, page.url, page.kind, page.number, page.attempts) == (
        False, f"{ORIGIN}/s?1", "listing", 1, 1,
    )  # fmt: skip
    assert lease(catalog, crawl) is None
    assert open_pages(catalog, crawl.id, max_listing=20) == (0, 1)


@pytest.mark.parametrize("state", ["interrupted", "blocked", "refused", "running"])
def test_an_unfinished_crawl_goes_on(catalog, state):
    crawl = begin(catalog)
    end_crawl(catalog, crawl.id, CrawlState(state), "because")
    assert unfinished_crawl(catalog, spider="test", slug=LABELS[0].slug, origin=ORIGIN) == crawl.id
    again = begin(catalog)
    assert (again.id, again.resumed) == (crawl.id, True)
    assert crawl_summary(catalog, again.id)["state"] == "running"


def test_a_finished_crawl_does_not(catalog):
    crawl = begin(catalog)
    end_crawl(catalog, crawl.id, CrawlState.FINISHED)
    assert unfinished_crawl(catalog, spider="test", slug=LABELS[0].slug, origin=ORIGIN) is None
    assert begin(catalog).id != crawl.id


def test_a_fresh_crawl_abandons_what_is_unfinished(catalog):
    crawl = begin(catalog)
    new = begin(catalog, fresh=True)
    assert (new.resumed, new.id == crawl.id) == (False, False)
    assert crawl_summary(catalog, crawl.id)["state"] == "abandoned"


def test_another_category_or_shop_is_another_crawl(catalog):
    assert len({begin(catalog).id, begin(catalog, label=1).id, begin(catalog, origin="https://other.test").id}) == 3


def test_product_pages_come_before_the_next_listing_page(catalog):
    crawl = begin(catalog)
    for kind, number in [("product", 1), ("listing", 3), ("listing", 2), ("listing", 30)]:
        put(catalog, crawl, kind, number)
    order = [(page.kind, page.number) for page in iter(lambda: lease(catalog, crawl), None)]
    assert order == [("product", 1), ("listing", 1), ("listing", 2), ("listing", 3)]
    assert open_pages(catalog, crawl.id, max_listing=20) == (0, 4)
    assert open_pages(catalog, crawl.id, max_listing=30) == (1, 4)


def test_a_page_is_put_on_the_frontier_once(catalog):
    crawl = begin(catalog)
    put(catalog, crawl, "listing", 2)
    put(catalog, crawl, "listing", 2)
    assert open_pages(catalog, crawl.id, max_listing=20) == (2, 0)


def test_a_released_page_is_taken_again(catalog):
    crawl = begin(catalog)
    page = lease(catalog, crawl)
    release_page(catalog, page.id)
    assert lease(catalog, crawl).attempts == 2


def test_a_page_of_a_dead_process_is_free_at_once(catalog):
    crawl = begin(catalog)
    page = lease(catalog, crawl)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    hold_elsewhere(catalog, page.id, lease_pid=gone.pid)
    assert lease(catalog, crawl).id == page.id


def test_a_later_process_of_the_same_number_holds_nothing(catalog):
    crawl = begin(catalog)
    page = lease(catalog, crawl)
    hold_elsewhere(catalog, page.id, lease_pid=os.getpid(), lease_started="1.00")
    assert lease(catalog, crawl).id == page.id


def test_a_page_held_on_another_host_is_free_when_its_lease_runs_out(catalog):
    crawl = begin(catalog)
    page = lease(catalog, crawl)
    hold_elsewhere(catalog, page.id, lease_host="elsewhere", lease_until="2999-01-01T00:00:00.000Z")
    assert lease(catalog, crawl) is None
    hold_elsewhere(catalog, page.id, lease_until="2020-01-01T00:00:00.000Z")
    assert lease(catalog, crawl).id == page.id


def test_the_end_of_a_crawl_gives_back_what_this_process_holds(catalog):
    crawl = begin(catalog)
    lease(catalog, crawl)
    end_crawl(catalog, crawl.id, CrawlState.INTERRUPTED, "Ctrl-C")
    assert open_pages(catalog, crawl.id, max_listing=20) == (1, 0)


def test_a_response_is_written_without_giving_the_page_back(catalog):
    crawl = begin(catalog)
    page = lease(catalog, crawl)
    record_response(catalog, page.id, Response(200, "robot_check", 512, 0))
    assert open_pages(catalog, crawl.id, max_listing=20) == (0, 1)
    record_response(catalog, page.id, Response(503, "robot_check", 512, 0), PageState.FAILED)
    with catalog.read() as connection:
        row = connection.execute(select(pages)).one()
    assert (row.state, row.http_status, row.verdict, row.lease_pid) == ("failed", 503, "robot_check", None)


def test_no_page_is_given_to_two_at_once(catalog_url):
    catalog = open_catalog(catalog_url)
    crawl = begin(catalog)
    for number in range(2, 25):
        put(catalog, crawl, "listing", number)
    taken, lock = [], threading.Lock()

    def take():
        own = open_catalog(catalog_url)
        while page := lease_page(own, crawl.id, 60, max_listing=100):
            with lock:
                taken.append(page.number)
        own.close()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    catalog.close()
    assert sorted(taken) == list(range(1, 25))


def test_what_a_crawl_saw(catalog):
    walk = Walk(catalog)
    walk.page(
        [Card("a", print_of(1)), Card("a2", print_of(1, size=(60, 80))), Card("s", print_of(2), reason="sponsored")]
    )
    walk.page([Card("a", print_of(1)), Card("x", None, failure="http_error"), Card(None, None, reason="no_image")])
    assert kept_in_crawl(catalog, walk.crawl.id, 0) == 1
    assert crawl_summary(catalog, walk.crawl.id) == {
        "crawl": walk.crawl.id,
        "spider": "test",
        "state": "running",
        "pages": 2,
        "cards": 6,
        "new": 4,
        "images": {"duplicate": 1, "kept": 1, "quarantined": 1, "rejected": 1},
        "reasons": {"http_error": 1, "no_image": 1, "sponsored": 1},
        "set_aside": 0,
        "coverage": None,
        "results": None,
    }


def test_categories_follow_the_labels_file(catalog):
    with catalog.write() as connection:
        first = record_categories(connection, load_labels())
        moved = Category(0, "saree", "Sari", "77")
        again = record_categories(connection, (moved,))
        row = connection.execute(select(categories).where(categories.c.slug == "saree")).one()
    assert (len(first), again, row.name, row.node) == (3, {"saree": first["saree"]}, "Sari", "77")


def test_a_process_that_is_not_there_never_began():
    assert frontier._started(2**22 + 1) == ""


def states(catalog):
    with catalog.read() as connection:
        return [
            tuple(row) for row in connection.execute(select(pages.c.number, pages.c.state).order_by(pages.c.number))
        ]


def test_going_on_gives_pages_that_were_set_aside_another_chance(catalog):
    crawl = begin(catalog)
    page = lease(catalog, crawl)
    set_page_aside(catalog, page.id, "OverflowError", [("listing", 2, f"{ORIGIN}/s?2")])
    assert states(catalog) == [(1, "failed"), (2, "pending")]
    assert pages_set_aside(catalog, crawl.id) == [("listing", 1, f"{ORIGIN}/s?1", "OverflowError")]
    end_crawl(catalog, crawl.id, CrawlState.INTERRUPTED)
    assert begin(catalog).id == crawl.id
    assert states(catalog) == [(1, "pending"), (2, "pending")]


@pytest.mark.parametrize(("state", "again"), [(CrawlState.DRIFTED, "pending"), (CrawlState.BLOCKED, "done")])
def test_a_crawl_that_drifted_reads_its_pages_anew(catalog, state, again):
    """A new parser may read what the old one could not; what was read well is not read twice."""
    crawl = begin(catalog)
    record_response(catalog, lease(catalog, crawl).id, Response(200, "ok", 9, 1), PageState.DONE)
    end_crawl(catalog, crawl.id, state)
    assert (begin(catalog).id, states(catalog)) == (crawl.id, [(1, again)])


def test_another_node_is_another_listing(catalog):
    """A crawl of the wrong node is not gone on with once labels.toml has the right one."""
    crawl = begin(catalog)
    end_crawl(catalog, crawl.id, CrawlState.INTERRUPTED)
    moved = begin_crawl(
        catalog, spider="test", category=LABELS[0], origin=ORIGIN, settings={}, first_url=f"{ORIGIN}/s?another"
    )
    assert (moved.resumed, moved.id != crawl.id) == (False, True)
    assert crawl_summary(catalog, crawl.id)["state"] == "abandoned"


def test_coverage_is_that_of_the_pages_read_and_compared_within_a_category(catalog):
    fields = {"title": 20, "picture": 19}
    for parser, label in (("a", 0), ("a", 0), ("b", 0), ("a", 1)):
        crawl = begin_crawl(
            catalog, spider="test", category=LABELS[label], origin=ORIGIN, settings={}, first_url="u", parser=parser
        )
        page = lease(catalog, crawl)
        record_response(catalog, page.id, Response(200, "ok", 9, 20, coverage=fields), PageState.DONE)
        assert fields_of_cards(catalog, crawl.id) == {"cards": 20, **fields}
        end_crawl(catalog, crawl.id, CrawlState.FINISHED, None, {"cards": 20, "title": 1.0})
    assert [len(earlier_coverages(catalog, number)) for number in (1, 2, 3, 4)] == [1, 1, 0, 0]


def test_products_of_earlier_pages(catalog):
    walk = Walk(catalog)
    walk.page([Card("a", print_of(1), "B00000000A"), Card("b", print_of(2), "B00000000B")])
    walk.page([Card("c", print_of(3), "B00000000C")])
    first, second = (number for number, state in states(catalog) if state == "done")
    assert products_before(catalog, walk.crawl.id, first) == set()
    assert products_before(catalog, walk.crawl.id, second) == {"B00000000A", "B00000000B"}
    assert products_before(catalog, walk.crawl.id, second + 1) == {"B00000000A", "B00000000B", "B00000000C"}
    assert products_before(catalog, Walk(catalog).crawl.id, 9) == set(), "what other crawls saw does not count"
