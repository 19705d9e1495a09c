"""AutoThrottle that only slows down: our gaps are its floor, lane by lane."""

from __future__ import annotations

from typing import Any, cast

from scrapy import Request, Spider
from scrapy.extensions.throttle import AutoThrottle
from scrapy.http import Response
from scrapy.utils.httpobj import urlparse_cached

from stj_spiders.politeness import PICTURE, Lane
from stj_spiders.session import session_of


class PoliteThrottle(AutoThrottle):
    """Adapts the lanes of `Manners` instead of Scrapy's download slots."""

    def _spider_opened(self, spider: Spider) -> None:
        self.maxdelay = self._max_delay()

    def _get_slot(self, request: Request, spider: Spider) -> tuple[str | None, Any]:
        manners = session_of(self.crawler).manners
        host, picture = urlparse_cached(request).netloc, bool(request.meta.get(PICTURE))
        lane = manners.lane(host, picture=picture)
        # A lane without a gap is this machine's own: nobody is disturbed there.
        return (manners.lane_name(host, picture=picture), lane) if lane.least else (None, None)

    def _adjust_delay(self, slot: Any, latency: float, response: Response) -> None:  # noqa: ANN401 - our lane in a slot's place
        self.mindelay = cast("Lane", slot).least
        super()._adjust_delay(slot, latency, response)
