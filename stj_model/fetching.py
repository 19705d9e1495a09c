"""A picture at an address of the web, fetched without being led anywhere else.

Only http and https, only the public internet at ports 80 and 443, judged by the IP address that is connected to and not by the
name, at every redirect anew; no more bytes than a picture may have, no more seconds than `SECONDS`. Other places, such as this
machine, are for the person to name (`STJ_PICTURE_HOSTS`). Proxies, cookies and passwords are not used.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from stj_core import __version__
from stj_core.addresses import NamedHosts, Place, is_public, place_of
from stj_core.errors import PictureError, TooLargeError
from stj_images.decode import MAX_BYTES

SECONDS, REDIRECTS = 30.0, 5
PORTS = (80, 443)
_MOVED = (301, 302, 303, 307, 308)
_SAFE = "/?&=%:;,@!$'()*+~[]-._"


@dataclass(frozen=True)
class UrlInput:
    """A picture at an address.

    Attributes:
        url: where it is.
        hosts: those that may be asked wherever they are, from `stj_core.addresses.named_hosts`.
    """

    url: str
    hosts: NamedHosts = frozenset()

    def read(self) -> bytes:
        """Its bytes.

        Raises:
            TooLargeError: it is larger than any picture that is taken.
            PictureError: it cannot be had, or lies where nobody may be led.
        """
        url, end = self.url, time.monotonic() + SECONDS
        for _ in range(REDIRECTS + 1):
            try:
                found = _ask(url, self.hosts, end)
                if isinstance(found, bytes):
                    return found
                url = urljoin(url, found)
            except (OSError, http.client.HTTPException, ValueError) as error:
                late = time.monotonic() >= end
                why = f"no answer in {SECONDS:.0f} seconds" if late else _first_line(error)
                raise PictureError(f"Cannot fetch {url}: {why}.") from error
        raise PictureError(f"Cannot fetch {self.url}: it redirects more than {REDIRECTS} times.")


class _Connection(http.client.HTTPConnection):
    """A connection to an IP address that was judged already, for a name."""

    def __init__(self, place: Place, address: str, seconds: float) -> None:
        super().__init__(place.host, place.port, timeout=seconds)
        self.place, self.address = place, address

    def connect(self) -> None:
        """Connect to the address, and speak TLS as the name."""
        self.sock = socket.create_connection((self.address, self.place.port), self.timeout)
        if self.place.scheme == "https":
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.place.host)


def _ask(url: str, hosts: NamedHosts, end: float) -> bytes | str:
    """The picture at an address, or where that leads on.

    Raises:
        ValueError: it is no address that may be asked.
        OSError, http.client.HTTPException: it does not answer as it should.
    """
    place, parts = place_of(url), urlsplit(url)
    if "@" in parts.netloc:
        raise ValueError("it carries a user's name")
    path = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
    connection = _connected(place, _addresses(place, hosts), end)
    with _ended(connection, end):
        connection.request("GET", path, headers={"User-Agent": f"STJ/{__version__}", "Accept-Encoding": "identity"})
        answer = connection.getresponse()
        if answer.status in _MOVED and answer.headers.get("Location"):
            return str(answer.headers["Location"])
        if answer.status != http.client.OK:
            raise ValueError(f"it answers {answer.status} {answer.reason}".rstrip())
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise ValueError(f"it comes packed ({answer.headers['Content-Encoding']}), which was not asked for")
        data = _body(answer, url)
    if time.monotonic() >= end:  # cut off at the end, which looks like the end of an answer without a length
        raise TimeoutError
    return data


def _body(answer: http.client.HTTPResponse, url: str) -> bytes:
    promised = answer.length  # None where the server does not say
    data = b"" if promised and promised > MAX_BYTES else answer.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES or (promised and promised > MAX_BYTES):
        raise TooLargeError(f"{url} has over {MAX_BYTES >> 20} MiB.")
    if promised is not None and len(data) < promised:
        raise OSError(f"it ends after {len(data):,} of {promised:,} bytes")
    return data


def _addresses(place: Place, hosts: NamedHosts) -> list[str]:
    """The IP addresses of a place that may be connected to.

    Raises:
        ValueError: none may.
        OSError: the name is not known.
    """
    chosen = not hosts.isdisjoint({(place.host, place.port), (place.host, None)})
    if not chosen and place.port not in PORTS:
        raise ValueError(f"its port {place.port} is neither 80 nor 443, and STJ_PICTURE_HOSTS does not name it")
    told = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    listed = list(dict.fromkeys(str(entry[4][0]) for entry in told))
    allowed = [one for one in listed if chosen or is_public(ipaddress.ip_address(one.partition("%")[0]))]
    if not allowed:
        raise ValueError(
            f"{place.host} is no address of the public internet ({listed[0]}), and STJ_PICTURE_HOSTS does not name it"
        )
    return allowed


def _connected(place: Place, addresses: list[str], end: float) -> _Connection:
    """A connection to the first of a place's addresses that answers."""
    failed: OSError | None = None
    for address in addresses:
        connection = _Connection(place, address, max(0.1, end - time.monotonic()))
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            failed = error
        else:
            return connection
    raise failed or OSError("it has no address")


@contextmanager
def _ended(connection: _Connection, end: float) -> Iterator[None]:
    """Close a connection at the end, and at a moment, however slowly bytes may come until then."""
    held = connection.sock

    def cut() -> None:
        try:
            held.shutdown(socket.SHUT_RDWR)
        except OSError:  # it is closed already
            return

    watch = threading.Timer(max(0.0, end - time.monotonic()), cut)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
        connection.close()


def _first_line(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0].rstrip(".")
