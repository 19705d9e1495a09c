"""Half a request keeps nobody out: newcomers get in, what is overdue is closed, and uploads under way hold so much at most."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests

from stj_catalog.crawls import begin_crawl
from stj_core.labels import load_labels
from tests.dataset.filling import Shelf

from .conftest import Serve

HALF_HEADER = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
HALF_BODY = b"POST /api/v1/classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\nabc"


@contextlib.contextmanager
def held(origin: str, count: int, data: bytes) -> Iterator[list[socket.socket]]:
    """So many connections that sent some bytes and wait."""
    address = urlsplit(origin)
    lines: list[socket.socket] = []
    try:
        for _ in range(count):
            line = socket.create_connection((address.hostname, address.port), timeout=10)
            line.sendall(data)
            lines.append(line)
        yield lines
    finally:
        for line in lines:
            line.close()


def is_closed(line: socket.socket, seconds: float) -> bool:
    """Whether the studio hangs up in time."""
    line.settimeout(seconds)
    try:
        while line.recv(4_096):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def answers_at_once(origin: str) -> None:
    began = time.monotonic()
    answer = requests.get(f"{origin}/health", timeout=10)
    assert answer.status_code == 200, answer.text
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("data", [b"", b"G", HALF_HEADER, HALF_BODY], ids=["silent", "one byte", "header", "body"])
def test_a_newcomer_gets_in_among_any_number_of_half_requests(serve: Serve, data: bytes) -> None:
    origin = serve(connections=150, connections_per_address=130, header_seconds=600, body_seconds=600)
    with held(origin, 200, data) as lines:
        for _ in range(3):
            answers_at_once(origin)
        time.sleep(0.2)
        closed = [line for line in lines if is_closed(line, 0.01)]
        assert 60 <= len(closed) <= 90, "only as many as there are too many make way"
        assert lines[0] in closed, "the oldest first"
        assert lines[-1] not in closed


def test_a_connection_that_is_answered_never_makes_way(serve: Serve, shelf: Shelf) -> None:
    category, shop = load_labels()[0], "http://127.0.0.1"
    crawl = begin_crawl(
        shelf.catalog, spider=category.spider, category=category, origin=shop, settings={}, first_url=f"{shop}/s"
    )
    origin = serve(connections_per_address=4, header_seconds=600)
    with requests.get(f"{origin}/crawls/{crawl.id}/events", stream=True, timeout=20) as watching:
        lines = watching.iter_lines()
        assert next(lines) == b"retry: 1000"
        with held(origin, 40, HALF_HEADER):
            answers_at_once(origin)
            told = [next(lines) for _ in range(6)]
    assert any(line.startswith(b"event: pulse") for line in told)
    assert told[-1] is not None


@pytest.mark.parametrize("data", [b"", HALF_HEADER], ids=["silent", "half"])
def test_a_header_has_so_many_seconds_however_it_drips(serve: Serve, data: bytes) -> None:
    origin = serve(header_seconds=1.0)
    with held(origin, 1, data) as (line,):
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 8:
                line.sendall(b"x")
                time.sleep(0.2)
        assert time.monotonic() - began < 5
        assert is_closed(line, 1)
    answers_at_once(origin)


def test_a_body_has_so_many_seconds_and_more_than_a_header(serve: Serve) -> None:
    origin = serve(header_seconds=0.5, body_seconds=3.0)
    with held(origin, 1, HALF_BODY) as (line,):
        assert not is_closed(line, 1.5)
        line.settimeout(6)
        assert line.recv(100).startswith(b"HTTP/1.1 408 ")
        assert is_closed(line, 1)


def test_uploads_under_way_hold_so_much_together_at_most(serve: Serve) -> None:
    origin = serve(unfinished_mb=8)
    begun = b"POST /api/v1/classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20000000\r\n\r\n"
    with held(origin, 4, begun) as lines:
        for line in lines:
            with contextlib.suppress(OSError):
                line.sendall(b"x" * (3 << 20))
            time.sleep(0.1)
        time.sleep(0.3)
        closed = [is_closed(line, 0.1) for line in lines]
    assert closed[0], "the oldest makes way"
    assert not closed[-1]
    answers_at_once(origin)


@pytest.mark.medium
def test_an_idle_connection_stays_until_its_time(serve: Serve) -> None:
    """Browsers keep connections open for their next request."""
    address = urlsplit(serve(header_seconds=0.5, idle_seconds=4))
    line = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
    line.connect()
    kept = line.sock
    for _ in range(2):
        line.request("GET", "/health")
        assert line.getresponse().read()
        time.sleep(1.5)
    assert line.sock is kept, "it is the same connection"
    assert is_closed(kept, 6)
    line.close()
