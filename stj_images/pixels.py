"""From a picture's bytes to upright RGB on white: the one way in which every part of STJ sees a picture.

Nothing of STJ is imported here, only Pillow and numpy, because `stj-model export` puts this very file beside the network that
it writes: an exported network sees the same pixels as training did. What is refused, and how it is said, is in `decode.py`.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

WHITE = (255, 255, 255)
ORIENTATION = 0x0112
# What turns a picture upright, by its EXIF orientation (CIPA DC-008, Orientation).
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = frozenset({5, 6, 7, 8})
"""Orientations that exchange width and height."""
JPEGS = frozenset({"JPEG", "MPO"})
"""Pillow's names of JPEG files; an MPO holds several."""
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=[\"']|>)\s*([1-8])")
# Pixels that are converted at a time.
_BAND_PIXELS = 1 << 20
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
# What a JPEG decoder fills a picture with whose data ends too early.
_FILLING = {"L": 128, "RGB": (128, 128, 128)}
# A JPEG with more pixels than this is looked at in grey where it must be decoded whole.
_MANY_PIXELS = 12_000_000
_PNG_NEEDED = frozenset({b"IHDR", b"PLTE", b"IDAT", b"tRNS"})
# Text and colour profiles say nothing of the pixels, and Pillow refuses the picture where one unpacks to a megabyte.
_PNG_TALK = frozenset({b"tEXt", b"zTXt", b"iTXt", b"iCCP"})
_PNG_XMP = b"XML:com.adobe.xmp\0\0"  # keyword, and a flag that says "not compressed"
_PNG_LARGEST = 1 << 19
# Anything but 0xFF, which begins a marker: what a decoder makes of it differs from the grey that it fills a cut picture with.
_JPEG_PADDING = bytes(1 + number * 37 % 254 for number in range(4096))


class BrokenPictureError(Exception):
    """The picture's data ends too early or is damaged."""


def open_upright(data: bytes, draft: int | None = None, formats: tuple[str, ...] | None = None) -> Image.Image:
    """Decode a picture: the first frame, turned upright, in RGB, transparency on white.

    Args:
        data: the file's bytes.
        draft: a JPEG much larger than this many pixels a side may be decoded at a half, a quarter or an eighth of its size.
        formats: Pillow's names of the only formats to try; None tries all.

    Raises:
        BrokenPictureError: the data ends too early or is damaged.
        Exception: whatever Pillow says of bytes that are no picture.
    """
    with open_lazily(data, formats) as picture:
        if draft:
            picture.draft("RGB", (draft, draft))
        load(picture, data)
        return on_white(upright(picture))


@contextlib.contextmanager
def open_lazily(data: bytes, formats: tuple[str, ...] | None = None) -> Iterator[Image.Image]:
    """Open a picture's header only, mended where its metadata alone would keep Pillow from it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a doubtful tag is no reason to refuse a picture
        with Image.open(io.BytesIO(without_odd_chunks(data)), formats=formats) as picture:
            yield picture


def load(picture: Image.Image, data: bytes) -> None:
    """Decode the pixels of a picture that `open_lazily` opened from `data`.

    Raises:
        BrokenPictureError: the data ends too early or is damaged.
    """
    jpeg = picture.format in JPEGS
    try:
        picture.load()
    except Exception as error:  # decoders of damaged data raise anything: AVIF's a RuntimeError, others IndexError
        if not (jpeg and isinstance(error, OSError)):
            raise BrokenPictureError(str(error) or type(error).__name__) from error
        _load_without_end(picture, data, error)
        return
    if jpeg and _ends_in_filling(picture) and not _has_all_pixels(data):
        raise BrokenPictureError("its last marker comes before its last pixels")


def orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or it cannot be read.

    Only this number is looked at: writing the other tags anew, as Pillow's own `exif_transpose` does, fails where a camera
    wrote one of them in the wrong type. A PNG must be loaded before: its tags may stand behind its pixels, and Pillow would
    load it here, where an error is taken for one of the tags.
    """
    try:
        value = picture.getexif().get(ORIENTATION)
    except Exception:  # noqa: BLE001 - broken EXIF means no turn, not a broken picture
        value = None
    if value is None:
        xmp = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp") or b""
        found = _XMP_ORIENTATION.search(xmp.encode() if isinstance(xmp, str) else xmp)
        value = int(found[1]) if found else 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright(picture: Image.Image) -> Image.Image:
    """A loaded picture turned as its EXIF orientation asks."""
    return turned(picture, orientation(picture))


def turned(picture: Image.Image, turn: int) -> Image.Image:
    """A loaded picture turned as an EXIF orientation says."""
    method = _TURNS.get(turn)
    return picture if method is None else picture.transpose(method)


def on_white(picture: Image.Image) -> Image.Image:
    """A loaded picture of any mode as RGB, transparency on white."""
    picture = with_eight_bits(picture)
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    return in_bands(picture, "RGB", _laid_on_white)


