"""Pictures that look wrong whatever their label: blurred, dark, nearly blank, or of an odd shape.

Thresholds were set by eye on shop photographs (docs/dataset.md): they find suspects for a person, they decide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stj_core.errors import PictureError
from stj_images.decode import open_picture
from stj_images.fingerprint import upright_grey

Grey = NDArray[np.float64]
# Sharpness depends on the number of pixels: every picture is judged at one size.
SIDE = 256


@dataclass(frozen=True)
class Limits:
    """Beyond these a picture is a suspect.

    Attributes:
        blur: largest edge strength of a blurred picture: the 99th percentile of |Laplacian|, in grey levels.
        dark: brightness (0 to 1) that 99 % of a dark picture's pixels stay below.
        blank: spread of the grey levels (0 to 255, between the 1st and 99th percentile) of a nearly blank picture.
        elongated: longer side divided by the shorter of an odd shape.
    """

    blur: float = 36.0
    dark: float = 0.35
    blank: float = 48.0
    elongated: float = 2.25


@dataclass(frozen=True)
class Oddity:
    """One reason to look at a picture, the number behind it, and how far beyond the limit it is (1 or more)."""

    reason: str
    value: float
    severity: float


def find_oddities(data: bytes, limits: Limits = Limits()) -> list[Oddity]:
    """Every reason to look at a picture, the gravest first."""
    try:
        with open_picture(data) as picture:
            width, height = picture.size
            grey = _grey(picture, data)
    except PictureError:
        return [Oddity("unreadable", 0.0, float("inf"))]
    found = [*_shape(width, height, limits), *_light(grey, limits)]
    return sorted(found, key=lambda one: -one.severity)


def sharpness(grey: Grey) -> float:
    """The 99th percentile of |Laplacian|, in grey levels: what the sharpest edges of a picture reach."""
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    return float(np.percentile(np.abs(laplacian), 99))


def _grey(picture: Image.Image, data: bytes) -> Grey:
    """Grey levels, float64[h, w], the longer side SIDE at most."""
    small = upright_grey(picture, data)
    small.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float64)


def _shape(width: int, height: int, limits: Limits) -> list[Oddity]:
    ratio = max(width, height) / min(width, height)
    return [Oddity("odd_shape", ratio, ratio / limits.elongated)] if ratio >= limits.elongated else []


def _light(grey: Grey, limits: Limits) -> list[Oddity]:
    low, high = np.percentile(grey, (1, 99))
    spread, bright = float(high - low), float(high) / 255
    if spread <= limits.blank:
        return [Oddity("blank", spread, limits.blank / max(spread, 1))]
    found = []
    if bright <= limits.dark:
        found.append(Oddity("dark", bright, limits.dark / max(bright, 0.01)))
    if min(grey.shape) > 2 and (sharp := sharpness(grey)) <= limits.blur:
        found.append(Oddity("blurred", sharp, limits.blur / max(sharp, 0.1)))
    return found
