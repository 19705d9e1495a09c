"""A fingerprint equals imagehash's own answer for every format that shops serve, and refuses the rest with one typed error."""

from __future__ import annotations

import doctest
import hashlib
import struct
import warnings
import zlib

import imagehash
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageOps, features

from stj_core.errors import NotAnImageError, PictureError, TooLargeError, TruncatedError
from stj_core.picture_types import SERVED
from stj_images import fingerprint as fingerprints
from stj_images.decode import open_picture
from stj_images.fingerprint import Fingerprint, differs_from_imagehash, fingerprint, phashes, upright_grey
from tests.catalog.pictures import draw, encode, jpeg

ORIENTATION = 0x0112


def exif_turn(value):
    exif = Image.Exif()
    exif[ORIENTATION] = value
    return exif


def alpha_picture():
    picture = draw(3).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return picture


def deep_grey():
    return Image.fromarray((np.asarray(draw(4).convert("L"), dtype=np.uint16) << 8) + 7)


FORMATS = {
    "jpeg": lambda: jpeg(1),
    "large jpeg": lambda: jpeg(1, (1500, 2000)),
    "progressive jpeg": lambda: encode(draw(1, (900, 1200)), progressive=True, quality=80),
    "cmyk jpeg": lambda: encode(draw(1, (900, 1200)).convert("CMYK")),
    "grey jpeg": lambda: encode(draw(1).convert("L")),
    "turned jpeg": lambda: encode(draw(1, (600, 800)), exif=exif_turn(6)),
    "png": lambda: encode(draw(2), "PNG"),
    "palette png": lambda: encode(draw(2).quantize(16), "PNG"),
    "see-through palette png": lambda: encode(draw(2).quantize(16), "PNG", transparency=0),
    "alpha png": lambda: encode(alpha_picture(), "PNG"),
    "grey alpha png": lambda: encode(alpha_picture().convert("LA"), "PNG"),
    "16-bit png": lambda: encode(deep_grey(), "PNG"),
    "black and white png": lambda: encode(draw(2).convert("1"), "PNG"),
    "webp": lambda: encode(draw(5), "WEBP", quality=60),
    "alpha webp": lambda: encode(alpha_picture(), "WEBP"),
    "gif": lambda: encode(draw(6), "GIF"),
    "moving gif": lambda: encode(draw(6), "GIF", save_all=True, append_images=[draw(7)]),
    "avif": lambda: encode(draw(8), "AVIF"),
    "one pixel": lambda: encode(Image.new("RGB", (1, 1), "red"), "PNG"),
    "a line": lambda: encode(draw(9, (3000, 2))),
}


@pytest.fixture(params=FORMATS)
def data(request):
    if request.param == "avif" and not features.check("avif"):
        pytest.skip("this Pillow cannot write AVIF")
    return FORMATS[request.param]()


def test_hashes_equal_imagehash_bit_for_bit(data):
    made = fingerprint(data)
    with open_picture(data) as picture:
        grey = upright_grey(picture, data)
    mirror = ImageOps.mirror(grey)
    assert made.phash == str(imagehash.phash(grey, 8))
    assert made.phash256 == str(imagehash.phash(grey, 16))
    assert (len(made.phash_mirror), len(made.phash256_mirror)) == (16, 64)
    # A mirrored resize rounds some grey levels otherwise: coefficients at the very median may change sides.
    for side, word in ((8, made.phash_mirror), (16, made.phash256_mirror)):
        assert imagehash.hex_to_hash(word) - imagehash.phash(mirror, side) <= side // 4


@given(
    st.lists(st.sampled_from([0, 128, 255]), min_size=16, max_size=16),
    st.sampled_from(["as it is", "mirrored", "upside down", "both", "blank"]),
    st.sampled_from([32, 64, 96, 300]),
)
def test_symmetric_and_blank_pictures_hash_as_imagehash_does(levels, symmetry, side):
    """Half of their frequencies are zero but for rounding, which decides the bits."""
    tile = np.array(levels, np.uint8).reshape(4, 4)
    if symmetry in ("mirrored", "both"):
        tile = np.hstack([tile, tile[:, ::-1]])
    if symmetry in ("upside down", "both"):
        tile = np.vstack([tile, tile[::-1]])
    if symmetry == "blank":
        tile[:] = tile[0, 0]
    grey = Image.fromarray(tile).resize((side, side), Image.Resampling.NEAREST)
    for bits in (8, 16):
        assert phashes(grey, bits)[0] == str(imagehash.phash(grey, bits))


def test_checksum_and_size_are_those_of_the_bytes(data):
    made = fingerprint(data)
    assert made.sha256 == hashlib.sha256(data).hexdigest()
    assert made.size == len(data)


@pytest.mark.parametrize(
    ("name", "form", "extension"),
    [("jpeg", "JPEG", "jpg"), ("png", "PNG", "png"), ("webp", "WEBP", "webp"), ("gif", "GIF", "gif")],
)
def test_the_ending_tells_the_truth(name, form, extension):
    made = fingerprint(FORMATS[name]())
    assert (made.format, made.extension) == (form, extension)


def test_a_stereo_jpeg_is_a_jpeg():
    data = encode(draw(1), "MPO", save_all=True, append_images=[draw(2)])
    assert fingerprint(data).format == "JPEG"


def test_the_first_frame_counts():
    still, moving = fingerprint(FORMATS["gif"]()), fingerprint(FORMATS["moving gif"]())
    assert imagehash.hex_to_hash(still.phash256) - imagehash.hex_to_hash(moving.phash256) <= 6


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_turn_in_the_exif_block_is_undone(turn):
    upright = draw(11, (600, 800))
    transposes = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    lying = upright.transpose(transposes[turn]) if turn > 1 else upright
    plain = fingerprint(encode(upright, quality=95))
    turned = fingerprint(encode(lying, quality=95, exif=exif_turn(turn)))
    assert (turned.width, turned.height) == (600, 800)
    assert imagehash.hex_to_hash(plain.phash256) - imagehash.hex_to_hash(turned.phash256) <= 6


