"""Other ways to see the same picture: mirrored, closer, moved, dimmed, degraded, and before another wall.

A shop's photographs share a wall, a lens and a light. A head that sees each garment in a few other settings has less to
learn of the shop; a head that is asked about such views of pictures it has not seen tells how sure it may be elsewhere.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

VERSION = 1
"""Raised when the same name would give other pixels: cached features of older versions are then left alone."""

PLAIN, MIRROR, CLOSER, PADDED = "plain", "mirror", "closer", "padded"
"""As it is; mirrored; without its rim; padded to a square, so that nothing is squashed."""
FIXED = (PLAIN, MIRROR, CLOSER, PADDED)
KINDS = ("moved", "restaged")
"""Seeded kinds, numbered from 0: `moved-0`, `restaged-3`. A restaged view is a moved one whose wall was replaced first."""

RIM = 0.08
"""What `closer` leaves out at each side, as a share."""
WORKING_SIDE = 640
"""A larger picture is made smaller before anything else: views are for a network that sees some 224 pixels."""
WALL_SIDE = 192
WALL_DISTANCE = 54.0
WALL_SLOPE = 9.0
WALL_SHARE = (0.08, 0.92)
TURN_DEGREES = 5.0
AREA = (0.7, 1.0)
STRETCH = 0.1
LIGHT = 0.12


@dataclass(frozen=True)
class View:
    """A way to see a picture, by name; what chance decides in it is drawn from the picture's sha256 and the name."""

    name: str = PLAIN

    def __post_init__(self) -> None:
        kind, _, number = self.name.partition("-")
        if self.name not in FIXED and not (kind in KINDS and number.isdecimal()):
            raise ValueError(f"there is no view {self.name!r}")

    @property
    def is_plain(self) -> bool:
        """Whether this is the picture as it is."""
        return self.name == PLAIN

    def __call__(self, picture: Image.Image, sha256: str) -> Image.Image:
        """See an upright RGB picture this way.

        Args:
            picture: of any size.
            sha256: of its bytes: the same picture is always seen the same way.
        """
        if self.is_plain:
            return picture
        if self.name == MIRROR:
            return ImageOps.mirror(picture)
        if self.name == CLOSER:
            return _without_rim(picture)
        if self.name == PADDED:
            side = max(picture.size)
            corner = tuple(picture.crop((0, 0, 1, 1)).tobytes())
            return ImageOps.pad(picture, (side, side), Image.Resampling.BILINEAR, color=corner)
        kind, _, number = self.name.partition("-")
        random = np.random.default_rng([int(sha256[:15], 16), KINDS.index(kind), int(number)])
        small = _at_most(picture, WORKING_SIDE)
        if kind == "restaged":
            small = restage(small, random)
        return _degrade(_relight(_move(small, random), random), random)


def find_wall(picture: Image.Image) -> npt.NDArray[np.bool_] | None:
    """Find the even background that a studio picture stands before.

    Pixels near the border's median colour and without much slope are walked from the top and both sides inwards; the floor
    is left out as a start, since garments are often cut off there.

    Args:
        picture: RGB.

    Returns:
        True where the wall is, of shape (h, w) with the longer side at most 192 pixels; None where hardly anything or
        nearly everything would be wall.
    """
    from scipy import ndimage

    colours = np.asarray(_at_most(picture, WALL_SIDE), dtype=np.float32)
    rim = np.concatenate([colours[0], colours[:, 0], colours[:, -1]])
    near = np.linalg.norm(colours - np.median(rim, axis=0), axis=2) < WALL_DISTANCE
    slopes = [ndimage.sobel(colours, axis=axis) / 8 for axis in (0, 1)]
    flat = np.sqrt(sum((slope**2).sum(axis=2) for slope in slopes)) < WALL_SLOPE
    areas, _ = ndimage.label(near & flat)
    reached = np.unique(np.concatenate([areas[0], areas[:, 0], areas[:, -1]]))
    wall = np.isin(areas, reached[reached > 0])
    wall |= ndimage.binary_closing(wall)
    wall |= ndimage.binary_dilation(wall) & near
    low, high = WALL_SHARE
    found: npt.NDArray[np.bool_] = wall
    return found if low < wall.mean() < high else None


def restage(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    """Put a picture before another wall: plain, shaded or cloudy; one without an even background stays as it is."""
    wall = find_wall(picture)
    if wall is None:
        return picture
    mask = Image.fromarray(wall).convert("L").resize(picture.size, Image.Resampling.BILINEAR)
    return Image.composite(_draw_wall(picture.size, random), picture, mask.filter(ImageFilter.GaussianBlur(1)))


def _draw_wall(size: tuple[int, int], random: np.random.Generator) -> Image.Image:
    """A wall in a muted colour."""
    colour = random.integers(60, 250, 3)
    colour = 0.4 * colour + 0.6 * colour.mean()
    plain = Image.new("RGB", size, tuple(int(c) for c in colour))
    kind = random.integers(3)
    if kind == 0:
        return plain
    if kind == 1:
        below = np.clip(colour + random.uniform(-60, 60), 0, 255)
        shades = np.stack([colour, below])[:, None].astype(np.uint8)
        return Image.fromarray(shades).resize(size, Image.Resampling.BILINEAR)
    cells = int(random.integers(2, 8))
    clouds = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
    return Image.blend(clouds.resize(size, Image.Resampling.BICUBIC), plain, float(random.uniform(0.5, 0.85)))


def _move(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    """Mirror by chance, turn a little, and cut out most of it in slightly other proportions."""
    if random.random() < 0.5:
        picture = ImageOps.mirror(picture)
    corner = picture.getpixel((0, 0))
    picture = picture.rotate(
        float(random.uniform(-TURN_DEGREES, TURN_DEGREES)), Image.Resampling.BILINEAR, fillcolor=corner
    )
    side, stretch = np.sqrt(random.uniform(*AREA)), np.exp(random.uniform(-STRETCH, STRETCH))
    width, height = picture.width * min(1.0, side * stretch), picture.height * min(1.0, side / stretch)
    x, y = random.uniform(0, picture.width - width), random.uniform(0, picture.height - height)
    return picture.crop((int(x), int(y), max(int(x) + 1, int(x + width)), max(int(y) + 1, int(y + height))))


def _relight(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    """A little darker or brighter, flatter or harder; never another hue, since denim is known by its blue."""
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast):
        picture = enhance(picture).enhance(float(random.uniform(1 - LIGHT, 1 + LIGHT)))
    return picture


def _degrade(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    """What small uploads and messengers do: fewer pixels, stronger JPEG."""
    changes: list[tuple[float, Callable[[Image.Image], Image.Image]]] = [
        (0.3, lambda one: _scaled(one, float(random.uniform(0.5, 0.9)))),
        (0.4, lambda one: _recompressed(one, int(random.integers(40, 90)))),
    ]
    for chance, change in changes:
        if random.random() < chance:
            picture = change(picture)
    return picture


def _without_rim(picture: Image.Image) -> Image.Image:
    x, y = int(RIM * picture.width), int(RIM * picture.height)
    return picture.crop((x, y, picture.width - x, picture.height - y))


def _scaled(picture: Image.Image, factor: float) -> Image.Image:
    size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
    return picture.resize(size, Image.Resampling.BILINEAR)


def _recompressed(picture: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    with Image.open(stream) as opened:
        return opened.convert("RGB")


def _at_most(picture: Image.Image, side: int) -> Image.Image:
    longer = max(picture.size)
    return picture if longer <= side else _scaled(picture, side / longer)
