"""Every word that a row, a log line and a command share."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """The one word that every picture ends in."""

    KEPT = "kept"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    REJECTED = "rejected"
    FORGOTTEN = "forgotten"


class PageState(StrEnum):
    """How far the crawl is with a page."""

    PENDING = "pending"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"


class CrawlState(StrEnum):
    """How a crawl stands; all but the first and last three are resumed by the same command."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    BLOCKED = "blocked"
    FINISHED = "finished"
    REFUSED = "refused"
    ABANDONED = "abandoned"
