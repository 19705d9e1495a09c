"""The HTTP server: addresses in, pages and pictures out, and a log of who asked for what."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from stj_core.errors import StjError

HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Asked:
    """One request as the shop remembers it.

    Attributes:
        time: seconds since the epoch, when the request had been read.
        status: what was answered; 0 where the line was left hanging.
        sent: bytes of the body that went out.
    """

    time: float
    method: str
    path: str
    user_agent: str
    status: int
    sent: int


@dataclass(frozen=True)
class Answer:
    """What goes back.

    Attributes:
        broken: end the connection in the middle of the body.
        hang_s: hold the line this long, then end it without a word.
    """

    content: bytes = b""
    content_type: str = HTML
    status: int = HTTPStatus.OK
    headers: dict[str, str] = field(default_factory=dict)
    broken: bool = False
    hang_s: float = 0.0


Respond = Callable[[str, str], Answer]


class Log:
    """The requests so far, in memory and perhaps in a file of JSON lines."""

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._asked: list[Asked] = []
        try:
            self._file = path.open("a", encoding="utf-8", buffering=1) if path else None
        except OSError as error:
            raise StjError(f"Cannot write the log {path}: {error.strerror}. Name another file.") from error

    def add(self, asked: Asked) -> None:
        """Remember one request."""
        with self._lock:
            self._asked.append(asked)
            if self._file and not self._file.closed:
                self._file.write(json.dumps(asdict(asked)) + "\n")

    def snapshot(self) -> list[Asked]:
        """The requests so far."""
        with self._lock:
            return list(self._asked)

    def clear(self) -> None:
        """Forget the requests so far; the file keeps them."""
        with self._lock:
            self._asked.clear()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file:
                self._file.close()


class Server:
    """Serves in threads on 127.0.0.1 until it is closed.

    Args:
        respond: makes the answer to a method and a path.
        log: where requests are remembered.
        port: 0 takes any free one.

    Raises:
        StjError: the port is taken.
    """

    def __init__(self, respond: Respond, log: Log, port: int = 0) -> None:
        try:
            self._listener = _Listener(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise StjError(
                f"The shop cannot have port {port} of 127.0.0.1 ({error.strerror}): end what is there, or give another --port."
            ) from error
        self._listener.respond, self._listener.log = respond, log
        self._thread = threading.Thread(
            target=self._listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._listener.server_port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering, and end every open connection."""
        self._listener.closing.set()
        if self._thread.is_alive():
            self._listener.shutdown()
            self._thread.join()
        self._listener.end_connections()
        self._listener.server_close()


class _Listener(ThreadingHTTPServer):
    """Keeps track of its connections, so that closing leaves none behind."""

    daemon_threads = True
    request_queue_size = 128
    respond: Respond
    log: Log

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's own signature
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - socketserver's own signature
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's own signature
        """A visitor who hangs up is no error; anything else is shown."""
        import sys

        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def end_connections(self) -> None:
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    server_version = "PracticeShop/1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer()

    def log_message(self, *_: object) -> None:
        """The log is kept by `Log`, not on stderr."""

    def _answer(self) -> None:
        asked_at = time.time()
        answer = self.server.respond(self.command, self.path)
        if answer.hang_s:
            self._remember(asked_at, 0, 0)
            self.server.closing.wait(answer.hang_s)
            self.close_connection = True
            return
        body = b"" if self.command == "HEAD" else answer.content
        if answer.broken:
            body = body[: len(body) // 2]
            self.close_connection = True
        # Remembered before the body leaves: who has the answer finds it in the log.
        self._remember(asked_at, answer.status, len(body))
        self.send_response(answer.status)
        headers = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.content)), **answer.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _remember(self, asked_at: float, status: int, sent: int) -> None:
        agent = self.headers.get("User-Agent", "")
        self.server.log.add(Asked(asked_at, self.command, unquote(self.path), agent, int(status), sent))
