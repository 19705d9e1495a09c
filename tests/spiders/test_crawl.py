"""Whole crawls of the practice shop, as a person starts them."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from stj_demo.behaviour import Behaviour, Block, Robots
from stj_demo.products import Case
from stj_demo.shop import PracticeShop
from stj_spiders.extensions.progress import fitting
from tests.spiders.conftest import Folder, pages_asked, pictures_asked, wait_for

OpenShop = Callable[..., PracticeShop]
ALL = ("stj_spiders", "-s", "STJ_SUMMARY=json")
STATUS_OF_CASE = {
    Case.TWO_CATEGORIES: ("quarantined", "label_conflict"),
    Case.SPONSORED: ("quarantined", "sponsored"),
    Case.TRUNCATED: ("rejected", "truncated"),
    Case.HTML: ("rejected", "not_image"),
    Case.TITLE_MISMATCH: ("quarantined", "title_mismatch"),
    Case.TINY: ("rejected", "too_small"),
}


@pytest.mark.medium
def test_every_category_in_one_process_and_again(folder: Folder, open_shop: OpenShop) -> None:
    """Each planted case ends in its status, each file has the shop's bytes, and a second crawl fetches no picture."""
    shop = open_shop(per_class=8, planting=True)
    ended = folder.start(*ALL, "-a", f"origin={shop.origin}", STJ_CONTACT="crawls@shop.example").end()
    assert ended.code == 0, ended.err
    assert {"finished"} == {one["state"] for one in ended.summary}
    _assert_cases_ended_as_planted(folder, shop)
    _assert_bytes_are_the_shops(folder, shop)

    asked = pictures_asked(shop)
    assert set(asked.values()) == {1}
    assert pages_asked(shop).count("/robots.txt") == 1
    assert not any("/dp/" in path for path in pages_asked(shop)), "detail pages only with details=1"
    assert {asked.user_agent.split(" ", 1)[1] for asked in shop.requests} == {"(Scrapy; +crawls@shop.example)"}

    seen = folder.rows("SELECT sum(last_seen_at > first_seen_at) AS later, count(*) AS n FROM images")[0]
    shop.forget_requests()
    again = folder.start(*ALL[:1], "-a", f"origin={shop.origin}").end()
    assert again.code == 0
    assert "Nothing new was fetched: every picture was known." in again.out
    assert "next: stj-dataset stats" in again.out
    # Only what broke is asked for again: it may be whole by now.
    broken = folder.rows("SELECT url FROM images WHERE reason IN ('truncated', 'not_image', 'too_small')")
    assert pictures_asked(shop) == {row["url"].removeprefix(shop.image_origin): 1 for row in broken}
    later = folder.rows("SELECT sum(last_seen_at > first_seen_at) AS later, count(*) AS n FROM images")[0]
    assert (later["n"], later["later"]) == (seen["n"], seen["n"])
    doubled = folder.rows("SELECT crawl_id, page_id, position FROM sightings GROUP BY 1, 2, 3 HAVING count(*) > 1")
    assert not doubled


def _assert_cases_ended_as_planted(folder: Folder, shop: PracticeShop) -> None:
    rows = {row["asin"]: row for row in folder.rows("SELECT * FROM image_provenance WHERE image_id IS NOT NULL")}
    for planted in shop.planted:
        if planted.case in {Case.EXACT_COPY, Case.RESIZED_COPY}:
            # Which of the two is kept depends on their sizes; never both.
            assert "duplicate" in {rows[asin]["status"] for asin in planted.asins}, planted
        elif planted.case is Case.SPONSORED_ELSEWHERE_ORGANIC:
            assert rows[planted.asins[0]]["status"] in {"kept", "duplicate"}, "only if all its sightings say so"
        elif planted.case in STATUS_OF_CASE:
            row = rows[planted.asins[0]]
            assert (row["status"], row["reason"]) == STATUS_OF_CASE[planted.case], planted
    without = folder.rows("SELECT asin FROM image_provenance WHERE image_id IS NULL AND reason = 'no_image'")
    assert {row["asin"] for row in without} >= {p.asins[0] for p in shop.planted if p.case is Case.NO_PICTURE}


