"""The queue on the disk: a folder beside the catalogue with a document and a log for each job, so that it survives a restart.

It is no part of the catalogue: a job is what somebody wanted of this machine; a copy of the catalogue elsewhere wants nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from stj_catalog.catalog import file_of
from stj_core.clock import now
from stj_core.errors import CatalogError
from stj_core.files import explained, sweep_unfinished, write_json

KEPT = 200
"""So many jobs are remembered; the oldest that have ended make way."""
_NAME = re.compile(r"(\d{6})\.json")
_LOG_MOST = 64 << 10
ENDED = ("done", "failed", "cancelled", "interrupted")


@dataclass(frozen=True)
class Step:
    """One command of a job.

    Attributes:
        name: export, train, compare or crawl.
        state: waiting, running, done, failed or skipped.
        command: what was run; empty before.
        code: its exit code.
        began_at: when it began.
        ended_at: when it ended.
        sentence: what came out, for a person.
        result: what it gave as JSON.
    """

    name: str
    state: str = "waiting"
    command: tuple[str, ...] = ()
    code: int | None = None
    began_at: str | None = None
    ended_at: str | None = None
    sentence: str = ""
    result: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Job:
    """What somebody asked this machine to do.

    Attributes:
        id: counted up.
        kind: loop (export, train, compare) or crawl.
        title: what it is, in a few words.
        options: the validated settings.
        steps: its commands, in order.
        state: queued, running, or a word of ENDED.
        by: who asked.
        made_at: when.
        cancel: whether somebody wants it to stop.
        sentence: how it ended.
    """

    id: int
    kind: str
    title: str
    options: Mapping[str, Any]
    steps: tuple[Step, ...]
    state: str = "queued"
    by: str = ""
    made_at: str = field(default_factory=now)
    began_at: str | None = None
    ended_at: str | None = None
    cancel: bool = False
    sentence: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state in ENDED

    def step(self, name: str) -> Step | None:
        """The step of this name."""
        return next((one for one in self.steps if one.name == name), None)

    def with_step(self, changed: Step) -> Job:
        """The job with one of its steps changed."""
        return replace(self, steps=tuple(changed if one.name == changed.name else one for one in self.steps))


class JobFolder:
    """The documents and logs of a queue."""

    def __init__(self, catalog_url: str) -> None:
        place = file_of(catalog_url)
        self.folder = Path("jobs") if place is None else place.with_name(f"{place.name}.jobs")

    def make(self) -> None:
        """Make the folder.

        Raises:
            CatalogError: it cannot be written.
        """
        with explained(CatalogError, f"the queue {self.folder}", "Start the studio in a folder of yours."):
            self.folder.mkdir(parents=True, exist_ok=True)
            sweep_unfinished(self.folder)

    def write(self, job: Job) -> None:
        """Write a job's document, whole.

        Raises:
            CatalogError: it cannot be written.
        """
        with explained(CatalogError, f"the queue {self.folder}", "Free some space, then ask again."):
            write_json(asdict(job), self.folder / f"{job.id:06d}.json")

    def add(self, kind: str, title: str, options: Mapping[str, Any], steps: tuple[str, ...], by: str) -> Job:
        """Write a new job's document, under a number that no other job has or had."""
        self.make()
        last = max(self._numbers(), default=0)
        job = Job(last + 1, kind, title, dict(options), tuple(Step(name) for name in steps), by=by)
        # The log is made first and only once: of two studios that ask for one number, the second takes the next.
        while True:
            try:
                self.log(job.id).open("xb").close()
                break
            except FileExistsError:
                job = replace(job, id=job.id + 1)
            except OSError as error:
                raise CatalogError(f"The queue {self.folder} cannot be written: {error.strerror}.") from error
        self.write(job)
        return job

    def read(self, number: int) -> Job | None:
        """A job, or None where there is none, or its document is damaged."""
        try:
            told = json.loads((self.folder / f"{number:06d}.json").read_text(encoding="utf-8"))
            return _job(told) if told["id"] == number else None
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def all(self) -> tuple[list[Job], int]:
        """Every job, the newest first, and how many documents cannot be read."""
        found = [self.read(number) for number in sorted(self._numbers(), reverse=True)]
        jobs = [one for one in found if one is not None]
        return jobs, len(found) - len(jobs)

    def log(self, number: int) -> Path:
        """Where a job's commands talk."""
        return self.folder / f"{number:06d}.log"

    def tail(self, number: int, lines: int = 40) -> list[str]:
        """The last lines of a job's log."""
        try:
            with self.log(number).open("rb") as stream:
                size = stream.seek(0, 2)
                stream.seek(max(0, size - _LOG_MOST))
                text = stream.read().decode("utf-8", "replace")
        except OSError:
            return []
        return [line for line in re.split(r"[\r\n]+", text) if line.strip()][-lines:]

    def prune(self) -> None:
        """Forget the oldest jobs that have ended."""
        jobs, _ = self.all()
        for job in [one for one in jobs if one.over][KEPT:]:
            for file in (self.folder / f"{job.id:06d}.json", self.log(job.id)):
                with suppress(OSError):
                    file.unlink(missing_ok=True)

    def _numbers(self) -> list[int]:
        try:
            return [int(found[1]) for file in self.folder.iterdir() if (found := _NAME.fullmatch(file.name))]
        except OSError:
            return []


def _job(told: dict[str, Any]) -> Job:
    """A job from its document.

    Raises:
        TypeError: a part is not what it should be.
        KeyError: a part is missing.
    """
    steps = tuple(
        Step(
            **{part.name: one[part.name] for part in fields(Step) if part.name in one}
            | {"command": tuple(one["command"])}
        )
        for one in told["steps"]
    )
    job = Job(**{part.name: told[part.name] for part in fields(Job) if part.name in told} | {"steps": steps})
    words = (job.kind, job.title, job.state, job.by, job.made_at, job.sentence)
    if not all(isinstance(word, str) for word in words) or not isinstance(job.options, dict) or not job.steps:
        raise TypeError("a part of the document is not what it should be")
    return job
