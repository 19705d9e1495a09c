"""Requests that are not sent, and why."""

from __future__ import annotations

from scrapy.exceptions import IgnoreRequest


class StoppingError(IgnoreRequest):
    """The crawl is ending: nothing more is asked."""


class RobotsRefusedError(IgnoreRequest):
    """robots.txt refuses; the message is a sentence for a person."""
