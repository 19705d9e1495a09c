"""Pages are kept as they came, and read again without a request: a wrong parser costs a replay, not a crawl."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from warcio.archiveiterator import ArchiveIterator

from stj_core.errors import CrawlError
from stj_spiders.archive import ArchivedPage, PageArchive, ReadArchives, find_archives, read_archives
from tests.conftest import ROOT
from tests.spiders.conftest import Folder
from tests.spiders.lying_shop import LyingShop, asin_of, listing, once, saying, tile
from tests.spiders.servers import Answer, serving

ROWS = (
    "SELECT p.number, s.position, s.title, s.sponsored, s.reason, s.image_url, i.status, i.reason AS why, i.label, i.sha256, "
    "q.asin, q.title AS called, q.brand, q.price, q.rating FROM sightings s JOIN pages p ON p.id = s.page_id "
    "LEFT JOIN images i ON i.id = s.image_id LEFT JOIN products q ON q.id = s.product_id ORDER BY 1, 2"
)
# A reader of brands as it was: whatever stands in grey below the title. And one that loses every third title.
BROKEN = """
import dataclasses, sys
from stj_spiders.shops import amazon
well = amazon.parse_listing
def parse_listing(text, url, status=200):
    read = well(text, url, status)
    cards = tuple(
        dataclasses.replace(card, brand="24 Nov 2023", title=None if card.position == 3 else card.title) for card in read.cards
    )
    return dataclasses.replace(read, cards=cards)
amazon.parse_listing = parse_listing
from scrapy.cmdline import execute
execute(['scrapy', *sys.argv[1:]])
"""


@pytest.fixture
def shop() -> Iterator[LyingShop]:
    brand = '<div class="a-row a-color-secondary"><h2 class="a-size-mini s-line-clamp-1"><span>Koel</span></h2></div>'
    date = '<div class="a-row a-color-secondary"><span>24 Nov 2023</span></div>'
    lying = LyingShop()
    pages = {
        1: [tile(n, above=brand if n < 3 else "", below=date) for n in range(1, 5)],
        2: [tile(n, below=date) for n in range(5, 9)],
    }
    lying.lies = {
        1: saying(listing(pages[1], following="/s?page=2"), Set_Cookie="session=secret"),
        2: once(saying(b"", 503, Set_Cookie="session=secret")),
    }
    honest = lying.lies[2]
    lying.lies[2] = lambda answer: (
        told if (told := honest(answer)).status != 200 else Answer(listing(pages[2]).encode(), headers={"ETag": "2"})
    )
    with serving(lying) as server:
        lying.server = server
        yield lying


def rows(folder: Folder) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in folder.rows(ROWS)]


@pytest.mark.medium
def test_a_broken_parser_is_repaired_by_a_replay(folder: Folder, shop: LyingShop, tmp_path: Path) -> None:
    """Rows equal a fresh crawl's, not a request is made, and what changed is said."""
    assert shop.server is not None
    origin = ("-a", f"origin={shop.server.origin}", "-s", "STJ_COOL_SECONDS=0.1")
    (folder.path / "broken.py").write_text(BROKEN)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    crawl = folder.start("broken", "crawl", "amazon_sarees", *origin, "-s", "STJ_WARC=kept", PYTHONPATH=path).end()
    assert crawl.code == 0, crawl.err
    assert {row[-3] for row in rows(folder)} == {"24 Nov 2023"}
    wrong = rows(folder)

    asked = len(shop.server.asked)
    told = folder.start("scrapy", "replay", "kept").end()
    assert told.code == 0, told.err
    assert len(shop.server.asked) == asked
    assert "2 pages of 1 file read again, without a request" in told.out
    assert f"product {asin_of(1)}: brand '24 Nov 2023' → 'Koel'" in told.out
    assert f"product {asin_of(8)}: brand '24 Nov 2023' → none" in told.out
    assert "crawl 1, listing page 1, card 3: title none → 'Silk saree number 3'" in told.out
    assert "crawl 1, listing page 1, card 3: reason 'title_missing' → none" in told.out
    repaired = rows(folder)
    assert repaired != wrong

    (tmp_path / "fresh").mkdir()
    (tmp_path / "fresh/scrapy.cfg").write_text("[settings]\ndefault = stj_spiders.settings\n")
    place = {name: str(tmp_path / "fresh" / name.lower()) for name in ("STJ_CATALOG", "STJ_IMAGES")}
    fresh = Folder(tmp_path / "fresh", folder.started)
    assert fresh.crawl("amazon_sarees", shop.server.origin, "-s", "STJ_COOL_SECONDS=0.1", **place).code == 0
    (tmp_path / "fresh/stj_catalog").rename(tmp_path / "fresh/catalog.sqlite")
    assert repaired == rows(fresh)

    again = folder.start("scrapy", "replay", "--json", "kept").end()
    assert json.loads(again.out) == {
        "files": 1, "pages": 2, "unknown": 0, "changed": {}, "unread": [], "broken": [],
    }  # fmt: skip
    assert rows(folder) == repaired

    # The archive is one that other tools read: blocks too, and no visitor's cookie.
    (file,) = (folder.path / "kept").iterdir()
    with file.open("rb") as stream:
        records = [
            (one.rec_type, one.http_headers and one.http_headers.get_statuscode(), one.content_stream().read())
            for one in ArchiveIterator(stream)
        ]
    assert [kind for kind, _, _ in records] == ["warcinfo", *["response", "request"] * 3]
    assert [status for kind, status, _ in records if kind == "response"] == ["200", "503", "200"]
    assert b"secret" not in file.read_bytes()

    # A file that was cut is read as far as it goes; pages of strangers, and no pages at all, are named.
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    cut = folder.start("scrapy", "replay", "kept").end()
    assert cut.code == 1
    assert "could not be read to its end" in cut.err
    nothing = folder.start("scrapy", "replay", "nowhere").end()
    assert (nothing.code, nothing.sentence) == (
        1,
        "There is no WARC file at nowhere: crawl with -s STJ_WARC=FOLDER first, and name that folder.",
    )
    assert folder.start("scrapy", "replay").end().code == 2


