"""Keep every listing and product page as it came, in WARC files that other tools read too, and read them again.

A file begins with a `warcinfo` record; each answer is a `response` record with its `request` beside it, gzipped one by one, so
that whatever ends the process loses the record at hand and nothing before it. Bodies are kept decoded; what identifies a
visitor (cookies, credentials) is left out. Six fields of our own say which page of the catalogue an answer belongs to.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import IO, Any

from stj_catalog.archives import ArchiveError, check_whole, open_archive
from stj_core import __version__
from stj_core.clock import compact_now
from stj_core.errors import CrawlError

# A file is closed and the next one begun when it is as large as this.
MOST_FILE_BYTES = 100_000_000
# Larger than any page that a crawl takes in.
MOST_PAGE_BYTES = 64 * 1024 * 1024
_PRIVATE = frozenset({"set-cookie", "set-cookie2", "cookie", "authorization", "proxy-authorization"})
# The body is kept decoded and in one piece.
_OF_THE_WIRE = frozenset({"content-encoding", "transfer-encoding", "content-length", "connection", "keep-alive"})
_OURS = "WARC-STJ-"


@dataclass(frozen=True)
class ArchivedPage:
    """An answer to a listing or product page.

    Attributes:
        crawl_id: the crawl it was asked for in; with `began` it names the crawl in its catalogue.
        began: when that crawl began.
        kind: `listing` or `product`.
        number: the page's number in its crawl.
        asked: the address that was asked for.
        url: the address that answered.
        status: of the answer.
        headers: of the answer, names in lower case.
        body: decoded.
        rendered_by: the browser that rendered it; None for a plain answer.
        moment: when it came.
    """

    crawl_id: int
    began: str
    kind: str
    number: int
    asked: str
    url: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    rendered_by: str | None = None
    moment: str = ""


class PageArchive:
    """Writes the pages of one crawl; safe to call from several threads."""

    def __init__(self, folder: Path, name: str, *, most_bytes: int = MOST_FILE_BYTES) -> None:
        """Nothing is made before the first page.

        Args:
            folder: where the files go.
            name: what they are called, before the time and a number.
            most_bytes: size at which the next file is begun.
        """
        self._folder = folder
        self._name = name
        self._most = most_bytes
        self._lock = Lock()
        self._files = 0
        self._file: IO[bytes] | None = None
        self._writer: Any = None

    def write(self, page: ArchivedPage, request_headers: Mapping[str, str]) -> None:
        """Write an answer and what was asked for it.

        Raises:
            CrawlError: it cannot be written.
        """
        with self._lock:
            try:
                self._open()
                self._write(page, request_headers)
                assert self._file is not None
                self._file.flush()
                if self._file.tell() >= self._most:
                    self._close()
            except OSError as error:
                raise CrawlError(
                    f"Cannot write the page archive in {self._folder}: {error.strerror or error}. "
                    "Free some space, or set STJ_WARC to another folder."
                ) from error

    def close(self) -> None:
        """Close the file at hand."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> None:
        if self._file is not None:
            return
        from warcio.warcwriter import WARCWriter

        self._folder.mkdir(parents=True, exist_ok=True)
        self._files += 1
        path = self._folder / f"{self._name}-{compact_now()}Z-{os.getpid()}-{self._files:05d}.warc.gz"
        self._file = path.open("xb")
        self._writer = WARCWriter(self._file, gzip=True)
        about = {"software": f"STJ/{__version__} (warcio)", "format": "WARC File Format 1.0", "robots": "obey"}
        self._writer.write_record(self._writer.create_warcinfo_record(path.name, about))

    def _write(self, page: ArchivedPage, request_headers: Mapping[str, str]) -> None:
        from warcio.statusandheaders import StatusAndHeaders

        ours = {
            "Crawl": str(page.crawl_id),
            "Began": page.began,
            "Kind": page.kind,
            "Number": str(page.number),
            "Asked": page.asked,
            "Rendered-By": page.rendered_by or "",
        }
        fields = {f"{_OURS}{name}": value for name, value in ours.items() if value}
        kept = [(name, _line(value)) for name, value in page.headers if name.lower() not in _PRIVATE | _OF_THE_WIRE]
        http = StatusAndHeaders(str(page.status), [*kept, ("content-length", str(len(page.body)))], protocol="HTTP/1.1")
        answer = self._writer.create_warc_record(
            page.url,
            "response",
            payload=BytesIO(page.body),
            length=len(page.body),
            http_headers=http,
            warc_headers_dict=fields,
        )
        sent = [(name, _line(value)) for name, value in request_headers.items() if name.lower() not in _PRIVATE]
        path = page.asked.partition("://")[2]
        line = StatusAndHeaders(f"GET /{path.partition('/')[2]} HTTP/1.1", sent, is_http_request=True)
        question = self._writer.create_warc_record(
            page.asked, "request", payload=BytesIO(), length=0, http_headers=line
        )
        self._writer.write_request_response_pair(question, answer)


