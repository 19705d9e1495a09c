"""Real crawls, as a person starts them: a subprocess in an empty folder that holds only a scrapy.cfg."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from stj_demo.shop import PracticeShop

DEADLINE = 120


@dataclass
class Ended:
    """A crawl that is over."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The last line that it said."""
        return self.err.rstrip().splitlines()[-1] if self.err.strip() else ""

    @property
    def summary(self) -> Any:
        """What `-s STJ_SUMMARY=json` printed."""
        return json.loads(self.out)


@dataclass
class Running:
    """A crawl that goes on."""

    process: subprocess.Popen[str]
    terminal: int | None = None
    shown: list[bytes] = field(default_factory=list)

    def end(self) -> Ended:
        """Wait for its end."""
        out, err = self.process.communicate(timeout=DEADLINE)
        return Ended(self.process.returncode, out, err if self.terminal is None else self._read_terminal())

    def interrupt(self) -> Ended:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def kill(self) -> None:
        """Kill -9, for the whole family."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def watch(self) -> None:
        """Read what it shows on the terminal, so that it never waits for us."""
        assert self.terminal is not None
        while True:
            try:
                piece = os.read(self.terminal, 65536)
            except OSError:
                return
            if not piece:
                return
            self.shown.append(piece)

    def _read_terminal(self) -> str:
        time.sleep(0.2)
        return b"".join(self.shown).decode(errors="replace").replace("\r\n", "\n")


@dataclass
class Folder:
    """Where a person crawls."""

    path: Path
    started: list[Running] = field(default_factory=list)

    def start(self, *command: str, terminal: bool = False, **environment: str) -> Running:
        """Start a command; names in capitals are environment variables."""
        master, slave = pty.openpty() if terminal else (None, subprocess.PIPE)
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=self.path,
            # Compiled modules are kept, as wherever people crawl: without them every start costs seconds.
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **environment},
            stdout=subprocess.PIPE,
            stderr=slave,
            text=True,
            start_new_session=True,
        )
        running = Running(process, master)
        if master is not None:
            os.close(slave)
            threading.Thread(target=running.watch, daemon=True).start()
        self.started.append(running)
        return running

    def crawl(self, spider: str, shop: PracticeShop | str, *options: str, **environment: str) -> Ended:
        """`scrapy crawl SPIDER -a origin=SHOP …` from its beginning to its end."""
        return self.begin(spider, shop, *options, **environment).end()

    def begin(
        self, spider: str, shop: PracticeShop | str, *options: str, terminal: bool = False, **environment: str
    ) -> Running:
        """As `crawl`, while it goes on."""
        origin = shop if isinstance(shop, str) else shop.origin
        if not isinstance(shop, str) and shop.image_origin != origin:
            # Pictures at another port of this machine are asked for only where somebody names it.
            options = ("-s", f"STJ_PICTURE_HOSTS={urlsplit(shop.image_origin).netloc}", *options)
        return self.start(
            "scrapy", "crawl", spider, "-a", f"origin={origin}", *options, terminal=terminal, **environment
        )

    def rows(self, query: str) -> list[sqlite3.Row]:
        """What the catalogue says."""
        with closing(sqlite3.connect(self.path / "catalog.sqlite")) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(query).fetchall()

    def files(self) -> list[Path]:
        """The files of the image store."""
        return sorted(path for path in (self.path / "images").rglob("*") if path.is_file())


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """An empty folder with a scrapy.cfg; no crawl that was started there outlives the test."""
    with crawling_in(tmp_path) as made:
        yield made


@contextmanager
def crawling_in(path: Path) -> Iterator[Folder]:
    """As the fixture `folder`, for tests of other rooms."""
    (path / "scrapy.cfg").write_text("[settings]\ndefault = stj_spiders.settings\n")
    made = Folder(path)
    try:
        yield made
    finally:
        for running in made.started:
            if running.process.poll() is None:
                running.kill()
            if running.terminal is not None:
                os.close(running.terminal)
            for stream in (running.process.stdout, running.process.stderr):
                if stream is not None:
                    stream.close()


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that keeps what the shops of these tests have drawn."""
    return tmp_path_factory.mktemp("drawings")


@pytest.fixture
def open_shop(drawings: Path) -> Iterator[Callable[..., PracticeShop]]:
    """Opens practice shops, which close with the test."""
    opened: list[PracticeShop] = []

    def open_one(**options: Any) -> PracticeShop:
        shop = PracticeShop(cache=drawings, **{"planting": False, "per_class": 4, **options})
        opened.append(shop)
        return shop.__enter__()

    yield open_one
    for shop in opened:
        shop.close()


def pictures_asked(shop: PracticeShop) -> Counter[str]:
    """How often each picture was asked for."""
    return Counter(asked.path for asked in shop.requests if asked.path.startswith("/images/"))


def pages_asked(shop: PracticeShop) -> list[str]:
    """Everything but pictures and reservations that was asked for, in order."""
    return [asked.path for asked in shop.requests if not asked.path.startswith(("/images/", "/.well-known/"))]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is so; fail when it never is."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def catalog_of_tomorrow(blank_catalog: Path, tmp_path: Path) -> Path:
    """A catalogue whose schema this STJ does not know."""
    file = tmp_path / "catalog.sqlite"
    shutil.copyfile(blank_catalog, file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    return file
