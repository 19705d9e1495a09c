"""The lying shop: for each fault a way to answer, told by a seed, a path and how often it was asked; once calm it never lies."""

from __future__ import annotations

import asyncio
import gzip
import html
import io
import json
import multiprocessing
import random
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from PIL import Image

PAGES, CARDS = 2, 8
_NODE = "1968256031"
# A blank picture of 7990 by 7990.
BLANK_WEBP = bytes.fromhex("524946461a000000574542505650384c0e0000002f355fcd07071011fd0f4444ff03")
TITLES = (
    "Silk saree \x1b]0;title\x07\x1b[31mred\x1b[0m",
    "Cotton saree \u202elived\u202c",
    "Saree " + "very " * 4000 + "long",
    '=HYPERLINK("http://evil/";"saree")',
    "Saree <script>alert(1)</script><img src=x onerror=alert(1)>",
    "Saree '); DROP TABLE images;--",
    "Saree | [x](javascript:alert(1)) | `b`",
    "Saree \x00\x01\x7f\x9b31m",
    "\ufeffSaree \U0001f600\u0301\u200b",
)


@dataclass
class Told:
    """An answer, with whatever about it is not true.

    Attributes:
        body: bytes.
        status: the status line, without its version.
        kind: the content type.
        headers: further lines.
        length: what Content-Length claims; None for the truth, nothing for no such line.
        pieces: seconds between single bytes, where the answer drips.
    """

    body: bytes
    status: str = "200 OK"
    kind: str = "text/html; charset=utf-8"
    headers: tuple[str, ...] = ()
    length: str | None = None
    pieces: float = 0.0


class Silence(Exception):  # noqa: N818 - an answer that does not come is no error here
    """The connection ends without an answer, after so many seconds."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds


Lie = Callable[[random.Random, Told, "Shop"], Told]


def photo(number: int, seed: int) -> bytes:
    """A picture like no other: blurred blocks of colour on a light ground, 180 by 240."""
    dice = np.random.default_rng([seed, number])
    blocks = Image.fromarray(dice.integers(0, 256, (9, 7, 3), dtype=np.uint8)).resize(
        (140, 200), Image.Resampling.BICUBIC
    )
    made = Image.new("RGB", (180, 240), (244, 241, 236))
    made.paste(blocks, (20, 20))
    stream = io.BytesIO()
    made.save(stream, "JPEG", quality=82)
    return stream.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@cache
def _heavy_goods() -> tuple[bytes, tuple[bytes, ...]]:
    """What takes much memory to make, made in another process: a crawl that is started from here begins with our own peak."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as elsewhere:
        return elsewhere.submit(_make_heavy_goods).result()


def _make_heavy_goods() -> tuple[bytes, tuple[bytes, ...]]:
    return _swelling(), _strange_pictures()