def _assert_bytes_are_the_shops(folder: Folder, shop: PracticeShop) -> None:
    stored = folder.rows("SELECT url, path, sha256 FROM images WHERE path IS NOT NULL")
    assert {row["path"] for row in stored} == {
        path.relative_to(folder.path / "images").as_posix() for path in folder.files()
    }
    for row in stored:
        data = (folder.path / "images" / row["path"]).read_bytes()
        assert data == shop.image_bytes(row["url"])
        assert hashlib.sha256(data).hexdigest() == row["sha256"]


@pytest.mark.medium
def test_a_new_category_is_a_block_of_toml_and_details_bring_every_gallery(folder: Folder, open_shop: OpenShop) -> None:
    """The crawl of docs/new-category.md; each gallery picture is fetched once."""
    labels = folder.path / "labels.toml"
    labels.write_text(
        '[[category]]\nlabel = 3\nslug = "kurta"\nname = "Kurta"\nnode = "1968255031"\nfits = ["kurta"]\n'
        'contradicts = ["jeans", "saree"]\n'
    )
    shop = open_shop(labels=labels, per_class=3)
    ended = folder.crawl(
        "amazon_category",
        shop,
        "-a",
        "category=kurta",
        "-a",
        "details=1",
        "-s",
        "STJ_SUMMARY=json",
        STJ_LABELS="labels.toml",
    )
    assert ended.code == 0, ended.err
    products = shop.stock.listings[3]
    gallery = {picture.path() for product in products for picture in product.pictures}
    assert len(gallery) > len(products)
    kept = {row["image_key"].removeprefix(shop.image_origin) for row in folder.rows("SELECT image_key FROM images")}
    assert gallery == kept
    assert set(pictures_asked(shop).values()) == {1}
    assert Counter(path for path in pages_asked(shop) if "/dp/" in path) == {f"/dp/{p.asin}": 1 for p in products}
    assert {3} == {row["label"] for row in folder.rows("SELECT label FROM images WHERE status = 'kept'")}
    summary = ended.summary
    assert (summary["listed"], summary["cards"] > len(products)) == (len(products), True), (
        "details are no listing's cards"
    )
    assert {"ok"} == {row["verdict"] for row in folder.rows("SELECT verdict FROM pages")}


@pytest.mark.medium
@pytest.mark.parametrize(
    ("robots", "why", "advice", "state"),
    [
        (
            Robots.UNAVAILABLE,
            "its robots.txt answers 503",
            "Nothing was refused: give the same command again later.",
            "interrupted",
        ),
        (
            Robots.LOOP,
            "its robots.txt cannot be had (max redirections reached)",
            "Give the same command again later, or ask the shop for permission.",
            "refused",
        ),
    ],
)
def test_without_leave_nothing_else_is_fetched(
    folder: Folder, open_shop: OpenShop, robots: Robots, why: str, advice: str, state: str
) -> None:
    """robots.txt fails closed; the crawl ends with exit 1 and a sentence, and an outage is not called a refusal."""
    shop = open_shop(behaviour=Behaviour(robots=robots))
    ended = folder.crawl("amazon_sarees", shop)
    assert ended.code == 1
    assert {"/robots.txt"} == {asked.path for asked in shop.requests}
    assert robots is Robots.LOOP or len(shop.requests) == 1, "not tried again"
    assert why in ended.sentence
    assert ended.sentence.endswith(advice)
    assert folder.rows("SELECT state FROM crawls")[0]["state"] == state


def test_refused_pictures_end_the_crawl(folder: Folder, open_shop: OpenShop) -> None:
    """A listing whose pictures may not be fetched is of no use; nothing is marked as fetched."""
    shop = open_shop(behaviour=Behaviour(robots=Robots.DENY_PICTURES), separate_pictures=True)
    ended = folder.crawl("amazon_sarees", shop)
    assert ended.code == 1
    assert '"Disallow: /images/"' in ended.sentence
    assert not pictures_asked(shop)
    assert [tuple(row) for row in folder.rows("SELECT state FROM pages")] == [("pending",)]


