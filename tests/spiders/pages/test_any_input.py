"""Whatever comes down the wire: never an exception, no cards but from `ok`, and time that grows with the size only."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stj_spiders.shops.amazon.listing import Listing, parse_listing
from stj_spiders.shops.amazon.pictures import absolute, addresses_in
from stj_spiders.shops.amazon.product import parse_product
from stj_spiders.shops.amazon.values import read_price, read_rating, read_total
from stj_spiders.shops.amazon.verdict import Verdict, judge, promises_script
from stj_spiders.shops.html import read_tree

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "pages"
PAGES = [path.read_text(encoding="utf-8") for path in sorted(FIXTURES.glob("*/input.html"))]
URL = "https://www.amazon.in/s?rh=n%3A1968256031"
PIECES = st.sampled_from(
    [
        "<",
        ">",
        "</div>",
        "<div data-asin=B012345678 data-component-type=s-search-result>",
        "<li id=result_1 data-asin=B012345678>",
        "<h2 aria-label='",
        "<img class=s-image src=",
        "//[",
        "http://[::1",
        "data:",
        '"',
        "'",
        "&#0;",
        "&#xD800;",
        "\0",
        "\ud800",
        "<!--",
        "-->",
        "<script>",
        "</script>",
        "<template>",
        "'colorImages': {'initial': [",
        '{"hiRes": 1, "large": {}, "main": []}',
        "[" * 50,
        "]",
        "<span id=productTitle>",
        "<form action=validateCaptcha>",
        "<?xml version='1.0' encoding='utf-16'?>",
        "<a href=",
        "/dp/B012345678",
        "srcset=",
        "<span class=a-price><span class=a-offscreen>₹1,2,3.4.5",
        "<i class=a-icon-alt>9.9 5 ٣",
        " ",
        "x",
    ]
)


def read_everything(text: str, url: str = URL) -> Listing:
    """All four readers on one text, and the laws that hold for any of them."""
    listing = parse_listing(text, url)
    assert bool(listing.cards) == (listing.verdict is Verdict.OK)
    assert listing.verdict is judge(text, url)
    assert [card.position for card in listing.cards] == list(range(1, len(listing.cards) + 1))
    for card in listing.cards:
        assert (card.image_url is None) == (card.image_key is None)
        assert card.image_url is None or urlsplit(card.image_url).scheme in {"http", "https"}
    product = parse_product(text, url)
    assert (product.title is not None) == (product.verdict is Verdict.OK)
    assert product.verdict is judge(text, url, kind="product")
    assert not (promises_script(text) and listing.cards)
    return listing


@given(st.text())
@example("")
@example("\0")
@example("\ud800")
@example("<?xml version='1.0' encoding='utf-16'?><html/>")
def test_any_text_is_read(text: str) -> None:
    read_everything(text)


@given(st.binary())
def test_any_bytes_are_read(data: bytes) -> None:
    read_everything(data.decode("latin-1"))


@pytest.mark.medium
@given(st.lists(PIECES, max_size=40).map("".join))
@settings(max_examples=300)
def test_any_heap_of_markup_is_read(text: str) -> None:
    read_everything(text)


@pytest.mark.medium
@given(st.sampled_from(PAGES), st.data())
@settings(max_examples=200)
def test_any_broken_page_is_read(page: str, data: st.DataObject) -> None:
    """Cut somewhere, with a piece of something else put in somewhere."""
    at = data.draw(st.integers(0, len(page)))
    end = data.draw(st.integers(at, len(page)))
    read_everything(page[:at] + data.draw(PIECES) + page[end:])
    read_everything(page[:at])


@given(st.text(max_size=60), st.text(max_size=60))
@example("http://[", "//[")
def test_any_address_is_read(base: str, link: str) -> None:
    found = absolute(link, base)
    assert found is None or urlsplit(found).scheme in {"http", "https"}
    read_everything(
        f"<div class=card-container><div class=s-asin data-asin=B012345678><img class=s-image src='{link}'>", base
    )


@given(st.text(max_size=100))
@example("²")
@example("٣٫٥ ₹")
@example("9" * 100)
def test_any_number_is_read(text: str) -> None:
    amount, currency = read_price(text, URL)
    assert amount is not None or currency is None
    rating = read_rating(text)
    assert rating is None or 0 <= rating <= 5
    total = read_total(text)
    assert total is None or total >= 0


@given(
    st.lists(
        st.from_regex(
            r"https://m\.media-amazon\.com/images/I/[a-z]{3}(?:\._CLa\|[0-9],[0-9]\|_)?\.jpg", fullmatch=True
        ),
        max_size=5,
    )
)
def test_commas_inside_an_address_do_not_end_it(addresses: list[str]) -> None:
    assert addresses == addresses_in(", ".join(f"{address} {number + 1}x" for number, address in enumerate(addresses)))


@pytest.mark.medium
def test_saved_pages_survive_cuts_and_mutations(shared: Path) -> None:
    rng = random.Random(42)
    for path in sorted((shared / "amazon_pages").glob("*/*.html")):
        text = path.read_text(encoding="utf-8", errors="replace")[:200_000]
        cut = text[: rng.randrange(len(text))]
        characters = list(text)
        for _ in range(2_000):
            characters[rng.randrange(len(characters))] = chr(rng.randrange(256))
        for broken in (cut, "".join(characters)):
            read_everything(broken)


def test_a_tag_with_too_many_attributes_keeps_the_first_thousand() -> None:
    soup = "<div " + " ".join(f"a{number}='>'" for number in range(20_000)) + "><p id=after>x"
    root = read_tree(soup)
    assert len(root.xpath("//div")[0].attrib) == 1_000
    assert root.xpath("string(//p[@id='after'])") == "x"


TILE = "<div data-asin=B012345678 data-component-type=s-search-result>"
MEGABYTE = 1_000_000
WORST: dict[str, Callable[[int], str]] = {
    "attributes": lambda size: "<div " + " ".join(f"a{number}='>'" for number in range(size // 12)) + ">" + TILE,
    "nested tiles": lambda size: TILE * (size // len(TILE)),
    "bare tiles": lambda size: "".join(
        f"<li id=result_{number} data-asin=B{number:09d}><b>" for number in range(size // 37)
    ),
    "nesting": lambda size: "<div>" * (size // 5),
    "unmatched ends": lambda size: "<i>" * 250 + "</b>" * (size // 4),
    "open quotes": lambda size: """<a b="c<a b='d""" * (size // 14),
    "open comments": lambda size: "<!--<script><style>" * (size // 19),
    "open galleries": lambda size: "<script>'colorImages': {'initial': [{\"hiRes\":" * (size // 45),
    "deep JSON": lambda size: "<span id=productTitle>x</span>'colorImages': {'initial': " + "[" * size,
}


@pytest.mark.medium
@pytest.mark.parametrize("name", WORST)
def test_time_grows_with_the_size_and_no_faster(name: str) -> None:
    """Four times the page takes four times as long, give or take the machine; quadratic would take sixteen."""

    def seconds(text: str) -> float:
        started = time.process_time()
        parse_listing(text, URL)
        parse_product(text, URL)
        return time.process_time() - started

    make = WORST[name]
    small = min(seconds(make(MEGABYTE // 4)) for _ in range(2))
    large = seconds(make(MEGABYTE))
    assert large < max(9 * small, 0.3)
