"""How much a shop's answers may cost: bytes of a page, of a picture, and of all pictures in the air."""

from __future__ import annotations

import asyncio
import gzip
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import brotli
import numpy as np
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scrapy import Request
from scrapy.http import Response
from scrapy.utils.test import get_crawler

from stj_spiders.budget import ByteBudget, Share
from stj_spiders.exceptions import TooManyBytesError
from stj_spiders.middlewares.compression import BoundedCompressionMiddleware
from tests.spiders.conftest import Folder
from tests.spiders.lying import listing, lying_shop, picture, reasons

MB = 1 << 20
HTML = {"Content-Type": "text/html; charset=utf-8"}


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 3), st.booleans()), max_size=30))
def test_no_more_is_held_than_there_is_and_all_comes_back(orders: list[tuple[int, int, bool]]) -> None:
    """However large, in whatever order, and whoever gives up while waiting."""

    async def run() -> None:
        budget = ByteBudget(20)
        held: list[int] = []

        async def use(size: int, turns: int) -> None:
            share = Share(budget, size)
            try:
                await share.take()
                await share.take()
                held.append(min(size, 20))
                assert sum(held) + budget.free <= 20
                for _ in range(turns):
                    await asyncio.sleep(0)
                held.remove(min(size, 20))
            finally:
                share.give()
                share.give()

        tasks = [asyncio.ensure_future(use(size, turns)) for size, turns, _ in orders]
        await asyncio.sleep(0)
        for task, (_, _, gives_up) in zip(tasks, orders, strict=True):
            if gives_up and not held:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert budget.free == 20

    asyncio.run(run())


def test_a_large_share_is_not_passed_over_by_small_ones() -> None:
    """First come, first served."""

    async def run() -> list[str]:
        budget, order = ByteBudget(10), list[str]()

        async def use(name: str, size: int) -> None:
            await budget.take(size)
            order.append(name)
            await asyncio.sleep(0)
            budget.give(size)

        await asyncio.gather(use("first", 6), use("large", 10), use("small", 1), use("tiny", 1))
        return order

    assert asyncio.run(run()) == ["first", "large", "small", "tiny"]


BOMB = b"\0" * (9 * MB)
SMALL = b"hello" * 10


