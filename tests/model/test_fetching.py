"""A picture at an address: fetched where anybody may go, and nowhere else, with bounds on bytes, time and redirects."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from stj_core.addresses import NamedHosts, named_hosts
from stj_core.errors import PictureError, TooLargeError
from stj_images.decode import MAX_BYTES
from stj_model import fetching
from stj_model.fetching import UrlInput
from tests.model.conftest import draw

PICTURE = draw(0, 0)


class Server(BaseHTTPRequestHandler):
    """Pictures, and every way in which a server may misbehave."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        name = self.path.strip("/").partition("?")[0].replace("-", "_")
        getattr(self, f"serve_{name}", self.serve_missing)()

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for header, value in ({"Content_Length": str(len(body))} | headers).items():
            self.send_header(header.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def serve_picture(self) -> None:
        self.answer(200, PICTURE)

    def serve_missing(self) -> None:
        self.answer(404)

    def serve_moved(self) -> None:
        self.answer(302, Location="/picture?size=large")

    def serve_loop(self) -> None:
        self.answer(302, Location="/loop")

    def serve_inside(self) -> None:
        self.answer(302, Location="http://169.254.169.254/latest/meta-data")

    def serve_neighbour(self) -> None:
        self.answer(302, Location=f"http://127.0.0.1:{self.server.server_port + 1}/picture")  # type: ignore[attr-defined]

    def serve_file(self) -> None:
        self.answer(302, Location="file:///etc/passwd")

    def serve_garbled(self) -> None:
        self.answer(302, Location="http://[::1/picture")

    def serve_nonsense(self) -> None:
        self.wfile.write(b"HTTP/9.9 what\r\n\r\n")

    def serve_promised(self) -> None:
        self.answer(200, b"", Content_Length=str(MAX_BYTES + 1))

    def serve_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(2 + (MAX_BYTES >> 20)):
                self.wfile.write(bytes(1 << 20))
        except OSError:
            return

    def serve_short(self) -> None:
        self.answer(200, PICTURE[:100], Content_Length=str(len(PICTURE)))

    def serve_packed(self) -> None:
        self.answer(200, PICTURE, Content_Encoding="gzip")

    def serve_slow_head(self) -> None:
        try:
            for letter in b"HTTP/1.0 200 OK\r\nX-Slow: " + b"a" * 200:
                self.wfile.write(bytes([letter]))
                time.sleep(0.02)
        except OSError:
            return

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def hosts(port: int) -> NamedHosts:
    return named_hosts([f"127.0.0.1:{port}"])


def test_a_picture_is_fetched_from_a_host_that_was_named(port: int, hosts: NamedHosts):
    for name in ("picture", "moved"):
        assert UrlInput(f"http://127.0.0.1:{port}/{name}", hosts).read() == PICTURE
    assert UrlInput(f"http://127.0.0.1:{port}/picture?a=b c&d=é", named_hosts(["127.0.0.1"])).read() == PICTURE


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/a.jpg",
        "https://localhost/a.jpg",
        "http://[::1]/a.jpg",
        "http://[::ffff:127.0.0.1]/a.jpg",
        "http://2130706433/a.jpg",
        "http://0x7f.1/a.jpg",
        "http://0.0.0.0/a.jpg",
        "http://10.0.0.1/a.jpg",
        "http://169.254.169.254/latest/meta-data",
        "http://192.168.1.1:443/a.jpg",
    ],
)
def test_what_is_not_of_the_public_internet_is_not_asked(address: str):
    with pytest.raises(PictureError, match="is no address of the public internet"):
        UrlInput(address).read()


def test_a_name_is_judged_by_every_address_it_leads_to(monkeypatch: pytest.MonkeyPatch):
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 80)) for one in ("10.1.2.3", "127.0.0.1")]
    monkeypatch.setattr(fetching.socket, "getaddrinfo", lambda *_args, **_how: inside)
    with pytest.raises(PictureError) as raised:
        UrlInput("http://shop.example/a.jpg").read()
    assert str(raised.value) == (
        "Cannot fetch http://shop.example/a.jpg: shop.example is no address of the public internet (10.1.2.3), and "
        "STJ_PICTURE_HOSTS does not name it."
    )


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere", "it answers 404 Not Found"),
        ("loop", "it redirects more than 5 times"),
        ("inside", "169.254.169.254 is no address of the public internet"),
        ("neighbour", "is neither 80 nor 443, and STJ_PICTURE_HOSTS does not name it"),
        ("file", "scheme 'file'"),
        ("garbled", "Invalid IPv6 URL"),
        ("nonsense", "HTTP/9.9 what"),
        ("short", "it ends after 100 of"),
        ("packed", "it comes packed"),
        ("promised", "has over 20 MiB"),
        ("endless", "has over 20 MiB"),
    ],
)
def test_a_server_that_misbehaves_is_a_sentence(port: int, hosts: NamedHosts, name: str, why: str):
    with pytest.raises(PictureError, match=why):
        UrlInput(f"http://127.0.0.1:{port}/{name}", hosts).read()


def test_nothing_is_asked_of_this_machine_unless_it_was_named(port: int):
    before = len(Server.asked)
    with pytest.raises(PictureError, match="is neither 80 nor 443"):
        UrlInput(f"http://127.0.0.1:{port}/picture").read()
    assert len(Server.asked) == before


def test_a_server_that_drips_is_left_when_the_time_is_up(port: int, hosts: NamedHosts, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetching, "SECONDS", 0.4)
    began = time.monotonic()
    with pytest.raises(PictureError, match="no answer in 0 seconds"):
        UrlInput(f"http://127.0.0.1:{port}/slow-head", hosts).read()
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://name:word@example.com/a.jpg", "it carries a user's name"),
        ("http:///a.jpg", "no host, or no such port"),
        ("http://example.com:99999/a.jpg", "Port out of range"),
        ("https://example.com:8443/a.jpg", "its port 8443 is neither 80 nor 443"),
        ("http://[::1/a.jpg", "Invalid IPv6 URL"),
    ],
)
def test_an_address_that_cannot_be_asked_says_why(address: str, why: str):
    with pytest.raises(PictureError, match=why):
        UrlInput(address).read()


def test_a_picture_larger_than_any_is_told_as_that(port: int, hosts: NamedHosts):
    with pytest.raises(TooLargeError):
        UrlInput(f"http://127.0.0.1:{port}/promised", hosts).read()
