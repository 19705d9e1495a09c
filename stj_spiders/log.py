"""Log lines: pages and pictures are told by our own words, not twice by Scrapy's."""

from __future__ import annotations

import logging
from typing import Any

from scrapy import Request, Spider
from scrapy.http import Response
from scrapy.logformatter import LogFormatter, LogFormatterResult
from twisted.python.failure import Failure

_CHATTER = (
    "scrapy.addons",
    "scrapy.core.engine",
    "scrapy.crawler",
    "scrapy.middleware",
    "scrapy.statscollectors",
    "scrapy.utils.log",
    "scrapy-playwright",
)


def quiet() -> None:
    """Keep Scrapy's lists of versions, settings and components out of a log that people read."""
    for name in _CHATTER:
        # A level would not outlive Scrapy's own logging set-up; a filter does.
        logging.getLogger(name).addFilter(_matters)


def _matters(record: logging.LogRecord) -> bool:
    # Scrapy lets the root logger pass everything; what people asked for is on its handlers.
    return record.levelno >= logging.WARNING or any(one.level <= logging.DEBUG for one in logging.getLogger().handlers)


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

    def dropped(
        self, item: object, exception: BaseException, response: Response | Failure | None, spider: Spider
    ) -> LogFormatterResult:
        """A page that is left for later is no warning."""
        return {"level": logging.INFO, "msg": "%(exception)s", "args": {"exception": exception}}

    def item_error(
        self, item: object, exception: BaseException, response: Response | Failure | None, spider: Spider
    ) -> LogFormatterResult:
        """A page that could not be written is told by our own words; where it broke, for those who debug."""
        return {**super().item_error(item, exception, response, spider), "level": logging.DEBUG}

    def spider_error(
        self, failure: Failure, request: Request, response: Response | Failure, spider: Spider
    ) -> LogFormatterResult:
        """As `item_error`, for a page that could not be read."""
        return {**super().spider_error(failure, request, response, spider), "level": logging.DEBUG}