@pytest.mark.medium
def test_a_robot_check_from_page_three_keeps_two_pages_and_goes_on_later(folder: Folder, open_shop: OpenShop) -> None:
    """The breaker opens after N blocked answers; the same command fetches the rest, and nothing again."""
    shop = open_shop(per_class=140, behaviour=Behaviour(block=Block.ROBOT_CHECK, block_from_page=3))
    options = ("-s", "STJ_COOL_SECONDS=0.2", "-s", "STJ_BLOCKS=2")
    ended = folder.crawl("amazon_sarees", shop, *options)
    assert ended.code == 1
    assert "listing page 3 is a robot_check page, and it did so 2 times in a row" in ended.sentence
    assert "give the same command again" in ended.sentence
    assert 96 == len(folder.files()) == len(pictures_asked(shop))
    asked = [path for path in pages_asked(shop) if "page=3" in path]
    assert len(asked) == 2
    third = folder.rows("SELECT state, verdict, attempts, cards FROM pages WHERE number = 3")[0]
    assert tuple(third) == ("pending", "robot_check", 2, 0)
    assert folder.rows("SELECT state FROM crawls")[0]["state"] == "blocked"

    shop.behave(block=Block.NONE)
    gone_on = folder.crawl("amazon_sarees", shop, *options, "-s", "STJ_SUMMARY=json")
    assert (gone_on.code, gone_on.summary["crawl"], gone_on.summary["state"]) == (0, 1, "finished")
    assert len(folder.files()) == 140
    assert set(pictures_asked(shop).values()) == {1}
    assert len([path for path in pages_asked(shop) if path.startswith("/s?") and "page=" not in path]) == 1


@pytest.mark.medium
def test_crawl_delay_and_retry_after_are_measured_at_the_shop(folder: Folder, open_shop: OpenShop) -> None:
    """Every gap between two requests of whatever kind is at least the Crawl-delay; a Retry-After is waited for."""
    behaviour = Behaviour(crawl_delay_s=2.0, block=Block.TOO_MANY, block_first=1, retry_after="4")
    shop = open_shop(per_class=2, behaviour=behaviour)
    ended = folder.crawl("amazon_sarees", shop, "-s", "STJ_COOL_SECONDS=0.1")
    assert ended.code == 0, ended.err
    times = [asked.time for asked in shop.requests]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(gaps) == 5  # robots.txt, the listing twice, the host's reservations, two pictures
    assert min(gaps) >= 2.0 - 0.02, gaps
    assert gaps[1] >= 4.0 - 0.02, gaps
    assert "turned us away (listing page 1 is an unavailable page): leaving it alone for 4 s" in ended.err
    assert tuple(folder.rows("SELECT verdict, attempts FROM pages")[0]) == ("ok", 2)


@pytest.mark.medium
def test_a_redirect_to_the_sign_in_page_is_a_block(folder: Folder, open_shop: OpenShop) -> None:
    """Its robots.txt would not even let us look at that page."""
    shop = open_shop(behaviour=Behaviour(block=Block.SIGN_IN_REDIRECT))
    ended = folder.crawl("amazon_sarees", shop, "-s", "STJ_BLOCKS=1")
    assert ended.code == 1
    assert "is a sign_in page" in ended.sentence
    assert not any("/ap/signin" in path for path in pages_asked(shop))
    assert folder.rows("SELECT verdict FROM pages")[0]["verdict"] == "sign_in"


@pytest.mark.medium
def test_a_product_that_is_gone_does_not_hold_the_crawl(folder: Folder, open_shop: OpenShop) -> None:
    """A 404 is an answer about the product: it is asked for once, nothing cools down, and the crawl finishes."""
    shop = open_shop(behaviour=Behaviour(gone_details=True))
    ended = folder.crawl("amazon_sarees", shop, "-a", "details=1")
    assert ended.code == 0, ended.err
    assert "turned us away" not in ended.err
    gone = folder.rows("SELECT state, verdict, http_status, attempts FROM pages WHERE kind = 'product'")
    assert [tuple(row) for row in gone] == [("done", "unavailable", 404, 1)] * 4
    assert len(folder.files()) == 4


