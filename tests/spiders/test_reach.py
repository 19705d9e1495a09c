"""Where a crawl goes, and where nobody leads it."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import DNSLookupError
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock

from stj_core.addresses import Place, is_public, place_of
from stj_core.errors import UsageError
from stj_spiders.downloading import GuardedEndpoint
from stj_spiders.exceptions import LedElsewhereError
from stj_spiders.reach import Reach
from tests.spiders.conftest import Folder
from tests.spiders.lying import canary, listing, lying_shop

SHOP = Reach.of("https://www.shop.example")
LOCAL = Reach.of("http://127.0.0.1:8080", ["cdn.example:8443", "10.0.0.7", "[::1]:9000"])


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2600:1f18::1", True),
        ("127.0.0.1", False),
        ("127.255.255.254", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("172.32.0.1", True),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("192.0.0.8", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fc00::1", False),
        ("fd12::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("2001:db8::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("::ffff:8.8.8.8", True),
        ("::127.0.0.1", False),
        ("64:ff9b::10.0.0.1", False),
        ("64:ff9b::8.8.8.8", True),
        ("2002:7f00:1::", False),
        ("2002:a00:1::", False),
        ("2001:0:7f00:1::", False),
    ],
)
def test_what_belongs_to_the_public_internet(address: str, public: bool) -> None:
    """Version 4, version 6, and the one inside the other."""
    assert is_public(ipaddress.ip_address(address)) is public


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("https://www.shop.example/s?page=2", False),
        ("HTTPS://WWW.SHOP.EXAMPLE:443/s", False),
        ("http://www.shop.example/s", True),
        ("https://shop.example/s", True),
        ("https://www.shop.example:8443/s", True),
        ("https://www.shop.example.evil.example/s", True),
        ("https://www.shop.example@evil.example/s", True),
        ("https://evil.example/?https://www.shop.example", True),
        ("https://www.shop.example:99999/s", True),
        ("file:///etc/passwd", True),
        ("ftp://www.shop.example/s", True),
        ("javascript:alert(1)", True),
        ("https:///s", True),
        ("//[", True),
        ("", True),
    ],
)
def test_pages_stay_at_the_origin(url: str, refused: bool) -> None:
    """Scheme, host and port."""
    assert (SHOP.page_refusal(url) is not None) is refused


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("https://m.media.example/images/I/71.jpg", False),
        ("http://m.media.example:80/71.jpg", False),
        ("https://m.media.example:8443/71.jpg", True),
        ("http://m.media.example:22/71.jpg", True),
        ("http://m.media.example:99999/71.jpg", True),
        ("http://m.media.example:0/71.jpg", True),
        ("http://m.media.example:-1/71.jpg", True),
        ("http://m.media.example:x/71.jpg", True),
        ("http://me:secret@m.media.example/71.jpg", True),
        ("http://127.0.0.1/71.jpg", True),
        ("http://127.0.0.1:8081/71.jpg", True),
        ("http://127.0.0.1:8080/71.jpg", False),
        ("https://127.0.0.1:8080/71.jpg", True),
        ("http://169.254.169.254/latest/meta-data/", True),
        ("http://[::1]/71.jpg", True),
        ("http://[::1]:9000/71.jpg", False),
        ("http://[::ffff:127.0.0.1]/71.jpg", True),
        ("http://[fe80::1%25eth0]/71.jpg", True),
        ("https://cdn.example:8443/71.jpg", False),
        ("https://cdn.example:8444/71.jpg", True),
        ("http://10.0.0.7:1234/71.jpg", False),
        ("http://10.0.0.8/71.jpg", True),
        ("data:image/png;base64,AAAA", True),
        ("s3://bucket/key", True),
        ("http://", True),
        ("http://[", True),
    ],
)
def test_pictures_come_from_the_public_internet_or_from_where_the_user_says(url: str, refused: bool) -> None:
    """By what the address itself says."""
    assert (LOCAL.picture_refusal(url) is not None) is refused


@given(st.text(max_size=60))
def test_any_address_has_an_answer(url: str) -> None:
    """Never an exception; nothing but the origin is a page."""
    for text in (url, f"http://{url}", f"https://www.shop.example{url}"):
        SHOP.picture_refusal(text)
        if SHOP.page_refusal(text) is None:
            assert place_of(text) == Place("https", "www.shop.example", 443)


@pytest.mark.parametrize(
    "given", ["http://cdn.example", "cdn.example/x", "a b", ":80", "cdn.example:99999", "me@cdn.example"]
)
def test_a_picture_host_that_is_none_is_wrong_usage(given: str) -> None:
    """It would be trusted in vain, or not at all."""
    with pytest.raises(UsageError, match="STJ_PICTURE_HOSTS names hosts such as"):
        Reach.of("http://127.0.0.1:8080", [given])


class Resolver:
    """Answers with what it is told, each time with the next."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def resolveHostName(self, receiver: Any, name: str, portNumber: int = 0, *_: Any, **__: Any) -> Any:  # noqa: N803, N802
        self.asked += 1
        receiver.resolutionBegan(None)
        for host in self.answers.pop(0):
            receiver.addressResolved((IPv6Address if ":" in host else IPv4Address)("TCP", host, portNumber))
        receiver.resolutionComplete()


