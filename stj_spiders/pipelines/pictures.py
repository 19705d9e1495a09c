"""Fetch the pictures of a page that the catalogue does not know: original bytes, fingerprinted in a thread, one row each.

Not Scrapy's ImagesPipeline: that one encodes every picture anew and decodes on the event loop, and its file store believes a
torn file for ninety days (docs/decisions/0002).
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import DownloadCancelledError, DownloadTimeoutError, DropItem
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK

from stj_catalog.intake import FetchedPicture, known_pictures
from stj_core.errors import NotAnImageError, PictureError, StjError, TooSmallError
from stj_core.picture_types import SERVED
from stj_core.text import one_line
from stj_core.vocabulary import TRANSIENT, Reason
from stj_images.decode import MAX_BYTES
from stj_images.fingerprint import fingerprint
from stj_spiders.budget import PAGE_BYTES, PICTURES, SHARE, USUAL_BYTES, Share
from stj_spiders.exceptions import LedElsewhereError, NotAskedError, StoppingError, TooManyBytesError
from stj_spiders.items import PageItem
from stj_spiders.opt_outs import Said, TdmFile, picture_opt_out
from stj_spiders.outcome import Outcome, unexpected
from stj_spiders.politeness import ASKED_AT, PICTURE, retry_after_seconds
from stj_spiders.reach import shown, shown_host
from stj_spiders.responses import body_text, host_of
from stj_spiders.session import session_of
from stj_spiders.shops.pages import BLOCKS, Verdict
from stj_spiders.shops.shop import ShopPages
from stj_spiders.tdm_files import TdmFiles

_TURNED_AWAY = (429, 503)
# One of these may be about one picture; one after another they are about us. 202 is a firewall's challenge.
_REFUSED = (202, 401, 403, 405, 406, 407, 418, 451)
_log = logging.getLogger(__name__)


class PicturesPipeline:
    """Sees to it that every card's picture has a row before the page is written."""

    def __init__(self, crawler: Crawler) -> None:
        """Stand ready for one crawl."""
        self.crawler = crawler
        self.session = session_of(crawler)
        self._tdm = TdmFiles(crawler)
        self._warned: set[str] = set()

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> PicturesPipeline:
        """Build for a crawl."""
        return cls(crawler)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.session.writer.store.writers, thread_name_prefix="pictures")

    def close_spider(self) -> None:
        """Give the threads back, if a picture ever came."""
        if "_threads" in vars(self):
            self._threads.shutdown()

    async def process_item(self, item: PageItem) -> PageItem:
        """Fetch what is unknown on the page; a page that cannot be completed is dropped, to be read again later."""
        wanted = {card.image_key: card.image_url or "" for card in item.cards if card.image_key}
        try:
            await self._fetch_unknown(wanted, item.opted_out)
        except (StjError, StoppingError) as error:
            if isinstance(error, StjError):
                self.session.stop(unexpected(error))
            raise DropItem(f"page {item.page.number} is left for later: the crawl is ending") from error
        return item

    async def _fetch_unknown(self, wanted: dict[str, str], opted_out: str | None) -> None:
        """Give every picture of `wanted` (address without size: address on the page) a row in the catalogue.

        Args:
            wanted: the pictures of one page.
            opted_out: the words by which that page keeps them from us; then none is asked for.

        Raises:
            StoppingError: the crawl is ending.
            StjError: the catalogue or the image store cannot be written.
        """
        writer, crawl_id = self.session.writer, self.session.crawl.id
        try:
            while True:
                known = await writer.run(
                    known_pictures, writer.catalog, list(wanted), crawl_id, self.session.since, again=self._again
                )
                missing = [key for key in wanted if key not in known]
                results = await asyncio.gather(
                    *(self._task(key, wanted[key], opted_out) for key in missing), return_exceptions=True
                )
                met = {key: error for key, error in zip(missing, results, strict=True) if error is not None}
                self._note_refusals(met, of=len(wanted))
                await writer.flush()
                if not met:
                    return
                # What another crawl was fetching when it ended is ours now.
                for key in met:
                    writer.fetching.pop(key, None)
        finally:
            for key in wanted:
                writer.fetching.pop(key, None)

    @property
    def _again(self) -> tuple[str, ...]:
        """Reasons for which a picture was rejected, and is asked for again."""
        return TRANSIENT if self.session.settings.opt_out_obey else (*TRANSIENT, Reason.OPTED_OUT)

    def _task(self, key: str, url: str, opted_out: str | None) -> asyncio.Task[None]:
        """The one task of this process that fetches a picture, however many pages and crawls want it meanwhile."""
        fetching = self.session.writer.fetching
        if key not in fetching:
            fetching[key] = asyncio.ensure_future(self._settle(key, url, opted_out))
        return fetching[key]

    def _note_refusals(self, met: dict[str, BaseException], *, of: int) -> None:
        """Reject the pictures that robots.txt refuses; when it refuses all of a page's, the crawl ends instead.

        Raises:
            StoppingError: the crawl is ending.
            BaseException: anything unexpected among `met`.
        """
        refusals = [error for error in met.values() if isinstance(error, PictureRefusedError)]
        if refusals and len(refusals) == of:
            self.session.stop(refusals[0].outcome)
        if met and self.session.stopping:
            raise StoppingError("the crawl is ending")
        for error in met.values():
            if not isinstance(error, PictureRefusedError | StoppingError):
                raise error
        for refusal in refusals:
            self._note(refusal.picture)

    async def _settle(self, key: str, url: str, opted_out: str | None) -> None:
        """Fetch one picture and have its row written, whatever it turned out to be."""
        sized = self.session.addresses.sized_image_url(url, self.session.settings.image_size)
        self._note(self._kept_from_us(key, sized, opted_out) or await self._fetch(key, sized))

    def _kept_from_us(self, key: str, url: str, opted_out: str | None) -> FetchedPicture | None:
        """The row of a picture that is not asked for: its page opts out, or its address leads where no crawl goes."""
        if opted_out:
            return self._rejected(key, url, Reason.OPTED_OUT, detail=opted_out)
        refusal = self.session.reach.picture_refusal(url)
        if refusal:
            return self._led_elsewhere(key, url, refusal, shown_host(url))
        return None

    def _led_elsewhere(self, key: str, url: str, why: str, host: str) -> FetchedPicture:
        if host not in self._warned:
            self._warned.add(host)
            _log.warning(
                "pictures at %s are not asked for (%s, %s): a host that you trust is named with -s STJ_PICTURE_HOSTS=%s",
                *(host, shown(url), why.rstrip("."), host),
            )
        return self._rejected(key, url, Reason.ADDRESS_REFUSED, detail=why)

    def _note(self, picture: FetchedPicture) -> None:
        self.session.count_picture(picture.reason)
        self.session.writer.record(picture)

    async def _fetch(self, key: str, url: str) -> FetchedPicture:
        """Ask for one picture until it came, could not be had, or the crawl ends; a large one is asked for twice."""
        for size in (USUAL_BYTES, MAX_BYTES):
            share = Share(PICTURES, size)
            try:
                return await self._fetch_within(key, url, share, size)
            except _TooLargeError:
                continue
            finally:
                share.give()
        return self._rejected(key, url, Reason.TOO_LARGE, detail=f"over {MAX_BYTES >> 20} MB")

    async def _fetch_within(self, key: str, url: str, share: Share, size: int) -> FetchedPicture:
        """As `_fetch`, for a picture of at most `size` bytes.

        Raises:
            _TooLargeError: it has more.
        """
        session, host = self.session, host_of(url)
        while True:
            async with session.manners.gate(host):
                response = await self._answer(key, url, share, size)
            if isinstance(response, FetchedPicture):
                return response
            turned_away = _turned_away(response, session.pages)
            if response.status in _REFUSED and session.picture_refused(host):
                turned_away = f"one picture after another answered {response.status}"
            if turned_away is None:
                break
            share.give()
            await self._cool_down(host, response, turned_away)
        if response.status not in _REFUSED:
            session.picture_served(host)
            await session.pace.answered(host, _asked_at(response), picture=True)
        if response.status != 200:
            return self._rejected(key, url, Reason.HTTP_ERROR, http_status=response.status)
        opted_out = picture_opt_out(Said.of(response.headers), response.url, TdmFile())
        if opted_out and session.settings.opt_out_obey:
            return self._rejected(key, url, Reason.OPTED_OUT, http_status=200, detail=opted_out)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._take_in, key, url, response.body, opted_out)

    async def _answer(self, key: str, url: str, share: Share, size: int) -> Response | FetchedPicture:
        """What comes back for a picture, or the row it gets because nothing does.

        Raises:
            _TooLargeError: it has more than `size` bytes.
            PictureRefusedError: robots.txt refuses it.
            StoppingError: the crawl is ending.
        """
        try:
            reserved = (await self._tdm.of(url, picture=True)).reservation(url)
            if reserved:
                return self._rejected(key, url, Reason.OPTED_OUT, detail=one_line(reserved))
            return await self._download(url, share, size)
        except StoppingError:
            raise
        except (DownloadCancelledError, TooManyBytesError) as error:
            raise _TooLargeError from error
        except LedElsewhereError as error:
            return self._led_elsewhere(key, url, str(error), error.host or shown_host(url))
        except NotAskedError as error:
            raise PictureRefusedError(error, self._rejected(key, url, Reason.ROBOTS)) from error
        except Exception as error:  # noqa: BLE001 - every way a line can break ends in one word
            _log.info("picture %s could not be had: %s", shown(url), one_line(repr(error)))
            return self._rejected(key, url, _word(error))

    async def _download(self, url: str, share: Share, size: int) -> Response:
        if self.session.stopping:
            raise StoppingError(f"Not asked: the crawl is ending ({url})")
        meta = {PICTURE: True, SHARE: share, "download_maxsize": size}
        request = Request(url, callback=NO_CALLBACK, meta=meta, headers={"Accept": "image/*"})
        return await self.crawler.engine.download_async(request)

    def _rejected(
        self, key: str, url: str, reason: str, *, http_status: int | None = None, detail: str | None = None
    ) -> FetchedPicture:
        return FetchedPicture(key, url, self.session.crawl.id, reason=reason, http_status=http_status, detail=detail)

    async def _cool_down(self, host: str, response: Response, what: str) -> None:
        """Leave the picture host alone; the same picture is asked for again unless the crawl had better end."""
        wait = retry_after_seconds((response.headers.get(b"Retry-After") or b"").decode("latin-1"))
        await self.session.turned_away(host, what, _asked_at(response), wait, picture=True)
        if self.session.stopping:
            raise StoppingError(f"{host} turned us away")

    def _take_in(self, key: str, url: str, body: bytes, detail: str | None) -> FetchedPicture:
        """Fingerprint and store a picture's bytes; runs in a thread."""
        session = self.session
        try:
            if not body:
                raise NotAnImageError("The answer is empty.")
            found = fingerprint(body, SERVED)
            if found.width < session.settings.min_width or found.height < session.settings.min_height:
                raise TooSmallError(f"The picture has {found.width}x{found.height} pixels.")
        except PictureError as error:
            return self._rejected(key, url, error.reason, http_status=200, detail=detail)
        path = session.writer.patiently(lambda: session.writer.store.put(found.sha256, found.extension, body))
        return FetchedPicture(key, url, session.crawl.id, found, path, http_status=200, detail=detail)


