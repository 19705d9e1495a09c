"""Commands on a machine that fails: which failures there are, and how a crawl ends under one."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.forking import ForkServer
from tests.chaos.shop import CARDS, Shop

ROOT = Path(__file__).resolve().parents[2]
HANG_SECONDS = 150
ENDED_WELL = frozenset({0, 1, 2, 130})
STEPS = ("begin_crawl", "lease_page", "commit_page", "record_pictures", "end_crawl", "rename")
# Impatient, so that a hundred crawls are no evening: what would be pauses of minutes is tenths of a second.
SETTINGS = (
    *("DOWNLOAD_TIMEOUT=2", "RETRY_TIMES=1", "STJ_COOL_SECONDS=0.1", "STJ_COOL_MOST_SECONDS=0.5", "STJ_BLOCKS=4"),
    *("STJ_RENDER=never", "STJ_DELAY_MOST_SECONDS=5", "STJ_AWAY_SECONDS=20"),
)


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code (below zero after a signal), words, and its peak memory."""

    code: int
    out: str
    err: str
    megabytes: float
    seconds: float


@dataclass(frozen=True)
class Failure:
    """What goes wrong with the machine during one crawl.

    Attributes:
        kind: its name.
        inside: what `tests.chaos.started` is told, or None where nothing fails inside the process.
        signals: sent when the shop is asked for the so manieth time.
        at: that number.
    """

    kind: str
    inside: dict[str, object] | None = None
    signals: tuple[signal.Signals, ...] = ()
    at: int = 0

    @property
    def allowed(self) -> frozenset[int]:
        """Exit codes that it may lead to."""
        return ENDED_WELL | ({-signal.SIGKILL, -signal.SIGALRM} if self.kind == "kill" else set())


def failure_of(dice: random.Random, kind: str) -> Failure:
    """A failure of a kind, its details by chance."""
    at = dice.randrange(1, CARDS + 4)
    if kind == "kill":
        moment = dice.choice(["before", "during", "after"])
        step, number = dice.choice(STEPS), dice.choice([1, 1, 2, 3])
        inside = {"step": step, "number": number, "moment": moment, "milliseconds": dice.uniform(0, 20)}
        return Failure(kind, {"kind": kind, **inside})
    if kind == "few handles":
        return Failure(kind, {"kind": kind, "more": dice.choice([0, 3, 6, 12, 30, 60, 64, 70, 90])})
    if kind == "little memory":
        return Failure(kind, {"kind": kind, "more": dice.choice([5, 10, 20, 30, 40, 60, 100, 200])})
    if kind == "full disk":
        return Failure(kind, {"kind": kind, "kilobytes": dice.choice([0, 4, 40, 100, 200, 300, 400])})
    if kind == "clock back":
        return Failure(kind, {"kind": kind, "hours": dice.choice([1, 30, 24 * 400])})
    signals = {"ctrl-c": (signal.SIGINT,), "ctrl-c twice": (signal.SIGINT, signal.SIGINT), "sigterm": (signal.SIGTERM,)}
    return Failure(kind, signals=signals.get(kind, ()), at=at)


# Those that need something to be there already are for a second crawl.
FIRST_KINDS = (
    *("well", "kill", "kill", "kill", "ctrl-c", "ctrl-c twice", "sigterm", "full disk", "small disk", "few handles"),
    *("little memory", "clock back", "read-only catalogue", "read-only images"),
)
KINDS = (
    *(*FIRST_KINDS, "locked", "locked a while", "truncated catalogue", "garbled catalogue", "empty catalogue"),
    "images away",
)


def crawl(place: Path, shop: Shop, failure: Failure, server: ForkServer | None = None) -> Ended:
    """Crawl the shop's sarees in a folder, under a failure; whatever fails outside the process is well again afterwards.

    Args:
        place: where.
        shop: which is crawled.
        failure: of the machine.
        server: forks the process; without one the command is started as a person does.
    """
    given = [one for setting in SETTINGS for one in ("-s", setting)]
    command = ["crawl", "amazon_sarees", "-a", f"origin={shop.origin}", "-a", "pages=5", *given]
    words = ["scrapy"] if failure.inside is None else ["failing", json.dumps(failure.inside)]
    with _outside(place, failure.kind) as (before, workplace):
        return run([*words, *command], workplace, None if before else server, before, shop, failure)


STARTED = {
    "scrapy": ["-m", "scrapy"],
    "failing": ["-m", "tests.chaos.started"],
    "stj-dataset": ["-c", "from stj_dataset.cli import main; main()"],
}


