"""How a crawl ended, for the person and for the shell."""

from __future__ import annotations

from dataclasses import dataclass

from stj_catalog.schema import CrawlState

INTERRUPTED = 130


@dataclass(frozen=True)
class Outcome:
    """The end of a crawl.

    Attributes:
        state: what the catalogue keeps.
        exit_code: 0 done, 1 an expected failure, 130 interrupted.
        sentence: what happened and what to do; None when it did its job.
    """

    state: CrawlState
    exit_code: int
    sentence: str | None = None


FINISHED = Outcome(CrawlState.FINISHED, 0)


def blocked(sentence: str) -> Outcome:
    """The shop turned us away."""
    return Outcome(CrawlState.BLOCKED, 1, sentence)


def refused(sentence: str) -> Outcome:
    """robots.txt says no."""
    return Outcome(CrawlState.REFUSED, 1, sentence)


def failed(sentence: str) -> Outcome:
    """Something on our side was in the way; the same command goes on."""
    return Outcome(CrawlState.INTERRUPTED, 1, sentence)


def interrupted() -> Outcome:
    """Somebody stopped it."""
    return Outcome(CrawlState.INTERRUPTED, INTERRUPTED, "Interrupted: the same command goes on from here.")