def _line(value: str) -> str:
    return value.replace("\r", " ").replace("\n", " ")


@dataclass
class ReadArchives:
    """What was met while reading archives.

    Attributes:
        files: that were read.
        records: answers of ours that were read.
        others: answers that no crawl of ours wrote.
        broken: files that end in the middle or cannot be read, each with what is wrong.
    """

    files: int = 0
    records: int = 0
    others: int = 0
    broken: list[tuple[str, str]] = field(default_factory=list)


def find_archives(places: list[Path]) -> list[Path]:
    """The WARC files that are named, and those in the folders that are named, by name.

    Raises:
        CrawlError: there is none at a place.
    """
    found: list[Path] = []
    for place in places:
        inside = sorted(place.rglob("*.warc.gz")) + sorted(place.rglob("*.warc")) if place.is_dir() else [place]
        if not inside or not all(one.is_file() for one in inside):
            raise CrawlError(
                f"There is no WARC file at {place}: crawl with -s STJ_WARC=FOLDER first, and name that folder."
            )
        found += inside
    return list(dict.fromkeys(found))


def read_archives(paths: list[Path], met: ReadArchives) -> Iterator[ArchivedPage]:
    """The pages of archives, file by file; what cannot be read is noted in `met`."""
    from warcio.exceptions import ArchiveLoadFailed

    for path in paths:
        met.files += 1
        try:
            check_whole(path)
        except (ArchiveError, EOFError, OSError, ValueError, zlib.error) as error:
            met.broken.append((str(path), _first_line(error)))
        try:
            yield from _pages(path, met)
        except (ArchiveLoadFailed, EOFError, OSError, ValueError, UnicodeError, zlib.error) as error:
            if str(path) not in dict(met.broken):
                met.broken.append((str(path), _first_line(error)))


def _pages(path: Path, met: ReadArchives) -> Iterator[ArchivedPage]:
    """The pages of one file.

    Raises:
        ValueError: it holds no record, or one that ends too early.
    """
    from warcio.archiveiterator import ArchiveIterator

    records = 0
    with open_archive(path) as stream:
        for record in ArchiveIterator(stream):
            records += 1
            page = _page(record) if record.rec_type == "response" else None
            if page is not None:
                met.records += 1
                yield page
            elif record.rec_type == "response":
                met.others += 1
    if not records:
        raise ValueError("it holds no WARC record")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__


def _page(record: Any) -> ArchivedPage | None:  # noqa: ANN401 - warcio has no types
    """A record of ours as a page; None for one of another tool's, or one that is damaged."""
    said = {name.lower(): value for name, value in record.rec_headers.headers}
    ours = {name.removeprefix(_OURS.lower()): value for name, value in said.items() if name.startswith(_OURS.lower())}
    http = record.http_headers
    body = record.content_stream().read(MOST_PAGE_BYTES + 1)
    if http is None or len(body) > MOST_PAGE_BYTES or not {"crawl", "began", "kind", "number", "asked"} <= ours.keys():
        return None
    try:
        status, crawl_id, number = int(http.get_statuscode()), int(ours["crawl"]), int(ours["number"])
    except (TypeError, ValueError):
        return None
    if len(body) != int(http.get_header("content-length") or len(body)):
        raise ValueError("it ends in the middle of a page")
    return ArchivedPage(
        crawl_id=crawl_id,
        began=ours["began"],
        kind=ours["kind"],
        number=number,
        asked=ours["asked"],
        url=said.get("warc-target-uri", ours["asked"]),
        status=status,
        headers=tuple((name.lower(), value) for name, value in http.headers),
        body=body,
        rendered_by=ours.get("rendered-by"),
        moment=said.get("warc-date", ""),
    )
