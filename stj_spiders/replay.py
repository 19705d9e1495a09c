"""Read archived pages again with today's parser, and bring the catalogue up to date; nothing is asked of any shop.

What a page said once is replaced by what it says now: its verdict, its cards, and what its products are called. Pictures are
neither fetched nor looked at again; one that only the new reading shows is written as `not_fetched`, for a later crawl.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scrapy.http import Response
from scrapy.responsetypes import responsetypes

from stj_catalog import crawls
from stj_catalog.catalog import Catalog
from stj_catalog.frontier import Response as PageResponse
from stj_catalog.frontier import record_response
from stj_catalog.incremental import Settler
from stj_catalog.intake import (
    CardSighting,
    FetchedPicture,
    NextPage,
    SeenPage,
    commit_page,
    known_pictures,
    record_pictures,
)
from stj_catalog.replay import (
    PRODUCT_FIELDS,
    CardRow,
    KnownPage,
    cards_on,
    correct_products,
    find_page,
    products_of,
    record_coverage,
)
from stj_core.labels import Category
from stj_core.vocabulary import Reason
from stj_spiders.archive import ArchivedPage
from stj_spiders.coverage import count_fields, shares
from stj_spiders.responses import body_text
from stj_spiders.shops.pages import READ, Verdict
from stj_spiders.shops.shop import PAGES
from stj_spiders.sightings import gallery_sightings, listing_sightings
from stj_spiders.storable import storable_listing, storable_product
from stj_spiders.walk import Step, judge_listing, judge_product

# Changes of each kind that are told one by one; the rest are counted.
MOST_TOLD = 10
_CARD_FIELDS = ("asin", "title", "image_key", "sponsored", "reason")


@dataclass
class Changes:
    """What a replay changed.

    Attributes:
        pages: that were read again.
        unknown: archived pages of no crawl of this catalogue, by why.
        counts: changes by kind: `verdict`, `cards_added`, `cards_removed`, and each field of cards and products.
        told: the first few of each kind, in words.
        unread: pages that today's parser cannot use, in words.
    """

    pages: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def note(self, kind: str, words: str) -> None:
        """Count a change, and remember its words unless enough are told."""
        self.counts[kind] += 1
        if self.counts[kind] <= MOST_TOLD:
            self.told.append(words)


@dataclass(frozen=True)
class _Reading:
    """A page as today's parser reads it."""

    page: KnownPage
    response: PageResponse
    cards: Sequence[CardSighting]
    found: Sequence[NextPage]
    usable: bool
    why: str