def raw_deflate(body: bytes) -> bytes:
    """As some servers send it: without its header."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(body) + packer.flush()


PACKED = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "deflate ": raw_deflate,
    "br": brotli.compress,
    "zstd": zstd.compress,
    "gzip, gzip": lambda body: gzip.compress(gzip.compress(body)),
    "br, gzip": lambda body: gzip.compress(brotli.compress(body)),
}


def unpacked(encoding: str, body: bytes, most: int) -> bytes:
    """What the middleware makes of an answer."""
    middleware = BoundedCompressionMiddleware.from_crawler(get_crawler())
    request = Request("http://shop.example/", meta={"download_maxsize": most})
    response = Response(request.url, headers={"Content-Encoding": encoding.strip()}, body=body, request=request)
    found: Any = middleware.process_response(request, response)
    return bytes(found.body)


@pytest.mark.parametrize("encoding", PACKED)
def test_what_swells_is_cut_off_while_it_swells(encoding: str) -> None:
    """In every encoding, and one inside the other; what does not is read."""
    assert unpacked(encoding, PACKED[encoding](SMALL), MB) == SMALL
    with pytest.raises(TooManyBytesError, match="more than 1 MB when decompressed") as met:
        unpacked(encoding, PACKED[encoding](BOMB), MB)
    assert met.value.__context__ is None, "an error that holds the bytes so far would keep them in memory"


def test_nobody_compresses_three_times() -> None:
    """It would be work for nothing."""
    with pytest.raises(TooManyBytesError, match="compressed 3 times over"):
        unpacked("gzip, gzip, gzip", gzip.compress(gzip.compress(gzip.compress(SMALL))), MB)


@pytest.mark.medium
def test_large_pictures_come_too_large_ones_do_not(folder: Folder) -> None:
    """5 MB are asked for a second time, and kept; over 20 MB are too large, said or not, packed or not."""
    noise = np.random.default_rng(1).integers(0, 255, (1_300, 1_400, 3), dtype=np.uint8)
    file = folder.path / "noise.png"
    Image.fromarray(noise).save(file, compress_level=0)
    large = file.read_bytes()
    assert 5 * MB < len(large) < 6 * MB
    with lying_shop() as shop:
        pictures = [
            shop.image("small"),
            shop.image("large", large),
            shop.image("huge", picture(1) + b"\0" * (21 * MB)),
            shop.image("bomb", gzip.compress(picture(2) + b"\0" * (60 * MB)), Content_Encoding="gzip"),
            shop.image("packed", gzip.compress(picture(3)), Content_Encoding="gzip"),
        ]
        shop.page(listing(pictures))
        assert folder.crawl("amazon_sarees", shop.origin).code == 0
        rows = folder.rows("SELECT image_key, reason FROM images")
        assert reasons(rows) == {
            "small.jpg": None,
            "large.jpg": None,
            "packed.jpg": None,
            "huge.jpg": "too_large",
            "bomb.jpg": "too_large",
        }
        asked = [path.rsplit("/", 1)[-1].split(".")[0] for path in shop.asked if path.startswith("/images/")]
        assert {name: asked.count(name) for name in ("small", "large", "packed")} == {
            "small": 1,
            "large": 2,
            "packed": 1,
        }


@pytest.mark.medium
@pytest.mark.parametrize(
    ("body", "headers", "said"),
    [
        (b"<html>" + b"x" * (9 * MB), {}, "has more bytes than the 8 MB that a page may have"),
        (
            gzip.compress(b"<html>" + b"<b>y</b>" * (60 * MB // 8)),
            {"Content-Encoding": "gzip"},
            "has more bytes than the 8 MB that a page may have",
        ),
        (
            gzip.compress(b"<html><body>" + b"<b>y</b>" * 250_000 + b"</body></html>"),
            {"Content-Encoding": "gzip"},
            "has more than 400,000 tags, 3 times in a row",
        ),
    ],
    ids=["plain", "packed", "tags"],
)
def test_a_page_that_costs_too_much_ends_the_crawl(
    folder: Folder, body: bytes, headers: dict[str, str], said: str
) -> None:
    """With a sentence, the page pending, and below 400 MB."""
    with lying_shop() as shop:
        shop.answers["/s"] = (200, {**HTML, **headers}, body)
        ended, megabytes = weighed(folder, shop.origin)
        assert ended == 1
        assert said in (folder.path / "err").read_text()
        assert megabytes < 400
        assert [row["state"] for row in folder.rows("SELECT state FROM pages")] == ["pending"]


@pytest.mark.medium
def test_many_bombs_cost_no_more_than_one(folder: Folder) -> None:
    """Forty small answers that swell to 18 MB each: below 400 MB."""
    bomb = gzip.compress(picture(1) + b"\0" * (18 * MB))
    with lying_shop() as shop:
        shop.page(listing([shop.image(f"p{n}", bomb, Content_Encoding="gzip") for n in range(40)]))
        ended, megabytes = weighed(folder, shop.origin)
        assert ended in {0, 1}
        assert megabytes < 400


# Between this process and the crawl stands a small one: a process begins with the peak of the one that it was forked from.
_WEIGH = """
import os, resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def weighed(folder: Folder, origin: str) -> tuple[int, float]:
    """The exit code of a crawl, and its largest resident size in MB."""
    command = [sys.executable, "-m", "scrapy", "crawl", "amazon_sarees", "-a", f"origin={origin}"]
    with Path(folder.path / "err").open("wb") as errors:
        told = subprocess.run(
            [sys.executable, "-S", "-c", _WEIGH, *command],
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
            stdout=subprocess.PIPE,
            stderr=errors,
            check=True,
        )
    code, kilobytes = told.stdout.split()[-2:]
    return int(code), int(kilobytes) / 1024