@pytest.mark.medium
def test_a_limit_ends_the_crawl_and_fresh_begins_another(folder: Folder, open_shop: OpenShop) -> None:
    """With the page that brings the last picture; `fresh=1` leaves an unfinished crawl behind for good."""
    shop = open_shop(per_class=140, behaviour=Behaviour(block=Block.CHALLENGE))
    assert folder.crawl("amazon_sarees", shop, "-s", "STJ_BLOCKS=1").code == 1
    shop.behave(block=Block.NONE)
    shop.forget_requests()
    ended = folder.crawl("amazon_sarees", shop, "-a", "fresh=1", "-a", "limit=40", "-s", "STJ_SUMMARY=json")
    assert ended.code == 0, ended.err
    assert (ended.summary["crawl"], ended.summary["pages"], ended.summary["cards"]) == (2, 1, 48)
    assert [row["state"] for row in folder.rows("SELECT state FROM crawls ORDER BY id")] == ["abandoned", "finished"]
    assert pages_asked(shop) == ["/robots.txt", "/s?rh=n:1968256031&fs=true"]


def test_interrupted_then_killed_then_finished(folder: Folder, open_shop: OpenShop) -> None:
    """Ctrl-C and kill -9 lose no picture; only those in flight or not yet committed are asked for again."""
    shop = open_shop(per_class=60, behaviour=Behaviour(picture_delay_s=0.1))
    running = folder.begin("amazon_jeans", shop)
    wait_for(lambda: len(pictures_asked(shop)) >= 12)
    ended = running.interrupt()
    assert ended.code == 130
    assert ended.sentence == "Interrupted: the same command goes on from here."
    assert len(pictures_asked(shop)) < 48
    known = folder.rows("SELECT count(*) AS n FROM images")[0]["n"]
    assert known == len(pictures_asked(shop)), "what was fetched before Ctrl-C is in the catalogue"

    before = pictures_asked(shop)
    running = folder.begin("amazon_jeans", shop)
    wait_for(lambda: len(pictures_asked(shop)) >= len(before) + 8)
    running.kill()
    committed = {row["url"].removeprefix(shop.image_origin) for row in folder.rows("SELECT url FROM images")}
    assert set(before) <= committed

    assert folder.crawl("amazon_jeans", shop).code == 0
    asked = pictures_asked(shop)
    assert all(asked[path] == 1 for path in committed)
    assert 60 == len(asked) == len(folder.files()), "what was written aside at the kill is gone, too"
    assert folder.rows("SELECT count(DISTINCT image_id) AS n FROM sightings")[0]["n"] == 60
    assert folder.rows("SELECT count(*) AS n FROM sightings")[0]["n"] == 60


def test_two_processes_share_one_crawl(folder: Folder, open_shop: OpenShop) -> None:
    """Started at once with one catalogue: both end well, and each picture is fetched once."""
    shop = open_shop(per_class=60)
    both = [folder.begin("amazon_sarees", shop) for _ in range(2)]
    assert [running.end().code for running in both] == [0, 0]
    assert set(pictures_asked(shop).values()) == {1}
    assert folder.rows("SELECT count(*) AS n FROM sightings")[0]["n"] == 60
    assert folder.rows("SELECT count(*) AS n FROM crawls")[0]["n"] == 1


@pytest.mark.medium
def test_two_processes_keep_one_pace_in_sum(folder: Folder, open_shop: OpenShop) -> None:
    """They crawl two listings of one shop: together they ask for no more pictures than one would alone."""
    shop = open_shop(per_class=10)
    gap = 0.25
    pace = ("-s", f"STJ_PICTURE_SECONDS={gap}", "-s", "STJ_PAGE_SECONDS=0.1", "-s", "STJ_JITTER=0")
    both = [folder.begin(spider, shop, *pace) for spider in ("amazon_sarees", "amazon_jeans")]
    assert [running.end().code for running in both] == [0, 0]
    times = sorted(one.time for one in shop.requests if one.path.startswith("/images/"))
    assert len(times) == 20
    # A busy machine may send two requests closer together than they were let go; it cannot send more of them.
    assert times[-1] - times[0] >= 0.95 * gap * (len(times) - 1)


