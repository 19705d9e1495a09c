"""Hand-written pages of every layout and every block, one test per field: a broken selector is named by its test.

A case is a folder of `tests/fixtures/pages` with `input.html` and `expected.json`.
"""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stj_spiders.shops.amazon.listing import Card, parse_listing
from stj_spiders.shops.amazon.product import Product, parse_product
from stj_spiders.shops.amazon.verdict import Verdict, judge, promises_script

CASES = Path(__file__).resolve().parents[2] / "fixtures" / "pages"
NAMES = sorted(folder.parent.name for folder in CASES.glob("*/expected.json"))


@cache
def case(name: str) -> tuple[str, dict[str, Any]]:
    folder = CASES / name
    return (folder / "input.html").read_text(encoding="utf-8"), json.loads(
        (folder / "expected.json").read_text(encoding="utf-8")
    )


@cache
def parsed(name: str) -> dict[str, Any]:
    text, about = case(name)
    read = parse_product if about["kind"] == "product" else parse_listing
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(read(text, about["url"], about["status"]))))
    return plain


def named(kind: str) -> list[str]:
    return [name for name in NAMES if case(name)[1]["kind"] == kind]


LISTINGS, PRODUCTS = named("listing"), named("product")
WITH_CARDS = [name for name in LISTINGS if case(name)[1]["expected"]["cards"]]
CARD_FIELDS = [field.name for field in dataclasses.fields(Card)]
PRODUCT_FIELDS = [field.name for field in dataclasses.fields(Product)]


@pytest.mark.parametrize("field", ["verdict", "next_url", "total_results"])
@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_says_of_itself(name: str, field: str) -> None:
    assert case(name)[1]["expected"][field] == parsed(name)[field]


@pytest.mark.parametrize("field", CARD_FIELDS)
@pytest.mark.parametrize("name", WITH_CARDS)
def test_a_card_says(name: str, field: str) -> None:
    expected = [card[field] for card in case(name)[1]["expected"]["cards"]]
    assert expected == [card[field] for card in parsed(name)["cards"]]


@pytest.mark.parametrize("field", PRODUCT_FIELDS)
@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_says(name: str, field: str) -> None:
    assert case(name)[1]["expected"][field] == parsed(name)[field]


@pytest.mark.parametrize("name", NAMES)
def test_only_ok_pages_hold_anything(name: str) -> None:
    text, about = case(name)
    expected = Verdict(about["expected"]["verdict"])
    assert expected is judge(text, about["url"], about["status"], about["kind"])
    held = parsed(name).get("cards") or parsed(name).get("title")
    assert bool(held) is (expected is Verdict.OK)


@pytest.mark.parametrize("name", NAMES)
def test_a_script_is_promised_only_where_one_would_help(name: str) -> None:
    text, about = case(name)
    assert about["promises_script"] is promises_script(text)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("block_")])
@pytest.mark.parametrize("status", [200, 202, 403, 404, 429, 500, 503])
def test_a_block_is_a_block_under_any_status(name: str, status: int) -> None:
    text, about = case(name)
    assert Verdict(about["expected"]["verdict"]) is judge(text, about["url"], status)


@pytest.mark.parametrize("name", WITH_CARDS)
def test_cards_are_ok_under_any_status(name: str) -> None:
    """A status is asked only where the content says nothing."""
    text, about = case(name)
    assert parse_listing(text, about["url"], 503).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("expected", "statuses"),
    [("empty", (200, 204, 301)), ("unavailable", (401, 403, 404, 410, 429, 451, 500, 503, 599))],
)
def test_the_status_judges_a_page_that_says_nothing(expected: str, statuses: tuple[int, ...]) -> None:
    for status in statuses:
        assert expected == judge("<html><body><p>Hm.</p></body></html>", "https://www.amazon.in/s", status)


def test_a_redirect_to_the_sign_in_page_is_one() -> None:
    assert judge("<html></html>", "https://www.amazon.in/ap/signin?openid.return_to=x") is Verdict.SIGN_IN


def test_every_verdict_has_its_page() -> None:
    assert set(Verdict) == {Verdict(case(name)[1]["expected"]["verdict"]) for name in NAMES}


def test_values_are_frozen() -> None:
    card = parse_listing(*case_of_one()).cards[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        card.asin = "B000000000"  # type: ignore[misc]  # the point of the test


def case_of_one() -> tuple[str, str]:
    text, about = case("fragment_card")
    return text, about["url"]
