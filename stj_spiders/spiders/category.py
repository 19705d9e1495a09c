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

from stj_catalog import crawls, frontier
from stj_catalog.catalog import open_catalog
from stj_catalog.frontier import LeasedPage
from stj_catalog.intake import NextPage
from stj_core.cli import counted
from stj_core.config import Config
from stj_core.errors import StjError, UsageError
from stj_core.labels import load_labels
from stj_core.shops.amazon import asin_of, is_loopback
from stj_core.vocabulary import PageState
from stj_spiders.arguments import Arguments, read_arguments
from stj_spiders.catalog_writer import Desk
from stj_spiders.config import CrawlConfig
from stj_spiders.exceptions import RobotsRefusedError, StoppingError
from stj_spiders.identity import user_agent
from stj_spiders.items import PageItem
from stj_spiders.outcome import FINISHED, STOPPED, Outcome, blocked, empty, failed, refused, unexpected
from stj_spiders.politeness import ASKED_AT, Manners, retry_after_seconds
from stj_spiders.rendering import RENDER, RENDERED_BY
from stj_spiders.shops.amazon.listing import parse_listing
from stj_spiders.shops.amazon.product import parse_product
from stj_spiders.shops.amazon.verdict import Verdict, judge, promises_script
from stj_spiders.sightings import gallery_sightings, listing_sightings, product_pages

