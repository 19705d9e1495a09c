"""Uploads that mean harm: every one gets an answer, none a crash, none a place on the disk, and memory stays."""

from __future__ import annotations

import io
import os
import random
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from flask.testing import FlaskClient
from PIL import Image

from tests.model.conftest import draw

from .conftest import MakeApp

NAMES = [
    "../../../../etc/passwd",
    "..\\..\\boot.ini",
    "/etc/cron.d/evil",
    "con.png",
    "a" * 5_000 + ".png",
    "x\x00.png",
    "нет.png",
    "<script>alert(1)</script>.png",
    ".htaccess",
    "catalog.sqlite",
    "%2e%2e%2fx",
    " ",
    "\r\nSet-Cookie: x=1",
]
LIMIT = 2_000_000


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(width: int, height: int, rows: int = 50) -> bytes:
    """A PNG that claims a size and holds little."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * rows * 10_000, 9)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A PNG whose comment unpacks to 60 MB."""
    good = draw(0, 1)
    comment = b"x\0\0" + zlib.compress(b"A" * 60_000_000, 9)
    return good[:33] + png_chunk(b"zTXt", comment) + good[33:]


def animation(frames: int) -> bytes:
    stream = io.BytesIO()
    pictures = [Image.new("P", (64, 64), number % 255) for number in range(frames)]
    pictures[0].save(stream, "GIF", save_all=True, append_images=pictures[1:])
    return stream.getvalue()


def other_formats() -> Iterator[bytes]:
    """Real pictures of formats that nobody is asked for: their decoders must stay untouched."""
    for kind in ("TGA", "ICO", "PCX", "SGI", "EPS", "PDF", "DDS"):
        stream = io.BytesIO()
        Image.new("RGB", (32, 32), (200, 10, 10)).save(stream, kind)
        yield stream.getvalue()


def polyglots() -> Iterator[bytes]:
    good = draw(0, 3)
    yield good + b"<script>alert(1)</script><?php system($_GET['x']); ?>"
    yield b"GIF89a/*" + b"<svg onload=alert(1)>" * 20
    yield b"%PDF-1.4\n" + good
    yield b"PK\x03\x04" + good
    yield b"\xff\xd8\xff\xe0" + b"%!PS-Adobe\n(evil) run\n" * 30
    yield b"RIFF\xff\xff\xff\xffWEBPVP8X" + os.urandom(200)
    yield b"\0\0\0\x20ftypavif" + os.urandom(400)
    yield b"II*\0" + os.urandom(400)
    yield b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>"
    yield b"push graphic-context\nviewbox 0 0 640 480\nfill 'url(https://127.0.0.1/x.jpg\"|ls)'\n"


