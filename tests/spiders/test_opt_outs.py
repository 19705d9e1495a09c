"""What shops and makers say about learning from their pages and pictures is obeyed, and noted."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy.http import Headers

from stj_spiders.opt_outs import Said, TdmFile, page_opt_out, picture_opt_out, read_tdm_file
from tests.spiders.conftest import Folder
from tests.spiders.lying import LyingShop, listing, lying_shop, reasons

URL = "https://m.shop.example/images/I/71abc.jpg"
PAGE = "https://www.shop.example/s?page=1"
NO_FILE = TdmFile()


def said(*robots: str, **headers: str) -> Said:
    """What headers say."""
    given = Headers({name.replace("_", "-"): value for name, value in headers.items()})
    for one in robots:
        given.appendlist("X-Robots-Tag", one)
    return Said.of(given)


@pytest.mark.parametrize(
    ("robots", "word"),
    [
        (["noai"], "noai"),
        (["NoAI, NoImageAI"], "noai"),
        (["noimageai"], "noimageai"),
        (["noindex"], "noindex"),
        (["max-image-preview: large, noimageindex"], "noimageindex"),
        (["none"], "none"),
        (["nofollow", "noai"], "noai"),
        (["stj: noai"], "stj: noai"),
        (["Scrapy: nofollow, noindex"], "scrapy: noindex"),
        (["*: noai"], "*: noai"),
        (["unavailable_after: 25 Jun 2060 15:00:00 PST, noai"], "noai"),
        (["unavailable_after: Wed, 25 Jun 2060 15:00:00 GMT, noai"], "noai"),
        (["unavailable_after: Wed, 25 Jun 2060 15:00:00 GMT", "nofollow"], None),
        (["unavailable_after: 2060-06-25T15:00:00Z"], None),
        (["unavailable_after: when it rains"], None),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST"], "unavailable_after"),
        (["nofollow, unavailable_after: Fri, 25 Jun 2010 15:00:00 GMT"], "unavailable_after"),
        (["googlebot: unavailable_after: 2010-06-25"], None),
        (["STJ/0.1: noai"], "stj/0.1: noai"),
        (["nofollow;noai"], "noai"),
        (["nofollow noimageai"], "noimageai"),
        (['"noai"'], "noai"),
        (["otherbot: noai, stj: noai"], "stj: noai"),
        (["otherbot: noai", "noimageai"], "noimageai"),
        (["otherbot: noai, nofollow"], None),
        (["otherbot: noindex", "googlebot: noai"], None),
        (["stjx: noai"], None),
        (["noaix, nonoai, all, index"], None),
        (["nofollow, noarchive, nosnippet, max-snippet:-1"], None),
        ([""], None),
        ([], None),
    ],
)
def test_a_pictures_own_header(robots: list[str], word: str | None) -> None:
    """For everybody or for us; what is said to others does not bind."""
    assert picture_opt_out(said(*robots), URL, NO_FILE) == (f"X-Robots-Tag: {word}" if word else None)


@pytest.mark.parametrize(
    ("robots", "head", "found"),
    [
        (["noindex, nofollow"], "", None),
        (["none"], "", None),
        (["noai"], "", "the page's X-Robots-Tag: noai"),
        (["noimageindex"], "", "the page's X-Robots-Tag: noimageindex"),
        ([], '<meta name="robots" content="noindex,follow">', None),
        ([], '<meta name="robots" content="noai, noimageai">', 'the page\'s <meta name="robots">: noai'),
        ([], "<META CONTENT=noimageai NAME=Robots>", 'the page\'s <meta name="robots">: noimageai'),
        ([], "<meta content='NOAI' name='stj' />", 'the page\'s <meta name="stj">: noai'),
        ([], '<meta name="otherbot" content="noai">', None),
        ([], '<!-- <meta name="robots" content="noai"> -->', None),
        ([], '<script>var x = \'<meta name="robots" content="noai">\'</script>', None),
        ([], '<meta name="description" content="robots: noai">', None),
        ([], '<meta name="tdm-reservation" content="1">', 'the page\'s <meta name="tdm-reservation">: 1'),
        ([], '<meta name="tdm-reservation" content="0">', None),
        ([], '<template><meta name="robots" content="noai"></template>', None),
        ([], '<meta http-equiv="X-Robots-Tag" content="noai">', 'the page\'s <meta name="robots">: noai'),
        ([], '<meta data-x="a>b" name="robots" content="noai">', 'the page\'s <meta name="robots">: noai'),
        ([], f'<meta name="robots" content="{" " * 5000}noai">', 'the page\'s <meta name="robots">: noai'),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST"], "", None),
        (
            [],
            '<meta name="tdm-reservation" content="1"><meta name="tdm-policy" content="https://p.example/x.json">',
            'the page\'s <meta name="tdm-reservation">: 1 (https://p.example/x.json)',
        ),
    ],
)
def test_a_page_speaks_for_its_pictures(robots: list[str], head: str, found: str | None) -> None:
    """Filtered listings often say noindex: that is about search engines."""
    text = f"<!doctype html><html><head><title>noai</title>{head}</head><body>noai</body></html>"
    assert page_opt_out(said(*robots), text, PAGE, NO_FILE) == found


def test_the_nearest_word_about_reservation_counts() -> None:
    """A meta outweighs a header, a header the file."""
    file = read_tdm_file(b'[{"location": "/", "tdm-reservation": 1}]')
    assert file is not None
    assert picture_opt_out(said(), URL, file) == "/.well-known/tdmrep.json: location /, tdm-reservation 1"
    assert picture_opt_out(said(tdm_reservation="0"), URL, file) is None
    assert picture_opt_out(said(tdm_reservation="1"), URL, NO_FILE) == "tdm-reservation: 1"
    policy = said(tdm_reservation="1", tdm_policy="https://p.example")
    assert picture_opt_out(policy, URL, NO_FILE) == "tdm-reservation: 1 (https://p.example)"
    meta = '<meta name="tdm-reservation" content="0">'
    assert page_opt_out(said(tdm_reservation="1"), meta, PAGE, file) is None
    assert page_opt_out(said(tdm_reservation="1"), "", PAGE, NO_FILE) == "the page's tdm-reservation: 1"
    assert page_opt_out(said(tdm_reservation="0"), "", PAGE, file) is None
    assert (page_opt_out(said(), "", PAGE, file) or "").startswith("for the page, /.well-known/tdmrep.json")


@pytest.mark.parametrize(
    ("values", "reserved"),
    [
        (["1"], True), ([" 1 "], True), (['"1"'], True), (["1; until=x"], True), (["true"], True), (["0, 1"], True),
        (["1", "0"], True), (["0", "1"], True), (["0"], False), (["0", "0"], False), ([""], False), (["2"], False),
        (["-1"], False), (["no"], False), (["10"], False),
    ],
)  # fmt: skip
def test_a_reservation_that_is_made_anyhow_is_made(values: list[str], reserved: bool) -> None:
    """In quotes, with parameters, or beside a 0: of two words from one place the one that keeps a picture from us counts."""
    headers = Headers()
    for value in values:
        headers.appendlist("tdm-reservation", value)
    assert (picture_opt_out(Said.of(headers), URL, NO_FILE) is not None) is reserved
    metas = "".join(f'<meta content="{value.replace(chr(34), "&quot;")}" name="TDM-Reservation">' for value in values)
    assert (page_opt_out(said(), f"<html><head>{metas}</head></html>", PAGE, NO_FILE) is not None) is reserved


@pytest.mark.parametrize(
    "body",
    [
        '[{"location": "/images/", "tdm-reservation": 1}, {"note": "none"}, 7]',
        '{"Location": "/images/*", "TDM-Reservation": 1}',
        '[{"location": "images/", "tdm-reservation": 1}]',
        '[{"location": "https://m.shop.example/images/", "tdm-reservation": 1}]',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_of_reservations_that_is_written_carelessly_still_counts(body: str, encoding: str) -> None:
    """What is no location is passed over; the others hold."""
    file = read_tdm_file(body.encode(encoding))
    assert file is not None
    assert file.reservation(URL) is not None


@pytest.mark.parametrize(
    ("rules", "reserved"),
    [
        ([("/", 1)], True),
        ([("/images/", 1)], True),
        ([("/images/*.jpg$", 1)], True),
        ([("*.jpg", 1)], True),
        ([("/images/I/71abc.jpg", 1)], True),
        ([("/images/*.png$", 1)], False),
        ([("/other/", 1)], False),
        ([("/images/", 0), ("/", 1)], False),
        ([("/images/I/", 1), ("/", 0)], True),
        ([("/", 0)], False),
        ([("/", True)], True),
        ([("/", "1")], True),
        ([], False),
    ],
)
def test_the_first_location_that_matches_counts(rules: list[tuple[str, object]], reserved: bool) -> None:
    """Patterns are those of robots.txt."""
    document = [{"location": location, "tdm-reservation": value} for location, value in rules]
    file = read_tdm_file(json.dumps(document).encode())
    assert file is not None
    assert (file.reservation(URL) is not None) is reserved


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[1]", b'"x"', b'[{"tdm-reservation": 1}]', b"[" * 200_000, b"\xff\xfe"]
)
def test_what_is_no_list_of_reservations_is_none(body: bytes) -> None:
    """An error page in its place reserves nothing."""
    assert read_tdm_file(body) is None


@given(st.lists(st.text(max_size=40), max_size=3), st.text(max_size=200), st.binary(max_size=80))
def test_any_words_have_an_answer(robots: list[str], text: str, file: bytes) -> None:
    """Never an exception."""
    header = Said(tuple(robots), text[:3] or None, text[3:9] or None)
    read = read_tdm_file(file) or NO_FILE
    for one in (picture_opt_out(header, URL, read), page_opt_out(header, f"<meta {text}>", PAGE, read)):
        assert one is None or "\x1b" not in one


def many(shop: LyingShop) -> None:
    """A page of pictures that say different things."""
    shop.page(
        listing(
            [
                shop.image("plain"),
                shop.image("noai", X_Robots_Tag="noai, noimageai"),
                shop.image("ours", X_Robots_Tag="scrapy: noindex"),
                shop.image("others", X_Robots_Tag="otherbot: noai"),
                shop.image("tdm", tdm_reservation="1"),
                shop.image("free", tdm_reservation="0"),
                shop.image("listed"),
            ]
        ),
        **{"X-Robots-Tag": "noindex"},
    )
    rules = [{"location": "/images/I/listed*", "tdm-reservation": 1, "tdm-policy": "https://p.example"}]
    shop.answers["/.well-known/tdmrep.json"] = (200, {"Content-Type": "application/json"}, json.dumps(rules).encode())


@pytest.mark.medium
def test_opt_outs_are_rejected_with_their_words_and_stay_so_until_there_is_permission(folder: Folder) -> None:
    """Nothing of them is stored or asked for again; the host's file is asked for once."""
    with lying_shop() as shop:
        many(shop)
        assert folder.crawl("amazon_sarees", shop.origin).code == 0
        rows = folder.rows("SELECT image_key, status, reason, detail, sha256, path FROM images")
        refused = {name: one for name, one in reasons(rows).items() if one}
        assert refused == dict.fromkeys(("noai.jpg", "ours.jpg", "tdm.jpg", "listed.jpg"), "opted_out")
        told = {row["image_key"].rsplit("/", 1)[-1]: row["detail"] for row in rows}
        assert told["noai.jpg"] == "X-Robots-Tag: noai"
        assert told["ours.jpg"] == "X-Robots-Tag: scrapy: noindex"
        assert told["tdm.jpg"] == "tdm-reservation: 1"
        assert told["listed.jpg"] == (
            "/.well-known/tdmrep.json: location /images/I/listed*, tdm-reservation 1 (https://p.example)"
        )
        assert not any(row["path"] or row["sha256"] for row in rows if row["reason"])
        assert len(folder.files()) == 3
        assert shop.asked.count("/.well-known/tdmrep.json") == 1
        assert not any("listed" in path for path in shop.asked)

        before = len(shop.asked)
        assert folder.crawl("amazon_sarees", shop.origin).code == 0
        assert not any(path.startswith("/images/") for path in shop.asked[before:])

        # Whoever has permission says so, and has them all; what was said stays beside the pictures.
        assert folder.crawl("amazon_sarees", shop.origin, "-s", "STJ_OPT_OUT_OBEY=False").code == 0
        rows = folder.rows("SELECT image_key, status, reason, detail FROM images")
        assert {"kept"} == {row["status"] for row in rows}
        assert {"X-Robots-Tag: noai"} == {row["detail"] for row in rows if "noai" in row["image_key"]}
        assert shop.asked.count("/.well-known/tdmrep.json") == 2


def test_a_page_that_opts_out_keeps_all_its_pictures(folder: Folder) -> None:
    """Not one of them is asked for; the crawl says that it kept none."""
    with lying_shop() as shop:
        shop.page(listing([shop.image("one"), shop.image("two")], head='<meta name="robots" content="noai">'))
        ended = folder.crawl("amazon_sarees", shop.origin)
        assert ended.code == 1
        rows = folder.rows("SELECT reason, detail FROM images")
        assert [tuple(row) for row in rows] == [("opted_out", 'the page\'s <meta name="robots">: noai')] * 2
        assert not any(path.startswith("/images/") for path in shop.asked)
