"""Every page of the practice shop is read exactly: what it sells is what the parser says it sells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from stj_core.shops.amazon import fold_image_url
from stj_demo.behaviour import Block
from stj_demo.products import Page, Product
from stj_demo.shop import PracticeShop
from stj_spiders.shops.amazon.listing import parse_listing
from stj_spiders.shops.amazon.product import parse_product
from stj_spiders.shops.amazon.verdict import Verdict, promises_script


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PracticeShop]:
    cache: Path = tmp_path_factory.mktemp("drawings")
    with PracticeShop(per_class=60, cache=cache) as opened:
        yield opened


@pytest.fixture(autouse=True)
def polite(shop: PracticeShop) -> None:
    shop.behave(block=Block.NONE, script_made=False, lazy_images=False)


def fetch(url: str) -> tuple[str, int, str]:
    try:
        with urlopen(url, timeout=30) as answer:
            return answer.read().decode("utf-8"), answer.status, answer.url
    except HTTPError as error:
        with error:
            return error.read().decode("utf-8"), error.code, error.url


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("label", [0, 1, 2])
def test_every_listing_page_is_read_exactly(shop: PracticeShop, label: int, lazy: bool) -> None:
    shop.behave(lazy_images=lazy)
    url: str | None = shop.origin + shop.categories[label].listing_path
    page: Page
    for number in range(1, 10):
        page = shop.stock.page(label, number)
        assert url is not None
        listing = parse_listing(*_text_and_url(url))
        assert listing.verdict is Verdict.OK
        assert page.total == listing.total_results
        products = [card.product for card in page.cards]
        assert [one.asin for one in products] == [card.asin for card in listing.cards]
        assert [one.title for one in products] == [card.title for card in listing.cards]
        assert [one.brand for one in products] == [card.brand for card in listing.cards]
        assert [(one.price, "INR", one.stars) for one in products] == [
            (c.price, c.currency, c.rating) for c in listing.cards
        ]
        assert [card.sponsored for card in page.cards] == [card.sponsored for card in listing.cards]
        keys = [shown(shop, one) for one in products]
        assert keys == [card.image_key for card in listing.cards]
        assert all(card.product_url and card.asin in card.product_url for card in listing.cards)
        url = listing.next_url
        if number == page.pages:
            break
    assert url is None


def test_detail_pages_are_read_exactly(shop: PracticeShop) -> None:
    for product in list(shop.stock.products().values())[::17]:
        text, status, url = fetch(shop.origin + product.path)
        read = parse_product(text, url, status)
        assert read.verdict is Verdict.OK
        assert (product.asin, product.title, product.brand, product.price) == (
            read.asin,
            read.title,
            read.brand,
            read.price,
        )
        expected = {fold_image_url(shop.image_origin + picture.path()): None for picture in product.pictures}
        assert list(expected) == [picture.image_key for picture in read.pictures]


def test_a_shell_is_empty_and_promises_a_script(shop: PracticeShop) -> None:
    shop.behave(script_made=True)
    text, url = _text_and_url(shop.origin + shop.categories[0].listing_path)
    assert parse_listing(text, url).verdict is Verdict.EMPTY
    assert promises_script(text)


@pytest.mark.parametrize("block", [block for block in Block if block is not Block.NONE])
def test_every_block_of_the_shop_is_judged_right(shop: PracticeShop, block: Block) -> None:
    named = {Block.TOO_MANY: Verdict.UNAVAILABLE, Block.SIGN_IN_REDIRECT: Verdict.SIGN_IN}
    shop.behave(block=block)
    text, status, url = fetch(shop.origin + shop.categories[0].listing_path)
    listing = parse_listing(text, url, status)
    expected = named[block] if block in named else Verdict(block.value)
    assert expected is listing.verdict
    assert not listing.cards
    assert not promises_script(text)


def test_a_page_that_is_not_there_is_unavailable(shop: PracticeShop) -> None:
    text, status, url = fetch(shop.origin + "/nowhere")
    assert status == 404
    assert parse_product(text, url, status).verdict is Verdict.UNAVAILABLE


def shown(shop: PracticeShop, product: Product) -> str | None:
    """The picture that a card shows; the shop's own "no picture yet" sign is none."""
    path = product.picture.path() if product.picture else "/images/G/"
    return None if path.startswith("/images/G/") else fold_image_url(shop.image_origin + path)


def _text_and_url(address: str) -> tuple[str, str]:
    text, _, url = fetch(address)
    return text, url
