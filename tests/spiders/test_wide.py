"""A listing whose pages are read side by side: faster, and with the same end as one page after the other."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator

import pytest

from stj_spiders.shops.amazon.listing import parse_listing
from tests.spiders.conftest import Ended, Folder
from tests.spiders.lying_shop import LyingShop, listing, once, saying, tile
from tests.spiders.servers import Answer, serving

FAST = ("-s", "STJ_COOL_SECONDS=0.1", "-s", "STJ_BLOCKS=2", "-s", "RETRY_TIMES=1", "-s", "DOWNLOAD_TIMEOUT=5")
SLOW = pytest.mark.slow
NO_CARD = saying("<!doctype html><html><head><title>Amazon.in</title></head><body><p>Hm.</p></body></html>")


@pytest.fixture
def shop() -> Iterator[LyingShop]:
    lying = LyingShop(pages=5, cards=3, last=5)
    with serving(lying) as server:
        lying.server = server
        yield lying


def crawl(folder: Folder, shop: LyingShop, *options: str) -> Ended:
    assert shop.server is not None
    return folder.crawl("amazon_sarees", shop.server.origin, *FAST, "-s", "STJ_SUMMARY=json", *options)


def pages(folder: Folder) -> list[tuple[int, str]]:
    return [(row["number"], row["state"]) for row in folder.rows("SELECT number, state FROM pages ORDER BY number")]


def asked(shop: LyingShop) -> list[int]:
    assert shop.server is not None
    return [shop.server.count(f"page={number}") for number in range(2, 10)]


@pytest.mark.parametrize(
    ("shown", "following", "later"),
    [
        ("4", "/s?rh=n%3A1&page=2&qid=7&ref=sr_pg_1", [3, 4]),
        ("4", "/s/ref=sr_pg_2/000?rh=i&page=2&ie=UTF8", [3, 4]),
        ("2", "/s?rh=n%3A1&page=2", []),
        ("999999", "/s?rh=n%3A1&page=2", []),
        ("Next", "/s?rh=n%3A1&page=2", []),
        ("4", "/s?cursor=abc", []),
        ("4", "/s?page=2x", []),
    ],
)
def test_the_later_pages_are_read_off_the_pagination(shown: str, following: str, later: list[int]) -> None:
    page = listing([tile(1)], following=following).replace(
        "<a class", f'<span class="s-pagination-item s-pagination-disabled">{shown}</span><a class', 1
    )
    found = parse_listing(page.replace("<a class", "<a class", 1), "https://shop.test/s")
    assert [number for number, _ in found.later] == later
    for number, url in found.later:
        assert url == "https://shop.test" + following.replace("page=2", f"page={number}").replace(
            "sr_pg_1", f"sr_pg_{number}"
        ).replace("sr_pg_2", f"sr_pg_{number}")


@pytest.mark.parametrize("name", ["s-pagination-items", "my-s-pagination-item", "s-pagination-item-list"])
def test_what_is_only_called_like_an_item_is_none(name: str) -> None:
    """A box around the numbers 1, 2 and 4 would read as page 124."""
    box = f'<div class="{name}"><b>1</b><b>2</b><b>4</b></div><a class'
    page = listing([tile(1)], following="/s?page=2").replace("<a class", box, 1)
    assert parse_listing(page, "https://shop.test/s").later == ()


def test_a_count_of_results_says_nothing_of_pages() -> None:
    page = listing([tile(1)], following="/s?page=2", total="1-4 of over 50,000 results")
    found = parse_listing(page, "https://shop.test/s")
    assert (found.total_results, found.later) == (50_000, ())


@pytest.mark.medium
def test_the_pages_of_a_listing_are_on_the_frontier_when_its_first_one_was_read(
    folder: Folder, shop: LyingShop
) -> None:
    assert shop.server is not None
    shop.lies["p00001000"] = slow
    ended = crawl(folder, shop)
    assert (ended.code, ended.summary["state"], ended.summary["cards"]) == (0, "finished", 15), ended.err
    assert pages(folder) == [(number, "done") for number in range(1, 6)]
    done = ended.err.splitlines()
    first, second = (next(place for place, line in enumerate(done) if f"listing page {n}:" in line) for n in (1, 2))
    assert second < first, "whoever has time reads the second page while the first one's pictures come"
    assert asked(shop) == [1, 1, 1, 1, 0, 0, 0, 0]
    assert [row["number"] for row in folder.rows("SELECT number FROM pages WHERE ends")] == [5]


@pytest.mark.medium
def test_the_arguments_bounds_hold(folder: Folder, shop: LyingShop) -> None:
    assert crawl(folder, shop, "-a", "pages=3").summary["pages"] == 3
    assert asked(shop) == [1, 1, 0, 0, 0, 0, 0, 0]


@pytest.mark.medium
@pytest.mark.parametrize(
    ("limit", "read"), [pytest.param(3, 1, marks=SLOW), (4, 2), pytest.param(6, 2, marks=SLOW), (7, 3)]
)
def test_no_page_more_is_asked_for_than_one_after_the_other(
    folder: Folder, shop: LyingShop, limit: int, read: int
) -> None:
    ended = crawl(folder, shop, "-a", f"limit={limit}")
    assert (ended.code, ended.summary["pages"], sum(asked(shop))) == (0, read, read - 1), ended.err


@pytest.mark.medium
@pytest.mark.parametrize(
    "behind",
    [NO_CARD, pytest.param(saying(b""), marks=SLOW), pytest.param(saying("", 404), marks=SLOW)],
    ids=["no card", "no byte", "404"],
)
def test_a_listing_that_ends_earlier_than_it_said_is_finished(folder: Folder, shop: LyingShop, behind: object) -> None:
    """What the pages behind its end answer, asked for meanwhile, is no failure of the crawl."""
    shop.pages = 3
    shop.last = 9

    def late(honest):
        time.sleep(0.7)
        return honest

    # The page with the end comes later than those behind it.
    shop.lies = {3: late, **dict.fromkeys(range(4, 10), behind)}
    ended = crawl(folder, shop)
    assert (ended.code, ended.summary["state"]) == (0, "finished"), ended.err
    assert ended.summary["cards"] == 9
    assert {state for _, state in pages(folder)} == {"done"}
    assert [number for number, state in pages(folder)][:3] == [1, 2, 3]
    assert sum(asked(shop)[2:]) <= 2, "no page behind the end is asked for once it is known"


@pytest.mark.medium
def test_a_page_in_the_middle_that_never_comes_well_interrupts_the_crawl(folder: Folder, shop: LyingShop) -> None:
    """And the same command goes on there, without reading the others again."""
    shop.lies = {3: NO_CARD}
    ended = crawl(folder, shop)
    assert (ended.code, ended.summary["state"]) == (1, "interrupted"), ended.err
    assert ended.sentence.startswith("Listing page 3 of saree shows no card")
    assert dict(pages(folder))[3] == "pending"
    done = [number for number, state in pages(folder) if state == "done"]
    shop.lies.clear()
    again = crawl(folder, shop)
    assert (again.code, again.summary["cards"], again.summary["state"]) == (0, 15, "finished"), again.err
    counts = dict(zip(range(2, 10), asked(shop), strict=True))
    assert {counts[number] for number in done if number > 1} == {1}


@pytest.mark.slow
def test_a_page_that_comes_ill_once_is_asked_for_again(folder: Folder, shop: LyingShop) -> None:
    shop.lies = {number: once(NO_CARD) for number in (2, 3, 4)}
    ended = crawl(folder, shop)
    assert (ended.code, ended.summary["cards"]) == (0, 15), ended.err
    assert asked(shop) == [2, 2, 2, 1, 0, 0, 0, 0]


@pytest.mark.medium
def test_a_listing_that_goes_in_circles_ends_there(folder: Folder, shop: LyingShop) -> None:
    """It says that it has nine pages, and shows the third again and again from the fourth on."""
    shop.pages, shop.last = 9, 9
    for number in range(4, 10):
        shop.lies[number] = lambda _, number=number: type(_)(
            listing(
                [tile(n, f"Saree number {n}") for n in range(3000, 3003)], following=f"/s?page={number + 1}", last=9
            ).encode()
        )
    ended = crawl(folder, shop)
    assert (ended.code, ended.summary["state"], ended.summary["images"]) == (0, "finished", {"kept": 9}), ended.err
    assert sum(asked(shop)[2:]) <= 3, "at most those that were in the air"


@pytest.mark.medium
def test_addresses_that_were_made_up_end_no_listing(folder: Folder, shop: LyingShop) -> None:
    """A shop that knows only the links it gave: what it says of others is no end, and its own links are followed."""
    assert shop.server is not None
    honest = shop.server.answer

    def answer(path: str) -> Answer:
        number = re.search(r"page=(\d+)", path)
        if number and f"qid={int(number[1]) - 1}" not in path:
            return Answer(b"<html><head><title>Page Not Found</title></head><body></body></html>", 404)
        found = honest(path)
        body = re.sub(rb"page=(\d+)", lambda match: b"page=%s&qid=%d" % (match[1], int(match[1]) - 1), found.body)
        return type(found)(body, found.status, content_type=found.content_type)

    shop.server.answer = answer
    ended = crawl(folder, shop)
    assert (ended.code, ended.summary["state"], ended.summary["cards"]) == (0, "finished", 15), ended.err
    urls = [row["url"] for row in folder.rows("SELECT url FROM pages WHERE number > 1 ORDER BY number")]
    assert [url.partition("page=")[2] for url in urls] == [f"{number}&qid={number - 1}" for number in range(2, 6)]


@pytest.mark.slow
def test_pages_that_repeat_the_first_one_end_no_listing_early(folder: Folder, shop: LyingShop) -> None:
    """As where a made-up address leads to page 1: it shows nothing new, and that says nothing of the pages before it."""
    assert shop.server is not None
    honest = shop.server.answer

    def answer(path: str) -> Answer:
        number = re.search(r"page=(\d+)", path)
        if number and f"qid={int(number[1]) - 1}" not in path:
            path = re.sub(r"&page=\d+", "", path)
        found = honest(path)
        body = re.sub(rb"page=(\d+)", lambda match: b"page=%s&qid=%d" % (match[1], int(match[1]) - 1), found.body)
        return type(found)(body, found.status, content_type=found.content_type)

    shop.server.answer = answer
    ended = crawl(folder, shop)
    assert (ended.code, ended.summary["state"], ended.summary["images"]) == (0, "finished", {"kept": 15}), ended.err


@pytest.mark.medium
def test_a_process_that_comes_back_too_late_writes_nothing_and_says_so(folder: Folder, shop: LyingShop) -> None:
    """It was stopped for longer than its lease lasts, and another read its page meanwhile."""
    assert shop.server is not None
    shop.pages = shop.last = 2
    shop.lies["picture"] = slow
    short = ("-s", "STJ_LEASE_SECONDS=1", "-s", "STJ_SUMMARY=json", *FAST)
    late = folder.begin("amazon_sarees", shop.server.origin, *short)
    until = time.monotonic() + 60
    while shop.server.count("/images/") == 0:
        assert time.monotonic() < until, "no picture was asked for"
        time.sleep(0.01)
    os.killpg(late.process.pid, signal.SIGSTOP)
    shop.lies.clear()
    other = folder.crawl("amazon_sarees", shop.server.origin, *short)
    assert (other.code, other.summary["cards"], other.summary["taken_over"]) == (0, 6, 0), other.err
    rows = [tuple(row) for row in folder.rows("SELECT * FROM sightings ORDER BY id")]
    os.killpg(late.process.pid, signal.SIGCONT)
    ended = late.end()
    assert (ended.code, ended.summary["taken_over"]) == (0, 1), ended.err
    assert (
        "listing page 1 was taken over by another process while it was read here: nothing of it is written" in ended.err
    )
    assert [tuple(row) for row in folder.rows("SELECT * FROM sightings ORDER BY id")] == rows


def slow(honest: Answer) -> Answer:
    time.sleep(1)
    return honest
