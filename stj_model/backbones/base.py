"""What a backbone is, and what all of them share: the input, its scaling, and the mirror image.

A backbone is one module beside this one with one or more `Backbone` values in it, and a line in `registry.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from stj_model.backend import KerasModel, Tensor, keras

EACH = "each"
"""The layer after which a picture and its mirror image are one batch."""

Scaling = Literal["caffe", "torch", "tf"]
"""How weights want their pixels, in the words of Keras' `preprocess_input`."""


@dataclass(frozen=True)
class Download:
    """Where ImageNet weights without the top are fetched from.

    Attributes:
        url: the file.
        md5: of the file, as Keras publishes it.
        size: of the file, in bytes.
        source: who trained them, in words for a report.
        licence: of the weights.
    """

    url: str
    md5: str
    size: int
    source: str
    licence: str


@dataclass(frozen=True)
class NotebookCut:
    """Where the student's notebook cuts a network: what is trained on, and the one tensor that reaches it.

    Attributes:
        layer: the last frozen layer, whose output is all that the trained layers are given.
        trained: the layers behind it, in order; the last two are the residual's sum and its activation.
    """

    layer: str
    trained: tuple[str, ...]


@dataclass(frozen=True)
class Backbone:
    """A network without its top, and the names of the layers that recipes look at.

    Attributes:
        name: as `--backbone` and the `architecture` beside a weights file say it.
        body: from scaled pixels (n, size, size, 3) to the last map (n, h, w, d); told whether the filters are to be drawn
            at random (else they wait for weights that are loaded).
        scaling: how its pixels are scaled, where a weights file does not say otherwise.
        stem: the first layer, whose input is the scaled pixels.
        first_convolution: the first convolution, which is whitened where weights are random.
        early_stage: the last layer at which random weights still tell textures apart.
        last_stage: the layer with the last map.
        imagenet: where its ImageNet weights are, or None.
        notebook: where recipe `paper` cuts it, or None where it cannot be cut by one tensor.
    """

    name: str
    body: Callable[[Tensor, bool], Tensor]
    scaling: Scaling
    stem: str
    first_convolution: str
    early_stage: str
    last_stage: str
    imagenet: Download | None = None
    notebook: NotebookCut | None = None


def build(backbone: Backbone, scaling: str, size: int, *, mirrored: bool = False, drawn: bool = True) -> KerasModel:
    """A backbone from pixels: (n, size, size, 3) RGB 0 to 255 → its last map (n, h, w, d), as one flat graph.

    Where `mirrored`, every picture is followed through the network by its mirror image: n pictures give 2n maps, all
    pictures first, then all mirror images.
    """
    pixels, scaled = scaled_input(size, scaling, mirrored=mirrored)
    return keras().Model(pixels, backbone.body(scaled, drawn), name=backbone.name)


def scaled_input(size: int, scaling: str, *, mirrored: bool = False) -> tuple[Tensor, Tensor]:
    """The network's input, RGB pixels of 0 to 255, and what the backbone is given of them.

    Args:
        size: height and width in pixels.
        scaling: "caffe", "torch" or "tf" as in Keras' `preprocess_input`, or "unit" for the notebook's 1/255.
        mirrored: the mirror images follow as a second half of the batch.

    Returns:
        The input tensor (n, size, size, 3) and the scaled one (2n, … where mirrored), both float32.
    """
    pixels = keras().Input((size, size, 3), name="pixels")
    each = pixels
    if mirrored:
        ops = keras().ops
        each = keras().layers.Identity(name=EACH)(ops.concatenate([pixels, ops.flip(pixels, axis=2)], axis=0))
    if scaling == "unit":
        return pixels, keras().layers.Rescaling(1 / 255, name="scaling")(each)
    return pixels, keras().applications.imagenet_utils.preprocess_input(each, data_format="channels_last", mode=scaling)


def one_way(network: KerasModel, features: Tensor) -> KerasModel:
    """The network from a batch of pixels to `features`, each picture seen once even where it is mirrored."""
    mirrored = any(layer.name == EACH for layer in network.layers)
    return keras().Model(network.get_layer(EACH).output if mirrored else network.inputs[0], features)


def mean_of_mirrored(features: Tensor) -> Tensor:
    """The mean over each picture and its mirror image: (2n, d) → (n, d)."""
    ops = keras().ops
    return ops.mean(ops.reshape(features, (2, -1, int(features.shape[1]))), axis=0)
