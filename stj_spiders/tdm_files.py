"""Each host's `/.well-known/tdmrep.json`, asked for once by all crawls of the process, as politely as anything else."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from typing import ClassVar

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http.request import NO_CALLBACK

from stj_core.addresses import place_of
from stj_spiders.exceptions import StoppingError
from stj_spiders.opt_outs import MOST_BYTES, WELL_KNOWN, TdmFile, read_tdm_file
from stj_spiders.politeness import PICTURE
from stj_spiders.session import session_of

KEPT_SECONDS = 24 * 3600
_GONE = (404, 410)
_log = logging.getLogger(__name__)


class TdmFiles:
    """What the hosts of one crawl reserve."""

    known: ClassVar[dict[str, tuple[float, TdmFile]]] = {}
    asking: ClassVar[defaultdict[str, asyncio.Lock]] = defaultdict(asyncio.Lock)

    def __init__(self, crawler: Crawler) -> None:
        """Ask for one crawl."""
        self.crawler = crawler

    async def of(self, url: str, *, picture: bool) -> TdmFile:
        """The file of the host of `url`; an empty one where there is none, or opt-outs are not to be obeyed.

        Args:
            url: of a page or a picture.
            picture: which of the two; the file is asked for at the same pace.

        Raises:
            StoppingError: the crawl is ending.
        """
        if not session_of(self.crawler).settings.opt_out_obey:
            return TdmFile()
        place = place_of(url)
        origin = f"{place.scheme}://{place.netloc}"
        async with self.asking[origin]:
            read_at, found = self.known.get(origin, (float("-inf"), TdmFile()))
            if time.monotonic() - read_at > KEPT_SECONDS:
                found = await self._ask(origin, picture=picture)
                self.known[origin] = time.monotonic(), found
            return found

    async def _ask(self, origin: str, *, picture: bool) -> TdmFile:
        meta = {"download_maxsize": MOST_BYTES, **({PICTURE: True} if picture else {})}
        request = Request(origin + WELL_KNOWN, callback=NO_CALLBACK, meta=meta, dont_filter=True)
        try:
            response = await self.crawler.engine.download_async(request)
        except StoppingError:
            raise
        except Exception as error:  # noqa: BLE001 - a file that cannot be had says nothing
            _log.info("%s cannot be had (%r): nothing is reserved there", request.url, error)
            return TdmFile()
        if response.status == 200:
            found = read_tdm_file(response.body)
            if found is not None:
                return found
        if response.status not in _GONE:
            _log.info("%s is no list of reservations (%d): nothing is reserved there", request.url, response.status)
        return TdmFile()