def in_bands(picture: Image.Image, mode: str, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """A loaded picture converted pixel by pixel, some rows at a time: no second whole picture is held on the way."""
    made = Image.new(mode, picture.size)
    for top, rows in _bands(picture.size):
        made.paste(convert(picture.crop((0, top, picture.width, top + rows))), (0, top))
    return made


def _bands(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """First row and number of rows of each band of a picture."""
    rows = max(1, _BAND_PIXELS // max(1, size[0]))
    yield from ((top, min(rows, size[1] - top)) for top in range(0, size[1], rows))


def _laid_on_white(picture: Image.Image) -> Image.Image:
    layered = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, WHITE), layered).convert("RGB")


def _high_bytes(picture: Image.Image) -> Image.Image:
    levels: npt.NDArray[np.uint16] = np.asarray(picture)
    return Image.fromarray((levels >> 8).astype(np.uint8))


def with_eight_bits(picture: Image.Image) -> Image.Image:
    """Grey levels of 16 and 32 bits and of floating point as 8 bits; every other picture as it is.

    16-bit levels lose their lower byte. Wider ones have no agreed white, so the range that their largest level lies in says
    it: 1 (floating point), 255, 65535, or 2^32 - 1. Levels below zero, and those that are no numbers, are black.
    """
    if not picture.mode.startswith(("I", "F")):
        return picture
    if picture.mode.startswith("I;16"):
        return in_bands(picture, "L", _high_bytes)
    levels: npt.NDArray[np.generic] = np.asarray(picture)
    ranges = (1.0, 255.0, 65535.0) if picture.mode == "F" else (255.0, 65535.0)
    bands = [levels[top : top + rows] for top, rows in _bands(picture.size)]
    brightest = max((float(_numbers(band).max(initial=0.0)) for band in bands), default=0.0)
    white = next((one for one in ranges if brightest <= one), 2.0**32 - 1)
    return Image.fromarray(np.concatenate([_eight_bits(_numbers(band), white) for band in bands]))


def _numbers(levels: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    return np.nan_to_num(levels.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _eight_bits(levels: npt.NDArray[np.float64], white: float) -> npt.NDArray[np.uint8]:
    """Levels from 0 to `white` as 0 to 255: 65535 and 2^32 - 1 lose their lower bytes, 1 and 255 are rounded."""
    scaled = np.floor(levels * (256 / (white + 1))) if white > 255 else np.round(levels * (255 / white))
    return scaled.clip(0, 255).astype(np.uint8)


def without_odd_chunks(data: bytes) -> bytes:
    """A PNG without its text and colour profile, and without what is damaged beside its pixels; anything else as it is.

    Raises:
        BrokenPictureError: a chunk that the picture itself is made of is damaged.
    """
    if not data.startswith(_PNG):
        return data
    kept: list[bytes] = []
    place, dropped = len(_PNG), False
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4])
        kind, end = data[place + 4 : place + 8], place + 12 + length
        needed = kind in _PNG_NEEDED
        if end > len(data):
            break  # it ends too early, which the decoder tells
        whole = zlib.crc32(memoryview(data)[place + 4 : end - 4]) == int.from_bytes(data[end - 4 : end])
        if needed and not whole:
            raise BrokenPictureError(f"the checksum of its {kind.decode('latin-1')} chunk is wrong")
        body = data[place + 8 : place + 8 + len(_PNG_XMP)]
        talk = kind in _PNG_TALK and not (body == _PNG_XMP and length <= _PNG_LARGEST)
        if whole and not talk:
            kept.append(data[place:end])
        else:
            dropped = True
        place = end
    return b"".join([_PNG, *kept, data[place:]]) if dropped else data


def _load_without_end(picture: Image.Image, data: bytes, error: OSError) -> None:
    """Decode a JPEG that lacks its last marker, if all its pixels are there."""
    if _JPEG_END in data[-64:] or not data.startswith(_JPEG):
        raise BrokenPictureError(str(error)) from error
    mode, size = picture.mode, picture.size
    try:
        whole = _ends_alike(data)
        mended = _decoded(data + _JPEG_END, mode, size)
    except Exception as again:
        raise BrokenPictureError(str(error)) from again
    if not whole or mended.size != size:
        raise BrokenPictureError(str(error)) from error
    assert isinstance(picture, ImageFile.ImageFile)
    picture.im = mended.im
    picture.tile = []


def _ends_in_filling(picture: Image.Image) -> bool:
    """Whether a JPEG's last pixel is the grey that stands for missing ones, as one of many hundred is by chance."""
    return (
        picture.mode in _FILLING and picture.getpixel((picture.width - 1, picture.height - 1)) == _FILLING[picture.mode]
    )


def _has_all_pixels(data: bytes) -> bool:
    """Whether a JPEG's first marker of an end is where its pixels end, too; true where that cannot be found out."""
    scan = _first_scan(data)
    end = data.find(_JPEG_END, scan)
    if scan < 0 or end < 0:
        return True
    try:
        return _ends_alike(data[:end])
    except Exception:  # noqa: BLE001 - then what looked like its end was something else
        return True


def _first_scan(data: bytes) -> int:
    """Where the first scan of a JPEG begins, past the pictures that its metadata may hold; -1 if there is none."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        if data[place : place + 2] == _JPEG_SCAN:
            return place
        length = 0 if data[place + 1] in {0x01, 0xFF} else int.from_bytes(data[place + 2 : place + 4])
        place += 1 if data[place + 1] == 0xFF else 2 + length
    return -1


def _ends_alike(data: bytes) -> bool:
    """Whether a JPEG without its last marker holds all its pixels.

    With the marker added, a decoder fills what is missing with grey; with other bytes before the marker, with something else.
    Where the two agree at full size nothing was missing.
    """
    whole, padded = (_checksum(_decoded(data + tail)) for tail in (_JPEG_END, _JPEG_PADDING + _JPEG_END))
    return whole == padded


def _decoded(data: bytes, mode: str | None = None, size: tuple[int, int] | None = None) -> Image.Image:
    """A JPEG, drafted where a mode and a size are given; one of many pixels comes in grey at least."""
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
        if mode and size:
            picture.draft(mode, size)
        elif picture.width * picture.height > _MANY_PIXELS:
            picture.draft("L", picture.size)
        picture.load()
        return picture.copy()


def _checksum(picture: Image.Image) -> int:
    found = 0
    for top, rows in _bands(picture.size):
        found = zlib.crc32(picture.crop((0, top, picture.width, top + rows)).tobytes(), found)
    return found
