"""A layout that changed is an alarm: the fields that fell silent are named, and nothing is trusted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stj_spiders.coverage import LEAST_CARDS, count_fields, fields_fallen, fields_missing, shares
from stj_spiders.shops.amazon import PARSER
from stj_spiders.shops.amazon.listing import parse_listing
from tests.spiders.conftest import Folder
from tests.spiders.lying_shop import LyingShop, listing, tile
from tests.spiders.servers import Answer, serving

URL = "https://www.amazon.in/s?rh=n%3A1968256031"
EVERY = {"title": 1.0, "picture": 1.0, "link": 1.0, "price": 1.0, "rating": 1.0, "brand": 0.0}


@pytest.fixture
def shop() -> Iterator[LyingShop]:
    lying = LyingShop(pages=2, cards=14)
    with serving(lying) as server:
        lying.server = server
        yield lying


def crawl(folder: Folder, shop: LyingShop, *options: str):
    assert shop.server is not None
    return folder.crawl("amazon_sarees", shop.server.origin, "-s", "STJ_SUMMARY=json", *options)


def renamed(answer: Answer) -> Answer:
    """The shop as a proxy would show it whose classes have other names: no title is where it was."""
    body = answer.body.replace(b"<h2", b"<h7").replace(b"</h2", b"</h7").replace(b"aria-label", b"aria-name")
    return Answer(body.replace(b" alt=", b" data-words=").replace(b"data-cy", b"data-zz"))


@pytest.mark.medium
def test_titles_that_fell_silent_end_the_crawl_and_are_not_trusted(folder: Folder, shop: LyingShop) -> None:
    """Exit 1, the field named with its share, each card quarantined; the same command reads the pages anew and finishes."""
    shop.lies = {1: renamed, 2: renamed}
    ended = crawl(folder, shop)
    assert (ended.code, ended.summary["state"]) == (1, "drifted"), ended.err
    assert f"(title on 0 of 28 cards; parser {PARSER}): its layout has changed" in ended.sentence
    assert ended.summary["images"] == {"quarantined": 28}
    assert ended.summary["reasons"] == {"title_missing": 28}
    assert ended.summary["coverage"] == {"cards": 28, **EVERY, "title": 0.0}
    shop.lies.clear()
    again = crawl(folder, shop)
    assert (again.code, again.summary["crawl"], again.summary["images"]) == (0, 1, {"kept": 28}), again.err
    assert again.summary["coverage"]["title"] == 1.0


@pytest.mark.medium
def test_a_field_that_fell_under_half_of_what_it_was_ends_the_crawl(folder: Folder, shop: LyingShop) -> None:
    """Ratings alone would be no reason to stop; but every crawl before this had them."""
    first = folder.crawl("amazon_sarees", shop.server.origin if shop.server else "")
    assert first.code == 0
    assert "amazon_sarees: of 28 cards had: title 100%, picture 100%, link 100%, price 100%" in first.out
    shop.lies = {n: lambda honest: Answer(honest.body.replace(b"a-icon-alt", b"a-star-words")) for n in (1, 2)}
    ended = crawl(folder, shop)
    assert (ended.code, ended.summary["state"]) == (1, "drifted"), ended.err
    assert "(rating on 0 of 28 cards, once on 100%; parser" in ended.sentence


@pytest.mark.medium
def test_the_share_that_is_asked_for_is_a_setting(folder: Folder, shop: LyingShop) -> None:
    shop.lies = {1: renamed}
    assert crawl(folder, shop, "-s", "STJ_COVERAGE_MIN=0.5", "-a", "pages=2").code == 0
    assert crawl(folder, shop, "-s", "STJ_COVERAGE_MIN=2").code == 2


def test_what_a_card_has_is_counted() -> None:
    tiles = [tile(1), tile(2, ""), tile(3, image="data:image/gif;base64,x"), tile(4)]
    cards = parse_listing(listing(tiles), URL).cards
    assert count_fields(cards) == {"title": 3, "picture": 3, "link": 4, "price": 4, "rating": 4, "brand": 0}
    assert shares({"cards": 4, **count_fields(cards)})["title"] == 0.75
    assert shares({})["title"] == 0.0


def test_few_cards_say_nothing_about_a_layout() -> None:
    assert fields_missing({"cards": LEAST_CARDS - 1, "title": 0, "picture": 19, "link": 19}, 0.8) == []
    assert fields_missing({"cards": LEAST_CARDS, "title": 16, "picture": 15, "link": 20}, 0.8) == [
        "picture on 15 of 20 cards"
    ]


@pytest.mark.parametrize(
    ("hits", "earlier", "fallen"),
    [
        (0, [1.0, 1.0, 1.0], True),
        (49, [1.0, 1.0, 1.0], True),
        (51, [1.0, 1.0, 1.0], False),
        (0, [0.0, 0.0, 0.9], False),  # the median of three
        (0, [0.5], True),
        (0, [0.03], False),  # so few may be missing by chance
        (0, [], False),
    ],
)
def test_a_fall_is_measured_by_the_median_and_beyond_chance(hits: int, earlier: list[float], fallen: bool) -> None:
    counts = {"cards": 100, "title": 100, "picture": 100, "link": 100, "price": 100, "rating": hits, "brand": 0}
    before = [{"cards": 100, **EVERY, "rating": one} for one in earlier]
    assert bool(fields_fallen(counts, before)) is fallen


def test_crawls_of_few_cards_are_not_compared_with() -> None:
    counts = {"cards": 100, "title": 100, "picture": 100, "link": 100, "price": 100, "rating": 0, "brand": 0}
    assert fields_fallen(counts, [{"cards": 5, **EVERY}]) == []
