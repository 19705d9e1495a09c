"""Where a crawl may go, so that nobody leads it elsewhere.

Pages stay within the origin: its scheme, host and port. Pictures, their redirects and the robots.txt of their hosts go anywhere
on the public internet, at ports 80 and 443. The origin itself and the hosts that `STJ_PICTURE_HOSTS` names are the user's own
choice, wherever they are. Names are judged by what they resolve to, at the connection (`downloading.py`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from stj_core.addresses import IPAddress, NamedHosts, Place, is_public, named_hosts, place_of
from stj_core.errors import UsageError
from stj_core.text import one_line, shortened

PORTS = (80, 443)


@dataclass(frozen=True)
class Reach:
    """The places of one crawl.

    Attributes:
        origin: the shop.
        named: hosts of pictures that the user named, each with the one port that is meant, or None for any.
    """

    origin: Place
    named: NamedHosts = frozenset()

    @classmethod
    def of(cls, origin: str, picture_hosts: Iterable[str] = ()) -> Reach:
        """Build from settings.

        Raises:
            UsageError: the origin or a host cannot be read.
        """
        try:
            return cls(place_of(origin), named_hosts(picture_hosts))
        except ValueError as error:
            raise UsageError(f"The origin {origin!r} is no scheme, host and port ({error}).") from error

    def page_refusal(self, url: str) -> str | None:
        """Why a page is not asked for, in words that follow its address, or None when it may be."""
        try:
            place = place_of(url)
        except ValueError:
            return "which is no address of a page"
        return None if place == self.origin else f"which is not at {self.origin.scheme}://{self.origin.netloc}"

    def picture_refusal(self, url: str) -> str | None:
        """As `page_refusal`, for a picture; where a name leads shows only at the connection."""
        try:
            place = place_of(url)
        except ValueError:
            return "which is no address of a picture"
        if self.is_chosen(place):
            return None
        if "@" in urlsplit(url).netloc:
            return "which carries a user's name"
        if place.port not in PORTS:
            return f"whose port {place.port} is neither 80 nor 443"
        try:
            address = ipaddress.ip_address(place.host)
        except ValueError:
            return None
        return None if is_public(address) else "which is no address of the public internet"

    def is_chosen(self, place: Place) -> bool:
        """Whether the user chose this place, wherever it is."""
        return place == self.origin or not self.named.isdisjoint({(place.host, place.port), (place.host, None)})

    def admits(self, place: Place, address: str) -> bool:
        """Whether a connection to `place` may go to this IP address, to which its name was resolved."""
        return self.is_chosen(place) or (place.port in PORTS and is_public(_ip(address)))


def shown(url: str) -> str:
    """An address of a page's as a sentence or a log line shows it."""
    return shortened(one_line(url), 200)


def shown_host(url: str) -> str:
    """The host of such an address, as `STJ_PICTURE_HOSTS` would name it."""
    try:
        return shown(place_of(url).netloc)
    except ValueError:
        return "no host at all"


def _ip(address: str) -> IPAddress:
    return ipaddress.ip_address(address.partition("%")[0])