def page(number: int, body: bytes = b"<html></html>") -> ArchivedPage:
    url = f"http://h/s?page={number}"
    headers = (("content-type", "text/html"), ("Set-Cookie", "a=secret"), ("x-odd", "a\r\nb"))
    return ArchivedPage(1, "2026", "listing", number, url, url, 200, headers, body)


def test_files_are_rotated_and_read_back_as_they_were(tmp_path: Path) -> None:
    archive = PageArchive(tmp_path / "new/kept", "amazon_sarees-1", most_bytes=900)
    bodies = [b"", b"\x00\xff\xfe", "é".encode("utf-16"), b"<p>" + os.urandom(2000)]
    for number, body in enumerate(bodies):
        archive.write(page(number, body), {"User-Agent": "STJ", "Cookie": "a=secret", "Authorization": "Basic secret"})
    archive.close()
    files = find_archives([tmp_path / "new"])
    assert 2 <= len(files) == len(list((tmp_path / "new/kept").iterdir()))
    met = ReadArchives()
    back = list(read_archives(files, met))
    assert [(one.number, one.body, one.status, one.asked) for one in back] == [
        (number, body, 200, f"http://h/s?page={number}") for number, body in enumerate(bodies)
    ]
    assert (met.records, met.others, met.broken) == (4, 0, [])
    assert not any("cookie" in name for one in back for name, _ in one.headers)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    with pytest.raises(CrawlError, match=r"^Cannot write the page archive in .*kept: .*STJ_WARC to another folder\.$"):
        PageArchive(tmp_path / "kept", "x").write(page(1), {})


@pytest.mark.parametrize(
    "data", [b"", b"garbage", b"\x1f\x8b\x08\x00garbage", b"WARC/1.0\r\nContent-Length: x\r\n\r\n"]
)
def test_files_that_are_no_archives_are_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.warc.gz").write_bytes(data)
    met = ReadArchives()
    assert list(read_archives(find_archives([tmp_path]), met)) == []
    assert [path for path, _ in met.broken] == [str(tmp_path / "a.warc.gz")]


@pytest.fixture(scope="module")
def three_pages(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What an archive of three pages holds, decompressed."""
    folder = tmp_path_factory.mktemp("kept")
    archive = PageArchive(folder, "amazon_sarees-1")
    for number in range(1, 4):
        archive.write(page(number, b"<p>" + b"x" * 500), {"User-Agent": "STJ"})
    archive.close()
    (file,) = folder.iterdir()
    return gzip.decompress(file.read_bytes())


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
@pytest.mark.parametrize("form", ["plain", "compressed as a whole"])
def test_an_archive_is_read_however_it_is_compressed_and_called(
    tmp_path: Path, three_pages: bytes, name: str, form: str
) -> None:
    (tmp_path / name).write_bytes(three_pages if form == "plain" else gzip.compress(three_pages))
    met = ReadArchives()
    assert [one.number for one in read_archives([tmp_path / name], met)] == [1, 2, 3]
    assert met.broken == []


@pytest.mark.parametrize("form", ["plain", "compressed as a whole"])
def test_an_archive_that_is_cut_anywhere_is_named(tmp_path: Path, three_pages: bytes, form: str) -> None:
    """In a body, in a header, right behind one, before the last empty line: never taken for one that is over."""
    third = three_pages.index(b"page=3")
    behind = three_pages.index(b"\r\n\r\n", third) + 4
    for length in (
        len(three_pages) - 1,
        len(three_pages) - 3,
        len(three_pages) - 40,
        third - 20,
        third,
        behind,
        behind + 50,
    ):
        cut = three_pages[:length]
        (tmp_path / "a.warc").write_bytes(cut if form == "plain" else gzip.compress(cut))
        met = ReadArchives()
        read = [one.number for one in read_archives([tmp_path / "a.warc"], met)]
        assert read in ([1, 2], [1, 2, 3]), length
        assert [path for path, _ in met.broken] == [str(tmp_path / "a.warc")], length
