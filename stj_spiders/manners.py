"""When we may ask a host again: gaps, gates, cool-downs and the breaker, shared by all crawls of a process.

Every request takes its turn here before it is sent. A turn is a reservation in time, so that three crawls of one shop in one
process ask no faster than one would. A blocked answer cools its host down, each further one for twice as long; an answer to
a question that was asked before the cool-down began says nothing new.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from stj_catalog.urls import is_loopback
from stj_spiders.config import Pace, Patience

# What a request carries: that it asks for a picture, and the moment of the monotonic clock when it was sent.
PICTURE = "stj_picture"
ASKED_AT = "stj_asked_at"


@dataclass
class Lane:
    """One kind of request to one host.

    Attributes:
        least: gap in seconds that is always kept.
        delay: gap in seconds at present; AutoThrottle raises it above `least` for a slow shop.
        free_at: moment of the monotonic clock from which the next request may go.
        transferring: kept for AutoThrottle's debug line.
    """

    least: float
    delay: float
    free_at: float = 0.0
    transferring: set[object] = field(default_factory=set)


@dataclass
class _Host:
    crawl_delay: float = 0.0
    cool_until: float = 0.0
    cooled_at: float = float("-inf")
    blocks: int = 0


@dataclass(frozen=True)
class TurnedAway:
    """What follows a blocked answer.

    Attributes:
        seconds: how long the host is left alone.
        over: why the crawl had better end; None while there is hope.
    """

    seconds: float
    over: str | None = None


class Manners:
    """The pace of one process towards each host."""

    def __init__(self, pace: Pace, patience: Patience, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with no host known."""
        self.pace = pace
        self.patience = patience
        self._clock = clock
        self._hosts: defaultdict[str, _Host] = defaultdict(_Host)
        self._lanes: dict[str, Lane] = {}
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._jitter = random.Random()

    def lane_name(self, host: str, *, picture: bool) -> str:
        """Pages and pictures of a host go at their own paces, unless its Crawl-delay binds both."""
        return f"pictures of {host}" if picture and not self._hosts[host].crawl_delay else host

    def lane(self, host: str, *, picture: bool) -> Lane:
        """The lane that a request takes."""
        name = self.lane_name(host, picture=picture)
        if name not in self._lanes:
            least = self._least(host, picture=picture)
            self._lanes[name] = Lane(least=least, delay=least)
        return self._lanes[name]

    def gate(self, host: str) -> asyncio.Semaphore:
        """Lets as many pictures of a host into the air as the settings say."""
        if host not in self._gates:
            self._gates[host] = asyncio.Semaphore(self.pace.pictures_at_once)
        return self._gates[host]

    def reserve(self, host: str, *, picture: bool) -> float:
        """Take the next turn: seconds to wait before asking."""
        now, lane = self._clock(), self.lane(host, picture=picture)
        moment = max(now, lane.free_at, self._hosts[host].cool_until)
        lane.free_at = moment + lane.delay * (1 + self._jitter.uniform(0, self.pace.jitter))
        return moment - now

    def cooling(self, host: str) -> float:
        """Seconds until the host may be asked again after a block."""
        return max(0.0, self._hosts[host].cool_until - self._clock())

    def obey_crawl_delay(self, host: str, seconds: float) -> None:
        """Keep the gap that a host's robots.txt asks for, between all requests to it."""
        known = self._hosts[host]
        known.crawl_delay = max(known.crawl_delay, seconds)
        lane = self.lane(host, picture=False)
        lane.least = max(lane.least, seconds)
        lane.delay = max(lane.delay, seconds)
        lane.free_at = max(lane.free_at, self._clock() + seconds)

    def answered(self, host: str) -> None:
        """Note that the host serves us."""
        self._hosts[host].blocks = 0

    def turned_away(self, host: str, asked_at: float, retry_after: float | None = None) -> TurnedAway:
        """Note a blocked answer and leave the host alone for a while.

        Args:
            host: who turned us away.
            asked_at: moment of the monotonic clock when the question was sent.
            retry_after: seconds that the host asked for.
        """
        known, now = self._hosts[host], self._clock()
        if retry_after is not None and retry_after > self.patience.cool_most_seconds:
            return TurnedAway(retry_after, f"it asks to come back in {_spell(retry_after)}")
        if asked_at >= known.cooled_at:
            known.blocks += 1
            seconds = min(self.patience.cool_seconds * 2 ** (known.blocks - 1), self.patience.cool_most_seconds)
            known.cooled_at, known.cool_until = now, max(known.cool_until, now + seconds)
        known.cool_until = max(known.cool_until, now + (retry_after or 0.0))
        over = f"it did so {known.blocks} times in a row" if known.blocks >= self.patience.blocks else None
        return TurnedAway(self.cooling(host), over)

    def _least(self, host: str, *, picture: bool) -> float:
        if is_loopback(f"http://{host}") and not self.pace.given:
            return 0.0
        return self.pace.picture_seconds if picture else self.pace.page_seconds


def retry_after_seconds(value: str | None) -> float | None:
    """The seconds that a Retry-After header asks for (a number or a date), or None."""
    if not value:
        return None
    try:
        return max(0.0, float(int(value.strip())))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _spell(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
