"""What a crawl does about a page that was not what it should be: ask again, do without it, or end."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence

from scrapy.exceptions import DownloadCancelledError

from stj_catalog import frontier
from stj_catalog.frontier import LeasedPage
from stj_core.cli import write_log
from stj_core.errors import LeaseLostError, StjError
from stj_core.vocabulary import PageState
from stj_spiders.arguments import Arguments
from stj_spiders.budget import PAGE_BYTES
from stj_spiders.catalog_writer import CatalogWriter
from stj_spiders.config import CrawlConfig
from stj_spiders.exceptions import NotAskedError, StoppingError, TooManyBytesError
from stj_spiders.items import PageItem
from stj_spiders.outcome import Outcome, empty, failed, unexpected
from stj_spiders.reach import shown
from stj_spiders.responses import host_of
from stj_spiders.walk import NO_CARD

# So often is a page asked for that does not come as it should.
TRIES = 3
_log = logging.getLogger(__name__)


class Setbacks(ABC):
    """The part of a session that deals with them; the rest of it is in `session.py`."""

    writer: CatalogWriter
    settings: CrawlConfig
    arguments: Arguments

    def __init__(self) -> None:
        """No page was tried yet."""
        self._tries: Counter[int] = Counter()
        self.late = 0

    @abstractmethod
    def stop(self, outcome: Outcome) -> None:
        """End the crawl; the first reason counts."""

    @abstractmethod
    def give_back(self) -> None:
        """Note that a leased page came to an end."""

    @abstractmethod
    async def release(self, page: LeasedPage, reason: str | None = None) -> None:
        """Give a page back unread."""

    @abstractmethod
    def page_name(self, page: LeasedPage) -> str:
        """A page as people call it."""

    async def write(self, page: LeasedPage, function: Callable[..., object], *values: object) -> bool:
        """Have something written about a page under its lease; False where another process took it over meanwhile.

        Args:
            page: the page.
            function: of the frontier; it takes the catalogue, `values`, and the lease's `token` unless `values` hold the page.
            *values: what it is given.
        """
        token = {} if page in values else {"token": page.token}
        try:
            await self.writer.run(function, self.writer.catalog, *values, **token)
        except LeaseLostError:
            self.came_late(page)
            return False
        return True

    def came_late(self, page: LeasedPage) -> None:
        """Count a page that another process took over while it was read here: nothing of it is written."""
        self.late += 1
        _log.warning(
            "%s was taken over by another process while it was read here: nothing of it is written",
            self.page_name(page),
        )

    async def ask_again(self, page: LeasedPage, record: frontier.Response, why: str, *, in_vain: bool = False) -> None:
        """Put a page back that did not come as it should; after some tries a listing ends the crawl, a product is left out.

        Args:
            page: the page.
            record: what came back.
            why: what was wrong with it.
            in_vain: another try would bring the same.
        """
        reason = f"it {why}"
        if await self.put_off(page, record, why):
            return
        self._tries[page.id] += TRIES if in_vain else 1
        tries = self._tries[page.id]
        written = await self.write(page, frontier.record_response, page.id, record, PageState.PENDING, reason)
        if written and tries < TRIES:
            _log.warning("%s %s: asking again", self.page_name(page), why)
        elif written and page.kind == "listing":
            self.stop(failed(self._unread_listing(page, why)))
        elif written:
            await self._set_aside(page, reason)
        self.give_back()

    async def put_off(self, page: LeasedPage, record: frontier.Response, why: str) -> bool:
        """Put a listing page back that was asked for before those before it were read; False where it was not.

        It may lie behind the listing's end, or have another address: both is known once they are read.
        """
        if not await self.writer.run(frontier.is_ahead, self.writer.catalog, page):
            return False
        _log.info("%s %s: asking again once the pages before it are read", self.page_name(page), why)
        await self.write(page, frontier.put_off, page, record, f"it {why}")
        self.give_back()
        return True

    async def nothing_there(self, page: LeasedPage, record: frontier.Response, why: str) -> None:
        """End the crawl: its first page says that there is nothing."""
        if await self.write(page, frontier.record_response, page.id, record, PageState.DONE, f"it {why}"):
            self.stop(empty(f"{page.url} {why}: check the node of {self.arguments.category.slug} in labels.toml."))
        self.give_back()

    async def failed_unexpectedly(self, page: LeasedPage, error: BaseException, item: PageItem | None) -> None:
        """Put a page back whose reading or writing failed unexpectedly; after some tries the crawl goes on without it."""
        if isinstance(error, StjError):
            self.stop(unexpected(error))
            await self.release(page)
            return
        self._tries[page.id] += 1
        reason = f"{type(error).__name__}: {error}"[:500]
        if self._tries[page.id] < TRIES:
            _log.warning("%s failed unexpectedly (%s): asking again", self.page_name(page), reason)
            await self.release(page, reason)
            return
        found = () if item is None else [(one.kind, one.number, one.url) for one in item.found]
        await self._set_aside(page, f"{reason}; please report it with {write_log(error)}", found)
        self.give_back()

    async def _set_aside(self, page: LeasedPage, reason: str, found: Sequence[tuple[str, int, str]] = ()) -> None:
        _log.error("%s is set aside after %d tries: %s", self.page_name(page), TRIES, reason)
        await self.write(page, frontier.set_page_aside, page.id, reason, found)

    def _unread_listing(self, page: LeasedPage, why: str) -> str:
        slug = self.arguments.category.slug
        if page.number == 1 and why.startswith(NO_CARD):
            other = "" if self.settings.render == "always" else ", or try -s STJ_RENDER=always"
            return f"{page.url} {NO_CARD}: check the node of {slug} in labels.toml{other}."
        name = self.page_name(page).capitalize()
        return f"{name} of {slug} {why}, {TRIES} times in a row: the same command goes on there."

    def stop_for(self, error: BaseException | None, url: str) -> None:
        """End the crawl because a page cannot be asked for."""
        if isinstance(error, NotAskedError):
            self.stop(error.outcome)
        elif isinstance(error, StjError):
            self.stop(unexpected(error))
        elif isinstance(error, DownloadCancelledError | TooManyBytesError):
            most = f"the {PAGE_BYTES >> 20} MB that a page may have"
            self.stop(
                failed(f"{shown(url)} has more bytes than {most}: nothing of it was read; the same command asks again.")
            )
        elif not isinstance(error, StoppingError):
            what = str(error).strip().rstrip(".") or type(error).__name__
            self.stop(failed(f"{host_of(url)} cannot be reached ({what}): give the same command again later."))
