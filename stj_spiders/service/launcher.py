"""Starts the jobs as scrapyd does, and remembers their exit codes."""

from __future__ import annotations

import sys
from typing import Any, cast

from scrapyd.interfaces import IEnvironment
from scrapyd.launcher import Launcher, ScrapyProcessProtocol, get_crawl_args


class TellingLauncher(Launcher):
    """A launcher whose finished jobs know how they ended."""

    def _spawn_process(self, message: dict[str, Any], slot: int) -> None:
        from twisted.internet import reactor

        environment = self.app.getComponent(IEnvironment)
        message.setdefault("settings", {})
        message["settings"].update(environment.get_settings(message))
        env = environment.get_environment(message, slot)
        arguments = [sys.executable, "-m", self.runner, "crawl", *get_crawl_args(message)]
        process = Process(message["_project"], message["_spider"], message["_job"], env, arguments)
        process.deferred.addBoth(self._process_finished, slot)
        cast("Any", reactor).spawnProcess(process, sys.executable, args=arguments, env=env)
        self.processes[slot] = process


class Process(ScrapyProcessProtocol):
    """A job's process.

    Attributes:
        exit_code: None while it runs; negative for the signal that killed it.
    """

    exit_code: int | None = None

    def processEnded(self, status: Any) -> None:  # noqa: ANN401, N802 - Twisted's name, and its failures have no types
        """Remember how it ended."""
        signal = getattr(status.value, "signal", None)
        self.exit_code = -signal if signal else status.value.exitCode or 0
        super().processEnded(status)