def _swelling() -> bytes:
    """128 MB of blanks, as 125 KB of gzip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    blank = b" " * (1 << 20)
    return b"".join([*(packer.compress(blank) for _ in range(128)), packer.flush()])


def _png(width: int, height: int, data: bytes, *before: bytes) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(before) + _chunk(b"IDAT", zlib.compress(data)) + _chunk(b"IEND", b"")


def _strange_pictures() -> tuple[bytes, ...]:
    """Bombs, blank giants, wrong formats and damage, none of which is the picture that was asked for."""

    def saved(picture: Image.Image, form: str, **options: object) -> bytes:
        stream = io.BytesIO()
        picture.save(stream, form, **options)
        return stream.getvalue()

    giant = Image.new("RGB", (7990, 7990))
    comment = _chunk(b"zTXt", b"x\0\0" + zlib.compress(b"A" * 50_000_000, 9))
    return (
        _png(60_000, 60_000, b"\0" * 300_000),
        _png(40, 40, b"\0" * 4840, comment),
        BLANK_WEBP,
        saved(giant, "JPEG", quality=5),
        b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x4c\x01\0;",
        saved(Image.new("RGB", (2, 2)), "PNG"),
        b"<html><head><title>Robot Check</title></head><body>Type the characters</body></html>",
        b"",
        b"\xff\xd8\xff\xe0" + b"\0" * 5000,
    )


def _status(dice: random.Random, true: Told, shop: Shop) -> Told:
    code = dice.choice([202, 401, 403, 404, 405, 410, 418, 429, 500, 502, 503])
    wait = dice.choice(
        ["", "Retry-After: 1", "Retry-After: -5", "Retry-After: soon", "Retry-After: Thu, 01 Jan 1970 00:00:00 GMT"]
    )
    return Told(b"<html><title>x</title></html>", f"{code} X", headers=(wait,) if wait else ())


def _silent(dice: random.Random, true: Told, shop: Shop) -> Told:
    raise Silence(dice.choice([0.0, 0.0, 6.0]))


def _packed(dice: random.Random, true: Told, shop: Shop) -> Told:
    coding, body = dice.choice(
        [
            ("gzip", gzip.compress(true.body)[:-9]),
            ("gzip", true.body),
            ("gzip", _heavy_goods()[0]),
            ("deflate", zlib.compress(true.body)[:40]),
            ("br", dice.randbytes(200)),
            ("zstd", b"\x28\xb5\x2f\xfd" + dice.randbytes(200)),
            ("gzip, gzip", gzip.compress(gzip.compress(true.body))),
        ]
    )
    return Told(body, kind=true.kind, headers=(f"Content-Encoding: {coding}",))


def _elsewhere(dice: random.Random, true: Told, shop: Shop) -> Told:
    port = shop.canary_port
    place = dice.choice(
        [
            f"http://127.0.0.1:{port}/inside",
            f"http://localhost:{port}/inside",
            f"http://[::ffff:127.0.0.1]:{port}/inside",
            f"//127.0.0.1:{port}/inside",
            "file:///etc/passwd",
            "http://127.0.0.1:99999/",
            "http://[",
            "data:text/html,x",
            "/round/and/round",
        ]
    )
    return Told(b"", "302 Found", headers=(f"Location: {place}",))


def _cut(dice: random.Random, true: Told, shop: Shop) -> Told:
    return Told(true.body[: len(true.body) * dice.randrange(1, 9) // 10], kind=true.kind, length=str(len(true.body)))


def _unlength(dice: random.Random, true: Told, shop: Shop) -> Told:
    return Told(true.body, kind=true.kind, length=dice.choice(["-1", "abc", "5, 6", "0", str(10**15)]))


def _half(dice: random.Random, true: Told, shop: Shop) -> Told:
    return Told(true.body[: len(true.body) // 2], kind=true.kind)


def _drip(dice: random.Random, true: Told, shop: Shop) -> Told:
    return Told(true.body, kind=true.kind, pieces=0.5)


def _untyped(dice: random.Random, true: Told, shop: Shop) -> Told:
    kinds = [
        "image/png",
        "text/html; charset=utf-16",
        "text/html; charset=rot13",
        "text/html; charset=x" * 9,
        "",
        "\x00",
    ]
    return Told(true.body, kind=dice.choice(kinds))


def _nested(dice: random.Random, true: Told, shop: Shop) -> Told:
    many = dice.choice(
        [b"<div>" * 100_000, b"<b>x</b>" * 300_000, b"<p " + b"".join(b"a%d " % n for n in range(50_000)) + b">"]
    )
    return Told(true.body.replace(b"<body>", b"<body>" + many, 1))


def _robot_check(dice: random.Random, true: Told, shop: Shop) -> Told:
    return Told(
        b"<html><head><title>Robot Check</title></head><body><form action=/errors/validateCaptcha></form></body></html>"
    )


def _blank(dice: random.Random, true: Told, shop: Shop) -> Told:
    return Told(dice.choice([b"", b" ", b"<html></html>", b"<html><body></body></html>"]))


def _strange(dice: random.Random, true: Told, shop: Shop) -> Told:
    return Told(dice.choice(_heavy_goods()[1]), kind="image/jpeg")


def _chunked(dice: random.Random, true: Told, shop: Shop) -> Told:
    kind = "Transfer-Encoding: chunked"
    body = dice.choice([b"ZZZ\r\n", b"5\r\nabc", b"ffffffffffffffff\r\n" + true.body, b"-1\r\n\r\n", b"0\r\n\r\n"])
    return Told(body, kind=true.kind, headers=(kind,), length=dice.choice(["", str(len(true.body))]))


def _endless_head(dice: random.Random, true: Told, shop: Shop) -> Told:
    name, value = dice.choice(
        [("X-Long", "x" * 100_000), ("Set-Cookie", "a=\x00\x01"), ("Content-Encoding", "x" * 5000), ("Vary", "\xff")]
    )
    return Told(true.body, kind=true.kind, headers=(f"{name}: {value}",))


def _rules_of_another_kind(dice: random.Random, true: Told, shop: Shop) -> Told:
    bodies = [b"<html><body>not here</body></html>", b"", b"User-agent: *\nDisallow: /" + b"*a" * 60_000, b"\0" * 4000]
    return Told(
        dice.choice([*bodies, b"User-agent: *\nAllow: /\nCrawl-delay: 9e99\n"]),
        kind=dice.choice(["text/plain", "text/html"]),
    )


def _card_lies(kind: str) -> Lie:
    def lie(dice: random.Random, true: Told, shop: Shop) -> Told:
        return Told(shop.listing(shop.asked_page, dice, kind))

    return lie


PAGE_LIES: dict[str, Lie] = {
    "status": _status,
    "silence": _silent,
    "packed": _packed,
    "elsewhere": _elsewhere,
    "cut": _cut,
    "length": _unlength,
    "half": _half,
    "drip": _drip,
    "chunks": _chunked,
    "head": _endless_head,
    "type": _untyped,
    "nested": _nested,
    "robot check": _robot_check,
    "blank": _blank,
    **{
        kind: _card_lies(kind) for kind in ("titles", "next to itself", "next elsewhere", "pictures elsewhere", "total")
    },
}
PICTURE_LIES: dict[str, Lie] = {
    "status": _status,
    "silence": _silent,
    "packed": _packed,
    "elsewhere": _elsewhere,
    "cut": _cut,
    "length": _unlength,
    "half": _half,
    "drip": _drip,
    "chunks": _chunked,
    "head": _endless_head,
    "strange": _strange,
    "strange too": _strange,
}


RULES_LIES: dict[str, Lie] = {
    "status": _status,
    "silence": _silent,
    "elsewhere": _elsewhere,
    "rules": _rules_of_another_kind,
}


@dataclass
class Shop:
    """Where it is, what it was asked for, and which lies it told.

    Attributes:
        seed: decides every lie.
        page_share: share of pages that are answered with a lie.
        picture_share: share of pictures.
        rules_share: share of askings for robots.txt.
        calm: once true, it tells the truth only.
        port: its own.
        canary_port: another of this machine's, which nobody should ask.
        canary: what was asked there.
        asked: paths, in order.
        told: the lies, with the path.
        watch: called with each path before it is answered.
    """

    seed: int
    page_share: float = 0.35
    picture_share: float = 0.3
    rules_share: float = 0.0
    calm: bool = False
    port: int = 0
    canary_port: int = 0
    canary: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    watch: Callable[[str], None] = lambda path: None
    asked_page: int = 1
    times: Counter[str] = field(default_factory=Counter)

    @property
    def origin(self) -> str:
        """Its scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def goods(self) -> list[int]:
        """The numbers of all its pictures."""
        return [100 * page + place for page in range(1, PAGES + 1) for place in range(CARDS)]

    def listing(self, page: int, dice: random.Random, lie: str = "") -> bytes:
        """A listing page; with a lie about its cards or its next page."""
        cards = []
        for place in range(CARDS):
            number = 100 * page + place
            title = f"Silk saree number {number}"
            image = f"{self.origin}/images/I/p{number}._AC_UL320_.jpg"
            if lie == "titles":
                title = dice.choice(TITLES)
            if lie == "pictures elsewhere" and place % 3 == 0:
                image = dice.choice(
                    [
                        f"http://127.0.0.1:{self.canary_port}/images/I/x{number}.jpg",
                        "http://127.0.0.1:99999/a.jpg",
                        "//[::1/a.jpg",
                    ]
                )
            shown = html.escape(title)
            link = f"/x/dp/B0{number:08d}"
            cards.append(
                f'<div role="listitem" data-asin="B0{number:08d}" data-index="{place}" class="s-result-item s-asin" '
                f'data-component-type="s-search-result"><a href="{link}"><img class="s-image" src="{image}" alt="{shown}"></a>'
                f'<a href="{link}"><h2 aria-label="{shown}"><span>{shown}</span></h2></a></div>'
            )
        following: str | None = f"/s?rh=n%3A{_NODE}&amp;fs=true&amp;page={page + 1}" if page < PAGES else None
        if lie == "next to itself":
            following = f"/s?rh=n%3A{_NODE}&amp;fs=true&amp;page={page}&amp;qid={dice.randrange(10**6)}"
        if lie == "next elsewhere":
            following = dice.choice([f"http://127.0.0.1:{self.canary_port}/s?page=2", "file:///etc/passwd"])
        total = "9" * 25 if lie == "total" else str(PAGES * CARDS)
        after = (
            f'<a class="s-pagination-item s-pagination-next" href="{following}">Next</a>'
            if following
            else '<span class="s-pagination-item s-pagination-next s-pagination-disabled">Next</span>'
        )
        return (
            f'<!doctype html><html><head><meta charset="utf-8"><title>Sarees</title></head><body>'
            f'<span data-component-type="s-result-info-bar"><h2><span>1-{CARDS} of {total} results</span></h2></span>'
            f'<div class="s-main-slot s-result-list">{"".join(cards)}</div>{after}</body></html>'
        ).encode("utf-8", "replace")

    def answer(self, path: str) -> Told:
        """What it says to a request."""
        self.times[path] += 1
        # From the third time on the answer is the second one's: a fault may be an accident, or it may last.
        dice = random.Random(f"{self.seed} {path} {min(self.times[path], 2)}")
        if path == "/robots.txt":
            true, lies = Told(b"User-agent: *\nAllow: /\n", kind="text/plain"), RULES_LIES
            share = self.rules_share
        elif path.startswith("/images/I/p"):
            number = int(path.removeprefix("/images/I/p").partition(".")[0])
            true, lies, share = Told(photo(number, self.seed), kind="image/jpeg"), PICTURE_LIES, self.picture_share
        elif path.startswith("/s?"):
            asked = path.partition("page=")[2].partition("&")[0]
            self.asked_page = int(asked) if asked.isdigit() else 1
            true, lies, share = Told(self.listing(self.asked_page, dice)), PAGE_LIES, self.page_share
        elif path.startswith("/round"):
            return Told(b"", "302 Found", headers=(f"Location: /round/{dice.random()}",))
        else:
            return Told(b"nothing here", "404 Not Found")
        if self.calm or dice.random() >= share:
            return true
        name = dice.choice(list(lies))
        self.told.append((path, name))
        return lies[name](dice, true, self)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection, once."""
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
            path = head.split(b" ")[1].decode("latin-1")
            self.asked.append(path)
            self.watch(path)
            await _send(writer, self.answer(path))
        except Silence as silence:
            await asyncio.sleep(silence.seconds)
            writer.transport.abort()
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def overhear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The canary: whoever connects is noted."""
        self.canary.append("connected")
        writer.close()


