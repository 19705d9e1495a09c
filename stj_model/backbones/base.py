"""What every backbone shares: its inputs and its answer."""

from __future__ import annotations

from typing import Literal

from stj_model.backend import KerasModel, Tensor, keras

EACH = "each"


def scaled_input(size: int, scaling: str, *, mirrored: bool = False) -> tuple[Tensor, Tensor]:
    """The network's door: an input of RGB pixels, 0 to 255, and what the backbone is given of them.

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
    return pixels, keras().applications.imagenet_utils.preprocess_input(each, mode=scaling)


def one_way(backbone: KerasModel, features: Tensor) -> KerasModel:
    """The network from a batch of pixels to `features`, each picture seen once even where the backbone is mirrored."""
    mirrored = any(layer.name == EACH for layer in backbone.layers)
    return keras().Model(backbone.get_layer(EACH).output if mirrored else backbone.inputs[0], features)


def mean_of_mirrored(features: Tensor) -> Tensor:
    """The mean over each picture and its mirror image: (2n, d) → (n, d)."""
    ops = keras().ops
    return ops.mean(ops.reshape(features, (2, -1, int(features.shape[1]))), axis=0)


Architecture = Literal["resnet50", "resnet50_v1_5"]


Scaling = Literal["caffe", "torch", "tf"]