class _TooLargeError(Exception):
    """A picture has more bytes than it was allowed."""


class PictureRefusedError(NotAskedError):
    """robots.txt refuses a picture; `picture` is the row it gets unless the whole page is refused."""

    def __init__(self, refusal: NotAskedError, picture: FetchedPicture) -> None:
        super().__init__(str(refusal))
        self._refusal = refusal
        self.picture = picture

    @property
    def outcome(self) -> Outcome:
        """The end of a crawl that gets none of a page's pictures."""
        return self._refusal.outcome


def _turned_away(response: Response, pages: ShopPages) -> str | None:
    """What is wrong when the host would rather not serve us: its status, or a page about robots in a picture's place."""
    if response.status in _TURNED_AWAY:
        return f"picture answered {response.status}"
    if response.body[:512].lstrip()[:1] != b"<" or len(response.body) > PAGE_BYTES:
        return None
    verdict = pages.judge(body_text(response), response.url)
    return f"picture is a {verdict} page" if verdict in BLOCKS - {Verdict.UNAVAILABLE} else None


def _asked_at(response: Response) -> float:
    return float(response.request.meta[ASKED_AT]) if response.request else 0.0


def _word(error: Exception) -> Reason:
    return Reason.TIMEOUT if isinstance(error, DownloadTimeoutError | TimeoutError) else Reason.NETWORK_ERROR
