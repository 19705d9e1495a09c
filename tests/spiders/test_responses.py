"""A body is text, whatever character set it claims to have."""

from __future__ import annotations

import pytest
from scrapy.http import HtmlResponse, Response

from stj_spiders.responses import body_text


@pytest.mark.parametrize(
    "charset",
    [
        "utf-8",
        "idna",
        "punycode",
        "undefined",
        "raw_unicode_escape",
        "unicode_escape",
        "utf-7",
        "utf-32",
        "utf-32-le",
        "utf-16",
        "utf-16-le",
        "no-such-set",
        "rot-13",
        "zlib",
        "\x00",
    ],
)
@pytest.mark.parametrize("place", ["header", "meta"])
def test_any_charset_gives_text(charset, place):
    said = charset.encode("latin-1")
    body = "<html><body>Saree ₹1,299 \\x ".encode() + b"\xff\xfe</body></html>"
    headers = {}
    if place == "header":
        headers = {"Content-Type": b"text/html; charset=" + said}
    else:
        body = b'<meta charset="' + said + b'">' + body
    found = body_text(HtmlResponse("http://shop.test/s", body=body, headers=headers))
    assert "Saree ₹1,299" in found


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ("Saree ₹1,299 für Frauen".encode() + b"\xe2\x82", "Saree ₹1,299 für Frauen\ufffd"),
        ("Größe".encode("cp1252"), "Größe"),
        ("साड़ी ₹1,299".encode(), "साड़ी ₹1,299"),
        (b"\xef\xbb\xbfSaree", "Saree"),
        ("Saree ₹1,299".encode("utf-16"), "Saree ₹1,299"),
    ],
)
def test_a_page_that_names_no_charset_is_utf_8_unless_it_cannot_be(body, read):
    """Guessed as a whole, one byte that is broken made every other letter another one."""
    assert body_text(HtmlResponse("http://shop.test/s", body=body)) == read


def test_bytes_without_a_type_are_read_as_utf_8():
    assert body_text(Response("http://shop.test/s", body="Saree ₹".encode() + b"\xff")) == "Saree ₹\ufffd"
