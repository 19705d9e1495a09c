"""How a crawl ended, for the person and for the shell."""

from __future__ import annotations

from dataclasses import dataclass

from stj_core.cli import BUG, GOES_ON, INTERRUPTED, machines_fault, write_log
from stj_core.errors import StjError
from stj_core.vocabulary import CrawlState


@dataclass(frozen=True)
class Outcome:
    """The end of a crawl.

    Attributes:
        state: what the catalogue keeps.
        exit_code: 0 done, 1 an expected failure, 3 a bug, 130 interrupted.
        sentence: what happened and what to do; None when it did its job.
    """

    state: CrawlState
    exit_code: int
    sentence: str | None = None


FINISHED = Outcome(CrawlState.FINISHED, 0)
STOPPED = Outcome(CrawlState.INTERRUPTED, INTERRUPTED, GOES_ON)


def blocked(sentence: str) -> Outcome:
    """The shop turned us away."""
    return Outcome(CrawlState.BLOCKED, 1, sentence)


def failed(sentence: str) -> Outcome:
    """Something was in the way that is nobody's fault here; the same command goes on."""
    return Outcome(CrawlState.INTERRUPTED, 1, sentence)


def empty(sentence: str) -> Outcome:
    """The listing shows nothing, or nothing that could be used; the same command begins anew."""
    return Outcome(CrawlState.EMPTY, 1, sentence)


def drifted(fields: str, parser: str) -> Outcome:
    """The pages no longer read as they did.

    Args:
        fields: those that fell silent, with their shares.
        parser: name and version of the parser.
    """
    sentence = (
        f"The shop's pages no longer read as they did ({fields}; parser {parser}): its layout has changed. Nothing of it is "
        "trusted: update STJ, then give the same command again."
    )
    return Outcome(CrawlState.DRIFTED, 1, sentence)


def unexpected(error: BaseException) -> Outcome:
    """An error that was met on the way: ours and the machine's have a sentence, any other is a bug and gets a log."""
    if isinstance(error, StjError):
        return failed(str(error))
    if fault := machines_fault(error):
        return failed(fault)
    sentence = f"This is a bug in STJ ({type(error).__name__}: {error}); please report it with {write_log(error)}."
    return Outcome(CrawlState.INTERRUPTED, BUG, sentence)
