"""The bytes that a dataset holds of a picture: the shop's own where they are an upright RGB JPEG, else a new JPEG."""

from __future__ import annotations

import io
from collections.abc import Iterator

from PIL import Image

from stj_images.decode import decode

QUALITY = 95
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SCAN, _END, _EXIF = 0xDA, 0xD9, 0xE1
_SCAN_BYTES, _END_BYTES = b"\xff\xda", b"\xff\xd9"


def is_upright_rgb_jpeg(data: bytes) -> bool:
    """Whether every reader sees the same upright RGB picture in these bytes.

    Reads the JPEG's markers only: three colour components, eight bits each, and no EXIF turn.
    """
    if data[:2] != b"\xff\xd8":
        return False
    colour = False
    if not data.endswith(_END_BYTES) and data.rfind(_END_BYTES) < data.rfind(_SCAN_BYTES):
        return False  # without its last marker, which some readers refuse
    for marker, body in _segments(data):
        if marker == _EXIF and body[:6] == b"Exif\0\0" and _turned(body[6:]):
            return False
        if marker in _FRAMES:
            colour = len(body) > 5 and body[0] == 8 and body[5] == 3
    return colour and not _turned_by_xmp(data)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The markers and bodies before the first scan."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF or marker in _STANDALONE:
            place += 1 if marker == 0xFF else 2
            continue
        if marker in {_SCAN, _END}:
            return
        length = int.from_bytes(data[place + 2 : place + 4])
        yield marker, data[place + 4 : place + 2 + length]
        place += 2 + length


def as_jpeg(data: bytes) -> bytes:
    """The picture as JPEG of quality 95: turned upright, on white, RGB, its first frame.

    Raises:
        PictureError: the bytes are no whole picture.
    """
    stream = io.BytesIO()
    decode(data).save(stream, "JPEG", quality=QUALITY, subsampling=0)
    return stream.getvalue()


def _turned(exif: bytes) -> bool:
    """Whether an EXIF block asks for a turn; a block that cannot be read asks for none."""
    try:
        tags = Image.Exif()
        tags.load(exif)
        return tags.get(0x0112, 1) in range(2, 9)
    except Exception:  # noqa: BLE001 - broken EXIF means no turn, as in the fingerprint
        return False


def _turned_by_xmp(data: bytes) -> bool:
    """Whether XMP asks for a turn, which Pillow honours where there is no EXIF."""
    if data.find(b"tiff:Orientation", 0, 65536) < 0:
        return False
    with Image.open(io.BytesIO(data)) as picture:
        return picture.getexif().get(0x0112, 1) in range(2, 9)
