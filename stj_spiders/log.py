"""Log lines: pages and pictures are told by our own words, not twice by Scrapy's."""

from __future__ import annotations

import logging
from typing import Any

from scrapy import Request, Spider
from scrapy.http import Response
from scrapy.logformatter import LogFormatter, LogFormatterResult
from twisted.python.failure import Failure

_CHATTER = ("addons", "crawler", "middleware", "statscollectors", "utils.log")


def quiet() -> None:
    """Keep Scrapy's lists of versions, settings and components out of a log that people read."""
    for name in _CHATTER:
        logging.getLogger(f"scrapy.{name}").setLevel(logging.WARNING)


class QuietLogFormatter(LogFormatter):
    """A page's cards are in the catalogue; the log does not repeat them."""

    def scraped(self, item: Any, response: Response | Failure | None, spider: Spider) -> LogFormatterResult | None:  # type: ignore[override]  # noqa: ANN401
        """Say nothing: the pipeline says it in one line."""
        return None  # which Scrapy documents as "do not log"

    def crawled(self, request: Request, response: Response, spider: Spider) -> LogFormatterResult:
        """Say it for those who debug."""
        line = super().crawled(request, response, spider)
        line["level"] = logging.DEBUG
        return line
