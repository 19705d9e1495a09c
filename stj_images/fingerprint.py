"""What a picture's bytes are: checksum, format, size and perceptual hashes, from one decode.

The hashes equal ``imagehash.phash(picture, 8)`` and ``imagehash.phash(picture, 16)`` bit for bit, where `picture` is what
`upright_grey` gives: a JPEG is decoded at the smallest scale that still has 256 pixels a side, which costs a fifth of a full
decode. The recipe is versioned because another decoder or scale moves a hash by up to 32 bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stj_core.picture_types import EXTENSIONS, FORMATS
from stj_images.apart import answer_apart, ask_apart
from stj_images.budget import Budget
from stj_images.decode import decoded_bytes, decoding, open_picture
from stj_images.pixels import SIDEWAYS, in_bands, load, on_white, orientation, turned, with_eight_bits
from stj_images.shrinking import shrunk

HASH_RECIPE = 1
DRAFT_SIDE = 256
# A crawl stays below 400 MB: what takes more memory than this is decoded in another process, one at a time.
_BYTES_AT_ONCE = Budget(190_000_000)
# Measured on shop photographs: JPEG's noise along an edge stays below these grey levels, and a frame may stand in a margin.
_BORDER_LEVELS = 24
_BORDERS = 3
_BLOCK = 16
# Frequencies reach 4e6 here, which two ways of summing round a few 1e-9 apart.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One picture's bytes in numbers.

    Attributes:
        sha256: of the bytes, 64 hex digits.
        format: Pillow's name of the format.
        width: pixels, after the EXIF turn.
        height: pixels, after the EXIF turn.
        size: bytes.
        phash: pHash-64, 16 hex digits, most significant bit first as imagehash writes it.
        phash256: pHash-256, 64 hex digits.
        phash_mirror: pHash-64 of the picture mirrored left to right.
        phash256_mirror: pHash-256 of the mirrored picture.
        phash_trim: pHash-64 of the picture without uniform borders.
        phash256_trim: pHash-256 of the picture without uniform borders.
        recipe: version of the hash recipe.
    """

    sha256: str
    format: str
    width: int
    height: int
    size: int
    phash: str
    phash256: str
    phash_mirror: str
    phash256_mirror: str
    phash_trim: str
    phash256_trim: str
    recipe: int = HASH_RECIPE

    @property
    def extension(self) -> str:
        """The file ending that tells the truth about the bytes."""
        return EXTENSIONS[self.format]


def fingerprint(data: bytes, formats: Sequence[str] = FORMATS) -> Fingerprint:
    """Fingerprint a picture; a very large one in a process of its own, so that this one stays small.

    Args:
        data: the file's bytes.
        formats: Pillow's names of the only formats to try.

    Raises:
        NotAnImageError: no picture of these formats.
        TruncatedError: the data ends too early or is broken.
        TooLargeError: more than 20 MiB, 64 megapixels or 340 MB when decoded, or a decompression bomb.
    """
    with open_picture(data, formats) as picture:
        name, (width, height) = picture.format or "", picture.size
        picture.draft("L", (DRAFT_SIDE, DRAFT_SIDE))
        cost = decoded_bytes(picture)
        with _BYTES_AT_ONCE.taken(cost):
            if cost > _BYTES_AT_ONCE.units:
                hashes = ask_apart(__spec__.name, data, formats)
            else:
                hashes = _hashes(upright_grey(picture, data), sideways=orientation(picture) in SIDEWAYS)
    if hashes.pop("turned"):
        width, height = height, width
    return Fingerprint(
        sha256=hashlib.sha256(data).hexdigest(),
        format="JPEG" if name == "MPO" else name,
        width=width,
        height=height,
        size=len(data),
        recipe=HASH_RECIPE,
        **hashes,
    )


def _hashes(grey: Image.Image, *, sideways: bool) -> dict[str, str]:
    """All six perceptual hashes of what `upright_grey` made of a picture, by the names of `Fingerprint`'s fields.

    Args:
        grey: the picture.
        sideways: whether it was turned to its side; it is passed on as `turned`.
    """
    (phash, phash_mirror), (phash256, phash256_mirror) = _both(grey)
    inside = trimmed(grey)
    bare = ((phash, ""), (phash256, "")) if inside is grey else _both(inside)
    return {
        "phash": phash,
        "phash256": phash256,
        "phash_mirror": phash_mirror,
        "phash256_mirror": phash256_mirror,
        "phash_trim": bare[0][0],
        "phash256_trim": bare[1][0],
        "turned": "sideways" if sideways else "",
    }


def upright_grey(picture: Image.Image, data: bytes) -> Image.Image:
    """A picture that was opened from `data` as its hash sees it: drafted, turned upright, transparency on white, mode L.

    Raises:
        TruncatedError: the data ends too early or is broken.
    """
    with decoding():
        picture.draft("L", (DRAFT_SIDE, DRAFT_SIDE))
        load(picture, data)
        turn = orientation(picture)
        grey = _grey(with_eight_bits(picture))
        # Grey is turned, which is a quarter of the picture; the pixels are the same.
        return turned(grey, turn)


def _grey(picture: Image.Image) -> Image.Image:
    if picture.mode in {"L", "RGB"}:
        return picture.convert("L")
    return in_bands(picture, "L", lambda band: on_white(band).convert("L"))


