"""When we may ask a host again: gaps, gates, cool-downs and the breaker, shared by all crawls of a process.

Every request asks here for leave before it is sent, so that three crawls of one shop in one process ask no faster than one
would. Nothing is reserved ahead: whatever slows a host down (a block, its Crawl-delay, AutoThrottle) holds for those who wait
already. A blocked answer cools its host down, each further one for twice as long; an answer to a question that was asked
before the cool-down began says nothing new.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

from stj_core.addresses import is_loopback
from stj_core.clock import seconds_since
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
    free_at: float = float("-inf")
    transferring: set[object] = field(default_factory=set)


@dataclass
class _Host:
    crawl_delay: float = 0.0
    cool_until: float = float("-inf")
    cooled_at: float = float("-inf")
    # Pages and pictures are counted apart: pictures that are served do not make up for pages that are not.
    blocks: Counter[bool] = field(default_factory=Counter)


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
        self._turnstiles: dict[str, asyncio.Lock] = {}
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

    def turnstile(self, lane: str) -> asyncio.Lock:
        """Lets one request of a lane ask the catalogue for its turn at a time."""
        return self._turnstiles.setdefault(lane, asyncio.Lock())

    def leave(self, host: str, *, picture: bool) -> float:
        """Ask to send a request: 0 means that it must go now, anything else is after how many seconds to ask again."""
        wait = self.wait(host, picture=picture)
        if not wait:
            self.go(host, self.gap(host, picture=picture), picture=picture)
        return wait

    def wait(self, host: str, *, picture: bool) -> float:
        """Seconds until a request may be sent; 0.0 where it may go now."""
        return max(0.0, max(self.lane(host, picture=picture).free_at, self._hosts[host].cool_until) - self._clock())

    def gap(self, host: str, *, picture: bool) -> float:
        """Seconds that the request after the next one waits for it, jitter included; 0.0 where there is no pace."""
        return self.lane(host, picture=picture).delay * (1 + self._jitter.uniform(0, self.pace.jitter))

    def go(self, host: str, gap: float, *, picture: bool) -> None:
        """Note that a request goes now, and that the next one waits for `gap` seconds."""
        self.hold(host, gap, picture=picture)

    def hold(self, host: str, seconds: float, *, picture: bool) -> None:
        """Send no request before so many seconds are over: another crawler has just sent one."""
        self.lane(host, picture=picture).free_at = self._clock() + seconds

    def heard(self, host: str, seconds: float, blocks: int, here: TurnedAway, *, picture: bool) -> TurnedAway:
        """Take over what all crawlers together know of a host that turned one of them away.

        Args:
            host: who turned us away.
            seconds: how long it is left alone, by the longest of all.
            blocks: how often it turned any of us away in a row.
            here: what follows from what this process knows.
            picture: whether a picture was asked for.
        """
        known = self._hosts[host]
        known.cool_until = max(known.cool_until, self._clock() + seconds)
        known.blocks[picture] = max(known.blocks[picture], blocks)
        over = here.over
        if over is None and blocks >= self.patience.blocks:
            over = f"it did so {blocks} times in a row"
        return TurnedAway(max(here.seconds, self.cooling(host)), over)

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

    def answered(self, host: str, asked_at: float, *, picture: bool) -> None:
        """Note that the host serves us; what it was asked before the last block does not count."""
        known = self._hosts[host]
        if asked_at >= known.cooled_at:
            known.blocks[picture] = 0

    def turned_away(
        self, host: str, asked_at: float, retry_after: float | None = None, *, picture: bool = False
    ) -> TurnedAway:
        """Note a blocked answer and leave the host alone for a while.

        Args:
            host: who turned us away.
            asked_at: moment of the monotonic clock when the question was sent.
            retry_after: seconds that the host asked for.
            picture: whether a picture was asked for.
        """
        known, now = self._hosts[host], self._clock()
        if asked_at >= known.cooled_at:
            known.blocks[picture] += 1
            doubled = self.patience.cool_seconds * 2.0 ** min(known.blocks[picture] - 1, 60)
            known.cooled_at = now
            known.cool_until = max(known.cool_until, now + min(doubled, self.patience.cool_most_seconds))
        most = self.patience.delay_most_seconds
        if retry_after is not None and retry_after > most:
            limit = f"over the {spell(most)} of STJ_DELAY_MOST_SECONDS"
            return TurnedAway(retry_after, f"it asks to come back in {spell(retry_after)}, {limit}")
        known.cool_until = max(known.cool_until, now + (retry_after or 0.0))
        blocks = known.blocks[picture]
        over = f"it did so {blocks} times in a row" if blocks >= self.patience.blocks else None
        if over is None and self.cooling(host) > most:
            over = (
                f"the next pause would be {spell(self.cooling(host))}, over the {spell(most)} of STJ_DELAY_MOST_SECONDS"
            )
        return TurnedAway(self.cooling(host), over)

    def waiting(self) -> tuple[str, float, str] | None:
        """The host whose next request is furthest off, the seconds until then, and why; None when none is.

        Only what a host asked for counts, not the gaps of our own.
        """
        now, found = self._clock(), []
        for host, known in self._hosts.items():
            if known.cool_until > now:
                found.append((host, known.cool_until - now, "rests"))
            lane = self._lanes.get(host)
            if known.crawl_delay and lane is not None and lane.free_at > now:
                found.append((host, lane.free_at - now, "Crawl-delay"))
        return max(found, key=lambda one: one[1], default=None)

    def _least(self, host: str, *, picture: bool) -> float:
        if is_loopback(f"http://{host}") and not self.pace.given:
            return 0.0
        return self.pace.picture_seconds if picture else self.pace.page_seconds


def retry_after_seconds(value: str | None) -> float | None:
    """The seconds that a Retry-After header asks for (a number or a date), or None."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, -seconds_since(moment))


def spell(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 120:
        return f"{seconds:.3g} seconds"
    units = (
        (60.0, "minutes", 7200.0),
        (3600.0, "hours", 172_800.0),
        (86400.0, "days", 5e7),
        (31_557_600.0, "years", 1e12),
    )
    for size, unit, most in units:
        if seconds < most:
            # To three digits, so that what is just over a limit does not read as the limit.
            number = seconds / size
            return f"{number:.3g} {unit}" if number < 1000 else f"{number:,.0f} {unit}"
    return "more years than anybody has"