LEASES = 2
READ = frozenset({Verdict.OK, Verdict.EMPTY})
_PATIENCE_SECONDS = 2.0
CONDITIONS = (
    "Amazon's conditions of use restrict automated collection, and its pictures belong to their makers and may show people. "
    "Get permission first, from the shop's legal department or with its official product API, or practise on your own machine: "
    "make demo."
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
        self.desk: Desk
        self.crawl: crawls.Crawl
        self.outcome: Outcome | None = None
        self.summary: dict[str, Any] | None = None
        self.pictures: Counter[str] = Counter()
        self.tally: Counter[str] = Counter()
        self.pages_done = 0
        self.unseen: int | None = None  # cards that the listing has yet, by its own count
        self.kept = 0
        self._leased = 0
        self._most_cards = 0
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
    def from_crawler(cls, crawler: Crawler, *args: object, **arguments: str) -> CategorySpider:
        """Build for a crawl, with the pace that all crawls of this process share."""
        spider = super().from_crawler(crawler, *args, **arguments)
        spider.settings_read = CrawlConfig.from_settings(crawler.settings)
        if not hasattr(CategorySpider, "manners"):
            CategorySpider.manners = Manners(spider.settings_read.pace, spider.settings_read.patience)
        crawler.settings.set("USER_AGENT", user_agent(spider.config.contact), priority="spider")
        crawler.signals.connect(spider.end, signals.spider_closed)
        for broken in (signals.spider_error, signals.item_error):
            crawler.signals.connect(spider.broke, broken)
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

    def broke(self, failure: Failure) -> None:
        """End the crawl when a callback or a pipeline met what it did not expect; a page it held would never be done."""
        self.stop(unexpected(failure.value or RuntimeError("unknown")))

    # Taking pages from the frontier.

    async def start(self) -> AsyncIterator[Request]:
        """Ask for one page after another until the listing ends, enough was kept, or the shop turns us away."""
        try:
            await self._open()
            while not self.stopping:
                enough = await self._enough()
                page = await self._lease() if not enough and self._leased < LEASES else None
                if page is not None:
                    self._leased += 1
                    yield self._request(page)
                elif not self._leased and (enough or await self._exhausted()):
                    break
                else:
                    await self._something_moved()
        except Exception as error:  # noqa: BLE001 - Scrapy would log it and call the crawl finished
            self.stop(unexpected(error))
        # Pages in the air come to their end before the spider is idle.

    async def _open(self) -> None:
        self.desk = await Desk.open(self.config)
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
        return self.kept >= self.arguments.limit

    async def _lease(self) -> LeasedPage | None:
        seconds, most = self.settings_read.lease_seconds, self.arguments.pages
        return await self.desk.run(frontier.lease_page, self.desk.catalog, self.crawl.id, seconds, max_listing=most)

    async def _exhausted(self) -> bool:
        pending, leased = await self.desk.run(
            frontier.open_pages, self.desk.catalog, self.crawl.id, max_listing=self.arguments.pages
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

    async def read_listing(self, response: Response, page: LeasedPage) -> AsyncIterator[PageItem | Request]:
        """Judge a listing page, and pass its cards on; a page made by a script is asked for once more, with a browser."""
        text = body_text(response)
        listing = parse_listing(text, response.url, response.status)
        record = _record(response, listing.verdict, len(listing.cards), listing.total_results)
        if listing.verdict not in READ:
            await self._blocked_page(response, page, record)
            return
        self._answered(response)
        if self._needs_browser(response, listing.verdict, text):
            why = "is to be rendered" if self.settings_read.render == "always" else "is made by a script"
            self.logger.info("listing page %d %s: looking again with a browser", page.number, why)
            yield self._request(page).replace(meta={RENDER: True})
            return
        cards = listing_sightings(listing.cards, self.arguments.category, self.config.origin)
        found = [NextPage("listing", page.number + 1, listing.next_url)] if listing.next_url and listing.cards else []
        if self.arguments.details:
            found += product_pages(cards, page.number, self.config.origin)
        yield PageItem(page, record, cards, found)

    def _needs_browser(self, response: Response, verdict: Verdict, text: str) -> bool:
        """Whether a plain response that no block is shall be rendered."""
        if RENDERED_BY in response.meta or self.settings_read.render == "never":
            return False
        return self.settings_read.render == "always" or (verdict is Verdict.EMPTY and promises_script(text))

    async def read_product(self, response: Response, page: LeasedPage) -> AsyncIterator[PageItem]:
        """Judge a product's page, and pass its gallery on."""
        product = parse_product(body_text(response), response.url, response.status)
        record = _record(response, product.verdict, len(product.pictures), None)
        if product.verdict not in READ and not _gone(response, product.verdict):
            await self._blocked_page(response, page, record)
            return
        self._answered(response)
        yield PageItem(page, record, gallery_sightings(product, self.arguments.category, self.config.origin))

    async def not_fetched(self, failure: Failure) -> None:
        """End the crawl when a page cannot be had; what was learned stays."""
        error = failure.value
        request: Request = failure.request  # type: ignore[attr-defined]  # Scrapy sets it
        page: LeasedPage = request.cb_kwargs["page"]
        if isinstance(error, RobotsRefusedError):
            if judge("", request.url) is Verdict.SIGN_IN:
                # Led to the sign-in page, which no robots.txt lets us fetch: that is an answer, too.
                led = Response(request.url, status=302, request=request)
                await self._blocked_page(led, page, _record(led, Verdict.SIGN_IN, 0, None))
                return
            self.stop(refused(f"{error} {error.advice}"))
        elif isinstance(error, StjError):
            self.stop(unexpected(error))
        elif not isinstance(error, StoppingError):
            what = str(error).strip().rstrip(".") or type(error).__name__
            self.stop(failed(f"{_host(page.url)} cannot be reached ({what}): give the same command again later."))
        await self.desk.run(frontier.release_page, self.desk.catalog, page.id)
        self._give_back()

    def _answered(self, response: Response) -> None:
        self.manners.answered(_host(response.url), response.meta.get(ASKED_AT, 0.0), picture=False)

    async def _blocked_page(self, response: Response, page: LeasedPage, record: frontier.Response) -> None:
        wait = retry_after_seconds((response.headers.get(b"Retry-After") or b"").decode("latin-1"))
        await self.desk.run(frontier.record_response, self.desk.catalog, page.id, record, PageState.PENDING)
        asked_at = response.meta.get(ASKED_AT, 0.0)
        article = "an" if record.verdict[0] in "aeiou" else "a"
        what = f"{_name(page)} is {article} {record.verdict} page"
        self.turned_away(_host(response.url), what, asked_at, wait)
        self._give_back()

    def turned_away(
        self, host: str, what: str, asked_at: float, retry_after: float | None, *, picture: bool = False
    ) -> None:
        """Cool a host down, or end the crawl when there is no hope left."""
        away = self.manners.turned_away(host, asked_at, retry_after, picture=picture)
        if away.over:
            self.stop(
                blocked(
                    f"{host} turned us away ({what}, and {away.over}). What was learned is kept: wait some hours, "
                    "then give the same command again, or ask the shop for permission."
                )
            )
        else:
            self.logger.warning("%s turned us away (%s): leaving it alone for %.0f s", host, what, away.seconds)

    # The end.

    def count_picture(self, reason: str | None) -> None:
        """Note that a picture was fetched, for those who watch."""
        self.pictures[reason or "fetched"] += 1

    def page_done(self, item: PageItem, tally: Counter[str]) -> None:
        """Note that a page is in the catalogue."""
        self.pages_done += 1
        self.tally += tally
        if item.page.kind == "listing":
            self.unseen = self._unseen(item)
        words = ", ".join(f"{n} {word}" for word, n in sorted(tally.items())) or "nothing"
        self.logger.info("%s: %s: %s", _name(item.page), counted(len(item.cards), "card"), words)
        self._give_back()

    def _unseen(self, item: PageItem) -> int | None:
        """Cards of later listing pages that the arguments allow, if the listing says how many it has."""
        self._most_cards = max(self._most_cards, len(item.cards))
        if item.response.total_results is None:
            return None
        pages = self.arguments.pages - item.page.number
        return max(0, min(item.response.total_results - item.page.number * self._most_cards, pages * self._most_cards))

    def _give_back(self) -> None:
        self._leased -= 1
        self._moved.set()

    async def end(self, spider: scrapy.Spider, reason: str) -> None:
        """Write how the crawl ended and close the catalogue."""
        try:
            if hasattr(self, "crawl"):
                outcome = self.outcome or (FINISHED if reason == "finished" else STOPPED)
                await self.desk.flush()
                self.outcome = await self._judge_end(outcome)
                await self.desk.run(
                    crawls.end_crawl, self.desk.catalog, self.crawl.id, self.outcome.state, self.outcome.sentence
                )
                self.summary = await self.desk.run(crawls.crawl_summary, self.desk.catalog, self.crawl.id)
            if hasattr(self, "desk"):
                await self.desk.close()
        except Exception as error:  # noqa: BLE001 - whatever it is, people are told how the crawl ended
            if self.outcome is None or not self.outcome.exit_code:
                self.outcome = unexpected(error)
        self.outcome = self.outcome or STOPPED

    async def _judge_end(self, outcome: Outcome) -> Outcome:
        """A listing without a single card is no success."""
        if outcome is not FINISHED:
            return outcome
        cards = await self.desk.run(crawls.cards_in_crawl, self.desk.catalog, self.crawl.id)
        if cards:
            return outcome
        category = self.arguments.category
        hint = f"check the node of {category.slug} in labels.toml"
        if self.settings_read.render != "always":
            hint += ", or try -s STJ_RENDER=always"
        return empty(f"{self.config.origin}{category.listing_path} shows no card: {hint}.")


def body_text(response: Response) -> str:
    """The decoded body, whatever it is."""
    return response.text if isinstance(response, TextResponse) else response.body.decode("utf-8", errors="replace")


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _name(page: LeasedPage) -> str:
    """A page as people call it: by its number in the listing, or by its product's."""
    return f"product {asin_of(page.url)}" if page.kind == "product" else f"listing page {page.number}"


def _gone(response: Response, verdict: Verdict) -> bool:
    """Whether a product is no longer sold: an answer about the product, and no word about us."""
    return verdict is Verdict.UNAVAILABLE and response.status in {404, 410}


def _record(response: Response, verdict: Verdict, cards: int, total: int | None) -> frontier.Response:
    browser = response.meta.get(RENDERED_BY)
    return frontier.Response(response.status, verdict.value, len(response.body), cards, total, browser)


def _named_spiders() -> dict[str, type[CategorySpider]]:
    """A spider class for each category that names one."""
    path = os.environ.get("STJ_LABELS")
    try:
        categories = load_labels(Path(path) if path else None)
    except UsageError:
        categories = load_labels()  # whichever spider is asked for will say what is wrong with the file
    made = {}
    for category in categories:
        if category.spider != CategorySpider.name:
            title = "".join(word.title() for word in category.spider.split("_"))
            members = {"__module__": __name__, "name": category.spider, "slug": category.slug}
            made[title] = type(title, (CategorySpider,), members)
    return made


globals().update(_named_spiders())