@pytest.mark.medium
def test_a_block_met_by_one_process_silences_the_other(folder: Folder, open_shop: OpenShop) -> None:
    """The second process is never answered by the block itself, and waits for the pause that the first one began."""
    shop = open_shop(per_class=4, behaviour=Behaviour(block=Block.TOO_MANY, block_first=1, retry_after="6"))
    pace = ("-s", "STJ_PICTURE_SECONDS=0.05", "-s", "STJ_PAGE_SECONDS=0.05", "-s", "STJ_JITTER=0")
    first = folder.begin("amazon_sarees", shop, *pace)
    wait_for(lambda: any(one.status == 429 for one in shop.requests))
    began = time.time()
    second = folder.begin("amazon_jeans", shop, *pace)
    assert [first.end().code, second.end().code] == [0, 0]
    pages = sorted(one.time for one in shop.requests if one.path.startswith("/s?"))
    assert len(pages) == 3
    assert min(pages[1:]) >= pages[0] + 5.5
    assert pages[0] < began


@pytest.mark.medium
def test_accidents_end_in_one_word_and_are_tried_again_by_the_next_crawl(folder: Folder, open_shop: OpenShop) -> None:
    """A slow picture is a `timeout`, refused ones an `http_error`; broken connections are repeated at once."""
    shop = open_shop(behaviour=Behaviour(picture_delay_s=1.5))
    slow = folder.crawl("amazon_sarees", shop, "-s", "DOWNLOAD_TIMEOUT=1", "-s", "RETRY_TIMES=0")
    assert (slow.code, "No picture of 4 cards could be kept (4 timeout)" in slow.sentence) == (1, True), slow.err
    assert {("rejected", "timeout")} == {tuple(row) for row in folder.rows("SELECT status, reason FROM images")}
    shop.behave(picture_delay_s=0.0, picture_status=404)
    assert folder.crawl("amazon_sarees", shop).code == 1
    assert {("http_error", 404)} == {tuple(row) for row in folder.rows("SELECT reason, http_status FROM images")}
    shop.behave(picture_status=200, break_every=2)
    assert folder.crawl("amazon_sarees", shop).code == 0
    assert {"kept"} == {row["status"] for row in folder.rows("SELECT status FROM images")}
    assert len(folder.files()) == 4


@pytest.mark.medium
def test_a_terminal_shows_a_live_line(folder: Folder, open_shop: OpenShop) -> None:
    """Pages, cards, kept, duplicates, rejected and pace, instead of a log; the table comes at the end."""
    shop = open_shop(per_class=12, behaviour=Behaviour(picture_delay_s=0.3))
    ended = folder.begin("amazon_sarees", shop, terminal=True).end()
    assert ended.code == 0
    for word in ("amazon_sarees", "pages", "cards", "kept", "0/300", "duplicates", "rejected", "pace", "time left"):
        assert word in ended.err, word
    assert "INFO" not in ended.err
    assert [line.split()[0] for line in ended.out.splitlines()][:10] == [
        "spider", "crawl", "state", "pages", "cards", "new", "kept", "duplicate", "quarantined", "rejected",
    ]  # fmt: skip


def test_a_narrow_terminal_gets_the_most_telling_columns() -> None:
    """Eighty hold all of it, forty what was kept, the time left and the pages."""
    widths = [15, 5, 5, 7, 10, 8, 6, 10]
    assert fitting(widths, 80) == list(range(8))
    assert fitting(widths, 40) == [0, 1, 3, 7]
    assert fitting(widths, 24) == [0, 3]
    assert fitting(widths, 5) == [0]


@pytest.mark.medium
@pytest.mark.parametrize("hurry", [False, True])
def test_ctrl_c_leaves_the_terminal_as_it_was_and_says_so_once(
    folder: Folder, open_shop: OpenShop, hurry: bool
) -> None:
    """However often it is pressed: no live line is left, the cursor is back, and the sentence stands alone."""
    shop = open_shop(per_class=60, behaviour=Behaviour(picture_delay_s=0.5))
    running = folder.start("stj_spiders", "-a", f"origin={shop.origin}", terminal=True)
    wait_for(lambda: b"time left" in b"".join(running.shown) and len(pictures_asked(shop)) >= 4)
    if hurry:
        running.process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    ended = running.interrupt()
    assert ended.code == 130
    assert ended.err.count("Interrupted") == 1
    assert ended.err.endswith("Interrupted: the same command goes on from here.\n")
    assert ended.err.rfind("\x1b[?25h") > max(ended.err.rfind("\x1b[?25l"), ended.err.rfind("time left"))


