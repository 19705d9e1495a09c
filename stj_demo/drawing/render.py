"""Draw a garment: think of a design, put it somewhere, and take its picture."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image, ImageFilter

from stj_demo.drawing import legwear, saree
from stj_demo.drawing.backgrounds import background
from stj_demo.drawing.colours import rgb
from stj_demo.drawing.fabric import clouds, weave
from stj_demo.drawing.shapes import Field, Layer

# Per garment: what thinks of a design, and what paints that design on a layer.
_GARMENTS: dict[str, tuple[Callable[[np.random.Generator], Any], Callable[..., None]]] = {
    "saree": (saree.design, saree.shoot),
    "trousers": (legwear.design_trousers, legwear.shoot),
    "jeans": (legwear.design_jeans, legwear.shoot),
    "dress": (saree.design, saree.shoot_dress),
}
# The last one stands in for every category that has no drawing of its own.
KINDS = tuple(_GARMENTS)


def colour_name(kind: str, seed: int, index: int) -> str:
    """The name of the colour of garment number `index`."""
    return str(_design(kind, seed, index).dye.name)


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
    random = _random(kind, seed, index, view + 1)
    width, height = (int(side) for side in random.integers((432, 570), (511, 621)))
    lying = bool(random.random() < 0.3)
    layer = Layer(width, height)
    _GARMENTS[kind][1](layer, _design(kind, seed, index), random, lying=lying)
    if lying:
        layer = layer.turned(random.normal(0, random.choice([4, 22])))
    behind = _shadowed(background(random, width, height, lying=lying), layer, random, lying=lying)
    return _develop(behind + layer.alpha * (layer.colour - behind), random)


@cache
def recipe() -> str:
    """The version of the drawings: it changes whenever the code or a library that draws does."""
    digest = hashlib.sha256(f"{PIL.__version__} {np.__version__}".encode())
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()[:12]


def _design(kind: str, seed: int, index: int) -> Any:  # noqa: ANN401 - each garment has a design of its own
    return _GARMENTS[kind][0](_random(kind, seed, index, 0))


def _random(kind: str, seed: int, index: int, view: int) -> np.random.Generator:
    return np.random.default_rng([seed, KINDS.index(kind), index, view])


def _shadowed(behind: Field, layer: Layer, random: np.random.Generator, *, lying: bool) -> Field:
    """What is behind the garment, with the garment's shadow on it."""
    reach, blur, depth = random.uniform(*((6, 5, 0.35), (7, 9, 0.6)) if lying else ((8, 12, 0.05), (30, 26, 0.3)))
    alpha = Image.fromarray((layer.alpha * 255).astype(np.uint8))
    moved = Image.new("L", alpha.size)
    moved.paste(alpha, (round(random.uniform(-1, 1) * reach), round(random.uniform(0.2, 0.8) * reach)))
    soft = (
        moved.reduce(8).filter(ImageFilter.GaussianBlur(float(blur) / 8)).resize(alpha.size, Image.Resampling.BILINEAR)
    )
    return np.asarray(behind * (1 - np.asarray(soft, np.float32) * np.float32(depth / 255)))


def _develop(picture: Field, random: np.random.Generator) -> Image.Image:
    """Exposure, the colour of the light, uneven light, grain; and sometimes the picture is mirrored."""
    shape = (picture.shape[1], picture.shape[2])
    warmth, exposure = random.normal(0, 0.02), random.uniform(0.93, 1.06)
    gains = rgb(1 + warmth, 1, 1 - warmth) * (255 * 255 * exposure)
    light = 1 + random.uniform(0, 0.06) * clouds(random, shape, 2)
    grain = random.uniform(0.004, 0.016) * weave("cotton", shape, random)
    exposed = np.clip(picture * gains * (light + grain), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return Image.fromarray(np.ascontiguousarray(exposed if random.random() < 0.5 else exposed[:, ::-1]))
