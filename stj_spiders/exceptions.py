"""Requests that are not sent, and why."""

from __future__ import annotations

from typing import ClassVar

from scrapy.exceptions import IgnoreRequest

from stj_core.vocabulary import CrawlState
from stj_spiders.outcome import Outcome


class StoppingError(IgnoreRequest):
    """The crawl is ending: nothing more is asked."""


class NotAskedError(IgnoreRequest):
    """Something forbids a request; the message says what.

    Attributes:
        advice: what the person can do, a sentence.
        state: how a crawl ends that cannot do without the answer.
    """

    advice: ClassVar[str] = ""
    state: ClassVar[CrawlState] = CrawlState.REFUSED

    @property
    def outcome(self) -> Outcome:
        """The end of a crawl that cannot do without the answer."""
        return Outcome(self.state, 1, f"{self} {self.advice}")


class RobotsRefusedError(NotAskedError):
    """robots.txt refuses; the message is a sentence for a person."""

    advice = "Ask the shop for permission, or practise on your own machine."


class RobotsUnreadError(RobotsRefusedError):
    """robots.txt cannot be read now, so nothing is allowed."""

    advice = "Give the same command again later, or ask the shop for permission."


class RobotsOutageError(RobotsUnreadError):
    """robots.txt cannot be had because the host is out of order or cannot be reached: nobody refused anything."""

    advice = "Nothing was refused: give the same command again later."
    state = CrawlState.INTERRUPTED


class RobotsTurnedAwayError(RobotsUnreadError):
    """The host answers 429 to the question for its robots.txt."""

    advice = "Wait some hours, then give the same command again, or ask the shop for permission."
    state = CrawlState.BLOCKED


class DelayTooLongError(RobotsRefusedError):
    """robots.txt asks for longer gaps than the user is ready to keep."""

    advice = (
        "Ask the shop for permission or for its product feed, or allow longer gaps with -s STJ_DELAY_MOST_SECONDS=."
    )
    state = CrawlState.INTERRUPTED


class LedElsewhereError(NotAskedError):
    """An address is where this crawl does not go.

    Attributes:
        host: with its port, as `STJ_PICTURE_HOSTS` would name it.
    """

    def __init__(self, message: str, host: str = "") -> None:
        super().__init__(message)
        self.host = host

    advice = "If the shop has moved, say where with -a origin=; the same command asks again."
    state = CrawlState.INTERRUPTED


class TooManyBytesError(IgnoreRequest):
    """An answer swells beyond what is taken when it is decompressed."""
