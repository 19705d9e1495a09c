"""The artist: thinks of a garment, puts it somewhere, and takes its picture."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
import PIL
from PIL import Image

from stj_demo.drawing import jeans, saree, trousers, tunic
from stj_demo.drawing.cloth import blurred, clouds, weave
from stj_demo.drawing.layer import Field, Layer, planes
from stj_demo.drawing.palette import Dye, rgb
from stj_demo.drawing.scene import LYING, STANDING

_SIZES = ((450, 600), (450, 600), (432, 600), (480, 600), (460, 620), (510, 570))


class _Design(Protocol):
    @property
    def dye(self) -> Dye: ...


_THINK: dict[str, Callable[[np.random.Generator], _Design]] = {
    "saree": saree.design,
    "trousers": trousers.design,
    "jeans": jeans.design,
    "tunic": tunic.design,
}
_SHOOT: dict[str, Callable[..., None]] = {
    "saree": saree.shoot,
    "trousers": trousers.shoot,
    "jeans": jeans.shoot,
    "tunic": tunic.shoot,
}
# The last one stands in for every category that has no drawing of its own.
KINDS = tuple(_THINK)
_LYING_SHARE = 0.3


def colour_name(kind: str, seed: int, index: int) -> str:
    """The name of the colour of garment number `index`."""
    return _THINK[kind](_random(kind, seed, index)).dye.name


def draw(kind: str, seed: int, index: int, view: int = 0) -> Image.Image:
    """Draw one garment.

    Args:
        kind: one of `KINDS`.
        seed: the shop's seed.
        index: which garment; every number is another one.
        view: which picture of it; every number is another pose in another place.

    Returns:
        An RGB picture, 620 pixels high at most; the same for the same arguments.
    """
    design = _THINK[kind](_random(kind, seed, index))
    random = _random(kind, seed, index, view)
    width, height = _SIZES[random.integers(len(_SIZES))]
    lying = bool(random.random() < _LYING_SHARE)
    layer = Layer(width, height)
    _SHOOT[kind](layer, design, random, lying=lying)
    if lying:
        layer = _turned(layer, float(random.choice([random.normal(0, 4), random.normal(0, 22)])))
    places = LYING if lying else STANDING
    background = places[random.integers(len(places))](random, width, height)
    shaded = _with_shadow(background, layer, random, lying=lying)
    return _develop(shaded + layer.alpha * (layer.colour - shaded), random)


@cache
def recipe() -> str:
    """The version of the drawings: it changes whenever the code or a library that draws does."""
    digest = hashlib.sha256(f"{PIL.__version__} {np.__version__}".encode())
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()[:12]


def _random(kind: str, seed: int, index: int, view: int | None = None) -> np.random.Generator:
    return np.random.default_rng([seed, KINDS.index(kind), index, 0 if view is None else view + 1])


def _turned(layer: Layer, degrees: float) -> Layer:
    """What lies down rarely lies straight."""
    rgba = np.empty((layer.height, layer.width, 4), np.uint8)
    rgba[:, :, :3] = np.clip(layer.colour * 255, 0, 255).transpose(1, 2, 0)
    rgba[:, :, 3] = layer.alpha * 255
    scale = 1 / (1 - min(0.25, abs(degrees) / 100))
    cosine, sine = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    x, y = layer.width / 2, layer.height / 2
    matrix = (cosine, sine, x - cosine * x - sine * y, -sine, cosine, y + sine * x - cosine * y)
    picture = Image.fromarray(rgba, "RGBA").transform(
        (layer.width, layer.height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )
    turned = planes(np.asarray(picture))
    result = Layer(layer.width, layer.height)
    result.colour, result.alpha = turned[:3], turned[3]
    return result


def _with_shadow(background: Field, layer: Layer, random: np.random.Generator, *, lying: bool) -> Field:
    """The garment's shadow on what is behind it."""
    reach = 6 if lying else random.uniform(8, 30)
    blur = random.uniform(5, 9) if lying else random.uniform(12, 26)
    shadow = blurred(layer.alpha, blur, (round(random.uniform(-1, 1) * reach), round(reach * random.uniform(0.2, 0.8))))
    depth = random.uniform(0.35, 0.6) if lying else random.uniform(0.05, 0.3)
    return background * (1 - depth * shadow)


def _develop(picture: Field, random: np.random.Generator) -> Image.Image:
    """Exposure, the colour of the light, uneven light, grain; and sometimes the picture is mirrored."""
    shape = picture.shape[1:]
    warmth = random.normal(0, 0.02)
    gains = rgb(1 + warmth, 1, 1 - warmth) * (255 * 255 * random.uniform(0.93, 1.06))
    light = (
        1
        + random.uniform(0, 0.06) * clouds(random, shape, 2)
        + random.uniform(0.004, 0.016) * weave("plain", shape, random)
    )
    picture *= gains
    picture *= light
    exposed = np.clip(picture, 0, 255, out=picture).astype(np.uint8).transpose(1, 2, 0)
    return Image.fromarray(np.ascontiguousarray(exposed if random.random() < 0.5 else exposed[:, ::-1]))
