"""The shop that nginx serves shows what the practice shop shows, and over TLS only to those who trust its authority."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from bench.crawl import HASHING, Measured, told
from bench.fronts import NGINX_BINARY, PLAIN, TLS, nginx
from bench.noise import make_pictures
from bench.peers import walk
from bench.tables import Spent, Way
from stj_demo.shop import PracticeShop

PICTURES = 70


@pytest.mark.skipif(NGINX_BINARY is None, reason="nginx is not installed")
def test_nginx_shows_the_practice_shop_s_pages_and_pictures_and_tls_needs_its_authority(tmp_path: Path) -> None:
    make_pictures(tmp_path / "goods" / "0_saree", PICTURES, seed=1, size=(70, 90))
    place = tmp_path / "nginx"
    place.mkdir()
    with PracticeShop(tmp_path / "goods", planting=False) as shop:
        listed = [address for _, found in walk(shop.origin) for address in found]
        pages = {number: page for number, (page, _) in enumerate(walk(shop.origin), 1)}
        content = [shop.image_bytes(address) for address in listed]
        with nginx(place, shop.origin) as fronts:
            for front in fronts:
                trusted = ssl.create_default_context(cafile=front.authority)
                for address, expected in zip(listed[::9], content[::9], strict=True):
                    there = address.replace(shop.origin, front.origin)
                    assert urllib.request.urlopen(there, context=trusted).read() == expected
                second = f"{front.origin}/s?rh=n%3A1968256031&fs=true&page=2"
                with urllib.request.urlopen(second, context=trusted) as answer:
                    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
                    assert answer.read().decode() == pages[2].replace(shop.origin, front.origin)
            with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
                urllib.request.urlopen(fronts[1].origin + "/robots.txt")
    assert len(set(listed)) == PICTURES


def test_what_was_not_measured_is_said_and_so_is_who_checks_no_certificate() -> None:
    ours, theirs = Way("STJ", [], [Spent(1, 2, 10)]), Way(HASHING, [], [Spent(1, 4, 10)])
    measured = Measured(1000, "600x800", True, {}, {PLAIN: [ours, theirs]})
    assert "nothing was measured: nginx is not installed here, or was not asked for" in told(measured)
    whole = Measured(1000, "600x800", True, {}, {PLAIN: [ours, theirs], "HTTP, nginx": [ours], TLS: [ours]})
    whole.untrusting = {"STJ": 0, HASHING: 1000}
    said = told(whole)
    assert "of 1,000 pictures nothing was fetched by STJ; all the same by ImagesPipeline + imagehash (1,000)." in said
    assert said.count("| STJ | 2.00 (2.00–2.00) |") == 3
