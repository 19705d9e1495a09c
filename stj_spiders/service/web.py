"""scrapyd's answers, with orders that are checked and jobs that say how they ended."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any, cast

from scrapyd.webservice import ListJobs, Schedule, Status
from twisted.web import error
from twisted.web.http import Request

from stj_core.cli import BUG, INTERRUPTED
from stj_core.errors import StjError, UsageError
from stj_core.text import one_line, shortened
from stj_spiders.service.orders import check_job, check_order

_OWN = frozenset({"project", "spider", "jobid", "priority", "setting"})
_OUTCOMES = {0: "done", 1: "failed", 2: "usage", BUG: "bug", INTERRUPTED: "interrupted"}
_TAIL_BYTES = 8_192
_MOST_SHOWN = 1_000


class CheckedSchedule(Schedule):
    """`schedule.json`: a job is queued only if its crawl could begin."""

    def render_POST(self, txrequest: Request) -> dict[str, Any]:  # noqa: N802 - Twisted's name
        """Queue a job.

        Raises:
            Error: 400, with a sentence.
        """
        try:
            fields = _fields(txrequest)
            settings = _settings(fields.get("setting", []))
            arguments = {name: values[-1] for name, values in fields.items() if name not in _OWN}
            check_job(fields.get("jobid", [uuid.uuid1().hex])[-1])
            if "spider" in fields:
                check_order(fields["spider"][-1], arguments, settings)
        except StjError as failure:
            raise error.Error(400, str(failure).encode("utf-8", "replace")) from failure
        return cast("dict[str, Any]", super().render_POST(txrequest))


class ToldStatus(Status):
    """`status.json`: of a job that is over, how it ended and the last line of its log."""

    def render_GET(self, txrequest: Request) -> dict[str, Any]:  # noqa: N802 - Twisted's name
        """How a job stands."""
        job = (txrequest.args or {}).get(b"job", [b""])[-1].decode("utf-8", "replace")
        answer: dict[str, Any] = super().render_GET(txrequest)
        for one in (*self.root.launcher.finished, *self.root.launcher.processes.values()):
            if one.job == job:
                return answer | ending(one, self.root.logs_dir)
        return answer


class ToldJobs(ListJobs):
    """`listjobs.json`: as `status.json`, for every job that runs or is over."""

    def render_GET(self, txrequest: Request) -> dict[str, Any]:  # noqa: N802 - Twisted's name
        """The jobs."""
        answer: dict[str, Any] = super().render_GET(txrequest)
        every = (*self.root.launcher.finished, *self.root.launcher.processes.values())
        known = {one.job: ending(one, self.root.logs_dir) for one in every}
        for state in ("running", "finished"):
            for one in answer[state]:
                one.update(known.get(one["id"], {}))
        return answer


def ending(job: Any, logs: str) -> dict[str, Any]:  # noqa: ANN401 - scrapyd's jobs have no type
    """How a job ended: its exit code and a word for it (null while it runs), and the last line of its log."""
    code = getattr(job, "exit_code", None)
    outcome = None if code is None else _OUTCOMES.get(code, "killed" if code < 0 else "failed")
    log = Path(logs) / job.project / job.spider / f"{job.job}.log"
    return {"exit_code": code, "outcome": outcome, "last_line": last_line(log)}


def last_line(log: Path) -> str | None:
    """The last line of a log that says something, or None where there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - _TAIL_BYTES))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    said = next((line for line in reversed(lines) if line.strip()), None)
    return shortened(one_line(said), _MOST_SHOWN) if said else None


def _fields(txrequest: Request) -> dict[str, list[str]]:
    try:
        fields = {
            name.decode("utf-8"): [value.decode("utf-8") for value in values]
            for name, values in (txrequest.args or {}).items()
        }
    except UnicodeDecodeError as failure:
        raise UsageError("The fields of an order are UTF-8.") from failure
    twice = sorted(name for name, values in fields.items() if len(values) > 1 and name != "setting")
    if twice:
        raise UsageError(f"An order says {', '.join(twice)} once.")
    return fields


def _settings(given: list[str]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for one in given:
        name, found, value = one.partition("=")
        if not found or not name:
            raise UsageError(f"setting takes NAME=VALUE, got {one[:80]!r}.")
        settings[name] = value
    return settings
