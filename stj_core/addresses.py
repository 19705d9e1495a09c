"""What can be said of an address without knowing whose it is."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from stj_core.errors import UsageError
from stj_core.remembered import remembered

NamedHosts = frozenset[tuple[str, int | None]]
"""Hosts that a person named, each with the one port that is meant, or None for any."""
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
_HOST = re.compile(r"[\w.:-]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}
# IPv6 addresses that stand for an IPv4 one, and where in their 128 bits it is (counted from the right).
_CARRIES_IPV4 = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # mapped
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),  # translated (SIIT)
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (ipaddress.IPv6Network("64:ff9b:1::/48"), 0),  # NAT64 of a site
    (ipaddress.IPv6Network("::/96"), 0),  # compatible
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4
)
# Networks for special purposes that Python's tables call public, or did so in some version.
_SPECIAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20", "5f00::/16", "2001::/23")))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address leads: its scheme, host (in lower case, without a final dot) and port."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """Host and port as an address has them; a scheme's own port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS.get(self.scheme) else f"{host}:{self.port}"


@remembered
def place_of(url: str) -> Place:
    """Scheme, host and port of an address.

    Raises:
        ValueError: it is no address of http or https, or names no host, or a port that there cannot be.
    """
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError(f"scheme {parts.scheme!r}")
    host = (parts.hostname or "").rstrip(".")
    port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    if not host or not 1 <= port <= 65535:
        raise ValueError("no host, or no such port")
    return Place(parts.scheme, host, port)


def is_loopback(url: str) -> bool:
    """Whether `url` names this machine."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_public(address: IPAddress) -> bool:
    """Whether an IP address belongs to the public internet.

    Loopback, private, link-local, shared (carrier) and reserved networks and multicast do not, nor does an IPv6 address that
    stands for such an IPv4 one.
    """
    if isinstance(address, ipaddress.IPv6Address):
        for network, shift in _CARRIES_IPV4:
            if address in network:
                return is_public(ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF))
        if address.is_site_local:
            return False
    if any(address in network for network in _SPECIAL):
        return False
    return address.is_global and not address.is_multicast


def named_hosts(given: Iterable[str]) -> NamedHosts:
    """The hosts that `STJ_PICTURE_HOSTS` names.

    Raises:
        UsageError: one cannot be read.
    """
    return frozenset(map(_named, given))


def _named(given: str) -> tuple[str, int | None]:
    text = given.strip().lower()
    try:
        host: str = str(ipaddress.IPv6Address(text))
    except ValueError:
        try:
            parts = urlsplit(f"//{text}")
            host, port = (parts.hostname or "").rstrip("."), parts.port
        except ValueError:
            parts, host, port = None, "", None
        if parts is None or parts.path or parts.query or "@" in text or not _HOST.fullmatch(host):
            raise UsageError(
                f"STJ_PICTURE_HOSTS names hosts such as cdn.example or 127.0.0.1:8080, separated by commas; got {given!r}."
            ) from None
        return host, port
    return host, None
