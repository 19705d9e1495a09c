"""The spider of a category's listing: takes pages from the frontier, has them read, and follows their links.

`stj_spiders.loader` makes a class of it for each shop and for each category of labels.toml that names a spider.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
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
from stj_core.cli import counted
from stj_core.config import Config
from stj_core.shops.shop import DEFAULT_SHOP, spider_of_any
from stj_core.vocabulary import PageState
from stj_spiders.arguments import Arguments, read_arguments
from stj_spiders.config import CrawlConfig
from stj_spiders.coverage import count_fields
from stj_spiders.exceptions import StoppingError
from stj_spiders.identity import user_agent
from stj_spiders.items import PageItem
from stj_spiders.opt_outs import Said, TdmFile, page_opt_out
from stj_spiders.outcome import unexpected
from stj_spiders.politeness import ASKED_AT, retry_after_seconds
from stj_spiders.reach import shown
from stj_spiders.request_meta import RENDER, RENDERED_BY
from stj_spiders.responses import body_text, host_of
from stj_spiders.session import Session
from stj_spiders.shops.pages import BLOCKS, READ, Listing, Verdict
from stj_spiders.sightings import gallery_sightings, listing_sightings, product_pages
from stj_spiders.storable import storable_listing, storable_product
from stj_spiders.tdm_files import TdmFiles
from stj_spiders.walk import Answer, Step, judge_listing, judge_product

LEASES = 2
MOST_TAGS = 400_000


class CategorySpider(scrapy.Spider):
    """Reads the listing of one category.

    Attributes:
        shop: the shop whose categories it reads.
        slug: its own category; None when `-a category=` says it.
    """

    name = spider_of_any(DEFAULT_SHOP)
    shop: ClassVar[str] = DEFAULT_SHOP
    slug: ClassVar[str | None] = None
    session: Session

    def __init__(self, name: str | None = None, **arguments: str) -> None:
        """Check the arguments.

        Raises:
            UsageError: one of them cannot be right.
        """
        super().__init__(name)
        self.arguments, self.config = self.read_arguments(arguments)
        self._repairs: set[asyncio.Task[None]] = set()

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
        open_catalog(config.catalog_url, create=True, images=config.images).close()

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

    def broke(self, failure: Failure, response: Response | None = None, item: PageItem | None = None) -> None:
        """A callback or a pipeline met what it did not expect: ask for the page again, and in the end without it."""
        error = failure.value or RuntimeError("unknown")
        request = getattr(response, "request", None)
        page = item.page if item is not None else request.cb_kwargs.get("page") if request is not None else None
        if isinstance(page, LeasedPage):
            # Scrapy tells of a callback's error in passing, and waits for nobody.
            repair = asyncio.ensure_future(self.session.failed_unexpectedly(page, error, item))
            self._repairs.add(repair)
            repair.add_done_callback(self._repaired)
        else:
            self.session.stop(unexpected(error))

    def _repaired(self, repair: asyncio.Task[None]) -> None:
        self._repairs.discard(repair)
        error = None if repair.cancelled() else repair.exception()
        if error is not None:
            self.session.stop(unexpected(error))

    async def end(self, spider: scrapy.Spider, reason: str) -> None:
        """Write how the crawl ended."""
        await asyncio.gather(*self._repairs, return_exceptions=True)
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
                    request = await self._request_for(page)
                    if request is not None:
                        yield request
                elif not session.leased and (enough or await session.is_exhausted()):
                    break
                else:
                    await session.something_moved()
        except Exception as error:  # noqa: BLE001 - Scrapy would log it and call the crawl finished
            session.stop(unexpected(error))
        # Pages in the air come to their end before the spider is idle.

    async def _request_for(self, page: LeasedPage) -> Request | None:
        """The request for a page; None for an address that cannot be asked for, which an older STJ may have written."""
        try:
            return self._request(page)
        except ValueError as error:
            await self.session.failed_unexpectedly(page, error, None)
            return None

    def _request(self, page: LeasedPage) -> Request:
        read = self.read_product if page.kind == "product" else self.read_listing
        return Request(page.url, callback=read, errback=self.not_fetched, cb_kwargs={"page": page}, dont_filter=True)

    async def read_listing(self, response: Response, page: LeasedPage) -> AsyncIterator[PageItem | Request]:
        """Judge a listing page, and pass its cards on; a page made by a script is asked for once more, with a browser."""
        session, text, size = self.session, body_text(response), len(response.body)
        if await self._is_too_much(response, text, page):
            return
        await session.keep(response, page)
        listing = storable_listing(session.pages.parse_listing(text, response.url, response.status))
        record = replace(
            _record(response, listing.verdict, len(listing.cards)),
            total_results=listing.total_results,
            coverage=count_fields(listing.cards),
        )
        nothing_new = await session.has_seen_all(page, listing.cards)
        answer = judge_listing(listing, response.status, page.url, response.url, size=size, nothing_new=nothing_new)
        answer = self._stays(answer, page, listing.next_url)
        if answer.step is Step.BLOCKED:
            await self._blocked_page(response, page, record)
            return
        await self._answered(response)
        if answer.step is not Step.NOTHING and self._needs_browser(response, listing.verdict, text):
            why = "is to be rendered" if session.settings.render == "always" else "is made by a script"
            self.logger.info("listing page %d %s: looking again with a browser", page.number, why)
            yield self._request(page).replace(meta={RENDER: True})
        elif answer.step is Step.AGAIN:
            # A script that nobody runs will not have run the next time either.
            in_vain = listing.verdict is Verdict.EMPTY and session.pages.promises_script(text)
            await session.ask_again(page, record, answer.why, in_vain=in_vain)
        elif answer.step is Step.NOTHING and page.number == 1:
            await session.nothing_there(page, record, answer.why)
        elif answer.step is Step.READ or not await session.put_off(page, record, answer.why):
            if answer.why:
                self.logger.info("%s %s: the listing ends here", session.page_name(page), answer.why)
            if listing.nameless:
                passed = counted(listing.nameless, "result")
                self.logger.warning("%s: %s without a product's number passed over", session.page_name(page), passed)
            item = self._page_item(listing, page, record, goes_on=answer.step is Step.READ and listing.ending is None)
            item.opted_out = await self._opt_out(response, text)
            if page.number == 1 and listing.later:
                later = [(one.kind, one.number, one.url) for one in item.found if one.kind == "listing"]
                await session.write(page, frontier.enter_pages, page, len(item.cards), later)
                session.look_again()
            yield item

    def _page_item(self, listing: Listing, page: LeasedPage, record: frontier.Response, *, goes_on: bool) -> PageItem:
        cards = listing_sightings(listing.cards, self.session.category, self.config.origin)
        found = []
        if listing.next_url and goes_on:
            found.append(NextPage("listing", page.number + 1, listing.next_url))
            if page.number == 1:
                most = self.arguments.pages
                found += [NextPage("listing", number, url) for number, url in listing.later if number <= most]
        if self.arguments.details:
            found += product_pages(cards, page.number)
        return PageItem(page, record, cards, found, ends=not goes_on)

    def _needs_browser(self, response: Response, verdict: Verdict, text: str) -> bool:
        """Whether a plain response that no block is shall be rendered."""
        render = self.session.settings.render
        if RENDERED_BY in response.meta or render == "never" or verdict not in READ:
            return False
        return render == "always" or (verdict is Verdict.EMPTY and self.session.pages.promises_script(text))

    async def read_product(self, response: Response, page: LeasedPage) -> AsyncIterator[PageItem]:
        """Judge a product's page, and pass its gallery on."""
        session, text, size = self.session, body_text(response), len(response.body)
        if await self._is_too_much(response, text, page):
            return
        await session.keep(response, page)
        product = storable_product(session.pages.parse_product(text, response.url, response.status))
        record = _record(response, product.verdict, len(product.pictures))
        answer = judge_product(product, response.status, size=size)
        if answer.step is Step.BLOCKED:
            await self._blocked_page(response, page, record)
            return
        await self._answered(response)
        if answer.step is Step.AGAIN:
            await session.ask_again(page, record, answer.why)
            return
        cards = gallery_sightings(product, session.category, self.config.origin)
        yield PageItem(page, record, cards, opted_out=await self._opt_out(response, text))

    async def _is_too_much(self, response: Response, text: str, page: LeasedPage) -> bool:
        """Put a page back that would cost hundreds of megabytes to read; a shop's has some ten thousand tags."""
        if text.count("<") <= MOST_TAGS:
            return False
        record = _record(response, Verdict.INCOMPLETE, 0)
        await self.session.ask_again(page, record, f"has more than {MOST_TAGS:,} tags")
        return True

    def _stays(self, answer: Answer, page: LeasedPage, next_url: str | None) -> Answer:
        """The answer, or that the page leads to another shop, where no crawl follows it."""
        refusal = self.session.reach.page_refusal(next_url) if next_url else None
        if next_url is None or refusal is None or answer.step is not Step.READ or page.number >= self.arguments.pages:
            return answer
        return Answer(Step.AGAIN, f"names {shown(next_url)} as the next page, {refusal}")

    async def _opt_out(self, response: Response, text: str) -> str | None:
        """The words by which a page keeps its pictures from learning; None too where such words are not to be obeyed."""
        if not self.session.settings.opt_out_obey:
            return None
        try:
            file = await TdmFiles(self.crawler).of(response.url, picture=False)
        except StoppingError:
            file = TdmFile()  # nothing more is asked, its pictures included
        return page_opt_out(Said.of(response.headers), text, response.url, file)

    async def not_fetched(self, failure: Failure) -> None:
        """End the crawl when a page cannot be had; what was learned stays."""
        error = failure.value
        request: Request = failure.request  # type: ignore[attr-defined]  # Scrapy sets it
        page: LeasedPage = request.cb_kwargs["page"]
        led_to = self.session.pages.judge("", request.url)
        if led_to in BLOCKS and not isinstance(error, StoppingError):
            # Led to the sign-in page or a captcha, which no robots.txt lets us fetch: that is an answer, too.
            led = Response(request.url, status=302, request=request)
            await self._blocked_page(led, page, _record(led, led_to, 0))
            return
        self.session.stop_for(error, page.url)
        await self.session.release(page)

    async def _answered(self, response: Response) -> None:
        asked_at = response.meta.get(ASKED_AT, 0.0)
        await self.session.pace.answered(host_of(response.url), asked_at, picture=False)

    async def _blocked_page(self, response: Response, page: LeasedPage, record: frontier.Response) -> None:
        session = self.session
        wait = retry_after_seconds((response.headers.get(b"Retry-After") or b"").decode("latin-1"))
        asked_at = response.meta.get(ASKED_AT, 0.0)
        article = "an" if record.verdict[0] in "aeiou" else "a"
        what = f"{session.page_name(page)} is {article} {record.verdict} page"
        # Before the page is anybody's again: whoever took it in between would ask a shop that is to be left alone.
        await session.turned_away(host_of(response.url), what, asked_at, wait, picture=False)
        await session.write(page, frontier.record_response, page.id, record, PageState.PENDING)
        session.give_back()


def _record(response: Response, verdict: Verdict, cards: int) -> frontier.Response:
    browser = response.meta.get(RENDERED_BY)
    return frontier.Response(response.status, verdict.value, len(response.body), cards, rendered_by=browser)