def test_see_through_is_white():
    clear = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    data = encode(clear, "PNG")
    with open_picture(data) as picture:
        assert upright_grey(picture, data).getextrema() == (255, 255)


def test_a_mirrored_copy_has_the_mirrored_hash():
    picture = draw(12)
    one, other = fingerprint(encode(picture, "PNG")), fingerprint(encode(ImageOps.mirror(picture), "PNG"))
    assert imagehash.hex_to_hash(one.phash_mirror) - imagehash.hex_to_hash(other.phash) <= 2
    assert imagehash.hex_to_hash(one.phash256_mirror) - imagehash.hex_to_hash(other.phash256) <= 6


@pytest.mark.parametrize("name", ["jpeg", "progressive jpeg", "png", "webp", "gif"])
@pytest.mark.parametrize("part", [0.3, 0.7, 0.95])
def test_a_torn_picture_is_truncated(name, part):
    data = FORMATS[name]()
    with pytest.raises(TruncatedError) as caught:
        fingerprint(data[: int(len(data) * part)])
    assert caught.value.reason == "truncated"


@pytest.mark.parametrize(
    "data", [b"", b"x", b"<!doctype html><title>Robot Check</title>", b"\x00" * 5000, b"%PDF-1.7"], ids=repr
)
def test_what_is_no_picture_is_said_to_be_none(data):
    with pytest.raises(NotAnImageError, match=f"These {len(data)} bytes are no picture: they begin with "):
        fingerprint(data)


@pytest.mark.parametrize("form", ["TIFF", "BMP", "ICO", "PPM"])
def test_formats_that_shops_do_not_serve_are_not_decoded(form):
    with pytest.raises(NotAnImageError):
        fingerprint(encode(draw(1, (64, 64)), form), SERVED)


@pytest.mark.parametrize(("form", "extension"), [("TIFF", "tiff"), ("BMP", "bmp"), ("PPM", "ppm")])
def test_formats_that_people_have_are_decoded(form, extension):
    picture = draw(1, (64, 64))
    made = fingerprint(encode(picture, form))
    assert (made.extension, made.phash256) == (extension, fingerprint(encode(picture, "PNG")).phash256)


def png_of(width, height):
    """A PNG that promises many pixels and holds none."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8001, 9500, 30_000])
@pytest.mark.parametrize("loud", [True, False])
def test_too_many_pixels_are_refused_before_they_are_decoded(side, loud):
    with warnings.catch_warnings():
        warnings.simplefilter("error" if loud else "ignore")
        with pytest.raises(TooLargeError) as caught:
            fingerprint(png_of(side, side))
    assert caught.value.reason == "too_large"


def test_sixty_four_megapixels_are_not_too_many():
    promised = png_of(8000, 8000) + bytes(700_000)  # few bytes for so many pixels would be a bomb
    with pytest.raises(TruncatedError):  # nothing is behind its header, but its size was accepted
        fingerprint(promised)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_broken_exif_block_is_no_turn():
    data = jpeg(13)
    broken = data[:2] + b"\xff\xe1\x00\x10Exif\x00\x00MM\x00*\xff\xff\xff\xff" + data[2:]
    assert fingerprint(broken).phash == fingerprint(data).phash


@given(st.binary(max_size=400))
@example(b"GIF89a")
@example(b"RIFF\x00\x00\x00\x00WEBPVP8 ")
@example(b"\xff\xd8\xff")
@example(b"\x00\x00\x00\x1cftypavif")
def test_any_bytes_give_a_fingerprint_or_one_typed_error(data):
    assert word_for(data) in {"a picture", "not_image", "truncated", "too_large"}


@given(st.integers(0, 2**32), st.sampled_from(["jpeg", "progressive jpeg", "png", "webp", "gif"]))
def test_flipped_bytes_give_a_fingerprint_or_one_typed_error(seed, name):
    damaged = bytearray(_SAMPLES[name])
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, len(damaged), 8):
        damaged[place] ^= int(rng.integers(1, 256))
    assert word_for(bytes(damaged)) in {"a picture", "not_image", "truncated", "too_large"}


def word_for(data):
    try:
        return "a picture" if isinstance(fingerprint(data), Fingerprint) else "a bug"
    except PictureError as error:
        return error.reason


_SAMPLES = {
    name: encode(draw(20, (60, 80)), form, **options)
    for name, form, options in [
        ("jpeg", "JPEG", {}),
        ("progressive jpeg", "JPEG", {"progressive": True}),
        ("png", "PNG", {}),
        ("webp", "WEBP", {}),
        ("gif", "GIF", {}),
    ]
}


def test_real_photographs_hash_as_imagehash_does(shared):
    for file in sorted((shared / "garments").glob("[0-9]*/*"))[::40]:
        data = file.read_bytes()
        with open_picture(data) as picture:
            grey = upright_grey(picture, data)
        made = fingerprint(data)
        assert (str(imagehash.phash(grey, 8)), str(imagehash.phash(grey, 16))) == (made.phash, made.phash256)


def test_the_doctests_of_the_fingerprint_hold():
    found = doctest.testmod(fingerprints)
    assert (found.failed, found.attempted > 0) == (0, True)


def test_a_hash_that_is_not_imagehash_s_is_told(monkeypatch):
    monkeypatch.setattr(imagehash, "phash", lambda _, side: "0" * (side * side // 4))
    assert differs_from_imagehash(Image.linear_gradient("L").rotate(30)).startswith("pHash-64 is ")
