"""How the shop behaves: its manners, its log, its end."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time

import pytest
from parsel import Selector

from stj_core.labels import load_labels
from stj_demo.behaviour import Behaviour, Block, Robots, robots_rules
from stj_demo.shop import PracticeShop
from tests.conftest import ROOT
from tests.demo.conftest import fetch

LISTING = load_labels()[0].listing_path
CARD = 'div[data-component-type="s-search-result"]'


@pytest.mark.parametrize(
    ("robots", "status", "start"),
    [
        (Robots.ALLOW, 200, "User-agent: *\nDisallow: /gp/cart"),
        (Robots.DENY, 200, "User-agent: *\nDisallow: /\n"),
        (Robots.DENY_PICTURES, 200, "User-agent: *\n"),
        (Robots.DENY_SCRAPY, 200, "User-agent: *\n"),
        (Robots.MISSING, 404, "Not"),
        (Robots.GONE, 410, "Not"),
        (Robots.FORBIDDEN, 403, "Not"),
        (Robots.UNAVAILABLE, 503, "Not"),
        (Robots.HTML, 200, "<!doctype html>"),
        (Robots.HUGE, 200, "User-agent: *\n"),
        (Robots.LOOP, 302, ""),
    ],
)
def test_robots(open_shop, robots, status, start):
    answer = fetch(open_shop(behaviour=Behaviour(robots=robots)).origin + "/robots.txt")
    assert answer.status == status
    assert answer.text.startswith(start)
    assert (len(answer.content) > 500 * 1024) is (robots is Robots.HUGE)


def test_robots_may_be_given_word_for_word():
    assert robots_rules(Behaviour(robots_text="# nothing\n", crawl_delay_s=3)) == "# nothing\n"


def test_crawl_delay():
    assert robots_rules(Behaviour(crawl_delay_s=2.5)).startswith("User-agent: *\nCrawl-delay: 2.5\n")


def test_robots_that_never_answers_ends_with_the_shop(open_shop):
    shop = open_shop(behaviour=Behaviour(robots=Robots.TIMEOUT, hang_s=30))
    errors: list[Exception] = []

    def ask() -> None:
        try:
            fetch(shop.origin + "/robots.txt")
        except OSError as error:
            errors.append(error)
        except http.client.HTTPException as error:
            errors.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.3)
    assert asking.is_alive()
    started = time.monotonic()
    shop.close()
    asking.join(5)
    assert time.monotonic() - started < 5
    assert len(errors) == 1


@pytest.mark.parametrize(
    ("block", "status", "marks"),
    [
        (Block.ROBOT_CHECK, 200, ['action="/errors/validateCaptcha"', 'id="captchacharacters"']),
        (Block.INTERSTITIAL, 200, ['action="/errors/validateCaptcha"', "Continue shopping"]),
        (Block.CHALLENGE, 200, ["<title>&nbsp;</title>", "bm-verify", "/_sec/verify"]),
        (Block.UNAVAILABLE, 503, ["cs_503_link"]),
        (Block.TOO_MANY, 429, ["Too many requests"]),
        (Block.SIGN_IN, 200, ['name="signIn"', 'id="ap_email"']),
        (Block.SIGN_IN_REDIRECT, 302, []),
        (Block.EMPTY, 200, ["No results for"]),
    ],
)
def test_blocks(open_shop, block, status, marks):
    answer = fetch(open_shop(behaviour=Behaviour(block=block)).origin + LISTING)
    assert answer.status == status
    assert all(mark in answer.text for mark in marks)
    assert not Selector(answer.text or "<p>").css(CARD)


def test_a_block_from_a_page_on(open_shop):
    shop = open_shop(behaviour=Behaviour(block=Block.ROBOT_CHECK, block_from_page=2))
    assert "captchacharacters" not in fetch(shop.origin + LISTING).text
    assert "captchacharacters" in fetch(f"{shop.origin}{LISTING}&page=2").text
    assert fetch(f"{shop.origin}/dp/{shop.stock.listings[0][0].asin}").text.count("productTitle")


def test_details_are_blocked_on_request(open_shop):
    shop = open_shop(behaviour=Behaviour(block=Block.INTERSTITIAL, block_details=True))
    assert "validateCaptcha" in fetch(f"{shop.origin}/dp/{shop.stock.listings[0][0].asin}").text


def test_a_flapping_shop_relents(open_shop):
    shop = open_shop(behaviour=Behaviour(block=Block.UNAVAILABLE, block_first=2, retry_after="7"))
    answers = [fetch(shop.origin + LISTING) for _ in range(3)]
    assert [answer.status for answer in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "7"


def test_manners_change_while_it_is_open(open_shop):
    shop = open_shop()
    assert fetch(shop.origin + LISTING).status == 200
    shop.behave(block=Block.TOO_MANY)
    assert fetch(shop.origin + LISTING).status == 429
    shop.behave(block=Block.NONE)
    assert fetch(shop.origin + LISTING).status == 200


def test_an_unknown_manner_is_refused(shop):
    with pytest.raises(TypeError):
        shop.behave(mood="bad")


def test_a_script_made_listing_is_a_shell_whose_cards_come_apart(open_shop):
    shop = open_shop(behaviour=Behaviour(script_made=True))
    shell = Selector(fetch(shop.origin + LISTING).text)
    assert not shell.css(CARD)
    assert '"totalResultCount":' in shell.get()
    assert shell.css("a.s-pagination-next")
    assert (
        fetch(shop.origin + shell.css("script[src]::attr(src)").get())
        .headers["Content-Type"]
        .startswith("text/javascript")
    )
    cards = Selector(fetch(shop.origin + shell.css(".s-main-slot::attr(data-cards)").get()).text)
    assert len(cards.css(CARD)) == 48


def test_lazy_pictures_wait_in_data_src(open_shop):
    page = Selector(fetch(open_shop(behaviour=Behaviour(lazy_images=True)).origin + LISTING).text)
    images = page.css("img.s-image")
    assert all(image.attrib["src"].startswith("http") for image in images[:2])
    lazy = [image for image in images if "data-src" in image.attrib]
    assert len(lazy) > 40
    assert all(
        image.attrib["src"].startswith("data:image/gif") and image.attrib["data-src"].startswith("http")
        for image in lazy
    )


def test_every_third_picture_breaks(open_shop):
    shop = open_shop(behaviour=Behaviour(break_every=3))
    urls = [shop.origin + product.picture.path() for product in shop.stock.listings[0] if product.picture][:6]
    broken = []
    for url in urls:
        try:
            fetch(url)
        except (http.client.IncompleteRead, ConnectionError):
            broken.append(url)
    assert broken == [urls[2], urls[5]]


def test_pictures_may_be_refused_and_slow(open_shop):
    shop = open_shop(behaviour=Behaviour(picture_status=403, picture_delay_s=0.2))
    started = time.monotonic()
    assert fetch(shop.origin + shop.stock.listings[0][0].path.replace("/dp/", "/images/")).status == 404
    url = next(product.picture.path() for product in shop.stock.listings[0] if product.picture)
    assert fetch(shop.origin + url).status == 403
    assert time.monotonic() - started >= 0.2


def test_a_connection_is_kept(shop):
    connection = http.client.HTTPConnection(shop.origin.removeprefix("http://"), timeout=10)
    try:
        for _ in range(3):
            connection.request("GET", "/robots.txt")
            port = connection.sock.getsockname()[1]
            assert connection.getresponse().read()
            assert connection.sock.getsockname()[1] == port
        connection.request("HEAD", LISTING)
        assert connection.getresponse().read() == b""
    finally:
        connection.close()


def test_requests_are_remembered_in_memory_and_in_a_file(open_shop, tmp_path):
    shop = open_shop(log=tmp_path / "log.jsonl")
    fetch(f"{shop.origin}/robots.txt")
    fetch(f"{shop.origin}/dp/B000000000")
    assert [(one.method, one.path, one.status, one.user_agent) for one in shop.requests] == [
        ("GET", "/robots.txt", 200, "tests/1"),
        ("GET", "/dp/B000000000", 404, "tests/1"),
    ]
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["path"] for line in lines] == ["/robots.txt", "/dp/B000000000"]
    shop.forget_requests()
    assert shop.requests == []


@pytest.mark.parametrize(
    "url", ["https%3A%2F%2Fexample.org%2F", "%2F%2Fexample.org", "%2F%5Cexample.org", "x%0d%0aSet-Cookie:a"]
)
def test_the_counter_never_leads_away(shop, url):
    answer = fetch(f"{shop.origin}/sspa/click?url={url}")
    assert answer.headers["Location"].startswith("/")
    assert not answer.headers["Location"].startswith(("//", "/\\"))
    assert "Set-Cookie" not in answer.headers


def test_closing_leaves_no_thread_behind():
    before = set(threading.enumerate())
    with PracticeShop(per_class=3, planting=False) as shop:
        connection = http.client.HTTPConnection(shop.origin.removeprefix("http://"), timeout=10)
        connection.request("GET", "/")
        connection.getresponse().read()
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert set(threading.enumerate()) <= before
    connection.close()


def _command(*options: str) -> list[str]:
    return [sys.executable, "-m", "stj_demo", "--per-class", "3", *options]


def test_the_command_prints_its_origin_serves_and_ends_politely():
    with subprocess.Popen(_command("--block", "too_many"), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert select.select([process.stdout], [], [], 60)[0]
            origin = process.stdout.readline().strip()
            assert fetch(origin + LISTING).status == 429
            os.kill(process.pid, signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_the_command_lists_what_is_planted():
    answer = subprocess.run(_command("--list-planted"), capture_output=True, text=True, check=True, timeout=60)
    assert {one["case"] for one in json.loads(answer.stdout)} >= {"sponsored", "no_picture", "truncated", "html"}


def test_a_port_that_is_taken_is_said_in_a_sentence(shop, tmp_path):
    port = shop.origin.rsplit(":", 1)[1]
    for command in (
        _command("--port", port),
        [sys.executable, "-m", "stj_demo.walk", "--port", port, "--per-class", "8"],
    ):
        answer = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert answer.returncode == 1
        assert answer.stderr.splitlines()[-1] == (
            f"The shop cannot have port {port} of 127.0.0.1 (Address already in use): end what is there, or give another --port."
        )


def test_the_command_refuses_a_missing_folder_in_a_sentence():
    answer = subprocess.run(_command("--images", "nowhere"), capture_output=True, text=True, check=False, timeout=60)
    assert answer.returncode == 2
    assert answer.stderr == (
        "There is no folder nowhere of pictures to sell: "
        "give one with a folder for each class (0 or saree, 1 or trousers, 2 or jeans).\n"
    )
