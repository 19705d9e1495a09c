"""The line that people watch on a terminal: pages, cards, kept, pace and time left, one row a spider."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, ClassVar

from scrapy import Spider, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured

from stj_spiders.manners import spell
from stj_spiders.spiders.amazon import CategorySpider

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text


class Progress:
    """One display for all the crawls of a process."""

    live: ClassVar[Live | None] = None
    watched: ClassVar[list[tuple[CategorySpider, float]]] = []

    def __init__(self, crawler: Crawler) -> None:
        """Watch one crawl.

        Raises:
            NotConfigured: nobody watches.
        """
        if not sys.stderr.isatty() or crawler.settings.get("LOG_FILE"):
            raise NotConfigured
        crawler.signals.connect(self.opened, signals.spider_opened)
        crawler.signals.connect(self.closed, signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Progress:
        """Build for a crawl."""
        return cls(crawler)

    def opened(self, spider: Spider) -> None:
        """Show the spider's row."""
        if isinstance(spider, CategorySpider):
            Progress.watched.append((spider, time.monotonic()))
        if Progress.live is None:
            from rich.console import Console
            from rich.live import Live

            Progress.live = Live(
                get_renderable=rows, console=Console(stderr=True), refresh_per_second=4, transient=True
            )
            Progress.live.start()

    def closed(self, spider: Spider) -> None:
        """Take the display down with the last spider."""
        Progress.watched[:] = [pair for pair in Progress.watched if pair[0] is not spider]
        if not Progress.watched and Progress.live is not None:
            Progress.live.stop()
            Progress.live = None


def rows() -> Text:
    """The display as it is now."""
    from rich.text import Text

    return Text("\n".join(describe(spider, time.monotonic() - began) for spider, began in Progress.watched))


def describe(spider: CategorySpider, seconds: float) -> str:
    """One spider's row, `seconds` after it began."""
    fetched = sum(spider.pictures.values())
    pace = fetched / seconds if seconds > 1 else 0.0
    missing = max(0, spider.arguments.limit - spider.kept)
    parts = [
        f"{spider.name}: {spider.pages_done} pages",
        f"{sum(spider.tally.values())} cards",
        f"{spider.kept} of {spider.arguments.limit} kept",
        f"{spider.tally['duplicate']} duplicates",
        f"{spider.tally['rejected']} rejected",
        f"{fetched} pictures fetched ({pace:.1f}/s)",
    ]
    cooling = spider.manners.cooling(spider.host)
    if cooling:
        parts.append(f"cooling down, {spell(cooling)} left")
    elif pace and missing:
        parts.append(f"{spell(missing / pace)} left")
    return ", ".join(parts)