async def _send(writer: asyncio.StreamWriter, told: Told) -> None:
    length = str(len(told.body)) if told.length is None else told.length
    lines = [
        f"HTTP/1.1 {told.status}",
        f"Content-Type: {told.kind}",
        *([f"Content-Length: {length}"] if length else []),
        "Connection: close",
        *told.headers,
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    if told.pieces:
        for place in range(min(12, len(told.body))):
            writer.write(told.body[place : place + 1])
            await writer.drain()
            await asyncio.sleep(told.pieces)
        return
    writer.write(told.body)
    await writer.drain()


@contextmanager
def open_shop(seed: int, **options: float) -> Iterator[Shop]:
    """Open a shop and its canary on free ports of 127.0.0.1, in a thread of their own."""
    _heavy_goods()
    shop = Shop(seed, **options)  # type: ignore[arg-type]  # shares of pages and pictures only
    loop = asyncio.new_event_loop()

    async def begin() -> list[asyncio.Server]:
        servers = [await asyncio.start_server(one, "127.0.0.1", 0) for one in (shop.serve, shop.overhear)]
        shop.port, shop.canary_port = (server.sockets[0].getsockname()[1] for server in servers)
        return servers

    async def end(servers: list[asyncio.Server]) -> None:
        for server in servers:
            server.close()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    servers = loop.run_until_complete(begin())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield shop
    finally:
        asyncio.run_coroutine_threadsafe(end(servers), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def spelled(shop: Shop) -> str:
    """Which lies were told, for a report."""
    return json.dumps(Counter(name for _, name in shop.told))
