"""Ask each host for its robots.txt before anything else, once for all crawls of the process, and obey it.

In the place of Scrapy's middleware, which goes on when robots.txt cannot be had and leaves Crawl-delay aside
(docs/decisions/0003).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from typing import ClassVar

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import DownloadCancelledError, IgnoreRequest, NotConfigured
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.httpobj import urlparse_cached

from stj_core.text import inert
from stj_spiders.exceptions import (
    DelayTooLongError,
    LedElsewhereError,
    RobotsOutageError,
    RobotsRefusedError,
    RobotsTurnedAwayError,
    RobotsUnreadError,
    StoppingError,
)
from stj_spiders.politeness import spell
from stj_spiders.robots import MOST_BYTES, Closed, Rules, read_rules
from stj_spiders.session import session_of

_log = logging.getLogger(__name__)
KEPT_SECONDS = 24 * 3600
# The request for robots.txt itself.
ASKS_RULES = "dont_obey_robotstxt"


class ClosedRobotsMiddleware:
    """Lets through what robots.txt allows; a refusal is a sentence that names the rule."""

    known: ClassVar[dict[str, Rules]] = {}
    asking: ClassVar[defaultdict[str, asyncio.Lock]] = defaultdict(asyncio.Lock)

    def __init__(self, crawler: Crawler) -> None:
        """Stand in for one crawl.

        Raises:
            NotConfigured: the user has the shop's permission, and said ROBOTSTXT_OBEY=False.
        """
        if not crawler.settings.getbool("ROBOTSTXT_OBEY"):
            raise NotConfigured
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> ClosedRobotsMiddleware:
        """Build for a crawl."""
        return cls(crawler)

    async def process_request(self, request: Request) -> None:
        """Refuse what the rules refuse.

        Raises:
            RobotsRefusedError: they do.
        """
        if request.meta.get(ASKS_RULES):
            return
        parts = urlparse_cached(request)
        rules = await self._rules(f"{parts.scheme}://{parts.netloc}", parts.netloc)
        if rules.wait > session_of(self.crawler).settings.patience.delay_most_seconds:
            raise self._too_slow(parts.netloc, rules)
        refusal = rules.refusal(request.url)
        if refusal is not None:
            self.crawler.stats.inc_value("robotstxt/forbidden")
            raise _refused(rules, parts.netloc, request.url, refusal)

    async def _rules(self, origin: str, host: str) -> Rules:
        async with self.asking[origin]:
            rules = self.known.get(origin)
            if rules is None or time.monotonic() - rules.read_at > KEPT_SECONDS:
                rules = await self._ask(origin)
                self.known[origin] = rules
                self._obey_delay(host, rules)
            return rules

    def _too_slow(self, host: str, rules: Rules) -> DelayTooLongError:
        most = session_of(self.crawler).settings.patience.delay_most_seconds
        return DelayTooLongError(
            f"{host} asks for {spell(rules.wait)} between two requests (the Crawl-delay of its robots.txt), over the "
            f"{spell(most)} of STJ_DELAY_MOST_SECONDS."
        )

    def _obey_delay(self, host: str, rules: Rules) -> None:
        session = session_of(self.crawler)
        if rules.wait > session.settings.patience.delay_most_seconds:
            return
        if rules.wait:
            level = logging.WARNING if rules.wait > session.settings.pace.page_seconds else logging.INFO
            _log.log(level, "%s asks for %s between two requests (Crawl-delay): they are kept", host, spell(rules.wait))
            session.manners.obey_crawl_delay(host, rules.wait)
        for said in rules.unread_delays():
            _log.warning('%s asks for "Crawl-delay: %s", which is no length of time: our own gaps hold.', host, said)

    async def _ask(self, origin: str) -> Rules:
        self.crawler.stats.inc_value("robotstxt/request_count")
        meta = {ASKS_RULES: True, "download_maxsize": MOST_BYTES}
        request = Request(f"{origin}/robots.txt", meta=meta, callback=NO_CALLBACK)
        try:
            response = await self.crawler.engine.download_async(request)
        except StoppingError:
            raise
        except DownloadCancelledError:
            return Rules("", f"its robots.txt has over {MOST_BYTES} bytes")
        except LedElsewhereError:
            raise
        except IgnoreRequest as error:
            # A redirect without end, or to where no crawl goes; a body that swells beyond all measure.
            return Rules("", f"its robots.txt cannot be had ({_words(error)})")
        except Exception as error:  # noqa: BLE001 - whatever kept the rules from us, it was no permission
            return Rules("", f"its robots.txt cannot be had ({_words(error)})", Closed.OUTAGE)
        self.crawler.stats.inc_value(f"robotstxt/response_status_count/{response.status}")
        return read_rules(response.status, response.body, response.headers.get(b"Content-Type", b"") or b"")


def _refused(rules: Rules, host: str, url: str, refusal: str) -> RobotsRefusedError:
    if rules.closed and rules.kind is Closed.OUTAGE:
        return RobotsOutageError(f"{host} is out of order: {refusal}, and without it {url} is not asked for.")
    kind = RobotsRefusedError
    if rules.closed:
        kind = RobotsTurnedAwayError if rules.kind is Closed.TURNED_AWAY else RobotsUnreadError
    return kind(f"{host} does not allow {url}: {refusal}.")


def _words(error: Exception) -> str:
    # Scrapy wraps what the TLS library says; a name that is not the certificate's is service_identity's to find.
    if any(sign in str(error) for sign in ("certificate verify failed", "VerificationError")):
        return (
            "its certificate is not one that this machine trusts for this host; if it should be, set SSL_CERT_FILE to the "
            "certificate of who signed it"
        )
    return inert(str(error).rstrip(".")) or type(error).__name__
