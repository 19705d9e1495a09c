"""The line that people watch on a terminal: pages, cards, kept, pace and time left, one row a spider."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, ClassVar

from scrapy import Spider, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured

from stj_spiders.spiders.amazon import CategorySpider

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table


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


def rows() -> Table:
    """The display as it is now."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for spider, began in Progress.watched:
        seconds = time.monotonic() - began
        fetched = sum(spider.pictures.values())
        pace = fetched / seconds if seconds > 1 else 0.0
        missing = max(0, spider.arguments.limit - spider.kept)
        left = f"{missing / pace / 60:.0f} min left" if pace and missing else ""
        cooling = spider.manners.cooling(spider.host)
        table.add_row(
            spider.name,
            f"{spider.pages_done} pages",
            f"{sum(spider.tally.values())} cards",
            f"{spider.kept} of {spider.arguments.limit} kept",
            f"{spider.tally['duplicate']} duplicates",
            f"{spider.tally['rejected']} rejected",
            f"{pace:.1f} pictures/s",
            f"cooling down {cooling:.0f} s" if cooling else left,
        )
    return table
