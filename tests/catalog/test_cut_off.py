"""A crawl host that is cut off from the database and comes back: what others did meanwhile stands, and is not done twice."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.spiders.conftest import crawling_in, wait_for
from tests.spiders.lying_shop import LyingShop
from tests.spiders.servers import Answer, serving

SOCKET = ".s.PGSQL.5432"
PAGES, CARDS = 2, 4


@dataclass
class Line:
    """The way of one host to PostgreSQL: it can be cut, and be whole again."""

    folder: Path
    target: str
    up: bool = True
    ends: list[socket.socket] = field(default_factory=list)

    def serve(self, listening: socket.socket) -> None:
        """Pass every connection on while the line is whole."""
        with suppress(OSError):
            while True:
                near, _ = listening.accept()
                if not self.up:
                    near.close()
                    continue
                far = socket.socket(socket.AF_UNIX)
                far.connect(self.target)
                self.ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_pump, args=(one, other), daemon=True).start()

    def cut(self) -> None:
        """End every connection, and take no new one."""
        self.up = False
        for one in self.ends:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self.ends.clear()


def _pump(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    for end in (one, other):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def line_to(url: str, folder: Path) -> Iterator[tuple[Line, str]]:
    """A line to a database, and the URL by which it is reached over that."""
    place = url.partition("?host=")[2]
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / SOCKET))
        listening.listen(64)
        line = Line(folder, f"{place}/{SOCKET}")
        threading.Thread(target=line.serve, args=(listening,), daemon=True).start()
        try:
            yield line, url.replace(place, str(folder))
        finally:
            line.cut()
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.slow
def test_a_host_that_was_cut_off_writes_nothing_of_what_others_did_meanwhile(postgres_url: str, tmp_path: Path) -> None:
    def slowly(honest: Answer) -> Answer:
        time.sleep(1)
        return honest

    shop = LyingShop(pages=PAGES, cards=CARDS, last=PAGES)
    shop.lies["picture"] = slowly
    options = ("-s", "STJ_LEASE_SECONDS=2", "-s", "STJ_SUMMARY=json", "-s", "AUTOTHROTTLE_ENABLED=False")
    short = Path(tempfile.mkdtemp(prefix="stj-line-"))  # a socket's name may have some hundred characters only
    engine = create_engine(postgres_url)
    try:
        with serving(shop) as server, crawling_in(tmp_path) as folder, line_to(postgres_url, short) as (line, over_it):
            shop.server = server
            late = folder.begin("amazon_sarees", server.origin, *options, STJ_CATALOG=over_it)
            wait_for(lambda: server.count("/images/") > 0)
            line.cut()
            time.sleep(1.5)  # what is in the air comes down
            asked = len(server.asked)
            time.sleep(2.5)
            assert len(server.asked) == asked, "without the database nothing is asked for"
            assert late.process.poll() is None
            shop.lies.clear()
            other = folder.crawl("amazon_sarees", server.origin, *options, STJ_CATALOG=postgres_url)
            assert (other.code, other.summary["cards"], other.summary["taken_over"]) == (0, PAGES * CARDS, 0), other.err
            before = rows(engine)
            line.up = True
            ended = late.end()
        assert (ended.code, ended.summary["taken_over"]) == (0, 1), ended.err
        assert "was taken over by another process while it was read here: nothing of it is written" in ended.err
        assert "Waiting for it" in ended.err
        assert "It is back after" in ended.err
        assert rows(engine) == before
        assert len(before) == PAGES * CARDS
        assert set(Counter(image for _, image in before).values()) == {1}
    finally:
        engine.dispose()
        (short / SOCKET).unlink(missing_ok=True)
        short.rmdir()


def rows(engine) -> list[tuple[int, int]]:
    """Each sighting with its picture."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT id, image_id FROM sightings ORDER BY id"))]