def connect(reach: Reach, url: str, *answers: list[str]) -> tuple[list[str], list[Any], int]:
    """The addresses that a connection to `url` is tried to, how it failed, and how often the name was resolved."""
    reactor: Any = MemoryReactorClock()
    reactor.nameResolver = Resolver(*answers)
    place = place_of(url)
    endpoint = GuardedEndpoint(reactor, place.host, place.port)
    endpoint.place, endpoint.reach = place, reach
    failed: list[Any] = []
    endpoint.connect(Factory()).addErrback(lambda failure: failed.append(failure.value))
    reactor.advance(5)
    return [host for host, *_ in reactor.tcpClients], failed, reactor.nameResolver.asked


def test_a_name_that_means_this_network_is_never_connected_to() -> None:
    """Whatever it is called."""
    for host in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:192.168.0.1"):
        tried, failed, _ = connect(SHOP, "http://pictures.example/x.jpg", [host])
        assert not tried
        assert isinstance(failed[0], LedElsewhereError)
        assert str(failed[0]) == f"pictures.example is at {host}, which is no address of the public internet."


def test_the_addresses_that_were_judged_are_those_that_are_connected_to() -> None:
    """The name is resolved once: what it means a moment later (DNS rebinding) is never asked."""
    tried, _, asked = connect(SHOP, "http://pictures.example/x.jpg", ["8.8.8.8", "127.0.0.1"], ["127.0.0.1"])
    assert set(tried) == {"8.8.8.8"}
    assert asked == 1


def test_the_users_own_hosts_may_be_anywhere() -> None:
    """The origin, and what STJ_PICTURE_HOSTS names."""
    inside = Reach.of("http://shop.intranet:8080", ["cdn.intranet"])
    assert connect(inside, "http://shop.intranet:8080/s", ["10.0.0.1"])[0] == ["10.0.0.1"]
    assert connect(inside, "http://cdn.intranet:9000/x", ["10.0.0.2"])[0] == ["10.0.0.2"]
    assert not connect(inside, "http://shop.intranet/x", ["10.0.0.1"])[0]
    assert not connect(inside, "http://other.example:8080/x", ["8.8.8.8"])[0]


def test_a_name_without_an_address_is_no_leading_elsewhere() -> None:
    """It is an outage of the name."""
    tried, failed, _ = connect(SHOP, "http://pictures.example/x.jpg", [])
    assert not tried
    assert isinstance(failed[0], DNSLookupError)


