"""The image server: sizes that hold, originals untouched, headers that are true."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stj_demo.pictures import Box, parse_modifiers, shrink
from stj_demo.sources import flat
from tests.demo.conftest import fetch


def photo(kind: str = "JPEG", size: tuple[int, int] = (300, 400), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("modifiers", "box"),
    [
        ("", Box()),
        ("_AC_UL320_", Box(320, 320)),
        ("_SL1500_", Box(1500, 1500)),
        ("_SX342_", Box(342, None)),
        ("_SY500_", Box(None, 500)),
        ("_AC_UL480_QL65_", Box(480, 480, 65)),
        ("_AC_SR38,50_", Box(38, 50)),
        ("_SX38_SY50_CR,0,0,38,50_", Box(38, 50)),
        ("_SL0_", Box()),
        ("nonsense", Box()),
    ],
)
def test_modifiers(modifiers, box):
    assert parse_modifiers(modifiers) == box


@given(st.text(max_size=40))
def test_any_modifiers_are_read(modifiers):
    parse_modifiers(modifiers)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 3000))
def test_a_picture_fits_its_box_and_never_grows(width, height, box_width, box_height):
    size = Box(box_width, box_height).fit((width, height))
    if size is None:
        assert width <= box_width
        assert height <= box_height
    else:
        assert 1 <= size[0] <= min(width, box_width)
        assert 1 <= size[1] <= min(height, box_height)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_smaller_picture_keeps_its_format(kind):
    small = Image.open(io.BytesIO(shrink(photo(kind), Box(160, 160))))
    assert small.format == kind
    assert small.size == (120, 160)


def test_a_picture_that_fits_keeps_its_bytes():
    assert shrink(photo(), Box(400, 400)) == photo()


def test_what_was_transparent_becomes_white():
    assert flat(Image.new("RGBA", (2, 2), (255, 0, 0, 0))).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("size", ["", "_SL640_", "_AC_UL320_", "_SX200_", "_SY200_"])
def test_the_line_carries_what_the_shop_says(shop, size):
    picture = shop.stock.listings[1][0].picture or shop.stock.listings[1][1].picture
    path = picture.path(size)
    answer = fetch(shop.origin + path)
    assert answer.content == shop.image_bytes(path) == shop.image_bytes(shop.origin + path)
    assert answer.headers["Content-Length"] == str(len(answer.content))


def test_no_such_picture(shop):
    with pytest.raises(KeyError):
        shop.image_bytes("/images/I/71nothingL.jpg")


def test_a_folder_of_photographs_is_sold_byte_for_byte(open_shop, garments):
    shop = open_shop(images=garments, per_class=40)
    files = {path.read_bytes() for path in garments.glob("[012]_*/*")}
    products = [one for shelf in shop.stock.listings.values() for one in shelf if "/" in one.brand and one.picture]
    assert len(products) >= 120
    formats = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}
    for product in products[:80]:
        if product.picture.fixed or type(product.picture.source).__name__ != "File":
            continue
        answer = fetch(shop.origin + product.picture.path())
        assert answer.content in files
        assert Image.open(io.BytesIO(answer.content)).format == formats[product.picture.extension]
        assert answer.headers["Content-Type"] == f"image/{product.picture.extension.replace('jpg', 'jpeg')}"


def test_pictures_may_live_on_a_port_of_their_own(open_shop):
    shop = open_shop(separate_pictures=True)
    assert shop.image_origin != shop.origin
    page = fetch(shop.origin + shop.categories[0].listing_path).text
    assert f"{shop.image_origin}/images/I/" in page
    assert f"{shop.origin}/images/I/" not in page