def fuzzed(count: int, seed: int) -> Iterator[bytes]:
    """Real pictures with some bytes changed, cut, doubled or swapped, mostly near the head."""
    chance = random.Random(seed)
    seeds = [draw(label, number) for label in (0, 1, 2) for number in (1, 2, 3)]
    for kind in ("WEBP", "GIF", "AVIF"):
        stream = io.BytesIO()
        Image.open(io.BytesIO(seeds[0])).convert("RGB").save(stream, kind)
        seeds.append(stream.getvalue())
    for _ in range(count):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 2, 8, 40))):
            way = chance.random()
            at = min(len(data) - 1, int(chance.expovariate(1 / 200)))
            if way < 0.6:
                data[at] = chance.randrange(256)
            elif way < 0.75:
                data[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
            elif way < 0.9:
                data = data[: max(1, chance.randrange(len(data)))]
            else:
                data[at:at] = data[at : at + chance.randrange(1, 64)]
        yield bytes(data)


def hostile(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    fixed = [
        *(
            b"",
            b"\0",
            b"\xff" * 10_000,
            os.urandom(5_000),
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff",
            b"\xff\xd8" * 5_000,
            b"x" * 1_900_000,
        ),
        *(
            png_bomb(60_000, 60_000),
            png_bomb(2**31 - 1, 1),
            png_bomb(1, 2**31 - 1),
            png_bomb(6_000, 6_000),
            png_bomb(0, 0),
        ),
        *(text_bomb(), animation(400), *other_formats(), *polyglots()),
    ]
    names = random.Random(seed)
    for data in [*fixed, *fuzzed(max(0, count - len(fixed)), seed)]:
        yield names.choice(NAMES), data


def body_of(name: str, data: bytes) -> tuple[bytes, str]:
    """A form by hand: a client library would tidy the file's name."""
    raw = name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22").encode()
    head = (
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="'
        + raw
        + b'"\r\nContent-Type: image/png\r\n\r\n'
    )
    return head + data + b"\r\n--b--\r\n", "multipart/form-data; boundary=b"


def files_below(*folders: Path) -> set[Path]:
    return {path for folder in folders for path in folder.rglob("*") if path.is_file()}


def assault(client: FlaskClient, count: int, seed: int, watched: list[Path]) -> dict[str, int]:
    """Send them all; returns how many ended in which word."""
    words: dict[str, int] = {}
    before = files_below(*watched)
    process = psutil.Process()
    grown = 0
    for place, (name, data) in enumerate(hostile(count, seed)):
        body, kind = body_of(name, data)
        answer = client.post("/api/v1/classify", data=body, content_type=kind)
        assert answer.status_code in {200, 400, 413}, (name, data[:40], answer.data)
        if answer.status_code == 200:
            one = answer.json["answers"][0]
            assert (one["error"] is None) == (one["label"] is not None)
            assert "/" not in one["file"]
            assert "\\" not in one["file"]
            word = one["reason"] or "answered"
        else:
            word = answer.json["error"]["kind"]
        words[word] = words.get(word, 0) + 1
        if place == count // 2:
            grown = process.memory_info().rss
    assert files_below(*watched) == before
    assert process.memory_info().rss - grown < 60_000_000
    return words


@pytest.fixture
def attacked(make_app: MakeApp, runs: Path) -> FlaskClient:
    client = make_app(max_request_mb=3).test_client()
    body, kind = body_of("good.png", draw(0, 1))
    assert client.post("/api/v1/classify", data=body, content_type=kind).status_code == 200
    return client


@pytest.mark.medium
def test_two_hundred_hostile_uploads(attacked: FlaskClient, runs: Path, tmp_path: Path) -> None:
    words = assault(attacked, 200, 1, [tmp_path, runs])
    assert {"not_image", "truncated", "too_large", "answered"} <= set(words)


@pytest.mark.slow
def test_two_thousand_hostile_uploads(attacked: FlaskClient, runs: Path, tmp_path: Path) -> None:
    words = assault(attacked, 2_000, 2, [tmp_path, runs])
    assert sum(words.values()) == 2_000


def test_formats_that_nobody_is_asked_for_are_never_opened(attacked: FlaskClient) -> None:
    for data in other_formats():
        body, kind = body_of("picture.png", data)
        assert (
            attacked.post("/api/v1/classify", data=body, content_type=kind).json["answers"][0]["reason"] == "not_image"
        )


def test_a_request_that_is_too_large_is_refused_before_it_is_read(attacked: FlaskClient) -> None:
    body, kind = body_of("big.png", b"x" * 4_000_000)
    answer = attacked.post("/api/v1/classify", data=body, content_type=kind)
    assert answer.status_code == 413
    assert answer.json["error"]["kind"] == "too_large"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"--b", b"--b\r\n", b"--b--\r\n", b"--b\r\n\r\n\r\n--b--\r\n", b"\xff" * 500),
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="x\r\n\r\n\r\n--b--',
        b"".join(b'--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nx\r\n' % n for n in range(500))
        + b"--b--\r\n",
    ],
)
def test_broken_forms_are_refused(attacked: FlaskClient, body: bytes) -> None:
    answer = attacked.post("/api/v1/classify", data=body, content_type="multipart/form-data; boundary=b")
    assert answer.status_code in {400, 413}
    assert "message" in answer.json["error"]


@pytest.mark.parametrize(
    "path",
    [
        *("/static/../settings.py", "/static/%2e%2e/settings.py", "/static/..%2fsettings.py", "/static/%2fetc/passwd"),
        *("/runs/..", "/runs/..%2f..%2fetc", "/runs/%2e%2e/report", "/runs/latest%00/report", "/runs/.unfinished"),
        *("/runs/x/pictures/" + "." * 64, "/runs/x/pictures/" + "../" * 21 + "a", "/pictures/1/..%2fx.jpg"),
        *("/pictures/-1", "/pictures/1e5", "/pictures/99999999999999999999/tile.jpg", "/crawls/0", "/datasets/x"),
    ],
)
def test_no_path_reaches_the_disk(attacked: FlaskClient, path: str) -> None:
    answer = attacked.get(path)
    assert answer.status_code in {308, 400, 404, 503}
    assert "root:" not in answer.get_data(as_text=True)


@pytest.mark.medium
def test_many_hostile_clients_at_once(attacked: FlaskClient) -> None:
    app = attacked.application
    wrong: list[Any] = []

    def work(seed: int) -> None:
        client = app.test_client()
        for name, data in list(hostile(40, seed))[20:]:
            body, kind = body_of(name, data)
            answer = client.post("/api/v1/classify", data=body, content_type=kind)
            if answer.status_code not in {200, 400, 413, 503}:
                wrong.append(answer.data)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
