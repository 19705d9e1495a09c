"""Scrapy's command line on a machine that fails: `python -m tests.chaos.started FAILURE crawl …`, FAILURE being JSON.

What fails begins after everything is imported: a machine too small to start Python says nothing about STJ.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from scrapy.cmdline import execute

import stj_spiders.pipelines.pictures
import stj_spiders.spiders.category  # noqa: F401 - before anything fails
from stj_core import clock
from stj_spiders import settings  # noqa: F401 - as above
from stj_spiders.catalog_writer import CatalogWriter


def kill_at(step: str, number: int, moment: str, milliseconds: float) -> None:
    """Kill this process with -9 at the so manieth call of a catalogue function or rename: before, after, or a little later."""
    seen = 0

    def now_is_the_time(name: str) -> bool:
        nonlocal seen
        seen += name == step
        return name == step and seen == number

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if step == "rename":
        sys.addaudithook(lambda event, _: die() if event == "os.rename" and now_is_the_time("rename") else None)
        return
    run = CatalogWriter.run

    async def watched(self: CatalogWriter, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        due = now_is_the_time(function.__name__)
        if due and moment == "before":
            die()
        if due and moment == "during":
            # The alarm's own action ends the process like -9 does: no handler, no clean-up.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, max(0.0005, milliseconds / 1000))
        answer = await run(self, function, *args, **kwargs)
        if due and moment == "after":
            die()
        return answer

    CatalogWriter.run = watched  # type: ignore[method-assign,assignment]  # that is the failure


def few_handles(more: int) -> None:
    """Allow so many more files and sockets than are open."""
    limit = len(os.listdir("/proc/self/fd")) + more  # noqa: PTH208 - numbers, not paths
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def little_memory(more: int) -> None:
    """Allow so many more megabytes of addresses than are in use."""
    with open("/proc/self/statm", encoding="ascii") as stream:  # noqa: PTH123 - the kernel's
        pages = int(stream.read().split()[0])
    limit = pages * resource.getpagesize() + more * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def full_disk(kilobytes: int) -> None:
    """Let no file grow beyond so many kilobytes: writing more fails, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1000, kilobytes * 1000))


def clock_back(hours: float) -> None:
    """Set the product's clock so many hours back."""

    class Earlier(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz or UTC) - timedelta(hours=hours)

    clock.datetime = Earlier  # type: ignore[misc]  # that is the failure


FAILURES: dict[str, Callable[..., None]] = {
    "kill": kill_at,
    "few handles": few_handles,
    "little memory": little_memory,
    "full disk": full_disk,
    "clock back": clock_back,
}

if __name__ == "__main__":
    failure = json.loads(sys.argv[1])
    FAILURES[failure.pop("kind")](**failure)
    sys.argv[:] = ["scrapy", *sys.argv[2:]]
    execute(sys.argv)
