"""Web archives of crawls (WARC): which of their records hold a forgotten picture, and the archives without those.

Every other record keeps its block byte for byte. An archive that cannot be read to its end, or that a crawl is writing, stays.
"""

from __future__ import annotations

import gzip
import html
import io
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import quote, urlsplit

import psutil

from stj_catalog.traces import mentions
from stj_core.files import atomic_writer

# Shorter ones stand in pages that have nothing to do with the picture.
_SHORTEST_NAME, _SHORTEST_TITLE = 8, 20
# The name that a crawl gives its archive says which process writes it.
_WRITER = re.compile(r".+-(?P<pid>\d+)-\d{5}\.warc\.gz")
_MOST_BODY_BYTES = 64 * 1024 * 1024


class ArchiveError(Exception):
    """An archive that cannot be rewritten, and why in a few words."""


def names_in_pages(words: Iterable[str], titles: Iterable[str]) -> list[str]:
    """What pages name a picture by: its addresses, its file in whatever size, its product's number and title.

    Args:
        words: checksums, whole addresses and products' numbers; what is too short to mean it alone is left out.
        titles: as the catalogue has them.
    """
    found = {word for word in words if len(word) >= _SHORTEST_NAME}
    for address in tuple(found):
        name = urlsplit(address).path.rpartition("/")[2].partition(".")[0] if address.startswith("http") else ""
        if len(name) >= _SHORTEST_NAME:
            found |= {f"/{name}.", f"/{quote(name)}."}
    for title in titles:
        if len(title) >= _SHORTEST_TITLE:
            found |= {title, html.escape(title), html.escape(title, quote=False)}
    return sorted(found)


def archives_naming(folder: Path | None, words: Sequence[str]) -> list[Path]:
    """The archives in a folder of which a record, or anything else in the file, holds one of some words."""
    if folder is None or not folder.is_dir() or not words:
        return []
    files = (one for one in sorted(folder.rglob("*.warc*")) if one.is_file() and not one.is_symlink())
    return [file for file in files if _holds(file, words)]


def without(archive: Path, words: Sequence[str]) -> int:
    """Write an archive again without the answers that hold one of some words, and what was asked for them.

    Returns:
        how many records were left out; 0 where none held one, and nothing was written.

    Raises:
        ArchiveError: it cannot be read to its end, is in use, or cannot be written; it is as it was.
    """
    if not archive.name.endswith((".warc", ".warc.gz")):
        raise ArchiveError("it is no WARC file")
    if (writer := _WRITER.fullmatch(archive.name)) and psutil.pid_exists(int(writer["pid"])):
        raise ArchiveError("a crawl may be writing it")
    try:
        check_whole(archive)
        out = _records_with(archive, words)
        if out:
            _copy(archive, out)
    except ImportError as error:
        raise ArchiveError("warcio is missing: pip install 'stj[spiders]'") from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ArchiveError(str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__) from error
    return len(out)


def open_archive(archive: Path) -> IO[bytes]:
    """Open an archive as what it holds, whether it is compressed, record by record or as a whole, or not at all."""
    with archive.open("rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", gzip.open(archive)) if compressed else archive.open("rb")


def check_whole(archive: Path) -> None:
    """Read an archive to its end: warcio takes one that was cut for one that is over.

    Raises:
        ArchiveError: it holds no record, or a record is cut or no record.
        EOFError, OSError, zlib.error: its compression is damaged.
    """
    number = 0
    for number, record in enumerate(_records(archive, raw=True), 1):
        length = record.rec_headers.get_header("Content-Length") or ""
        if not length.isdecimal() or _count_bytes(record.raw_stream) != int(length):
            raise ArchiveError(f"record {number} is cut")
    if not number:
        raise ArchiveError("it holds no WARC record")
    if not _last_bytes(archive).endswith((b"\r\n\r\n", b"\n\n")):
        raise ArchiveError("its last record is cut")


def _count_bytes(stream: IO[bytes]) -> int:
    return sum(map(len, iter(lambda: stream.read(1 << 20), b"")))


def _last_bytes(archive: Path) -> bytes:
    """The end of what an archive holds, read to there."""
    tail = b""
    with open_archive(archive) as stream:
        while piece := stream.read(1 << 20):
            tail = (tail + piece)[-4:]
    return tail


def _holds(file: Path, words: Sequence[str]) -> bool:
    if mentions(file, words):
        return True
    wanted = [word.encode() for word in words]
    try:  # a body may be compressed inside its record; what stands before a cut is read, too
        return any(_is_named(record, wanted) for record in _records(file, raw=False))
    except (ArchiveError, ImportError, OSError, EOFError, ValueError, zlib.error):
        return False


def _records_with(archive: Path, words: Sequence[str]) -> frozenset[int]:
    """The places of the records that hold one of some words, and of those that say they belong to such a one.

    Raises:
        ArchiveError: it holds no record.
    """
    wanted = [word.encode() for word in words]
    found: set[int] = set()
    names: set[str] = set()
    bound: list[tuple[int, str]] = []
    place = -1
    for place, record in enumerate(_records(archive, raw=False)):
        name = record.rec_headers.get_header("WARC-Record-ID") or ""
        tied = (record.rec_headers.get_header(other) for other in ("WARC-Concurrent-To", "WARC-Refers-To"))
        bound += [(place, value) for value in tied if value]
        if _is_named(record, wanted):
            found.add(place)
            names.add(name)
    if place < 0:
        raise ArchiveError("it holds no WARC record")
    return frozenset(found | {at for at, other in bound if other in names})


def _is_named(record: Any, wanted: Sequence[bytes]) -> bool:  # noqa: ANN401 - warcio has no types
    """Whether a record, its headers or its body, holds one of some words."""
    told = record.rec_headers.to_str() + (record.http_headers.to_str() if record.http_headers else "")
    held = told.encode("utf-8", "surrogateescape") + record.content_stream().read(_MOST_BODY_BYTES)
    return record.rec_type != "warcinfo" and any(word in held for word in wanted)


def _copy(archive: Path, out: frozenset[int]) -> None:
    """Write an archive again without the records at some places, aside, and put it in the old one's place."""
    from warcio.warcwriter import WARCWriter

    with atomic_writer(archive) as stream:
        writer = WARCWriter(stream, gzip=archive.suffix == ".gz")
        for place, record in enumerate(_records(archive, raw=True)):
            if place not in out:
                block = record.raw_stream.read()
                if len(block) != int(record.rec_headers.get_header("Content-Length")):
                    raise ArchiveError("a record in it is cut")
                record.raw_stream, record.length = io.BytesIO(block), len(block)
                writer.write_record(record)


def _records(archive: Path, *, raw: bool) -> Iterator[Any]:
    from warcio.archiveiterator import ArchiveIterator
    from warcio.exceptions import ArchiveLoadFailed

    with open_archive(archive) as stream:
        try:
            yield from ArchiveIterator(stream, no_record_parse=raw)
        except ArchiveLoadFailed as error:
            raise ArchiveError(str(error).strip().partition("\n")[0] or "it is damaged") from error
