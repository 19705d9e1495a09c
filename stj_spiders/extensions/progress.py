"""The lines that people watch on a terminal: pages, cards, kept, pace and time left, one a spider."""

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
    """The display as it is now; it fits a terminal of 80 columns."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="")
    table.add_column()
    for head in ("pages", "cards", "kept", "duplicates", "rejected", "pace", "time left"):
        table.add_column(head, justify="right", no_wrap=True)
    for spider, began in Progress.watched:
        table.add_row(spider.name, *describe(spider, time.monotonic() - began))
    return table


def describe(spider: CategorySpider, seconds: float) -> tuple[str, ...]:
    """One spider's line, `seconds` after it began: the cells after its name."""
    fetched = sum(spider.pictures.values())
    pace = fetched / seconds if seconds > 1 else 0.0
    return (
        str(spider.pages_done),
        str(sum(spider.tally.values())),
        f"{spider.kept}/{spider.arguments.limit}",
        str(spider.tally["duplicate"]),
        str(spider.tally["rejected"]),
        f"{pace:.1f}/s",
        _time_left(spider, pace),
    )


def _time_left(spider: CategorySpider, pace: float) -> str:
    cooling = spider.manners.cooling(spider.host)
    if cooling:
        return f"rests {spell(cooling)}"
    missing = max(0, spider.arguments.limit - spider.kept)
    if spider.unseen is not None:
        missing = min(missing, spider.unseen)
    return spell(missing / pace) if pace and missing else ""
