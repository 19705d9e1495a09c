"""The backbone with its weights, and what is made of its maps: pooled features, textures, statistics."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from stj_core.errors import WeightsError
from stj_model.backbones.base import Backbone, build
from stj_model.backbones.registry import find_backbone
from stj_model.backend import KerasModel, Tensor, as_array, keras
from stj_model.damage import PARSER_ERRORS, reason
from stj_model.weights import Weights

WHITEN_FLOOR = 1e-4
"""Share of the strongest direction's energy that whitening adds everywhere: noise is not blown up without bounds."""
PATCHES = 100
NEARLY_ZERO = 1e-8
CROPPED = 1 / 7, 2 / 7
"""What `centred_features` leaves out above and below, and at either side: garments are taller than wide."""


def load_backbone(weights: Weights, size: int, scaling: str | None = None, *, mirrored: bool = False) -> KerasModel:
    """Build the backbone and load its weights (random ones are drawn from Keras' seed).

    Args:
        weights: from `find_weights`.
        size: height and width of the input, in pixels.
        scaling: how pixels are scaled, where a recipe insists; None takes what the weights want.
        mirrored: each picture is followed by its mirror image, as in `stj_model.backbones.base.build`.

    Raises:
        WeightsError: the file is of another network.
    """
    backbone = build(
        find_backbone(weights.architecture),
        scaling or weights.preprocessing,
        size,
        mirrored=mirrored,
        drawn=weights.is_random,
    )
    if weights.path is not None:
        try:
            # Keras only warns where it leaves a layer as it was: here that is a failure.
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)
                backbone.load_weights(weights.path)
        except (UserWarning, *PARSER_ERRORS) as error:
            raise WeightsError(
                f"{weights.path} does not hold the weights of {weights.architecture} without its top: {reason(error)}."
            ) from error
    return backbone


def pooled_features(backbone: KerasModel, layer: str) -> Tensor:
    """The mean over each map of a layer: a tensor of shape (n, d)."""
    return keras().layers.GlobalAveragePooling2D()(backbone.get_layer(layer).output)


def centred_features(backbone: KerasModel, layer: str) -> Tensor:
    """The mean over each map of a layer beside that over its centre, under a square root: a tensor of shape (n, 2d).

    A shop's floor, wall and neighbouring goods lie at the rim, its garment in the middle; the root keeps a few loud maps from
    drowning the rest (the Hellinger kernel's map).
    """
    layers, maps = keras().layers, backbone.get_layer(layer).output
    sides = zip(CROPPED, map(int, maps.shape[1:3]), strict=True)
    middle = layers.Cropping2D(tuple(min(round(share * side), (side - 1) // 2) for share, side in sides))(maps)
    both = [layers.GlobalAveragePooling2D()(one) for one in (maps, middle)]
    # Means of a ReLU's map have no negative; those of other activations may.
    return keras().ops.sqrt(keras().ops.relu(layers.Concatenate()(both)))


def textures(backbone: KerasModel, layer: str, grid: int) -> Tensor:
    """How strong and how uneven each map of a layer is, cell by cell of a grid × grid: a tensor of shape (n, 2·grid²·d).

    The mean and the deviation of each cell, under a square root, which keeps a few loud maps from drowning the rest.
    """
    ops, maps = keras().ops, backbone.get_layer(layer).output
    cell = int(maps.shape[1]) // grid
    mean = ops.average_pool(maps, cell, strides=cell)
    uneven = ops.average_pool(ops.square(maps), cell, strides=cell) - ops.square(mean)
    both = ops.concatenate([ops.sqrt(ops.relu(mean)), ops.power(ops.relu(uneven) + NEARLY_ZERO, 0.25)], axis=-1)
    return keras().layers.Flatten()(both)


def whiten_first(backbone: KerasModel, about: Backbone, batches: Iterable[Any], seed: int) -> None:
    """Give the first convolution random orthogonal filters of whitened patches of these pictures.

    Plain random filters hear little but brightness and colour, which is where natural pictures have their energy; whitened
    ones hear fine texture as loudly (zero-phase components: A. J. Bell and T. J. Sejnowski, 1997).

    Args:
        backbone: the network, changed in place.
        about: the names of its layers.
        batches: pixels, each of shape (n, size, size, 3).
        seed: of the patches' places and of the filters.
    """
    scaled = keras().Model(backbone.inputs[0], backbone.get_layer(about.stem).input)
    first = backbone.get_layer(about.first_convolution)
    side, _, depth, filters = first.kernel.shape
    random = np.random.default_rng(seed)
    patches = np.concatenate(
        [_patches(np.asarray(scaled(np.asarray(one, dtype=np.float32))), side, random) for one in batches]
    )
    patches -= patches.mean(axis=0)
    energy, axes = np.linalg.eigh(patches.T @ patches / len(patches))
    whitening = (axes / np.sqrt(np.maximum(energy, 0) + WHITEN_FLOOR * energy.max())) @ axes.T
    wide = side * side * depth
    # More filters than a patch has numbers cannot all be orthogonal: then each such set is.
    sets = [np.linalg.qr(random.standard_normal((wide, min(filters - at, wide))))[0] for at in range(0, filters, wide)]
    directions = np.concatenate(sets, axis=1)
    kernel = (whitening @ directions).reshape(side, side, depth, filters)
    bias = [np.zeros(filters, dtype=np.float32)] if first.use_bias else []
    first.set_weights([kernel.astype(np.float32), *bias])


def _patches(pictures: Any, side: int, random: np.random.Generator) -> Any:  # noqa: ANN401 - float arrays of any origin
    """A hundred patches of each picture (n, height, width, depth), as rows."""
    places = random.integers(0, pictures.shape[1] - side + 1, size=(len(pictures), PATCHES, 2))
    rows = [
        picture[y : y + side, x : x + side].ravel()
        for picture, corners in zip(pictures, places, strict=True)
        for y, x in corners
    ]
    return np.array(rows, dtype=np.float64)


def estimate_norms(network: KerasModel, batches: Iterable[Any]) -> None:
    """Give every BatchNorm the statistics of these pictures, averaged over the batches, and leave all else as it is.

    Random weights with a mean of 0 and a variance of 1 everywhere let a signal die or explode on its way; with the
    statistics of real pictures each layer hands on what it was given in proportion.
    """
    norms = [layer for layer in network.layers if isinstance(layer, keras().layers.BatchNormalization)]
    usual = [(layer.momentum, layer.trainable) for layer in norms]
    for number, pixels in enumerate(batches):
        for layer in norms:
            layer.trainable, layer.momentum = True, number / (number + 1)
        network(np.asarray(pixels, dtype=np.float32), training=True)
    for layer, (momentum, trainable) in zip(norms, usual, strict=True):
        layer.momentum, layer.trainable = momentum, trainable


def weights_digest(model: KerasModel) -> str:
    """The sha256 over all arrays of a model, in order: which numbers exactly computed a feature."""
    digest = hashlib.sha256()
    for array in map(as_array, model.weights):
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
