"""Requests that are not sent, and why."""

from __future__ import annotations

from scrapy.exceptions import IgnoreRequest


class StoppingError(IgnoreRequest):
    """The crawl is ending: nothing more is asked."""


class RobotsRefusedError(IgnoreRequest):
    """robots.txt refuses; the message is a sentence for a person.

    Attributes:
        advice: what the person can do.
    """

    advice = "Ask the shop for permission, or practise on your own machine."


class RobotsUnreadError(RobotsRefusedError):
    """robots.txt cannot be read now, so nothing is allowed."""

    advice = "Give the same command again later, or ask the shop for permission."


class RobotsOutageError(RobotsUnreadError):
    """robots.txt cannot be had because the host is out of order or cannot be reached: nobody refused anything."""

    advice = "Nothing was refused; give the same command again later."


class RobotsTurnedAwayError(RobotsUnreadError):
    """The host answers 429 to the question for its robots.txt."""

    advice = "Wait some hours, then give the same command again, or ask the shop for permission."
