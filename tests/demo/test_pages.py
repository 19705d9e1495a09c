"""The shop's markup: what a selector made for the real pages finds here."""

from __future__ import annotations

import json
import re

import pytest
from parsel import Selector

from stj_core.labels import load_labels
from stj_core.shops.amazon import asin_of, fold_image_url
from stj_demo.pages import rupees
from tests.demo.conftest import fetch

CARD = 'div[role="listitem"][data-component-type="s-search-result"]'
SAREE = load_labels()[0]


@pytest.fixture(scope="module")
def listing(shop) -> Selector:
    return Selector(fetch(shop.origin + SAREE.listing_path).text)


def walk(shop, category) -> list[Selector]:
    pages, path = [], category.listing_path
    while path:
        pages.append(Selector(fetch(shop.origin + path).text))
        path = pages[-1].css("a.s-pagination-next::attr(href)").get()
    return pages


def test_a_full_page_has_48_cards(listing):
    assert len(listing.css(CARD)) == 48


@pytest.mark.parametrize("category", load_labels(), ids=lambda category: category.slug)
def test_the_pages_show_every_product_of_the_listing_once(shop, category):
    asins = [
        asin for page in walk(shop, category) for asin in page.css(f"{CARD}:not(.AdHolder)::attr(data-asin)").getall()
    ]
    assert sorted(asins) == sorted(product.asin for product in shop.stock.listings[category.label])


def test_the_last_page_has_no_next(shop):
    last = walk(shop, SAREE)[-1]
    assert last.css("span.s-pagination-next.s-pagination-disabled")


def test_beyond_the_last_page_there_are_no_cards(shop):
    page = Selector(fetch(f"{shop.origin}{SAREE.listing_path}&page=99").text)
    assert not page.css(CARD)
    assert '"totalResultCount":0' in page.get()


def test_the_count_stands_in_the_metadata_and_in_the_bar(shop, listing):
    total = len(shop.stock.listings[0])
    assert int(re.search(r'"totalResultCount":(\d+)', listing.get())[1]) == total
    assert listing.css('[data-component-type="s-result-info-bar"] h2 span::text').get() == f"1-48 of {total} results"


def test_a_card_says_what_the_product_is(shop, listing):
    card = next(card for card in listing.css(f"{CARD}:not(.AdHolder)") if card.css("img.s-image[srcset]"))
    product = shop.stock.products()[card.attrib["data-asin"]]
    assert card.css("a > h2::attr(aria-label)").get() == product.title
    assert card.css("a > h2 > span::text").get() == product.title
    assert card.css("h2.s-line-clamp-1 > span::text").get() == product.brand
    assert card.css(".a-price:not(.a-text-price) .a-offscreen::text").get() == rupees(product.price)
    assert card.css(".a-icon-alt::text").get() == f"{product.stars} out of 5 stars"
    assert asin_of(card.css("a.s-no-outline::attr(href)").get()) == product.asin


def test_the_densities_are_sizes_of_one_picture(shop, listing):
    image = listing.css("img.s-image[srcset]")[0]
    urls = [part.split() for part in image.attrib["srcset"].split(", ")]
    assert [density for _, density in urls] == ["1x", "1.5x", "2x", "2.5x", "3x"]
    assert {fold_image_url(url) for url, _ in urls} == {fold_image_url(image.attrib["src"])}
    assert fetch(urls[0][0]).content == shop.image_bytes(image.attrib["src"])


def test_sponsored_cards_say_so_and_lead_through_the_counter(shop, listing):
    for card in listing.css(f"{CARD}.AdHolder"):
        assert card.css(".puis-sponsored-label-text span::text").get() == "Sponsored"
        assert card.css("a > h2::attr(aria-label)").get().startswith("Sponsored Ad - ")
        href = card.css("a.s-no-outline::attr(href)").get()
        assert href.startswith("/sspa/click?")
        assert asin_of(href) == card.attrib["data-asin"]
        answer = fetch(shop.origin + href)
        assert answer.status == 302
        assert asin_of(answer.headers["Location"]) == card.attrib["data-asin"]


def test_advertisements_come_back_on_other_pages(shop):
    asins = [set(page.css(f"{CARD}.AdHolder::attr(data-asin)").getall()) for page in walk(shop, SAREE)]
    assert asins[0] & asins[1]


def test_a_detail_page_has_every_picture_of_the_gallery(shop):
    product = next(one for one in shop.stock.listings[0] if len(one.pictures) > 1)
    page = Selector(fetch(f"{shop.origin}/dp/{product.asin}").text)
    assert page.css("#productTitle::text").get().strip() == product.title
    assert page.css("#bylineInfo::text").get() == f"Brand: {product.brand}"
    assert page.css("#wayfinding-breadcrumbs_feature_div a::text").getall()[-1] == "Saree"
    assert page.css(".priceToPay .a-price-whole::text").get() == rupees(product.price)[1:]
    gallery = json.loads(re.search(r"'colorImages': \{ 'initial': (\[.*\]) \}", page.get())[1])
    best = [entry["hiRes"] or entry["large"] for entry in gallery]
    assert [fold_image_url(url) for url in best] == [shop.image_origin + picture.path() for picture in product.pictures]
    dynamic = json.loads(page.css("#landingImage::attr(data-a-dynamic-image)").get())
    assert {fold_image_url(url) for url in dynamic} == {shop.image_origin + product.picture.path()}
    for entry in gallery:
        for url in (entry["thumb"], entry["large"], *entry["main"]):
            assert fetch(url).status == 200


def test_a_product_without_a_picture_has_a_page_too(shop):
    product = next(one for one in shop.stock.listings[0] if not one.pictures)
    assert fetch(f"{shop.origin}{product.path}").status == 200


@pytest.mark.parametrize(
    "path", ["/dp/B000000000", "/nowhere", "/images/I/71nothingL.jpg", "/images/I/", "/images/../x"]
)
def test_what_is_not_there_is_404(shop, path):
    assert fetch(shop.origin + path).status == 404


@pytest.mark.parametrize(
    "query", ["", "rh=", "rh=n:1", "rh=n%3A1968256031&page=0", "rh=n%3A1968256031&page=x", "page=%00"]
)
def test_odd_listings_are_answered(shop, query):
    assert fetch(f"{shop.origin}/s?{query}").status == 200


@pytest.mark.parametrize(
    ("amount", "text"), [(7, "₹7"), (349, "₹349"), (1499, "₹1,499"), (123456, "₹1,23,456"), (12345678, "₹1,23,45,678")]
)
def test_rupees(amount, text):
    assert rupees(amount) == text