class Replay:
    """Reads archived pages into one catalogue."""

    def __init__(self, catalog: Catalog, settler: Settler, categories: Iterable[Category]) -> None:
        """Stand ready.

        Args:
            catalog: that the pages were crawled into.
            settler: of that catalogue.
            categories: those of labels.toml.
        """
        self.catalog = catalog
        self.settler = settler
        self.categories = {one.slug: one for one in categories}
        self.changes = Changes()

    def run(self, archived: Callable[[], Iterable[ArchivedPage]]) -> Changes:
        """Read pages again; of several answers to one page the last one counts, as it did in the crawl.

        Args:
            archived: gives the archived pages; called twice, so that no more than one is in memory.
        """
        places = self._last_answers(archived())
        before: dict[str, dict[str, Any]] = {}
        readings = []
        for place, answer in enumerate(archived()):
            page = places.get(place)
            if page is None:
                continue
            reading = self._read(page, answer)
            asins = {card.asin for card in cards_on(self.catalog, page.id) if card.asin}
            asins |= {card.asin for card in reading.cards if card.asin}
            before |= products_of(self.catalog, sorted(asins - before.keys()))
            before |= {asin: {} for asin in asins - before.keys()}
            self._write(reading)
            readings.append(reading)
        readings.sort(key=lambda one: (one.page.fetched_at or "", one.page.id))
        correct_products(self.catalog, self._products_as_read(readings, before), {one.page.id for one in readings})
        self._note_products(before, products_of(self.catalog, sorted(before)))
        self._record_coverage(readings)
        return self.changes

    def _last_answers(self, archived: Iterable[ArchivedPage]) -> dict[int, KnownPage]:
        """By its place in the archives, each answer that is the last one to its page."""
        newest: dict[int, tuple[str, int]] = {}
        pages: dict[int, KnownPage] = {}
        for place, one in enumerate(archived):
            page = find_page(self.catalog, crawl_id=one.crawl_id, began=one.began, url=one.asked)
            if page is None:
                self.changes.unknown["of a crawl that this catalogue does not know"] += 1
            elif page.slug not in self.categories:
                self.changes.unknown[f"of the category {page.slug}, which labels.toml does not know"] += 1
            else:
                newest[page.id] = max(newest.get(page.id, ("", -1)), (one.moment, place))
                pages[page.id] = page
        return {place: pages[page_id] for page_id, (_, place) in newest.items()}

    def _read(self, page: KnownPage, archived: ArchivedPage) -> _Reading:
        category = self.categories[page.slug]
        parsers = PAGES[category.shop]
        text, size = body_text(_response(archived)), len(archived.body)
        self.changes.pages += 1
        if page.kind == "product":
            product = storable_product(parsers.parse_product(text, archived.url, archived.status))
            cards = gallery_sightings(product, category, page.origin)
            answer = judge_product(product, archived.status, size=size)
            response = PageResponse(
                archived.status, product.verdict.value, size, len(product.pictures), rendered_by=archived.rendered_by
            )
            found: list[NextPage] = []
        else:
            listing = storable_listing(parsers.parse_listing(text, archived.url, archived.status))
            cards = listing_sightings(listing.cards, category, page.origin)
            answer = judge_listing(listing, archived.status, archived.asked, archived.url, size=size)
            response = PageResponse(
                archived.status,
                listing.verdict.value,
                size,
                len(listing.cards),
                listing.total_results,
                archived.rendered_by,
                count_fields(listing.cards),
            )
            follows = listing.next_url and answer.step is Step.READ and page.goes_on
            found = [NextPage("listing", page.number + 1, listing.next_url)] if follows and listing.next_url else []
        usable = Verdict(response.verdict) in READ or answer.step is Step.NOTHING
        return _Reading(page, response, cards, found, usable, answer.why or f"is a {response.verdict} page")

    def _write(self, reading: _Reading) -> None:
        page = reading.page
        before = cards_on(self.catalog, page.id)
        if not reading.usable and not before:
            # It never counted, and does not now.
            record_response(self.catalog, page.id, reading.response, reason=f"it {reading.why}")
        else:
            self._note_missing_pictures(page, reading.cards)
            seen = SeenPage(
                page.id,
                page.crawl_id,
                page.category_id,
                reading.response,
                reading.cards if reading.usable else (),
                reading.found,
                seen_at=page.fetched_at,
            )
            commit_page(self.catalog, self.settler, seen)
            if not reading.usable:
                self.changes.unread.append(f"{_name(page)} {reading.why}: its {len(before)} cards no longer count")
        if page.verdict != reading.response.verdict:
            self.changes.note("verdict", f"{_name(page)}: verdict {page.verdict} → {reading.response.verdict}")
        self._note_cards(page, before, cards_on(self.catalog, page.id))

    def _note_missing_pictures(self, page: KnownPage, cards: Sequence[CardSighting]) -> None:
        """Give pictures that the archived crawl did not see a row, for a later crawl to fetch."""
        wanted = {card.image_key: card.image_url or "" for card in cards if card.image_key}
        known = known_pictures(self.catalog, list(wanted), page.crawl_id, again=())
        missing = [
            FetchedPicture(key, url, page.crawl_id, reason=Reason.NOT_FETCHED)
            for key, url in wanted.items()
            if key not in known
        ]
        record_pictures(self.catalog, missing)

    def _note_cards(self, page: KnownPage, before: Sequence[CardRow], after: Sequence[CardRow]) -> None:
        old, new = ({card.position: card for card in cards} for cards in (before, after))
        for position in sorted(old.keys() | new.keys()):
            place = f"{_name(page)}, card {position}"
            one, other = old.get(position), new.get(position)
            if one is None and other is not None:
                self.changes.note("cards_added", f"{place}: new, {other.title or other.asin}")
            elif other is None and one is not None:
                self.changes.note("cards_removed", f"{place}: gone, {one.title or one.asin}")
            elif one is not None and other is not None:
                for name in _CARD_FIELDS:
                    self._note_value(name, place, getattr(one, name), getattr(other, name))

    def _note_products(self, before: Mapping[str, dict[str, Any]], after: Mapping[str, dict[str, Any]]) -> None:
        for asin in sorted(after):
            for name in PRODUCT_FIELDS:
                if before[asin] and name != "title":
                    self._note_value(name, f"product {asin}", before[asin][name], after[asin][name])

    def _note_value(self, name: str, place: str, old: object, new: object) -> None:
        if old != new:
            said = [repr(one) if one is not None else "none" for one in (old, new)]
            self.changes.note(name, f"{place}: {name} {said[0]} → {said[1]}")

    def _products_as_read(self, readings: Sequence[_Reading], asins: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What the pages say of each product: on one page the first word, of several pages the newest one."""
        said: dict[str, dict[str, Any]] = {asin: {} for asin in asins}
        for reading in readings:
            on_page: dict[str, dict[str, Any]] = defaultdict(dict)
            for card in reading.cards if reading.usable else ():
                for name in PRODUCT_FIELDS:
                    value = getattr(card, name)
                    if card.asin and value is not None:
                        on_page[card.asin].setdefault(name, value)
            for asin, values in on_page.items():
                said[asin].update(values)
        return said

    def _record_coverage(self, readings: Sequence[_Reading]) -> None:
        parsers = {one.page.crawl_id: PAGES[self.categories[one.page.slug].shop].PARSER for one in readings}
        for crawl_id, parser in parsers.items():
            fields = crawls.fields_of_cards(self.catalog, crawl_id)
            record_coverage(self.catalog, crawl_id, shares(fields) if fields["cards"] else None, parser)


def _response(archived: ArchivedPage) -> Response:
    """The answer as Scrapy would have handed it to the spider, so that its text is decoded alike."""
    headers = {name: value for name, value in archived.headers if name != "content-length"}
    made = responsetypes.from_args(
        headers={name.encode(): value.encode() for name, value in headers.items()}, url=archived.url, body=archived.body
    )
    return made(archived.url, status=archived.status, headers=headers, body=archived.body)


def _name(page: KnownPage) -> str:
    return f"crawl {page.crawl_id}, {page.kind} page {page.number}"
