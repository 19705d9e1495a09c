"""A small shop for tests whose answers are whatever a test wants, and a canary that nobody should reach."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

Answer = tuple[int, dict[str, str], bytes]
ROBOTS: Answer = (200, {"Content-Type": "text/plain"}, b"User-agent: *\nAllow: /\n")


def picture(seed: int, side: int = 200, form: str = "JPEG") -> bytes:
    """A picture that is like no other."""
    pixels = np.random.default_rng(seed).integers(0, 255, (12, 9, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC).save(stream, form)
    return stream.getvalue()


def listing(pictures: list[str], next_url: str | None = None, total: int | None = None, head: str = "") -> bytes:
    """A page with one card for each picture."""
    cards = "".join(
        f'<div role="listitem" data-asin="B{place:09d}" data-index="{place}" data-component-type="s-search-result" '
        f'class="s-result-item s-asin"><a href="/dp/B{place:09d}"><img class="s-image" src="{url}"></a>'
        f'<a href="/dp/B{place:09d}"><h2 aria-label="Silk saree {place}"><span>Silk saree {place}</span></h2></a></div>'
        for place, url in enumerate(pictures)
    )
    following = f'<a href="{next_url}" class="s-pagination-item s-pagination-next">Next</a>' if next_url else ""
    return (
        f'<!doctype html><html><head><title>Sarees</title>{head}</head><body><span data-component-type="s-result-info-bar">'
        f"<h2><span>1-{len(pictures)} of {total or len(pictures)} results</span></h2></span>"
        f'<div class="s-main-slot s-result-list">{cards}</div>{following}</body></html>'
    ).encode()


@dataclass
class LyingShop:
    """Where it is, and what it was asked for.

    Attributes:
        answers: from a path to what it answers; a function is called with the path.
        asked: paths in order.
    """

    origin: str
    port: int
    answers: dict[str, Answer | Callable[[str], Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def page(self, content: bytes, path: str = "/s", **headers: str) -> None:
        """Answer a listing page."""
        self.answers[path] = (200, {"Content-Type": "text/html; charset=utf-8", **headers}, content)

    def image(self, name: str, content: bytes | None = None, status: int = 200, **headers: str) -> str:
        """Answer a picture; returns its address."""
        body = picture(hash(name) % 2**32) if content is None else content
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        self.answers[f"/images/I/{name}.jpg"] = (status, {"Content-Type": "image/jpeg", **named}, body)
        return f"{self.origin}/images/I/{name}.jpg"


@contextmanager
def lying_shop() -> Iterator[LyingShop]:
    """Open one on a free port of 127.0.0.1."""
    shop: LyingShop

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            shop.asked.append(self.path)
            path = self.path.partition("?")[0].replace("._SL640_", "")
            found = shop.answers.get(self.path) or shop.answers.get(path)
            if found is None:
                found = ROBOTS if path == "/robots.txt" else (404, {}, b"")
            status, headers, body = found(self.path) if callable(found) else found
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        port = server.server_address[1]
        shop = LyingShop(f"http://127.0.0.1:{port}", port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield shop
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Canary:
    """A port of this machine; `met` counts those who connected."""

    port: int
    met: int = 0


@contextmanager
def canary(host: str = "127.0.0.1") -> Iterator[Canary]:
    """Open a port that answers nobody."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.bind((host, 0))
    listener.listen()
    listener.settimeout(0.1)
    found, closing = Canary(listener.getsockname()[1]), threading.Event()

    def watch() -> None:
        while not closing.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            found.met += 1
            connection.close()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        closing.set()
        thread.join()
        listener.close()


def reasons(rows: list[Any]) -> dict[str, str | None]:
    """The last part of each picture's address, and its reason."""
    return {row["image_key"].rsplit("/", 1)[-1]: row["reason"] for row in rows}