def trimmed(grey: Image.Image) -> Image.Image:
    """A grey picture without its uniform borders, one inside another too; as it is where hardly anything would stay."""
    levels = np.asarray(grey)
    height, width = levels.shape
    for _ in range(_BORDERS):
        cut = _inside(levels)
        if cut.shape == levels.shape:
            break
        levels = cut
    if levels.shape[0] < height / 4 or levels.shape[1] < width / 4 or levels.shape == (height, width):
        return grey
    return Image.fromarray(np.ascontiguousarray(levels))


def _inside(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What one border of one grey level on each side leaves."""
    sides = (_border(side) for side in (levels, levels[::-1], levels.T, levels.T[::-1]))
    # Encoding and drafting mix a border's last line with what it frames.
    top, bottom, left, right = (lines + 1 if lines else 0 for lines in sides)
    if top + bottom >= len(levels) or left + right >= levels.shape[1]:
        return levels
    return levels[top : len(levels) - bottom, left : levels.shape[1] - right]


def _border(levels: NDArray[np.uint8]) -> int:
    """How many lines from the first have, but for a hundredth of their pixels, the first line's grey level."""
    level = np.sort(levels[0])[levels.shape[1] // 2].astype(np.int16)
    # Most pictures end here after the first block: looking at all of them costs as much as the rest of the fingerprint.
    for first in range(0, len(levels), _BLOCK):
        differs = np.abs(levels[first : first + _BLOCK] - level) > _BORDER_LEVELS
        inner = differs.sum(axis=1) > 0.01 * levels.shape[1]
        if inner.any():
            return first + int(inner.argmax())
    return len(levels)


def phashes(grey: Image.Image, side: int, box: tuple[float, float, float, float] | None = None) -> tuple[str, str]:
    """The pHash of side×side bits, of a picture or a box of it, and of its mirror image.

    Mirroring negates the odd columns of a type II DCT, so one transform gives both.
    """
    if box is None:
        return _phashes(shrunk(grey, (side * 4,))[0])
    return _phashes(np.asarray(grey.resize((side * 4, side * 4), Image.Resampling.LANCZOS, box), dtype=np.float64))


def _both(grey: Image.Image) -> tuple[tuple[str, str], tuple[str, str]]:
    """What `phashes` gives for 8 and for 16, of a whole picture."""
    small, large = shrunk(grey, (32, 64))
    return _phashes(small), _phashes(large)


def _phashes(small: NDArray[np.float64]) -> tuple[str, str]:
    """The pHash of a picture of 4 side × 4 side grey levels, and of its mirror image."""
    side = len(small) // 4
    cosines = _cosines(side)
    above = _above_median(cosines @ small @ cosines.T)
    if np.abs(above).min() < _ROUNDING:
        # Blank and symmetric pictures, whose frequencies are zero or alike: only imagehash's own way of summing gives its bits.
        above = _above_median(_transformed_as_imagehash(small)[:side, :side])
    plain, mirrored = (np.packbits(one > 0).tobytes().hex() for one in above)
    return plain, mirrored


@cache
def _cosines(side: int) -> NDArray[np.float64]:
    """The first `side` rows of the type II DCT of four times as many values, as a matrix (Ahmed, Natarajan and Rao 1974)."""
    places = np.arange(side * 4)
    return 2 * np.cos(np.pi * np.outer(np.arange(side), 2 * places + 1) / (side * 8))


def _transformed_as_imagehash(small: NDArray[np.float64]) -> NDArray[np.float64]:
    # Imported where it is used, which is seldom: it costs a quarter of a second at each start.
    from scipy.fft import dct

    return cast("NDArray[np.float64]", dct(dct(small, axis=0), axis=1))


def _above_median(low: NDArray[np.float64]) -> NDArray[np.float64]:
    """Low frequencies, of a picture and of its mirror image, each less its median (2, side, side)."""
    both = np.stack([low, low])
    both[1, :, 1::2] *= -1
    # numpy's own median costs three times as much for so few.
    ranked = np.sort(both.reshape(2, -1), axis=1)
    middle = ranked.shape[1] // 2
    return both - ((ranked[:, middle - 1] + ranked[:, middle]) / 2)[:, None, None]


def differs_from_imagehash(picture: Image.Image) -> str | None:
    """Where the hashes of this machine are not those of the reference, `imagehash.phash`; None where they are equal bit for bit.

    >>> differs_from_imagehash(Image.linear_gradient("L").rotate(30)) is None
    True

    Args:
        picture: any picture in mode L.
    """
    import imagehash

    for side in (8, 16):
        ours, reference = phashes(picture, side)[0], str(imagehash.phash(picture, side))
        if ours != reference:
            return f"pHash-{side * side} is {ours} here and {reference} by imagehash {imagehash.__version__}"
    return None


def _hash_apart(data: bytes, formats: Sequence[str]) -> dict[str, str]:
    grey, sideways = _look_at(data, formats)
    return _hashes(grey, sideways=sideways)


def _look_at(data: bytes, formats: Sequence[str]) -> tuple[Image.Image, bool]:
    """A picture in grey, and whether it was turned to its side; the picture itself is given back before it is hashed."""
    with open_picture(data, formats) as picture:
        return upright_grey(picture, data), orientation(picture) in SIDEWAYS


if __name__ == "__main__":
    answer_apart(_hash_apart)
