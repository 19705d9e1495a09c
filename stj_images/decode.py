"""The one decoder: bytes become upright RGB, or one typed error says why not.

Crawl, import, training, prediction and the studio all open pictures here, with one limit of bytes and pixels and one budget of
pixels that are decoded at a time. How pixels come about, mode by mode, is in `pixels.py`.
"""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Iterator, Sequence
from functools import cache

from PIL import Image, UnidentifiedImageError

from stj_core.errors import NotAnImageError, PictureError, TooLargeError, TruncatedError
from stj_core.picture_types import FORMATS, is_heif
from stj_images.budget import Budget
from stj_images.pixels import JPEGS, BrokenPictureError, load, on_white, open_lazily, upright

MAX_BYTES = 20 << 20
MAX_PIXELS = 64_000_000
# Memory that decoding a picture may take, as `decoded_bytes` estimates it.
MAX_DECODED_BYTES = 340_000_000
# Bytes that Pillow holds for a pixel of a mode; for all others four.
_HELD = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
BOMB_PIXELS, BOMB_PIXELS_A_BYTE = 12_000_000, 100
THUMBNAIL_PIXELS = 192
# Pillow holds four bytes a pixel, and as many again while it puts transparency on white.
PIXELS_AT_ONCE = Budget(MAX_PIXELS)


def decode(data: bytes, draft: int | None = None, formats: Sequence[str] = FORMATS) -> Image.Image:
    """Decode a picture of any mode: its first frame, turned upright, in RGB, transparency on white.

    Args:
        data: the file's bytes.
        draft: a JPEG much larger than this many pixels a side may be decoded at a half, a quarter or an eighth of its size.
        formats: Pillow's names of the only formats to try.

    Raises:
        NotAnImageError: no picture of these formats.
        TruncatedError: the data ends too early or is damaged.
        TooLargeError: more than 20 MiB, 64 megapixels or 340 MB when decoded, or a decompression bomb.
    """
    with open_picture(data, formats) as picture:
        if draft:
            picture.draft("RGB", (draft, draft))
        with PIXELS_AT_ONCE.taken(picture.width * picture.height), decoding():
            load(picture, data)
            return on_white(upright(picture))


def shrink(data: bytes, side: int, formats: Sequence[str] = FORMATS) -> Image.Image:
    """The picture as `decode` gives it, at most `side` pixels wide and high.

    Raises:
        PictureError: as in `decode`.
    """
    small = decode(data, side, formats)
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return small


def thumbnail(data: bytes, side: int = THUMBNAIL_PIXELS) -> str:
    """A picture's bytes as a small JPEG in a data URL; a grey field where they are no picture."""
    try:
        small = shrink(data, side)
    except PictureError:
        small = Image.new("RGB", (3, 4), "grey")
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=75)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


@contextlib.contextmanager
def open_picture(data: bytes, formats: Sequence[str] = FORMATS) -> Iterator[Image.Image]:
    """Open a picture without decoding it.

    Raises:
        NotAnImageError: no picture of these formats.
        TruncatedError: its header is damaged.
        TooLargeError: more than 20 MiB, 64 megapixels or 340 MB when decoded.
    """
    if len(data) > MAX_BYTES:
        raise TooLargeError(f"The picture has {len(data) / 2**20:.1f} MiB, over {MAX_BYTES >> 20}.")
    heif = "HEIF" in formats and is_heif(data[:16])
    if heif and not _reads_heif():
        raise NotAnImageError("This is a HEIC picture, which needs one more package: pip install 'stj[heic]'.")
    tried = ("HEIF",) if heif else tuple(one for one in formats if one != "HEIF")
    with contextlib.ExitStack() as stack:
        try:
            picture = stack.enter_context(open_lazily(data, tried))
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise TooLargeError(f"The picture is a decompression bomb: {error}") from error
        except UnidentifiedImageError as error:
            raise NotAnImageError(f"These {len(data)} bytes are no picture: they begin with {data[:12]!r}.") from error
        except Exception as error:  # whatever a format's reader stumbles over in hostile bytes
            raise TruncatedError(f"The picture's header is broken: {error}.") from error
        if picture.width * picture.height > MAX_PIXELS:
            raise TooLargeError(
                f"The picture has {picture.width}x{picture.height} pixels, over {MAX_PIXELS / 1e6:.0f} megapixels."
            )
        if _is_bomb(picture, len(data)):
            raise TooLargeError(
                f"The picture is a decompression bomb: {len(data)} bytes promise {picture.width}x{picture.height} pixels."
            )
        needed = _coefficient_bytes(picture) if picture.format in JPEGS else decoded_bytes(picture)
        if needed > MAX_DECODED_BYTES:
            raise TooLargeError(
                f"Decoding {picture.width}x{picture.height} pixels of {picture.format} takes {needed / 1e6:.0f} MB of "
                f"memory, over {MAX_DECODED_BYTES / 1e6:.0f}."
            )
        yield picture


