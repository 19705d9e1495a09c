"""One decode for everyone: upright, on white, RGB, squashed."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stj_core.errors import NotAnImageError, PictureError, TruncatedError
from stj_model.preprocess import Preprocessing, open_picture, read_pixels


def encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def half_and_half() -> Image.Image:
    """Red above, blue below."""
    picture = Image.new("RGB", (40, 80), (255, 0, 0))
    picture.paste((0, 0, 255), (0, 40, 40, 80))
    return picture


def test_what_comes_out_is_rgb_pixels_of_the_asked_size():
    pixels = read_pixels(encoded(half_and_half(), "PNG"), Preprocessing(64))
    assert pixels.shape == (64, 64, 3)
    assert np.uint8 == pixels.dtype
    assert pixels[2, 30].tolist() == [255, 0, 0]
    assert pixels[60, 30].tolist() == [0, 0, 255]


def test_a_picture_is_turned_by_its_exif_tag():
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    pixels = read_pixels(encoded(half_and_half(), "PNG", exif=exif), Preprocessing(64))
    assert pixels[2, 30].tolist() == [0, 0, 255]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_on_white(mode: str):
    picture = Image.new("RGBA", (20, 20), (10, 20, 30, 0))
    picture = picture.quantize() if mode == "P" else picture.convert(mode)
    assert read_pixels(encoded(picture, "PNG"), Preprocessing(64))[5, 5].tolist() == [255, 255, 255]


def test_grey_and_cmyk_become_rgb():
    for mode, form in (("L", "PNG"), ("CMYK", "JPEG")):
        assert open_picture(encoded(Image.new(mode, (30, 30)), form)).mode == "RGB"


def test_the_filter_is_part_of_the_recipe():
    noisy = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 200, 3), dtype=np.uint8))
    data = encoded(noisy, "PNG")
    nearest, smooth = (read_pixels(data, Preprocessing(64, resample)) for resample in ("nearest", "bilinear"))
    assert nearest.std() > 1.5 * smooth.std()


def test_a_large_jpeg_may_be_decoded_smaller_but_never_below_twice_the_input():
    picture = Image.linear_gradient("L").resize((2000, 1600)).convert("RGB")
    data = encoded(picture, "JPEG", quality=95)
    small = open_picture(data, draft=128)
    assert 128 <= min(small.size) < 1600
    gap = np.abs(read_pixels(data, Preprocessing(64)).astype(int) - np.asarray(picture.resize((64, 64))).astype(int))
    assert gap.max() <= 6


def test_what_is_no_picture_says_why(tmp_path: Path):
    (tmp_path / "page.jpg").write_text("<html>")
    with pytest.raises(NotAnImageError, match=r"page\.jpg: These 6 bytes are no picture"):
        read_pixels(tmp_path / "page.jpg", Preprocessing())
    with pytest.raises(TruncatedError, match="broken or ends too early"):
        read_pixels(encoded(half_and_half().resize((400, 400)), "JPEG")[:900], Preprocessing())
    with pytest.raises(PictureError, match=r"Cannot read .*missing\.jpg"):
        read_pixels(tmp_path / "missing.jpg", Preprocessing())


def test_the_same_bytes_give_the_same_pixels_from_disk_and_from_memory(tmp_path: Path):
    data = encoded(half_and_half(), "WEBP")
    (tmp_path / "a.webp").write_bytes(data)
    assert np.array_equal(read_pixels(data, Preprocessing()), read_pixels(tmp_path / "a.webp", Preprocessing()))