@pytest.mark.medium
def test_images_that_cannot_be_written_end_the_crawl(folder: Folder, open_shop: OpenShop) -> None:
    """Exit 1, one sentence, no row for a picture that is not there."""
    (folder.path / "images").write_text("a file where the folder should be")
    ended = folder.crawl("amazon_sarees", open_shop())
    assert ended.code == 1
    assert ended.sentence.startswith("Cannot write to the image store")
    assert not folder.rows("SELECT 1 FROM images WHERE path IS NOT NULL")
    assert folder.rows("SELECT state FROM crawls")[0]["state"] == "interrupted"


@pytest.mark.medium
def test_a_full_disk_ends_the_crawl_with_nothing_half_written(folder: Folder, open_shop: OpenShop) -> None:
    """The files that are there are whole, and so is the catalogue."""
    shop = open_shop(per_class=12)
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "from stj_images.store import FolderStore\n"
        "from scrapy.cmdline import execute\n"
        f"execute(['scrapy', 'crawl', 'amazon_sarees', '-a', 'origin={shop.origin}'])\n"
    )
    (folder.path / "limited.py").write_text(code)
    # The catalogue is on another disk, so to speak: it exists at its full size before the limit comes.
    ended = folder.start("limited").end()
    assert ended.code == 1
    assert "Traceback" not in ended.sentence
    for path in folder.files():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem


def test_a_catalogue_of_a_newer_stj(folder: Folder, catalog_of_tomorrow: Path) -> None:
    """Exit 1 before anything is asked."""
    ended = folder.crawl("amazon_sarees", "http://127.0.0.1:9")
    assert ended.code == 1
    assert "newer than this STJ's" in ended.sentence
    assert catalog_of_tomorrow.exists()


@pytest.mark.medium
def test_wrong_usage_is_exit_2_and_a_dry_run_asks_nothing(folder: Folder, open_shop: OpenShop) -> None:
    """Nothing is fetched, and no catalogue is made."""
    shop = open_shop()
    unknown = folder.crawl("amazon_hats", shop)
    assert (unknown.code, unknown.sentence) == (
        2,
        "There is no spider 'amazon_hats': there are amazon_category, amazon_jeans, amazon_sarees, amazon_trousers.",
    )
    for command in (("scrapy", "crawl", "amazon_sarees"), ("stj_spiders",)):
        loud = folder.start(*command, "-L", "LOUD").end()
        assert (loud.code, "Traceback" in loud.err) == (2, False)
        assert loud.sentence.endswith("LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL, got 'LOUD'.")
    broken = folder.crawl("amazon_sarees", shop, STJ_LABELS="nowhere.toml")
    assert broken.code == 2
    assert broken.sentence.startswith("Cannot read the labels file nowhere.toml")
    nowhere = "http://0.0.0.0:9"  # not loopback to STJ, and nobody is there
    words = folder.crawl("amazon_sarees", nowhere, "-a", "dry_run=1").out
    assert "about 1.4 minutes" in words
    assert "Amazon's conditions of use restrict automated collection" in words
    plan = folder.crawl("amazon_sarees", nowhere, "-a", "dry_run=1", "-s", "STJ_SUMMARY=json")
    assert plan.code == 0
    expected = {
        "listing_pages": 7,
        "pictures": 300,
        "page_seconds": 2.0,
        "picture_seconds": 0.25,
        "resumes_crawl": None,
    }
    assert expected.items() <= json.loads(plan.out).items()
    every = folder.start(*ALL, "-a", f"origin={shop.origin}", "-a", "dry_run=1").end()
    assert [one["spider"] for one in every.summary] == ["amazon_sarees", "amazon_trousers", "amazon_jeans"]
    assert "it would end at once: its robots.txt cannot be had" in words
    assert {"/robots.txt"} == {asked.path for asked in shop.requests}
    assert not (folder.path / "catalog.sqlite").exists()


