"""What a running crawl knows: its spider and the components around it meet here, and know nothing of each other.

A session is made with its spider, before Scrapy builds the middlewares, pipelines and extensions; each of them asks
`session_of(crawler)` for it. Everything that must outlive the process is in the catalogue.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit
from uuid import uuid4
from weakref import WeakKeyDictionary

from scrapy.crawler import Crawler
from scrapy.http import Response

from stj_catalog import crawls, frontier
from stj_catalog.forget import remove_copies
from stj_catalog.frontier import LeasedPage
from stj_core.addresses import is_loopback
from stj_core.cli import counted
from stj_core.clock import now
from stj_core.config import Config
from stj_core.errors import CatalogError, CrawlError
from stj_core.labels import Category
from stj_core.shops.shop import SHOPS
from stj_spiders.archive import PageArchive
from stj_spiders.arguments import Arguments
from stj_spiders.catalog_writer import CatalogWriter
from stj_spiders.config import CrawlConfig
from stj_spiders.coverage import fields_missing, shares
from stj_spiders.ending import judge_end
from stj_spiders.items import PageItem
from stj_spiders.outcome import FINISHED, STOPPED, Outcome, blocked, drifted, unexpected
from stj_spiders.politeness import Manners
from stj_spiders.reach import Reach
from stj_spiders.responses import archived
from stj_spiders.setbacks import Setbacks
from stj_spiders.shared_pace import SharedPace
from stj_spiders.shops.pages import Card
from stj_spiders.shops.shop import PAGES

# So many pictures may a host refuse in a row before that counts as being turned away.
REFUSALS = 2
_PATIENCE_SECONDS = 1.0
# After which somebody is told who waits for another process.
_TOLD_SECONDS = 5.0
_log = logging.getLogger(__name__)
_sessions: WeakKeyDictionary[Crawler, Session] = WeakKeyDictionary()


class Session(Setbacks):
    """One crawl, from its arguments to its end.

    Attributes:
        name: of the spider.
        arguments: what was asked of it.
        config: the settings that the rooms share.
        settings: the crawl's own settings.
        addresses: what is known of the shop's addresses.
        reach: where its requests may go.
        pages: what is known of the shop's pages.
        manners: the pace, shared by all crawls of the process.
        pace: the same, shared by all processes that use the catalogue; there once the crawl is open.
        writer: the catalogue and the image store; there once the crawl is open, as is `crawl`, its row.
        outcome: how it ended; None while it goes on.
        summary: what it saw, once it is over.
        pictures: those that were asked for, by reason (`fetched` for a good one).
        tally: cards of the pages that were written, by the word each ended in.
        pages_done: pages that were written.
        unseen: cards that the listing still has to show, by its own count; None when it does not say.
        kept: distinct kept pictures of the category that the crawl has sighted.
        since: when this run of the crawl began, as the catalogue writes it.
        fields: cards of the listing pages so far (`cards`), and how many of those had each field.
    """

    shared_manners: ClassVar[Manners | None] = None

    def __init__(self, crawler: Crawler, name: str, arguments: Arguments, config: Config) -> None:
        """Read the settings; nothing is opened yet.

        Raises:
            UsageError: a setting cannot be right.
        """
        super().__init__()
        self.crawler = crawler
        self.name = name
        self.arguments = arguments
        self.config = config
        self.settings = CrawlConfig.from_settings(crawler.settings, arguments.category.shop)
        self.reach = Reach.of(config.origin, self.settings.picture_hosts)
        self.addresses = SHOPS[arguments.category.shop]
        self.pages = PAGES[arguments.category.shop]
        if Session.shared_manners is None:
            Session.shared_manners = Manners(self.settings.pace, self.settings.patience)
        self.manners = Session.shared_manners
        self.writer: CatalogWriter
        self.pace: SharedPace
        self.crawl: crawls.Crawl
        self.outcome: Outcome | None = None
        self.summary: dict[str, Any] | None = None
        self.pictures: Counter[str] = Counter()
        self.tally: Counter[str] = Counter()
        self.pages_done = 0
        self.unseen: int | None = None
        self.kept = 0
        self._kept_changes = True
        self._idle_seconds, self._told_at = 0.0, _TOLD_SECONDS
        self.since = now()
        self.fields: Counter[str] = Counter()
        self.leased = 0
        self._refused_pictures: Counter[str] = Counter()
        self._archive: PageArchive | None = None
        self._most_cards = 0
        self._moved = asyncio.Event()
        self._heart: asyncio.Future[None] | None = None
        _sessions[crawler] = self

    @property
    def category(self) -> Category:
        """The category whose listing is read."""
        return self.arguments.category

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

    async def open(self) -> None:
        """Open the catalogue, and begin the crawl there or go on with it.

        Raises:
            StjError: what is in the way.
        """
        self.writer = await CatalogWriter.open(self.config, self.settings.away_seconds)
        self.writer.hurried.append(lambda: not self.crawler.crawling)
        self.pace = SharedPace(self.manners, self.writer)
        origin = self.config.origin
        self.crawl = await self.writer.run(
            crawls.begin_crawl,
            self.writer.catalog,
            spider=self.name,
            category=self.category,
            origin=origin,
            settings=self.arguments.record,
            first_url=origin + self.category.listing_path,
            fresh=self.arguments.fresh,
            parser=self.pages.PARSER,
        )
        self._heart = asyncio.ensure_future(self._beat())
        self.fields = await self.writer.run(crawls.fields_of_cards, self.writer.catalog, self.crawl.id)
        if not is_loopback(origin):
            _log.warning(self.pages.CONDITIONS)
            if not self.config.contact:
                _log.warning("Nobody can be reached about this crawl: set STJ_CONTACT to an address or a URL.")
        if self.crawl.resumed:
            _log.info("going on with crawl %d of %s", self.crawl.id, origin)

    # Pages of the frontier.

    async def has_enough(self) -> bool:
        """Whether as many pictures were kept as the arguments ask for; counted anew when anything may have changed."""
        if self._kept_changes:
            self._kept_changes = False
            self.kept = await self.writer.run(
                crawls.kept_in_crawl, self.writer.catalog, self.crawl.id, self.category.label
            )
        return self.kept >= self.arguments.limit

    async def lease(self) -> LeasedPage | None:
        """Take the next page from the frontier, if one is free."""
        seconds, most = self.settings.lease_seconds, self.arguments.pages
        page = await self.writer.run(
            frontier.lease_page,
            self.writer.catalog,
            self.crawl.id,
            seconds,
            max_listing=most,
            enough=frontier.Enough(self.arguments.limit, self.category.label),
            token=uuid4().hex,
        )
        if page is not None:
            self.leased += 1
            self._idle_seconds, self._told_at = 0.0, _TOLD_SECONDS
        return page

    async def release(self, page: LeasedPage, reason: str | None = None) -> None:
        """Give a page back unread."""
        await self.write(page, frontier.release_page, page.id, reason)
        self.give_back()

    def give_back(self) -> None:
        """Note that a leased page came to an end."""
        self.leased -= 1
        self._kept_changes = True
        self._moved.set()

    def look_again(self) -> None:
        """Note that the frontier has more pages."""
        self._moved.set()

    async def is_exhausted(self) -> bool:
        """Whether no page is left, with us or with another process."""
        pending, leased = await self.writer.run(
            frontier.open_pages, self.writer.catalog, self.crawl.id, max_listing=self.arguments.pages
        )
        return pending == 0 and leased == 0

    async def something_moved(self) -> None:
        """Wait for one of our pages, or look again for one that another process held."""
        try:
            await asyncio.wait_for(self._moved.wait(), _PATIENCE_SECONDS)
        except TimeoutError:
            self._kept_changes = True  # by another process, perhaps
            if not self.leased:
                await self._tell_of_others()
            return
        self._moved.clear()

    async def _tell_of_others(self) -> None:
        """Say, ever more seldom, that nothing is asked because another process holds what is left."""
        self._idle_seconds += _PATIENCE_SECONDS
        if self._idle_seconds < self._told_at:
            return
        self._told_at *= 2
        _, held = await self.writer.run(
            frontier.open_pages, self.writer.catalog, self.crawl.id, max_listing=self.arguments.pages
        )
        _log.warning(
            "waiting for %s that another process holds; should it have died, they are free within %.0f s",
            *(counted(held, "page"), self.settings.lease_seconds),
        )

    async def has_seen_all(self, page: LeasedPage, cards: Sequence[Card]) -> bool:
        """Whether a listing page shows nothing but products of this crawl's earlier pages, its advertisements aside."""
        if page.number == 1 or not cards:
            return False
        before = await self.writer.run(crawls.products_before, self.writer.catalog, self.crawl.id, page.number)
        listed = [card for card in cards if not card.sponsored] or cards
        return all(card.asin in before for card in listed)

    async def keep(self, response: Response, page: LeasedPage) -> None:
        """Keep an answer as it came, where somebody asked for an archive.

        Raises:
            CrawlError: it cannot be written.
        """
        if not self.settings.warc:
            return
        if self._archive is None:
            self._archive = PageArchive(Path(self.settings.warc), f"{self.name}-{self.crawl.id}")
        kept = archived(response, page, self.crawl)
        sent = response.request.headers.to_unicode_dict() if response.request else {}
        asked = {str(name): str(value) for name, value in sent.items()}
        await asyncio.get_running_loop().run_in_executor(None, self._archive.write, kept, asked)

    async def _beat(self) -> None:
        """Renew our leases while we live, well before they run out."""
        while True:
            await asyncio.sleep(self.settings.lease_seconds / 3)
            try:
                await self.writer.run(
                    frontier.renew_leases, self.writer.catalog, self.crawl.id, self.settings.lease_seconds
                )
            except CatalogError as error:
                # Whatever else asks the catalogue says so too, and ends the crawl.
                _log.warning("the leases could not be renewed: %s", error)

    # What is learned on the way.

    def picture_refused(self, host: str) -> bool:
        """Count a picture that a host would not serve; True once it refuses one after another, which is no accident."""
        self._refused_pictures[host] += 1
        return self._refused_pictures[host] > REFUSALS

    def picture_served(self, host: str) -> None:
        """Note that a host serves pictures."""
        self._refused_pictures[host] = 0

    async def turned_away(
        self, host: str, what: str, asked_at: float, retry_after: float | None, *, picture: bool = False
    ) -> None:
        """Cool a host down, or end the crawl when there is no hope left."""
        away = await self.pace.turned_away(host, asked_at, retry_after, picture=picture)
        if away.over:
            self.stop(
                blocked(
                    f"{host} turned us away ({what}, and {away.over}). What was learned is kept: wait some hours, "
                    "then give the same command again, or ask the shop for permission."
                )
            )
        else:
            _log.warning("%s turned us away (%s): leaving it alone for %.0f s", host, what, away.seconds)

    def count_picture(self, reason: str | None) -> None:
        """Note that a picture was fetched, for those who watch."""
        self.pictures[reason or "fetched"] += 1

    def page_done(self, item: PageItem, tally: Counter[str]) -> None:
        """Note that a page is in the catalogue."""
        self.pages_done += 1
        self.tally += tally
        if item.page.kind == "listing":
            self.unseen = self._cards_unseen(item)
            self.fields.update({"cards": len(item.cards), **(item.response.coverage or {})})
        words = ", ".join(f"{n} {word}" for word, n in sorted(tally.items())) or "nothing"
        _log.info("%s: %s: %s", self.page_name(item.page), counted(len(item.cards), "card"), words)
        missing = fields_missing(self.fields, self.settings.coverage_min)
        if missing:
            self.stop(drifted(", ".join(missing), self.pages.PARSER))
        self.give_back()

    def page_name(self, page: LeasedPage) -> str:
        """A page as people call it: by its number in the listing, or by its product's."""
        if page.kind == "product":
            return f"product {self.addresses.product_number(page.url)}"
        return f"listing page {page.number}"

    def _cards_unseen(self, item: PageItem) -> int | None:
        """Cards of later listing pages that the arguments allow, if the listing says how many it has."""
        self._most_cards = max(self._most_cards, len(item.cards))
        if item.response.total_results is None:
            return None
        pages = self.arguments.pages - item.page.number
        return max(0, min(item.response.total_results - item.page.number * self._most_cards, pages * self._most_cards))

    # The end.

    async def close(self, reason: str) -> None:
        """Write how the crawl ended and close the catalogue.

        Args:
            reason: Scrapy's word; `finished` when nothing was left to do.
        """
        if self._heart is not None:
            self._heart.cancel()
        try:
            if hasattr(self, "crawl"):
                outcome = self.outcome or (FINISHED if reason == "finished" else STOPPED)
                await self.writer.flush()
                catalog, crawl_id = self.writer.catalog, self.crawl.id
                self.fields = await self.writer.run(crawls.fields_of_cards, catalog, crawl_id)
                if outcome is FINISHED:
                    outcome = await self.writer.run(judge_end, catalog, crawl_id, self.fields, self.pages.PARSER)
                self.outcome = outcome
                await self.writer.run(
                    crawls.end_crawl,
                    catalog,
                    crawl_id,
                    self.outcome.state,
                    self.outcome.sentence,
                    shares(self.fields) if self.fields["cards"] else None,
                )
                await self.writer.run(remove_copies, catalog, self.writer.store)
                self.summary = await self.writer.run(crawls.crawl_summary, catalog, crawl_id)
                self.summary["taken_over"] = self.late
            if self._archive is not None:
                self._archive.close()
            if hasattr(self, "writer"):
                await self.writer.close()
        except Exception as error:  # noqa: BLE001 - whatever it is, people are told how the crawl ended
            _log.error("what came last, and how the crawl ended, could not be written: %s", unexpected(error).sentence)
            if self.outcome is None or not self.outcome.exit_code:
                self.outcome = unexpected(error)
        self.outcome = self.outcome or STOPPED


def find_session(crawler: Crawler) -> Session | None:
    """The session of a crawler; None when its spider is none of ours, or could not begin."""
    return _sessions.get(crawler)


def session_of(crawler: Crawler) -> Session:
    """The session of a crawler.

    Raises:
        CrawlError: its spider is none of ours.
    """
    found = find_session(crawler)
    if found is None:
        raise CrawlError("This crawl has no session: start one of the spiders that `scrapy list` shows.")
    return found
