"""Servers on loopback that answer what a test tells them to, and note what they were asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """What a server says.

    Attributes:
        headers: beside the length, which is told unless it is among them; None for a header that is left out.
        cut: send so many bytes only, then close the connection.
        silent: close the connection without a word.
    """

    body: bytes = b""
    status: int = 200
    content_type: str | None = "text/html; charset=utf-8"
    headers: dict[str, str | None] = field(default_factory=dict)
    cut: int | None = None
    silent: bool = False


@dataclass
class Server:
    """A server that runs.

    Attributes:
        origin: scheme, host and port.
        asked: paths with their queries, in order.
        answer: called with a path; it may be exchanged while the server runs.
    """

    origin: str
    answer: Callable[[str], Answer]
    asked: list[str] = field(default_factory=list)

    def count(self, part: str) -> int:
        """How often a path with `part` in it was asked for."""
        return sum(part in path for path in self.asked)


@contextmanager
def serving(answer: Callable[[str], Answer]) -> Iterator[Server]:
    """A server on a free port, for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            running.asked.append(self.path)
            given = running.answer(self.path)
            self.close_connection = True
            if given.silent:
                return
            self.send_response(given.status)
            headers: dict[str, str | None] = {
                "Content-Type": given.content_type,
                "Content-Length": str(len(given.body)),
                "Connection": "close",
            }
            for name, value in (headers | given.headers).items():
                if value is not None:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(given.body if given.cut is None else given.body[: given.cut])

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A crawler that hangs up is no fault here."""

    with Quiet(("127.0.0.1", 0), Handler) as server:
        running = Server(f"http://127.0.0.1:{server.server_address[1]}", answer)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()