def run(
    words: list[str],
    place: Path,
    server: ForkServer | None = None,
    before: Sequence[str] = (),
    shop: Shop | None = None,
    failure: Failure | None = None,
) -> Ended:
    """Run a command to its end, which comes within `HANG_SECONDS`, and weigh it.

    Args:
        words: a key of STARTED, and what the command is given.
        place: where it runs.
        server: forks it.
        before: what stands before it on the command line.
        shop: which sends the signals of `failure`.
        failure: of the machine.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("STJ_", "SCRAPY_"))}
    ours = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "", "STJ_YOUNG_SECONDS": "0"}
    began = time.monotonic()
    with _heard() as (out, err, said):
        if server is not None:
            forked = server.start(words, place, out, err, ours)
            with _watched(forked.pid, shop, failure):
                code, megabytes = forked.wait()
        else:
            command = [*before, sys.executable, *STARTED[words[0]], *words[1:]]
            with out.open("wb") as out_file, err.open("wb") as err_file:
                process = subprocess.Popen(
                    command, cwd=place, stdout=out_file, stderr=err_file, env=environment | ours, start_new_session=True
                )
                with _watched(process.pid, shop, failure):
                    _, status, used = os.wait4(process.pid, 0)
            code, megabytes = os.waitstatus_to_exitcode(status), used.ru_maxrss / 1024
            process.returncode = code
    return Ended(code, *said, megabytes, time.monotonic() - began)


@contextmanager
def _heard() -> Iterator[tuple[Path, Path, list[str]]]:
    """Two pipes with names, for what a command prints and says, which then stands in a list: a full disk fills no pipe."""
    words: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        pipes = []
        for name in ("out", "err"):
            path = Path(folder) / name
            os.mkfifo(path)
            reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            writing = os.open(path, os.O_WRONLY)  # kept until the command is over, so that the end is its end
            os.set_blocking(reading, True)
            heard: list[bytes] = []
            thread = threading.Thread(target=_read_all, args=(reading, heard))
            thread.start()
            pipes.append((path, writing, thread, heard))
        try:
            yield pipes[0][0], pipes[1][0], words
        finally:
            for _, writing, thread, heard in pipes:
                os.close(writing)
                thread.join()
                words.append(b"".join(heard).decode("utf-8", "replace"))


def _read_all(descriptor: int, heard: list[bytes]) -> None:
    while piece := os.read(descriptor, 65536):
        heard.append(piece)
    os.close(descriptor)


@contextmanager
def _watched(pid: int, shop: Shop | None, failure: Failure | None) -> Iterator[None]:
    """Send a process its signals when the shop is asked so often, and end it if it hangs."""
    left = list(failure.signals) if failure else []
    due = len(shop.asked) + failure.at if shop and failure else 0

    def watch(path: str) -> None:
        if left and shop is not None and len(shop.asked) >= due:
            os.kill(pid, left.pop())

    killer = threading.Timer(HANG_SECONDS, os.killpg, (pid, signal.SIGKILL))
    killer.start()
    if shop is not None:
        shop.watch = watch
    try:
        yield
    finally:
        killer.cancel()
        if shop is not None:
            shop.watch = lambda path: None


@contextmanager
def _outside(place: Path, kind: str) -> Iterator[tuple[list[str], Path]]:
    """What fails outside the process: yields what stands before the command, and where it runs."""
    catalog, images = place / "catalog.sqlite", place / "images"
    if kind in {"locked", "locked a while"} and catalog.is_file():
        with closing(sqlite3.connect(catalog, check_same_thread=False, isolation_level=None)) as holder:
            holder.execute("BEGIN EXCLUSIVE")
            release = threading.Timer(4.0 if kind == "locked a while" else HANG_SECONDS, holder.execute, ("ROLLBACK",))
            release.start()
            try:
                yield [], place
            finally:
                release.cancel()
                release.join()
    elif kind in {"truncated catalogue", "garbled catalogue", "empty catalogue"} and catalog.is_file():
        with _damaged(catalog, kind):
            yield [], place
    elif kind == "images away" and images.is_dir():
        images.rename(place / "elsewhere")
        yield [], place
        _put_back(place / "elsewhere", images)
    elif kind.startswith("read-only") and shutil.which("setpriv"):
        target = images if kind == "read-only images" else place
        with _unwritable(target):
            # Even root is refused then.
            before = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
            yield before, place
    elif kind == "small disk":
        with _small_disk(place) as small:
            yield [], small
    else:
        yield [], place


@contextmanager
def _damaged(catalog: Path, kind: str) -> Iterator[None]:
    """Damage the catalogue, see that nothing but it is touched, and put back the good one."""
    for name in ("-wal", "-shm"):
        catalog.with_name(catalog.name + name).unlink(missing_ok=True)
    good = catalog.read_bytes()
    files = {file for file in (catalog.parent / "images").rglob("*") if file.is_file()}
    if kind == "truncated catalogue":
        catalog.write_bytes(good[: len(good) // 2 + 7])
    elif kind == "empty catalogue":
        catalog.write_bytes(b"")
    else:
        catalog.write_bytes(good[:4096] + random.Random(len(good)).randbytes(len(good) - 4096))
    yield
    gone = [file.name for file in files if not file.is_file()]
    for file in catalog.parent.glob("catalog.sqlite*"):
        file.unlink()
    catalog.write_bytes(good)
    assert not gone, f"a damaged catalogue cost {len(gone)} picture files"


def _put_back(elsewhere: Path, images: Path) -> None:
    """Join what was away with what was written meanwhile."""
    for file in [one for one in images.rglob("*") if one.is_file()] if images.is_dir() else []:
        target = elsewhere / file.relative_to(images)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)
    shutil.rmtree(images, ignore_errors=True)
    elsewhere.rename(images)


@contextmanager
def _unwritable(target: Path) -> Iterator[None]:
    target.mkdir(exist_ok=True)
    inside = [target, *target.rglob("*")] if target.name == "images" else [target, *target.glob("catalog.sqlite*")]
    modes = {one: one.stat().st_mode for one in inside}
    for one, mode in modes.items():
        one.chmod(mode & 0o555)
    try:
        yield
    finally:
        for one, mode in modes.items():
            if one.exists():
                one.chmod(mode)


@contextmanager
def _small_disk(place: Path) -> Iterator[Path]:
    """The folder on a disk of its own with hardly any room, where this machine lets us make one."""
    small = place.with_name(place.name + "-small")
    small.mkdir()
    used = sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) // 1024
    size = f"size={used + 600}k"
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(small)], capture_output=True, check=False)
    if made.returncode:
        small.rmdir()
        yield place
        return
    try:
        shutil.copytree(place, small, dirs_exist_ok=True)
        yield small
        # What it came to counts: the crawl goes on from there.
        shutil.rmtree(place)
        shutil.copytree(small, place)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
        small.rmdir()
