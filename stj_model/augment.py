"""Other ways to see the same picture: mirrored, closer, and unsquashed.

A head that sees each garment in a few other settings has less to learn of the shop. Views whose background is replaced at random
were measured and brought nothing on shops held out (docs/decisions/0011-none-is-learned.md), so there are none.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageOps

VERSION = 1
"""Raised when the same name would give other pixels: cached features of older versions are then left alone."""

PLAIN, MIRROR, CLOSER, PADDED = "plain", "mirror", "closer", "padded"
"""As it is; mirrored; without its rim; padded to a square, so that nothing is squashed."""
VIEWS = (PLAIN, MIRROR, CLOSER, PADDED)

RIM = 0.08
"""What `closer` leaves out at each side, as a share."""


@dataclass(frozen=True)
class View:
    """A way to see a picture, by name."""

    name: str = PLAIN

    def __post_init__(self) -> None:
        if self.name not in VIEWS:
            raise ValueError(f"there is no view {self.name!r}")

    @property
    def is_plain(self) -> bool:
        """Whether this is the picture as it is."""
        return self.name == PLAIN

    def __call__(self, picture: Image.Image) -> Image.Image:
        """See an upright RGB picture of any size this way."""
        if self.name == MIRROR:
            return ImageOps.mirror(picture)
        if self.name == CLOSER:
            return _without_rim(picture)
        if self.name == PADDED:
            side = max(picture.size)
            corner = tuple(picture.crop((0, 0, 1, 1)).tobytes())
            return ImageOps.pad(picture, (side, side), Image.Resampling.BILINEAR, color=corner)
        return picture


def _without_rim(picture: Image.Image) -> Image.Image:
    x, y = int(RIM * picture.width), int(RIM * picture.height)
    return picture.crop((x, y, picture.width - x, picture.height - y))
