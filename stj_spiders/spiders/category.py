"""The spider of a category's listing: takes pages from the frontier, has them read, and follows their links.

`stj_spiders.loader` makes a class of it for each shop and for each category of labels.toml that names a spider.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar

import scrapy
from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.settings import BaseSettings
from twisted.python.failure import Failure

from stj_catalog import frontier
from stj_catalog.catalog import open_catalog
from stj_catalog.frontier import LeasedPage
from stj_catalog.intake import NextPage
from stj_core.config import Config
from stj_core.errors import StjError
from stj_core.vocabulary import PageState
from stj_spiders.arguments import Arguments, read_arguments
from stj_spiders.config import CrawlConfig
from stj_spiders.exceptions import RobotsRefusedError, StoppingError
from stj_spiders.identity import user_agent
from stj_spiders.items import PageItem
from stj_spiders.outcome import failed, refused, unexpected
from stj_spiders.politeness import ASKED_AT, retry_after_seconds
from stj_spiders.rendering import RENDER, RENDERED_BY
from stj_spiders.responses import body_text, host_of
from stj_spiders.session import Session
from stj_spiders.shops.pages import READ, Verdict
from stj_spiders.sightings import gallery_sightings, listing_sightings, product_pages

LEASES = 2


class CategorySpider(scrapy.Spider):
    """Reads the listing of one category.

    Attributes:
        shop: the shop whose categories it reads.
        slug: its own category; None when `-a category=` says it.
    """

    name = "amazon_category"
    shop: ClassVar[str] = "amazon"
    slug: ClassVar[str | None] = None
    session: Session

    def __init__(self, name: str | None = None, **arguments: str) -> None:
        """Check the arguments.

        Raises:
            UsageError: one of them cannot be right.
        """
        super().__init__(name)
        self.arguments, self.config = self.read_arguments(arguments)

    @classmethod
    def read_arguments(cls, given: dict[str, str]) -> tuple[Arguments, Config]:
        """What `given` asks of this spider.

        Raises:
            UsageError: it cannot be done.
        """
        return read_arguments(given, slug=cls.slug, shop=cls.shop)

    @classmethod
    def check(cls, given: dict[str, str], settings: BaseSettings) -> None:
        """See that arguments, settings and the catalogue can be used, before anything is asked.

        Raises:
            StjError: what is in the way.
        """
        _, config = cls.read_arguments(given)
        CrawlConfig.from_settings(settings, cls.shop)
        open_catalog(config.catalog_url, create=True).close()

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: object, **arguments: str) -> CategorySpider:
        """Build for a crawl, and make its session before any component needs it."""
        spider = super().from_crawler(crawler, *args, **arguments)
        spider.session = Session(crawler, spider.name, spider.arguments, spider.config)
        crawler.settings.set("USER_AGENT", user_agent(spider.config.contact), priority="spider")
        crawler.signals.connect(spider.end, signals.spider_closed)
        for broken in (signals.spider_error, signals.item_error):
            crawler.signals.connect(spider.broke, broken)
        return spider

    def broke(self, failure: Failure) -> None:
        """End the crawl when a callback or a pipeline met what it did not expect; a page it held would never be done."""
        self.session.stop(unexpected(failure.value or RuntimeError("unknown")))

    async def end(self, spider: scrapy.Spider, reason: str) -> None:
        """Write how the crawl ended."""
        await self.session.close(reason)

    async def start(self) -> AsyncIterator[Request]:
        """Ask for one page after another until the listing ends, enough was kept, or the shop turns us away."""
        session = self.session
        try:
            await session.open()
            while not session.stopping:
                enough = await session.has_enough()
                page = await session.lease() if not enough and session.leased < LEASES else None
                if page is not None:
                    yield self._request(page)
                elif not session.leased and (enough or await session.is_exhausted()):
                    break
                else:
                    await session.something_moved()
        except Exception as error:  # noqa: BLE001 - Scrapy would log it and call the crawl finished
            session.stop(unexpected(error))
        # Pages in the air come to their end before the spider is idle.

    def _request(self, page: LeasedPage) -> Request:
        read = self.read_product if page.kind == "product" else self.read_listing
        return Request(page.url, callback=read, errback=self.not_fetched, cb_kwargs={"page": page}, dont_filter=True)

    async def read_listing(self, response: Response, page: LeasedPage) -> AsyncIterator[PageItem | Request]:
        """Judge a listing page, and pass its cards on; a page made by a script is asked for once more, with a browser."""
        text = body_text(response)
        listing = self.session.pages.parse_listing(text, response.url, response.status)
        record = _record(response, listing.verdict, len(listing.cards), listing.total_results)
        if listing.verdict not in READ:
            await self._blocked_page(response, page, record)
            return
        self._answered(response)
        if self._needs_browser(response, listing.verdict, text):
            why = "is to be rendered" if self.session.settings.render == "always" else "is made by a script"
            self.logger.info("listing page %d %s: looking again with a browser", page.number, why)
            yield self._request(page).replace(meta={RENDER: True})
            return
        cards = listing_sightings(listing.cards, self.session.category, self.config.origin)
        found = [NextPage("listing", page.number + 1, listing.next_url)] if listing.next_url and listing.cards else []
        if self.arguments.details:
            found += product_pages(cards, page.number)
        yield PageItem(page, record, cards, found)

    def _needs_browser(self, response: Response, verdict: Verdict, text: str) -> bool:
        """Whether a plain response that no block is shall be rendered."""
        render = self.session.settings.render
        if RENDERED_BY in response.meta or render == "never":
            return False
        return render == "always" or (verdict is Verdict.EMPTY and self.session.pages.promises_script(text))

    async def read_product(self, response: Response, page: LeasedPage) -> AsyncIterator[PageItem]:
        """Judge a product's page, and pass its gallery on."""
        product = self.session.pages.parse_product(body_text(response), response.url, response.status)
        record = _record(response, product.verdict, len(product.pictures), None)
        if product.verdict not in READ and not _gone(response, product.verdict):
            await self._blocked_page(response, page, record)
            return
        self._answered(response)
        yield PageItem(page, record, gallery_sightings(product, self.session.category, self.config.origin))

    async def not_fetched(self, failure: Failure) -> None:
        """End the crawl when a page cannot be had; what was learned stays."""
        error = failure.value
        request: Request = failure.request  # type: ignore[attr-defined]  # Scrapy sets it
        page: LeasedPage = request.cb_kwargs["page"]
        if isinstance(error, RobotsRefusedError):
            if self.session.pages.judge("", request.url) is Verdict.SIGN_IN:
                # Led to the sign-in page, which no robots.txt lets us fetch: that is an answer, too.
                led = Response(request.url, status=302, request=request)
                await self._blocked_page(led, page, _record(led, Verdict.SIGN_IN, 0, None))
                return
            self.session.stop(refused(f"{error} {error.advice}"))
        elif isinstance(error, StjError):
            self.session.stop(unexpected(error))
        elif not isinstance(error, StoppingError):
            what = str(error).strip().rstrip(".") or type(error).__name__
            self.session.stop(
                failed(f"{host_of(page.url)} cannot be reached ({what}): give the same command again later.")
            )
        await self.session.release(page)

    def _answered(self, response: Response) -> None:
        asked_at = response.meta.get(ASKED_AT, 0.0)
        self.session.manners.answered(host_of(response.url), asked_at, picture=False)

    async def _blocked_page(self, response: Response, page: LeasedPage, record: frontier.Response) -> None:
        session = self.session
        wait = retry_after_seconds((response.headers.get(b"Retry-After") or b"").decode("latin-1"))
        await session.writer.run(frontier.record_response, session.writer.catalog, page.id, record, PageState.PENDING)
        asked_at = response.meta.get(ASKED_AT, 0.0)
        article = "an" if record.verdict[0] in "aeiou" else "a"
        what = f"{session.page_name(page)} is {article} {record.verdict} page"
        session.turned_away(host_of(response.url), what, asked_at, wait)
        session.give_back()


def _gone(response: Response, verdict: Verdict) -> bool:
    """Whether a product is no longer sold: an answer about the product, and no word about us."""
    return verdict is Verdict.UNAVAILABLE and response.status in {404, 410}


def _record(response: Response, verdict: Verdict, cards: int, total: int | None) -> frontier.Response:
    browser = response.meta.get(RENDERED_BY)
    return frontier.Response(response.status, verdict.value, len(response.body), cards, total, browser)
