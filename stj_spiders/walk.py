"""What an answer to a listing page means for the walk along the listing: read on, ask again, end here, or turned away.

Pure: every way in which a listing may end, and every way in which it may only seem to, is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import urldefrag

from stj_core.text import one_line, shortened
from stj_spiders.shops.pages import READ, Ending, Listing, Product, Verdict

NO_CARD = "shows no card"
_GONE = frozenset({404, 410})
# A part of a page, though nobody asked for one.
_PARTIAL = 206
_IN_PART = "came in part only (status 206)"


class Step(Enum):
    """What follows from an answer."""

    READ = auto()
    """The page is what it should be: its cards count, and it says how the listing goes on."""
    LAST = auto()
    """As READ, but the listing goes in circles: whatever it says, it ends here."""
    NOTHING = auto()
    """The listing says that it has nothing, or no such page."""
    AGAIN = auto()
    """The page did not come as it should: it is no end of the listing, and may be better next time."""
    BLOCKED = auto()
    """The shop turned us away."""


@dataclass(frozen=True)
class Answer:
    """What an answer means.

    Attributes:
        step: what follows.
        why: what was wrong with it, for a sentence: "came without its end".
    """

    step: Step
    why: str = ""


def judge_listing(listing: Listing, status: int, *addresses: str, size: int, nothing_new: bool = False) -> Answer:
    """What an answer to a listing page means.

    Args:
        listing: as it was read.
        status: its HTTP status.
        addresses: where it was asked for, and where it came from.
        size: bytes of its body.
        nothing_new: whether earlier pages of the walk showed all of its cards.
    """
    if listing.verdict not in READ:
        return _unread(listing.verdict, status, size)
    if status == _PARTIAL:
        return Answer(Step.AGAIN, _IN_PART)
    if listing.ending is Ending.NO_RESULTS:
        return Answer(Step.NOTHING, "says that it has no results")
    if listing.verdict is Verdict.EMPTY:
        return Answer(Step.AGAIN, f"{NO_CARD}, and does not say that there is none")
    if nothing_new:
        return Answer(Step.LAST, "shows nothing that earlier pages did not")
    why = _how_it_goes_on(listing, addresses)
    return Answer(Step.AGAIN, why) if why else Answer(Step.READ)


def _how_it_goes_on(listing: Listing, addresses: Sequence[str]) -> str | None:
    """What is wrong with the way in which a page of cards goes on or ends, or None."""
    if listing.next_url is not None and _bare(listing.next_url) in map(_bare, addresses):
        return "names itself as the next page"
    if listing.unusable_next is not None:
        return (
            f"names {shortened(one_line(listing.unusable_next), 200)!r} as the next page, which is no address of a page"
        )
    if listing.next_url is None and listing.ending is None:
        return "is a piece of a page, without head and end"
    return None


def judge_product(product: Product, status: int, *, size: int) -> Answer:
    """What an answer to a product's page means; a product that is no longer sold is an answer."""
    if product.verdict not in READ:
        return _unread(product.verdict, status, size)
    if status == _PARTIAL:
        return Answer(Step.AGAIN, _IN_PART)
    return Answer(Step.AGAIN, "shows no product") if product.verdict is Verdict.EMPTY else Answer(Step.READ)


def _unread(verdict: Verdict, status: int, size: int) -> Answer:
    if status in _GONE and verdict is Verdict.UNAVAILABLE:
        return Answer(Step.NOTHING, f"answers {status}")
    if verdict is not Verdict.INCOMPLETE:
        return Answer(Step.BLOCKED)
    if not size:
        return Answer(Step.AGAIN, f"came without a single byte (status {status})")
    return Answer(Step.AGAIN, "came without its end or its beginning, or is nested deeper than can be read")


def _bare(address: str) -> str:
    return urldefrag(address).url
