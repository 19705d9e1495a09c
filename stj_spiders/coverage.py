"""How much of the cards could be read, and when so little that the shop's layout must have changed.

A shop that renames its classes answers 200 and shows cards; only the fields fall silent. Counted are the cards of listing
pages, advertisements included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import comb
from statistics import median

from stj_spiders.shops.pages import Card

FIELDS = ("title", "picture", "link", "price", "rating", "brand")
# Without these a card is of no use: they are held to a share of their own.
NEEDED = ("title", "picture", "link")
# Fewer cards say nothing about a layout.
LEAST_CARDS = 20
# So unlikely must a fall be as a whim of the stock.
_CHANCE = 0.01


def count_fields(cards: Iterable[Card]) -> dict[str, int]:
    """How many of the cards have each field."""
    found = dict.fromkeys(FIELDS, 0)
    for card in cards:
        has = (card.title, card.image_key, card.product_url, card.price, card.rating, card.brand)
        for name, value in zip(FIELDS, has, strict=True):
            found[name] += value is not None
    return found


def shares(counts: Mapping[str, int]) -> dict[str, float]:
    """From how many cards (`cards`) had each field to the share that had; `cards` stays a number."""
    cards = counts.get("cards", 0)
    return {"cards": cards, **{name: round(counts.get(name, 0) / cards, 4) if cards else 0.0 for name in FIELDS}}


def fields_missing(counts: Mapping[str, int], least: float) -> list[str]:
    """The needed fields that fewer cards have than the share `least`, each with its share, for a sentence."""
    cards = counts.get("cards", 0)
    if cards < LEAST_CARDS:
        return []
    return [
        f"{name} on {counts.get(name, 0)} of {cards} cards" for name in NEEDED if counts.get(name, 0) < least * cards
    ]


def fields_fallen(counts: Mapping[str, int], earlier: Sequence[Mapping[str, float]]) -> list[str]:
    """The fields that have fallen under half of what they were, each with both shares, for a sentence.

    Args:
        counts: of this crawl.
        earlier: shares of finished crawls of the same category, read by the same parser.
    """
    cards = counts.get("cards", 0)
    comparable = [one for one in earlier if one.get("cards", 0) >= LEAST_CARDS]
    if cards < LEAST_CARDS or not comparable:
        return []
    fallen = []
    for name in FIELDS:
        usual = median(one.get(name, 0.0) for one in comparable)
        if counts.get(name, 0) < usual / 2 * cards and _at_most(counts.get(name, 0), cards, usual) < _CHANCE:
            fallen.append(f"{name} on {counts.get(name, 0)} of {cards} cards, once on {usual:.0%}")
    return fallen


def _at_most(hits: int, tries: int, chance: float) -> float:
    """The probability of at most `hits` in `tries` when each has the chance `chance` (binomial)."""
    tries = min(tries, 1000)  # more change nothing, and would leave the range of a float
    hits = min(hits, tries)
    return sum(comb(tries, k) * chance**k * (1 - chance) ** (tries - k) for k in range(hits + 1))