def decoded_bytes(picture: Image.Image) -> int:
    """About how much memory a picture that is open and not yet loaded takes until it is grey (as a fingerprint sees it).

    A drafted JPEG costs its drafted size; one whose scans refine each other keeps two bytes for each of its coefficients before
    the first pixel. WebP keeps two canvases and two copies of what it hands over, AVIF its planes and two copies.
    """
    pixels = picture.width * picture.height
    if picture.format in JPEGS:
        return pixels * (_HELD.get(picture.mode, 4) + 1) + _coefficient_bytes(picture)
    if picture.format == "WEBP":
        return pixels * 17
    if picture.format == "AVIF":
        return pixels * 11
    return pixels * max(_HELD.get(picture.mode, 4) + 1, 3)


def _coefficient_bytes(picture: Image.Image) -> int:
    """What a progressive JPEG's coefficients take, at its whole size.

    Raises:
        TruncatedError: its header says that a component has no samples.
    """
    layers = getattr(picture, "layer", None)
    if not picture.info.get("progressive") or not layers:
        return 0
    if not all(layer[1] and layer[2] for layer in layers):
        raise TruncatedError("The picture's header is broken: a component of the JPEG is sampled zero times.")
    drafted = next(iter(getattr(picture, "decoderconfig", ())), 0) or 1
    across, down = max(layer[1] for layer in layers), max(layer[2] for layer in layers)
    shares = sum(layer[1] * layer[2] for layer in layers) / (across * down)
    return int(2 * picture.width * picture.height * drafted**2 * shares)


def _is_bomb(picture: Image.Image, size: int) -> bool:
    """Whether so few bytes promise so many pixels that they hold nothing worth the memory.

    Photographs have a pixel for each byte or ten; a blank field of 62 megapixels is a WebP of 34 bytes, and costs a gigabyte.
    A JPEG that comes line by line is decoded at an eighth of its size, and costs little whatever it promises.
    """
    pixels = picture.width * picture.height
    line_by_line = picture.format in JPEGS and not picture.info.get("progressive")
    return not line_by_line and pixels > BOMB_PIXELS and pixels > BOMB_PIXELS_A_BYTE * size


@contextlib.contextmanager
def decoding() -> Iterator[None]:
    """Say whatever goes wrong while a picture is decoded in one of our errors.

    Raises:
        TruncatedError: the data ends too early or is damaged.
        TooLargeError: it is a decompression bomb, or does not fit into memory.
    """
    try:
        yield
    except PictureError:
        raise
    except (Image.DecompressionBombError, MemoryError) as error:
        raise TooLargeError(f"The picture is a decompression bomb: {error}") from error
    except BrokenPictureError as error:
        raise TruncatedError(f"The picture's data is broken or ends too early: {error}.") from error
    except Exception as error:  # a converter met values that no whole picture has
        raise TruncatedError(f"The picture's data is broken: {error}.") from error


@cache
def _reads_heif() -> bool:
    """Let Pillow read HEIC pictures, where the optional package for it is there."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True
