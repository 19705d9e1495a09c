"""A crawl of a shop that is not one's own machine: what it says first. A proxy on loopback keeps its requests here."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from stj_spiders.shops.amazon import CONDITIONS
from tests.spiders.conftest import Folder


class Closed(BaseHTTPRequestHandler):
    """A proxy behind which nothing can be had."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Note what was asked for, and refuse."""
        self.asked.append(self.path)
        self.send_error(503)

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


@pytest.fixture
def proxy() -> Iterator[str]:
    """Where the proxy is."""
    Closed.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Closed) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.medium
def test_a_real_shops_conditions_are_told_before_anything_is_asked(folder: Folder, proxy: str) -> None:
    """And that nobody can be reached about the crawl, unless somebody can."""
    ended = folder.crawl("amazon_sarees", "http://shop.invalid", http_proxy=proxy)
    assert ended.code == 1
    assert Closed.asked == ["http://shop.invalid/robots.txt"]
    assert CONDITIONS in ended.err
    assert "set STJ_CONTACT to an address or a URL" in ended.err
    assert ended.err.index(CONDITIONS) < ended.err.index("robots.txt")
    named = folder.crawl("amazon_sarees", "http://shop.invalid", http_proxy=proxy, STJ_CONTACT="me@example.org")
    assert CONDITIONS in named.err
    assert "STJ_CONTACT" not in named.err
