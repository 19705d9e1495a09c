"""The one decoder."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from stj_core.errors import NotAnImageError, PictureError, TooLargeError, TruncatedError

MAX_PIXELS = 64_000_000


# Only what shops serve: a decoder that is never called cannot be attacked.
EXTENSIONS = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "AVIF": "avif"}


FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")


_TURNED = {5, 6, 7, 8}


_ORIENTATION = 0x0112


def open_picture(data: bytes) -> Image.Image:
    """Open a picture without decoding it; only the formats that shops serve.

    Raises:
        NotAnImageError: no such picture.
        TooLargeError: more than 64 megapixels.
    """
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLargeError(f"The picture is a decompression bomb: {error}") from error
    except UnidentifiedImageError as error:
        raise NotAnImageError(f"These {len(data)} bytes are no picture: they begin with {data[:12]!r}.") from error
    except Exception as error:
        raise TruncatedError(f"The picture's header is broken: {error}.") from error
    if picture.width * picture.height > MAX_PIXELS:
        picture.close()
        raise TooLargeError(
            f"The picture has {picture.width}x{picture.height} pixels, over {MAX_PIXELS / 1e6:.0f} megapixels."
        )
    return picture


def on_white(picture: Image.Image) -> Image.Image:
    """The picture without transparency, on white; 16-bit grey becomes 8-bit."""
    if picture.mode.startswith("I"):
        return Image.fromarray((np.asarray(picture, dtype=np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    if not picture.has_transparency_data:
        return picture
    layered = picture.convert("RGBA")
    white = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(white, layered).convert("RGB")


def _orientation(picture: Image.Image) -> int:
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - broken EXIF means no turn, not a broken picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def shrink(data: bytes, side: int) -> Image.Image:
    """The picture upright, without transparency, at most `side` pixels wide and high.

    Raises:
        PictureError: the bytes cannot be decoded.
    """
    with open_picture(data) as picture:
        try:
            picture.draft("RGB", (2 * side, 2 * side))
            picture.load()
            small = on_white(ImageOps.exif_transpose(picture)).convert("RGB")
            small.thumbnail((side, side), Image.Resampling.LANCZOS)
        except PictureError:
            raise
        except Exception as error:
            raise TruncatedError(f"The picture's data is broken or ends too early: {error}.") from error
    return small


THUMBNAIL_PIXELS = 192


def thumbnail(data: bytes, side: int = THUMBNAIL_PIXELS) -> str:
    """A picture's bytes as a small JPEG in a data URL; a grey field where they are no picture."""
    try:
        with open_picture(data) as picture:
            picture.draft("RGB", (2 * side, 2 * side))
            small = on_white(ImageOps.exif_transpose(picture)).convert("RGB")
    except (PictureError, OSError, SyntaxError):
        small = Image.new("RGB", (3, 4), "grey")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=75)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
