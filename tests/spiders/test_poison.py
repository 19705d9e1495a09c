"""No page is a poison pill: what a shop says is bounded and made storable, and a page that fails again and again is set aside."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stj_spiders import storable
from stj_spiders.shops.amazon.listing import parse_listing
from stj_spiders.shops.amazon.product import parse_product
from stj_spiders.shops.pages import Card, Listing, Picture, Product, Verdict
from stj_spiders.storable import storable_listing, storable_product
from tests.conftest import ROOT
from tests.spiders.conftest import Folder
from tests.spiders.lying_shop import LyingShop, asin_of, listing, saying, tile
from tests.spiders.servers import Answer, serving

URL = "https://www.amazon.in/s?rh=n%3A1968256031"


@pytest.fixture
def shop() -> Iterator[LyingShop]:
    lying = LyingShop()
    with serving(lying) as server:
        lying.server = server
        yield lying


def product_page(asin: str, title: str, gallery: str) -> str:
    return (
        f'<html><body><input id="ASIN" value="{asin}"><span id="productTitle">{title}</span>'
        f"<script>'colorImages': {{ 'initial': {gallery}}}</script></body></html>"
    )


def test_a_crawl_takes_in_whatever_stands_on_its_pages(folder: Folder, shop: LyingShop) -> None:
    """Ports that are none, counts of 25 digits, halves of characters, endless and hidden text: rows, and an end."""
    assert shop.server is not None
    tiles = [
        tile(1, image="http://127.0.0.1:99999/images/I/p1.jpg"),
        tile(2, image="http://127.0.0.1:port/images/I/p2.jpg"),
        tile(3, "Silk saree " + "very " * 40_000 + "long"),
        tile(4, "Silk saree\x1b]0;title\x07 \x1b[31mred \u202esey\u202c &#x9b;31m \ufeff\x00end"),
        tile(5, image="//[::1/images/I/p5.jpg"),
        *(tile(n) for n in range(6, 12)),
    ]
    shop.lies[1] = saying(listing(tiles, following="/s?page=2", total="1-48 of " + "9" * 25 + " results"))
    honest = shop.server.answer
    gallery = json.dumps([{"hiRes": "https://127.0.0.1/images/I/a\ud800b.jpg"}])
    shop.server.answer = lambda path: (
        Answer(product_page(path[4:14], "Saree \ud800".encode("utf-8", "replace").decode(), gallery).encode())
        if path.startswith("/dp/")
        else honest(path)
    )
    options = ("-a", "details=1", "-s", "STJ_SUMMARY=json")
    ended = folder.crawl("amazon_sarees", shop.server.origin, *options)
    assert (ended.code, "Traceback" in ended.err, "\x1b" in ended.err) == (0, False, False), ended.err
    rows = {row["asin"]: row for row in folder.rows("SELECT * FROM image_provenance WHERE page_url LIKE '%/s?%'")}
    assert {rows[asin_of(n)]["reason"] for n in (1, 2, 5)} == {"no_image"}
    assert len(rows[asin_of(3)]["title"]) == storable.MOST_TITLE
    assert rows[asin_of(4)]["title"] == "Silk saree]0;title [31mred sey ›31m \ufffdend"
    assert folder.rows("SELECT total_results FROM pages WHERE number = 1")[0]["total_results"] is None
    assert not folder.rows("SELECT 1 FROM pages WHERE state <> 'done'")


@pytest.mark.medium
def test_a_page_that_fails_three_times_is_set_aside_and_the_crawl_goes_on(folder: Folder, shop: LyingShop) -> None:
    """The pages behind it are read; the crawl says so and does not call itself finished; the same command tries again."""
    assert shop.server is not None
    shop.pages = 3
    (folder.path / "broken.py").write_text(
        "import sys\n"
        "from stj_spiders.pipelines import pages\n"
        "commit = pages.commit_page\n"
        "def commit_page(catalog, settler, page):\n"
        "    if any('number 2000' in (card.title or '') for card in page.cards):\n"
        "        raise OverflowError('a number too large')\n"
        "    return commit(catalog, settler, page)\n"
        "pages.commit_page = commit_page\n"
        "from scrapy.cmdline import execute\n"
        "execute(['scrapy', *sys.argv[1:]])\n"
    )
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    command = ("crawl", "amazon_sarees", "-a", f"origin={shop.server.origin}", "-s", "STJ_SUMMARY=json")
    ended = folder.start("broken", *command, PYTHONPATH=path).end()
    assert (ended.code, ended.summary["state"], ended.summary["cards"]) == (1, "interrupted", 8), ended.err
    assert "Traceback" not in ended.err, "where it broke stands in the file that the sentence names"
    assert ended.summary["set_aside"] == 1
    assert ended.sentence.startswith(
        "Listing page 2 was set aside (OverflowError: a number too large; please report it"
    )
    states = folder.rows("SELECT number, state, reason FROM pages ORDER BY number")
    assert [(row["number"], row["state"]) for row in states] == [(1, "done"), (2, "failed"), (3, "done")]
    assert states[1]["reason"].startswith("OverflowError: a number too large")
    assert shop.server.count("page=2") == 3
    well = folder.crawl("amazon_sarees", shop.server.origin, "-s", "STJ_SUMMARY=json")
    assert (well.code, well.summary["crawl"], well.summary["cards"], well.summary["set_aside"]) == (0, 1, 12, 0)


@pytest.mark.medium
def test_a_page_that_cannot_be_parsed_ends_the_walk_and_is_no_end(folder: Folder, shop: LyingShop) -> None:
    """What is behind it nobody knows: exit 1, the page set aside with its reason, and no bug's exit code."""
    assert shop.server is not None
    (folder.path / "broken.py").write_text(
        "import sys\n"
        "from stj_spiders.shops import amazon\n"
        "well = amazon.parse_listing\n"
        "def parse_listing(text, url, status=200):\n"
        "    if 'page=2' in url:\n"
        "        raise ZeroDivisionError('a bug')\n"
        "    return well(text, url, status)\n"
        "amazon.parse_listing = parse_listing\n"
        "from scrapy.cmdline import execute\n"
        "execute(['scrapy', *sys.argv[1:]])\n"
    )
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    ended = folder.start(
        "broken", "crawl", "amazon_sarees", "-a", f"origin={shop.server.origin}", PYTHONPATH=path
    ).end()
    assert (ended.code, ended.sentence.startswith("Listing page 2 was set aside (ZeroDivisionError: a bug;")) == (
        1,
        True,
    )
    assert "Traceback" not in ended.err
    assert [row["state"] for row in folder.rows("SELECT state FROM pages ORDER BY number")] == ["done", "failed"]


