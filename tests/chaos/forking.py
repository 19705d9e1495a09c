"""Many commands from one process that has imported everything: a crawl then costs a third, and what is tested is the same.

`python -m tests.chaos.forking` reads a JSON line for each command and forks; it has one thread, so that forking is safe.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Forked:
    """A command that runs, or is over.

    Attributes:
        pid: of its process.
        server: where it runs.
    """

    pid: int
    server: ForkServer

    def wait(self) -> tuple[int, float]:
        """Wait for its end: exit code and peak megabytes."""
        told = json.loads(self.server.read())
        return told["code"], told["megabytes"]


class ForkServer:
    """A process that forks others."""

    def __init__(self) -> None:
        """Start it; importing takes a second or two."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("STJ_", "SCRAPY_"))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.forking"],
            cwd=ROOT,
            env=environment | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lock = threading.Lock()

    def start(self, words: list[str], place: Path, out: Path, err: Path, environment: dict[str, str]) -> Forked:
        """Fork a command.

        Args:
            words: `scrapy`, `failing` or `stj-dataset`, and what the command is given.
            place: where it runs.
            out: file or pipe for what it prints.
            err: file or pipe for what it says.
            environment: variables beside those of this process.
        """
        asked = {"words": words, "place": str(place), "out": str(out), "err": str(err), "environment": environment}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return Forked(json.loads(self.read())["pid"], self)

    def read(self) -> str:
        """The next line of its answers."""
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()


def serve() -> None:
    """Fork for each line, and tell the process's number and how it ended."""
    _import_all()
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            _become(asked)
        print(json.dumps({"pid": child}), flush=True)
        _, status, used = os.wait4(child, 0)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status), "megabytes": used.ru_maxrss / 1024}), flush=True)


IMPORTED = (
    "scrapy.commands.crawl",
    "stj_dataset.cli.verify",
    "stj_spiders.commands.crawl",
    "stj_spiders.pipelines.pages",
    "stj_spiders.pipelines.pictures",
    "tests.chaos.started",
)


def _import_all() -> None:
    for name in IMPORTED:
        importlib.import_module(name)


def _become(asked: dict[str, Any]) -> None:
    """Be the command, to the end."""
    os.setsid()
    os.chdir(asked["place"])
    os.environ.update(asked["environment"])
    for number, name in ((0, os.devnull), (1, asked["out"]), (2, asked["err"])):
        os.dup2(os.open(name, os.O_WRONLY if number else os.O_RDONLY), number)
    code: int | str | None = 3
    try:
        _run(asked["words"])
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - as Python itself does at the end of a program
        sys.excepthook(*sys.exc_info())
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _run(words: list[str]) -> None:
    kind, *rest = words
    if kind == "stj-dataset":
        from stj_dataset.cli import main

        sys.argv[:] = ["stj-dataset", *rest]
        main()
        return
    from scrapy.cmdline import execute

    if kind == "failing":
        from tests.chaos.started import FAILURES

        failure = json.loads(rest.pop(0))
        FAILURES[failure.pop("kind")](**failure)
    sys.argv[:] = ["scrapy", *rest]
    execute(sys.argv)


if __name__ == "__main__":
    serve()
