"""One picture saved in every mode that files have, for tests of what all roads must see alike."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def saved(picture: Image.Image, form: str, **options: object) -> bytes:
    """The picture's bytes."""
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def copies(picture: Image.Image) -> dict[str, bytes]:
    """An RGB picture as files of each mode and depth, animated, see-through and turned by its EXIF number."""
    grey = np.asarray(picture.convert("L"))
    see_through = picture.convert("RGBA")
    see_through.putalpha(picture.convert("L"))
    turn = Image.Exif()
    turn[0x0112] = 6
    other = Image.new("RGB", picture.size, "red")
    return {
        "1": saved(picture.convert("1"), "PNG"),
        "L": saved(picture.convert("L"), "PNG"),
        "LA": saved(see_through.convert("LA"), "PNG"),
        "P": saved(picture.quantize(64), "PNG"),
        "I;16": saved(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"),
        "I": saved(Image.fromarray(grey.astype(np.int32) * 257), "TIFF"),
        "F": saved(Image.fromarray(grey.astype(np.float32) / 255), "TIFF"),
        "CMYK": saved(picture.convert("CMYK"), "TIFF"),
        "RGBA": saved(see_through, "PNG"),
        "animated": saved(picture, "WEBP", save_all=True, append_images=[other], lossless=True),
        "turned": saved(picture.transpose(Image.Transpose.ROTATE_90), "PNG", exif=turn),
    }
