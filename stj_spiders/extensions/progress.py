"""The lines that people watch on a terminal: pages, cards, kept, pace and time left, one a spider."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from scrapy import Spider, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured

from stj_core.vocabulary import Status
from stj_spiders.politeness import spell
from stj_spiders.session import Session, find_session

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table


HEADS = ("", "pages", "cards", "kept", "duplicates", "rejected", "pace", "time left")
# The columns but the name, in the order in which a narrow terminal gets them.
# A wait that a shop asked for is shown from here on.
_TOLD_SECONDS = 3.0
_TELLING = (3, 7, 1, 6, 5, 2, 4)


class Progress:
    """One display for all the crawls of a process."""

    live: ClassVar[Live | None] = None
    watched: ClassVar[list[tuple[Session, float]]] = []

    def __init__(self, crawler: Crawler) -> None:
        """Watch one crawl.

        Raises:
            NotConfigured: nobody watches.
        """
        if not sys.stderr.isatty() or crawler.settings.get("LOG_FILE"):
            raise NotConfigured
        self._crawler = crawler
        crawler.signals.connect(self.opened, signals.spider_opened)
        crawler.signals.connect(self.closed, signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Progress:
        """Build for a crawl."""
        return cls(crawler)

    def opened(self, spider: Spider) -> None:
        """Show the crawl's row."""
        session = find_session(self._crawler)
        if session is not None:
            Progress.watched.append((session, time.monotonic()))
        if Progress.live is None:
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True)
            Progress.live = Live(
                get_renderable=lambda: rows(console.width), console=console, refresh_per_second=4, transient=True
            )
            Progress.live.start()

    def closed(self, spider: Spider) -> None:
        """Take the display down with the last crawl."""
        session = find_session(self._crawler)
        Progress.watched[:] = [pair for pair in Progress.watched if pair[0] is not session]
        if not Progress.watched:
            Progress.take_down()

    @classmethod
    def take_down(cls) -> None:
        """Clear the display and give the cursor back; after a second Ctrl-C no spider says that it is closed."""
        if cls.live is not None:
            cls.live.stop()
            cls.live = None


def rows(width: int) -> Table:
    """The display as it is now: every column on a terminal of 80, the most telling ones on a narrower."""
    from rich.table import Table

    now = time.monotonic()
    lines = [HEADS, *((session.name, *describe(session, now - began)) for session, began in Progress.watched)]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="")
    # The terminal writes ^C behind the last row; a line more, and the display could not be cleared.
    chosen = fitting([max(map(len, column)) for column in zip(*lines, strict=True)], width - len("^C"))
    for place in chosen:
        table.add_column(HEADS[place], justify="right" if place else "left", no_wrap=True)
    for cells in lines[1:]:
        table.add_row(*(cells[place] for place in chosen))
    return table


def fitting(widths: Sequence[int], width: int) -> list[int]:
    """The columns that a terminal has room for, in their order; the name always has a place."""
    room, chosen = width - widths[0], [0]
    for place in _TELLING:
        room -= 1 + widths[place]
        if room < 0:
            break
        chosen.append(place)
    return sorted(chosen)


def describe(session: Session, seconds: float) -> tuple[str, ...]:
    """One crawl's line, `seconds` after it began: the cells after its name."""
    fetched = sum(session.pictures.values())
    pace = fetched / seconds if seconds > 1 else 0.0
    return (
        str(session.pages_done),
        str(sum(session.tally.values())),
        f"{session.kept}/{session.arguments.limit}",
        str(session.tally[Status.DUPLICATE]),
        str(session.tally[Status.REJECTED]),
        f"{pace:.1f}/s",
        _time_left(session, pace),
    )


def _time_left(session: Session, pace: float) -> str:
    waiting = session.manners.waiting()
    if waiting is not None and waiting[1] >= _TOLD_SECONDS:
        return f"{waiting[2]} {spell(waiting[1])}"
    missing = max(0, session.arguments.limit - session.kept)
    if session.unseen is not None:
        missing = min(missing, session.unseen)
    return spell(missing / pace) if pace and missing else ""
