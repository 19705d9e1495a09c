"""The frontier: one holder for a page at a time, and no page lost with its holder."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest
from sqlalchemy import select, update

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
    Enough,
    Response,
    add_page,
    end_listing,
    enter_pages,
    is_ahead,
    lease_page,
    open_pages,
    put_off,
    record_response,
    release_page,
    renew_leases,
    set_page_aside,
)
from stj_catalog.incremental import Settler
from stj_catalog.intake import CardSighting, SeenPage, commit_page
from stj_catalog.schema import categories, crawls, pages, products, sightings
from stj_core.errors import LeaseLostError
from stj_core.labels import Category, load_labels
from stj_core.vocabulary import CrawlState, PageState
from stj_images.likeness import Thresholds
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


def test_a_page_of_a_process_that_was_killed_is_free_at_once(catalog):
    crawl = begin(catalog)
    page = lease(catalog, crawl)
    code = "from stj_catalog import workers; print(workers.me(), flush=True); input()"
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        hold_elsewhere(catalog, page.id, lease_worker=other.stdout.readline().strip())
        assert lease(catalog, crawl) is None, "its holder lives"
    finally:
        other.kill()
        other.communicate()
    assert open_pages(catalog, crawl.id, max_listing=20) == (1, 0)
    assert lease(catalog, crawl).id == page.id


def test_a_process_that_ends_leaves_no_sign_behind(tmp_path):
    """Neither a file nor a folder for temporary files; a forked child that ends takes nothing away."""
    code = (
        "import os\nfrom stj_catalog import workers\nworkers.me()\n"
        "child = os.fork()\nif not child:\n    raise SystemExit\n"
        "os.waitpid(child, 0)\nprint(len(list(workers._folder().glob('*.alive'))))"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), list(tmp_path.iterdir())) == ("1", [])


def test_who_ends_without_giving_its_pages_back_leaves_its_sign_and_they_are_free_at_once(catalog):
    """A hurried end or a full disk: waiting for the lease to run out would be two minutes of silence."""
    crawl = begin(catalog)
    page = lease(catalog, crawl)
    code = "from stj_catalog import workers\nprint(workers.me())\nworkers.holds('a crawl')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    hold_elsewhere(catalog, page.id, lease_worker=ended.stdout.strip(), lease_until="2999-01-01T00:00:00.000Z")
    assert lease(catalog, crawl).id == page.id


def test_a_page_held_by_nobody_we_know_is_free_when_its_lease_runs_out(catalog):
    crawl = begin(catalog)
    page = lease(catalog, crawl)
    hold_elsewhere(catalog, page.id, lease_worker="elsewhere", lease_until="2999-01-01T00:00:00.000Z")
    assert lease(catalog, crawl) is None
    hold_elsewhere(catalog, page.id, lease_until="2020-01-01T00:00:00.000Z")
    assert lease(catalog, crawl).id == page.id


def test_a_lease_lasts_as_long_as_its_holder_renews_it(catalog):
    """On the database's clock, whatever this host's says."""
    crawl = begin(catalog)
    page = lease_page(catalog, crawl.id, 0.2, max_listing=20)
    for _ in range(4):
        time.sleep(0.1)
        assert renew_leases(catalog, crawl.id, 0.3) == 1
        assert lease(catalog, crawl) is None
    time.sleep(0.4)
    assert lease(catalog, crawl).id == page.id


WRITES = {
    "commit": lambda catalog, page: commit_page(
        catalog, Settler.for_catalog(catalog, Thresholds()),
        SeenPage(page.id, 1, 1, Response(200, "ok", 9, 1), [CardSighting(1, None, None, title="Late")], token=page.token),
    ),
    "release": lambda catalog, page: release_page(catalog, page.id, "late", token=page.token),
    "record": lambda catalog, page: record_response(
        catalog, page.id, Response(503, "challenge", 9, 0), PageState.PENDING, "late", token=page.token
    ),
    "set aside": lambda catalog, page: set_page_aside(
        catalog, page.id, "late", [("listing", 2, f"{ORIGIN}/s?2")], token=page.token
    ),
    "put off": lambda catalog, page: put_off(catalog, page, Response(200, "empty", 9, 0), "late"),
}  # fmt: skip


def everything(catalog):
    with catalog.read() as connection:
        return [connection.execute(select(table)).all() for table in (pages, products, sightings)]


@pytest.mark.parametrize("write", WRITES)
def test_a_holder_that_comes_back_too_late_writes_nothing(catalog, write):
    crawl = begin(catalog)
    late = lease_page(catalog, crawl.id, 0.0, max_listing=20)
    time.sleep(0.01)
    now = lease(catalog, crawl)
    assert (now.id, now.token != late.token) == (late.id, True)
    before = everything(catalog)
    with pytest.raises(LeaseLostError, match="taken over by another process"):
        WRITES[write](catalog, late)
    assert everything(catalog) == before
    WRITES[write](catalog, now)
    assert everything(catalog) != before


def test_a_lease_that_ran_out_and_that_nobody_took_still_counts(catalog):
    crawl = begin(catalog)
    page = lease_page(catalog, crawl.id, 0.0, max_listing=20)
    time.sleep(0.01)
    WRITES["commit"](catalog, page)
    assert states(catalog) == [(1, "done")]


def test_a_write_whose_answer_got_lost_may_be_made_again(catalog):
    """A line that breaks at the commit leaves open whether it was made."""
    crawl = begin(catalog)
    one = lease_page(catalog, crawl.id, 60, max_listing=20, token="the same")
    assert lease_page(catalog, crawl.id, 60, max_listing=20, token="the same") == one
    first = WRITES["commit"](catalog, one)
    before = everything(catalog)
    assert WRITES["commit"](catalog, one) == first
    assert everything(catalog) == before


def test_who_waits_for_a_page_writes_nothing(catalog_url):
    """An SQLite catalogue has one writer at a time: that is left to whoever has something to write."""
    catalog = open_catalog(catalog_url)
    crawl = begin(catalog)
    lease(catalog, crawl)
    with catalog.write(exclusive=True) as connection:
        connection.execute(update(crawls).values(reason="busy"))
        other = open_catalog(catalog_url)
        assert lease(other, crawl) is None
        assert open_pages(other, crawl.id, max_listing=20) == (0, 1)
        other.close()
    catalog.close()


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
    assert (row.state, row.http_status, row.verdict, row.lease_worker) == ("failed", 503, "robot_check", None)


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
        "listed": 6,
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


def wide(catalog, last, **options):
    """A crawl whose first page said that there are `last`."""
    crawl = begin(catalog)
    first = lease(catalog, crawl, **options)
    for number in range(2, last + 1):
        put(catalog, crawl, "listing", number)
    record_response(catalog, first.id, Response(200, "ok", 9, 10), PageState.DONE, token=first.token)
    return crawl


def finish(catalog, page, state=PageState.DONE, cards=10):
    record_response(catalog, page.id, Response(200, "ok", 9, cards), state, token=page.token)


def test_a_listing_has_one_page_of_a_number(catalog):
    """The address that the first page made, and the one that the page before links to, are of one page."""
    crawl = wide(catalog, 3)
    with catalog.write() as connection:
        add_page(connection, crawl.id, "listing", 3, f"{ORIGIN}/s?3&another=word")
        add_page(connection, crawl.id, "product", 3, f"{ORIGIN}/dp/3")
    assert states(catalog) == [(1, "done"), (2, "pending"), (3, "pending"), (3, "pending")]
    with catalog.read() as connection:
        listing = select(pages.c.url).where(pages.c.kind == "listing", pages.c.number == 3)
        assert connection.execute(listing).scalars().all() == [f"{ORIGIN}/s?3&another=word"], "the link counts"


def test_the_pages_of_a_listing_may_be_entered_while_the_first_one_is_read(catalog):
    """As many as its cards leave needful."""
    crawl = begin(catalog)
    first = lease(catalog, crawl)
    found = [("listing", number, f"{ORIGIN}/s?{number}") for number in range(2, 6)]
    enter_pages(catalog, first, 10, found)
    enter_pages(catalog, first, 10, found)
    assert states(catalog) == [(1, "leased"), *((number, "pending") for number in range(2, 6))]
    given = iter(lambda: lease_page(catalog, crawl.id, 60, max_listing=20, enough=Enough(25, 0)), None)
    assert [page.number for page in given] == [2, 3]
    late = lease_page(catalog, crawl.id, 60, max_listing=20)
    hold_elsewhere(catalog, first.id, lease_token="another")
    with pytest.raises(LeaseLostError):
        enter_pages(catalog, first, 99, [("listing", 6, f"{ORIGIN}/s?6")])
    assert (late.number, len(states(catalog))) == (4, 5)


def test_where_a_listing_ends_the_pages_behind_that_nobody_reads_go(catalog):
    crawl = wide(catalog, 6)
    two, three = lease(catalog, crawl), lease(catalog, crawl)
    with catalog.write() as connection:
        assert end_listing(connection, two.id) == 3
        add_page(connection, crawl.id, "listing", 4, f"{ORIGIN}/s?4")
    assert states(catalog) == [(1, "done"), (2, "leased"), (3, "leased")]
    finish(catalog, two)
    # What is in the air behind the end came, and shows nothing: it is no failure, and goes.
    assert is_ahead(catalog, three)
    assert put_off(catalog, three, Response(200, "empty", 9, 0), "shows no card") is False
    assert states(catalog) == [(1, "done"), (2, "done")]
    assert open_pages(catalog, crawl.id, max_listing=20) == (0, 0)


def test_a_page_that_came_ill_is_asked_for_again_once_those_before_it_are_read(catalog):
    crawl = wide(catalog, 4)
    two, three = lease(catalog, crawl), lease(catalog, crawl)
    assert is_ahead(catalog, three)
    assert not is_ahead(catalog, two)
    assert put_off(catalog, three, Response(200, "empty", 9, 0), "shows no card") is True
    assert lease(catalog, crawl) is None, "nor is one behind it asked for: the listing may have ended"
    finish(catalog, two)
    again = lease(catalog, crawl)
    assert (again.number, is_ahead(catalog, again)) == (3, False)


@pytest.mark.parametrize(("pictures", "at_once"), [(10, 0), (11, 1), (20, 1), (21, 2), (40, 3), (1000, 5)])
def test_no_page_is_given_out_that_those_being_read_may_make_needless(catalog, pictures, at_once):
    """Ten cards stood on the fullest page, and ten pictures are kept: who wants eleven needs one page more."""
    walk = Walk(catalog)
    walk.page([Card(f"a{place}", print_of(place)) for place in range(10)])
    for number in range(2, 7):
        put(catalog, walk.crawl, "listing", number)
    given = 0
    while given < 9 and lease_page(catalog, walk.crawl.id, 60, max_listing=20, enough=Enough(pictures, 0)):
        given += 1
    assert given == at_once