def test_pictures_that_lead_elsewhere_are_cards_with_a_reason(folder: Folder) -> None:
    """Odd ports, this machine under many names, redirects: nobody is asked, the rest is fetched, the crawl finishes."""
    with lying_shop() as shop, canary() as secret, canary("::1" if socket.has_ipv6 else "127.0.0.1") as secret6:
        there = f":{secret.port}/images/I/"
        bad = {
            "canary": f"http://127.0.0.1{there}canary.jpg",
            "name": f"http://localhost{there}name.jpg",
            "decimal": f"http://2130706433{there}decimal.jpg",
            "short": f"http://127.1{there}short.jpg",
            "six": f"http://[::1]:{secret6.port}/images/I/six.jpg",
            "mapped": f"http://[::ffff:127.0.0.1]{there}mapped.jpg",
            "port": "http://127.0.0.1:99999/images/I/port.jpg",
            "hex": "http://0x7f.0x0.0x0.0x1/images/I/hex.jpg",
            "octal": "http://0177.0.0.1/images/I/octal.jpg",
            "eighty": "http://localhost/images/I/eighty.jpg",
            "metadata": "http://169.254.169.254/images/I/metadata.jpg",
            "bracket": "http://[/images/I/bracket.jpg",
            "file": "file:///etc/images/I/file.jpg",
        }
        for name, location in {
            "moved": f"http://127.0.0.1{there}x.jpg",
            "named": f"http://localhost{there}x.jpg",
            "ported": "http://127.0.0.1:99999/",
        }.items():
            bad[name] = shop.image(name, b"", 302, Location=location)
        shop.page(listing([shop.image("good"), *bad.values()]))
        ended = folder.crawl("amazon_sarees", shop.origin, "-s", "RETRY_TIMES=0")
        assert ended.code == 0, ended.err
        assert secret.met == secret6.met == 0
        rows = folder.rows("SELECT image_key, status, reason, detail FROM images")
        found = {row["image_key"].rsplit("/", 1)[-1].split(".")[0]: row for row in rows}
        assert found["good"]["status"] == "kept"
        refused = {name for name, row in found.items() if row["reason"] == "address_refused"}
        # The parser takes no picture at all from three of the addresses, and Scrapy cannot even build the last redirect.
        assert refused == bad.keys() - {"bracket", "file", "port", "ported"}, {
            n: row["reason"] for n, row in found.items()
        }
        assert found["ported"]["status"] == "rejected"
        assert all(found[name]["detail"] for name in refused)
        assert f"-s STJ_PICTURE_HOSTS=127.0.0.1:{secret.port}" in ended.err
        assert not any("/robots.txt" in path for path in shop.asked[1:])


@pytest.mark.medium
@pytest.mark.parametrize("how", ["next", "redirect"])
def test_a_listing_that_leads_elsewhere_ends_the_crawl_and_goes_on_once_it_is_well(folder: Folder, how: str) -> None:
    """With a sentence; nobody there is asked for anything, not even for robots.txt."""
    with lying_shop() as shop, canary() as secret:
        away = f"http://127.0.0.1:{secret.port}/s?page=2"
        if how == "next":
            shop.page(listing([shop.image("one")], away))
        else:
            shop.answers["/s"] = (302, {"Location": away}, b"")
        ended = folder.crawl("amazon_sarees", shop.origin)
        assert ended.code == 1
        assert secret.met == 0
        said = f"leads to {away}, which is not at {shop.origin}. If the shop has moved, say where with -a origin="
        if how == "next":
            said = f"names {away} as the next page, which is not at {shop.origin}, 3 times in a row"
        assert said in ended.sentence
        assert folder.rows("SELECT state FROM crawls")[0]["state"] == "interrupted"
        shop.page(listing([shop.image("one")], "/s2", total=2))
        shop.page(listing([shop.image("two")], total=2), "/s2")
        assert folder.crawl("amazon_sarees", shop.origin).code == 0
        assert len(folder.rows("SELECT 1 FROM images WHERE status = 'kept'")) == 2
        assert len(folder.rows("SELECT 1 FROM crawls")) == 1
