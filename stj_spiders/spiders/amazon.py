"""The spiders of Amazon's category listings: one class, a name for each category of labels.toml.

A spider takes pages from the catalogue's frontier, judges what comes back, and hands the cards to the pipelines. Everything
that must outlive the process is in the catalogue; the spider only follows links.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import scrapy
from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.http import Response, TextResponse
from scrapy.settings import BaseSettings
from twisted.python.failure import Failure

from stj_catalog import crawls
from stj_catalog.catalog import open_catalog
from stj_catalog.config import Config
from stj_catalog.crawls import LeasedPage
from stj_catalog.errors import StjError
from stj_catalog.intake import CardSighting, NextPage
from stj_catalog.labels import load_labels
from stj_catalog.schema import CrawlState, PageState
from stj_catalog.urls import is_loopback, product_url
from stj_spiders.arguments import Arguments, read_arguments
from stj_spiders.config import CrawlConfig
from stj_spiders.desk import Desk
from stj_spiders.identity import user_agent
from stj_spiders.items import PageItem
from stj_spiders.manners import ASKED_AT, Manners, retry_after_seconds
from stj_spiders.outcome import FINISHED, Outcome, blocked, failed, interrupted, refused
from stj_spiders.pages.listing import Card, parse_listing
from stj_spiders.pages.product import Product, parse_product
from stj_spiders.pages.verdict import Verdict
from stj_spiders.refusals import RobotsRefusedError, StoppingError

LEASES = 2
READ = frozenset({Verdict.OK, Verdict.EMPTY})
_PATIENCE_SECONDS = 2.0
CONDITIONS = (
    "Amazon's conditions of use restrict automated collection, and its pictures belong to their makers and may show people. "
    "Get permission first, or practise on your own machine: make demo."
)


class CategorySpider(scrapy.Spider):
    """Reads the listing of one category."""

    name = "amazon_category"
    slug: ClassVar[str | None] = None
    manners: ClassVar[Manners]

    def __init__(self, name: str | None = None, **arguments: str) -> None:
        """Check the arguments.

        Raises:
            UsageError: one of them cannot be right.
        """
        super().__init__(name)
        self.arguments, self.config = self.read_arguments(arguments)
        self.settings_read: CrawlConfig
        self.desk = Desk(self.config)
        self.crawl: crawls.Crawl
        self.outcome: Outcome | None = None
        self.summary: dict[str, Any] | None = None
        self.pictures: Counter[str] = Counter()
        self.tally: Counter[str] = Counter()
        self.pages_done = 0
        self.kept = 0
        self._leased = 0
        self._moved = asyncio.Event()

    @classmethod
    def read_arguments(cls, given: dict[str, str]) -> tuple[Arguments, Config]:
        """What `given` asks of this spider.

        Raises:
            UsageError: it cannot be done.
        """
        return read_arguments(given, slug=cls.slug)

    @classmethod
    def check(cls, given: dict[str, str], settings: BaseSettings) -> None:
        """See that arguments, settings and the catalogue can be used, before anything is asked.

        Raises:
            StjError: what is in the way.
        """
        _, config = cls.read_arguments(given)
        CrawlConfig.from_settings(settings)
        open_catalog(config.catalog_url, create=True).close()

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> CategorySpider:
        """Build for a crawl, with the pace that all crawls of this process share."""
        spider = super().from_crawler(crawler, *args, **kwargs)
        spider.settings_read = CrawlConfig.from_settings(crawler.settings)
        if not hasattr(CategorySpider, "manners"):
            CategorySpider.manners = Manners(spider.settings_read.pace, spider.settings_read.patience)
        crawler.settings.set("USER_AGENT", user_agent(spider.config.contact), priority="spider")
        crawler.signals.connect(spider.end, signals.spider_closed)
        return spider

    @property
    def host(self) -> str:
        """The shop's host, with its port."""
        return urlsplit(self.config.origin).netloc

    @property
    def stopping(self) -> bool:
        """Whether the crawl is ending, by itself or by Ctrl-C."""
        return self.outcome is not None or not self.crawler.crawling

    def stop(self, outcome: Outcome) -> None:
        """End the crawl; the first reason counts."""
        if self.outcome is None:
            self.outcome = outcome
            self._moved.set()

    # Taking pages from the frontier.

    async def start(self) -> AsyncIterator[Request]:
        """Ask for one page after another until the listing ends, enough was kept, or the shop turns us away."""
        try:
            await self._open()
            while not self.stopping and not await self._enough():
                page = await self._lease() if self._leased < LEASES else None
                if page is not None:
                    self._leased += 1
                    yield self._request(page)
                elif await self._exhausted():
                    break
                else:
                    await self._something_moved()
        except StjError as error:
            self.stop(failed(str(error)))
        # Pages in the air come to their end before the spider is idle.

    async def _open(self) -> None:
        await self.desk.open()
        arguments, origin = self.arguments, self.config.origin
        self.crawl = await self.desk.run(
            crawls.begin_crawl,
            self.desk.catalog,
            spider=self.name,
            category=arguments.category,
            origin=origin,
            settings=arguments.record,
            first_url=origin + arguments.category.listing_path,
            fresh=arguments.fresh,
        )
        if not is_loopback(origin):
            self.logger.warning(CONDITIONS)
            if not self.config.contact:
                self.logger.warning("Nobody can be reached about this crawl: set STJ_CONTACT to an address or a URL.")
        if self.crawl.resumed:
            self.logger.info("going on with crawl %d of %s", self.crawl.id, origin)

    async def _enough(self) -> bool:
        label = self.arguments.category.label
        self.kept = await self.desk.run(crawls.kept_in_crawl, self.desk.catalog, self.crawl.id, label)
        return self._leased == 0 and self.kept >= self.arguments.limit

    async def _lease(self) -> LeasedPage | None:
        seconds, most = self.settings_read.lease_seconds, self.arguments.pages
        return await self.desk.run(crawls.lease_page, self.desk.catalog, self.crawl.id, seconds, max_listing=most)

    async def _exhausted(self) -> bool:
        pending, leased = await self.desk.run(
            crawls.open_pages, self.desk.catalog, self.crawl.id, max_listing=self.arguments.pages
        )
        return pending == 0 and leased == 0

    async def _something_moved(self) -> None:
        """Wait for one of our pages, or look again for one that another process held."""
        try:
            await asyncio.wait_for(self._moved.wait(), _PATIENCE_SECONDS)
        except TimeoutError:
            return
        self._moved.clear()

    def _request(self, page: LeasedPage) -> Request:
        read = self.read_product if page.kind == "product" else self.read_listing
        return Request(page.url, callback=read, errback=self.not_fetched, cb_kwargs={"page": page}, dont_filter=True)

    # What came back.

    async def read_listing(self, response: Response, page: LeasedPage) -> AsyncIterator[PageItem]:
        """Judge a listing page, and pass its cards on."""
        listing = parse_listing(_text(response), response.url, response.status)
        record = _record(response, listing.verdict, len(listing.cards), listing.total_results)
        if listing.verdict not in READ:
            await self._blocked_page(response, page, record)
            return
        self.manners.answered(_host(response.url))
        cards = [self._sighting(card, position) for position, card in enumerate(listing.cards, 1)]
        found = [NextPage("listing", page.number + 1, listing.next_url)] if listing.next_url and listing.cards else []
        if self.arguments.details:
            asins = dict.fromkeys(
                card.asin for card in cards if card.asin and card.reason not in {"sponsored", "title_mismatch"}
            )
            found += [
                NextPage("product", 1000 * page.number + i, product_url(self.config.origin, asin))
                for i, asin in enumerate(asins)
            ]
        yield PageItem(page, record, cards, found)

    async def read_product(self, response: Response, page: LeasedPage) -> AsyncIterator[PageItem]:
        """Judge a product's page, and pass its gallery on."""
        product = parse_product(_text(response), response.url, response.status)
        record = _record(response, product.verdict, len(product.pictures), None)
        if product.verdict not in READ:
            await self._blocked_page(response, page, record)
            return
        self.manners.answered(_host(response.url))
        yield PageItem(page, record, self._gallery(product))

    async def not_fetched(self, failure: Failure) -> None:
        """End the crawl when a page cannot be had; what was learned stays."""
        error = failure.value
        page: LeasedPage = failure.request.cb_kwargs["page"]  # type: ignore[attr-defined]  # Scrapy sets it
        if isinstance(error, RobotsRefusedError):
            self.stop(
                refused(
                    f"{error} Nothing else was fetched. Ask the shop for permission, or practise on your own machine."
                )
            )
        elif not isinstance(error, StoppingError):
            what = str(error).strip().rstrip(".") or type(error).__name__
            self.stop(
                failed(
                    f"{_host(page.url)} cannot be reached ({what}): try the same command again later, it goes on from here."
                )
            )
        await self._give_back(page)

    async def _blocked_page(self, response: Response, page: LeasedPage, record: crawls.Response) -> None:
        wait = retry_after_seconds((response.headers.get(b"Retry-After") or b"").decode("latin-1"))
        await self.desk.run(crawls.record_response, self.desk.catalog, page.id, record, PageState.PENDING)
        asked_at = response.meta.get(ASKED_AT, 0.0)
        self.turned_away(_host(response.url), f"page {page.number} is a {record.verdict} page", asked_at, wait)
        self._leased -= 1
        self._moved.set()

    def turned_away(self, host: str, what: str, asked_at: float, retry_after: float | None) -> None:
        """Cool a host down, or end the crawl when there is no hope left."""
        away = self.manners.turned_away(host, asked_at, retry_after)
        if away.over:
            self.stop(
                blocked(
                    f"{host} turned us away ({what}, and {away.over}). What was learned is kept: wait some hours, "
                    "then give the same command again, or ask the shop for permission."
                )
            )
        else:
            self.logger.warning("%s turned us away (%s): leaving it alone for %.0f s", host, what, away.seconds)

    # From cards to sightings.

    def _sighting(self, card: Card, position: int) -> CardSighting:
        return CardSighting(
            position=position,
            image_key=card.image_key,
            image_url=card.image_url,
            asin=card.asin,
            title=card.title,
            brand=card.brand,
            product_url=product_url(self.config.origin, card.asin) if card.asin else card.product_url,
            price=card.price,
            currency=card.currency,
            rating=card.rating,
            sponsored=bool(card.sponsored),
            reason=self._doubt(card.title, card.image_key, sponsored=bool(card.sponsored)),
        )

    def _gallery(self, product: Product) -> list[CardSighting]:
        breadcrumb = " › ".join(product.breadcrumb) if product.breadcrumb else None
        said = " ".join(
            part for part in (product.title, product.breadcrumb[-1] if product.breadcrumb else None) if part
        )
        return [
            CardSighting(
                position=position,
                image_key=picture.image_key,
                image_url=picture.image_url,
                asin=product.asin,
                parent_asin=product.parent_asin,
                title=product.title,
                brand=product.brand,
                breadcrumb=breadcrumb,
                product_url=product_url(self.config.origin, product.asin) if product.asin else None,
                price=product.price,
                currency=product.currency,
                reason=self._doubt(said, picture.image_key, sponsored=False),
            )
            for position, picture in enumerate(product.pictures, 1)
        ]

    def _doubt(self, title: str | None, picture: str | None, *, sponsored: bool) -> str | None:
        """Why a card says nothing about the label of its picture."""
        if picture is None:
            return "no_image"
        if sponsored:
            return "sponsored"
        return "title_mismatch" if title and self.arguments.category.contradiction(title) else None

    # The end.

    def count_picture(self, reason: str | None) -> None:
        """Note that a picture was fetched, for those who watch."""
        self.pictures[reason or "fetched"] += 1

    def page_done(self, item: PageItem, tally: Counter[str]) -> None:
        """Note that a page is in the catalogue."""
        self.pages_done += 1
        self.tally += tally
        words = ", ".join(f"{n} {word}" for word, n in sorted(tally.items())) or "nothing"
        self.logger.info("%s page %d: %d cards: %s", item.page.kind, item.page.number, len(item.cards), words)
        self._leased -= 1
        self._moved.set()

    async def _give_back(self, page: LeasedPage) -> None:
        await self.desk.run(crawls.release_page, self.desk.catalog, page.id)
        self._leased -= 1
        self._moved.set()

    async def end(self, spider: scrapy.Spider, reason: str) -> None:
        """Write how the crawl ended and close the catalogue."""
        try:
            if hasattr(self, "crawl"):
                outcome = self.outcome or (FINISHED if reason == "finished" else interrupted())
                self.outcome = await self._judge_end(outcome)
                await self.desk.flush()
                await self.desk.run(
                    crawls.end_crawl, self.desk.catalog, self.crawl.id, self.outcome.state, self.outcome.sentence
                )
                self.summary = await self.desk.run(crawls.crawl_summary, self.desk.catalog, self.crawl.id)
        except StjError as error:
            self.outcome = failed(str(error))
        finally:
            self.outcome = self.outcome or interrupted()
            await self.desk.close()

    async def _judge_end(self, outcome: Outcome) -> Outcome:
        """A listing without a single card is no success."""
        if outcome is not FINISHED:
            return outcome
        cards = await self.desk.run(crawls.cards_in_crawl, self.desk.catalog, self.crawl.id)
        if cards:
            return outcome
        category = self.arguments.category
        return Outcome(
            CrawlState.FINISHED,
            1,
            f"{self.config.origin}{category.listing_path} shows no card: check the node of {category.slug} in labels.toml, "
            "or try -s STJ_RENDER=always.",
        )


def _text(response: Response) -> str:
    return response.text if isinstance(response, TextResponse) else response.body.decode("utf-8", errors="replace")


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _record(response: Response, verdict: Verdict, cards: int, total: int | None) -> crawls.Response:
    return crawls.Response(response.status, verdict.value, len(response.body), cards, total)


def _named_spiders() -> dict[str, type[CategorySpider]]:
    """A spider class for each category that names one."""
    path = os.environ.get("STJ_LABELS")
    made = {}
    for category in load_labels(Path(path) if path else None):
        if category.spider != CategorySpider.name:
            title = "".join(word.title() for word in category.spider.split("_"))
            made[title] = type(
                title, (CategorySpider,), {"__module__": __name__, "name": category.spider, "slug": category.slug}
            )
    return made


globals().update(_named_spiders())
