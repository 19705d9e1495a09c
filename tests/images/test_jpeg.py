"""Which bytes are copied as they are: exactly those that Pillow sees as an upright RGB JPEG."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stj_core.errors import TruncatedError
from stj_images.jpeg import as_jpeg, is_upright_rgb_jpeg
from tests.dataset.filling import draw, encode


def by_pillow(data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as picture:
        upright = picture.getexif().get(0x0112, 1) not in range(2, 9)
        return picture.format in {"JPEG", "MPO"} and picture.mode == "RGB" and upright


def turned(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


@pytest.mark.parametrize(
    "data",
    [
        encode(draw(1)),
        encode(draw(1), progressive=True),
        encode(draw(1), subsampling=0, icc_profile=b"x" * 70_000),
        encode(draw(1).convert("L")),
        encode(draw(1).convert("CMYK")),
        encode(draw(1), "PNG"),
        encode(draw(1), "WEBP"),
        *(encode(draw(1), exif=turned(value)) for value in range(10)),
    ],
)
def test_agrees_with_pillow(data: bytes) -> None:
    assert is_upright_rgb_jpeg(data) == by_pillow(data)


def test_agrees_with_pillow_on_real_photographs(shared: Path) -> None:
    files = [path for folder in ("garments", "garments_elsewhere") for path in (shared / folder).glob("*/*")]
    for path in files[::4]:
        data = path.read_bytes()
        assert is_upright_rgb_jpeg(data) == by_pillow(data), path


@given(st.integers(0, 400), st.binary(max_size=8))
def test_no_bytes_make_it_fail(cut: int, tail: bytes) -> None:
    data = encode(draw(1))
    assert is_upright_rgb_jpeg(data[:cut] + tail) in {True, False}


def test_a_turned_picture_is_written_upright_and_forgets_its_turn() -> None:
    data = as_jpeg(encode(draw(1, (40, 60)), exif=turned(6)))
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (60, 40)
        assert not picture.getexif()


def test_a_torn_picture_is_told() -> None:
    with pytest.raises(TruncatedError):
        as_jpeg(encode(draw(1), "PNG")[:600])