@pytest.mark.medium
def test_a_dry_run_counts_the_crawl_delay(folder: Folder, open_shop: OpenShop) -> None:
    """7 pages and 300 pictures, 200 s apart, are 17 hours; what no crawl waits for is said."""
    shop = open_shop(behaviour=Behaviour(crawl_delay_s=200.0))
    plan = folder.crawl("amazon_sarees", shop, "-a", "dry_run=1", "-s", "STJ_SUMMARY=json").summary
    assert plan["crawl_delay_seconds"] == 200.0
    assert plan["minutes"] >= 307 * 200 / 60
    assert plan["in_the_way"] is None
    shop.behave(robots_text="User-agent: *\nCrawl-delay: " + "9" * 25 + "\n")
    words = folder.crawl("amazon_sarees", shop, "-a", "dry_run=1").out
    assert (
        "it would end at once: more years than anybody has of Crawl-delay are over the 5 minutes of STJ_DELAY" in words
    )


@pytest.mark.medium
@pytest.mark.parametrize("said", ["999999999", "9" * 25, "inf", "301"])
def test_a_crawl_delay_that_nobody_waits_for_ends_the_crawl(folder: Folder, open_shop: OpenShop, said: str) -> None:
    """With a sentence, exit 1, and nothing else asked."""
    shop = open_shop(behaviour=Behaviour(robots_text=f"User-agent: *\nCrawl-delay: {said}\n"))
    ended = folder.crawl("amazon_sarees", shop)
    assert ended.code == 1
    assert (
        "between two requests (the Crawl-delay of its robots.txt), over the 5 minutes of STJ_DELAY_MOST"
        in ended.sentence
    )
    assert [asked.path for asked in shop.requests] == ["/robots.txt"]
    assert folder.rows("SELECT state FROM crawls")[0]["state"] == "interrupted"


@pytest.mark.medium
def test_a_wait_is_told_while_it_lasts(folder: Folder, open_shop: OpenShop) -> None:
    """In the log, and in the live display; a delay that is no length of time is told, too."""
    shop = open_shop(per_class=1, behaviour=Behaviour(robots_text="User-agent: *\nCrawl-delay: 4\nCrawl-delay: nan\n"))
    running = folder.begin("amazon_sarees", shop, terminal=True)
    ended = running.end()
    assert ended.code == 0
    assert "asks for 4 seconds between two requests (Crawl-delay): they are kept" in ended.err
    assert 'asks for "Crawl-delay: nan", which is no length of time: our own gaps hold.' in ended.err
    assert re.search(r"Crawl-delay 3\.\d* seconds", ended.err)


@pytest.mark.medium
def test_a_wait_for_a_page_that_another_process_holds_is_told(folder: Folder, open_shop: OpenShop) -> None:
    """Nothing is known of the holder, perhaps on another machine: the page is taken when its lease runs out."""
    shop = open_shop(per_class=1, behaviour=Behaviour(block=Block.ROBOT_CHECK))
    assert folder.crawl("amazon_sarees", shop, "-s", "STJ_BLOCKS=1").code == 1

    def held_until(moment: str) -> None:
        lease = f"lease_until = '{moment}', lease_worker = 'elsewhere', lease_token = 'x'"
        with closing(sqlite3.connect(folder.path / "catalog.sqlite")) as catalog, catalog:
            catalog.execute(f"UPDATE pages SET state = 'leased', {lease}")

    held_until("2999-01-01T00:00:00.000Z")
    shop.behave(block=Block.NONE)
    running = folder.begin("amazon_sarees", shop, terminal=True)
    wait_for(lambda: b"waiting for 1 page that another process holds" in b"".join(running.shown))
    held_until("2020-01-01T00:00:00.000Z")
    assert running.end().code == 0


def test_a_retry_after_that_nobody_waits_for_ends_the_crawl(folder: Folder, open_shop: OpenShop) -> None:
    """Over STJ_DELAY_MOST_SECONDS, with a sentence; the same command goes on."""
    shop = open_shop(behaviour=Behaviour(block=Block.TOO_MANY, retry_after="301"))
    ended = folder.crawl("amazon_sarees", shop)
    assert ended.code == 1
    assert "it asks to come back in 5.02 minutes, over the 5 minutes of STJ_DELAY_MOST_SECONDS" in ended.sentence
    assert len(pages_asked(shop)) == 2