ANY_TEXT = st.one_of(st.none(), st.text(st.characters(categories=[*"LMNPSZC"], max_codepoint=0x10FFFF), max_size=50))
ANY_TEXT = st.one_of(
    ANY_TEXT, st.sampled_from(["\ud800", "a" * 100_000, "http://h:99999/", "http://[", "https://h/\ud83d"])
)
ANY_NUMBER = st.one_of(st.none(), st.floats(), st.sampled_from([1e300, -1.0, float("nan"), float("inf")]))


@given(ANY_TEXT, ANY_TEXT, ANY_NUMBER, st.one_of(st.none(), st.integers()))
def test_whatever_a_parser_gives_can_be_stored(
    text: str | None, address: str | None, number: float, total: int
) -> None:
    """Encodable, bounded, in range, and idempotent."""
    card = Card(text or "", text, text, address, address, address, text, number, text, number, 1, False)
    listing_ = storable_listing(Listing(Verdict.OK, address, total, (card,)))
    product = Product(
        Verdict.OK, text, text, text, text, (text or "",) * 99, number, text, (Picture(address or "", "k"),)
    )
    product = storable_product(product)
    for said in (*vars_of(listing_), *vars_of(listing_.cards[0]), *vars_of(product), *product.breadcrumb):
        if isinstance(said, str):
            said.encode()
            assert len(said) <= storable.MOST_ADDRESS
        if isinstance(said, float):
            assert 0 <= said <= storable.MOST_PRICE
    assert storable_listing(listing_).cards[0] == listing_.cards[0]
    assert (listing_.cards[0].image_url is None) == (listing_.cards[0].image_key is None)


def vars_of(value: object) -> list[object]:
    # The srcset stays as the page has it: it is not kept.
    return [getattr(value, name) for name in value.__slots__ if name != "srcset"]  # type: ignore[attr-defined]


def test_numbers_that_are_none_are_not_read() -> None:
    text = listing([tile(1)], total="1-48 of " + "9" * 25 + " results")
    assert parse_listing(text, URL).total_results is None
    assert parse_product(product_page("B012345678", "x", "[" * 100_000), URL).pictures == ()


@pytest.mark.medium
def test_an_address_that_an_older_catalogue_holds_is_set_aside(folder: Folder, shop: LyingShop) -> None:
    """What was found before addresses were looked at does not end every crawl after it."""
    assert shop.server is not None
    shop.lies[2] = saying(b"")
    assert folder.crawl("amazon_sarees", shop.server.origin).code == 1
    with closing(sqlite3.connect(folder.path / "catalog.sqlite")) as connection:
        connection.execute("UPDATE pages SET url = 'no address' WHERE number = 2")
        connection.commit()
    ended = folder.crawl("amazon_sarees", shop.server.origin)
    assert ended.code == 1
    assert ended.sentence.startswith("Listing page 2 was set aside (ValueError: ")
