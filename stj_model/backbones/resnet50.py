"""ResNet50: its layers, its stages and where its ImageNet weights lie."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from stj_model.backbones.base import Architecture, scaled_input
from stj_model.backend import KerasLayer, KerasModel, Tensor, keras

BATCH_NORM_EPSILON = 1.001e-5


STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))


def build_backbone(
    architecture: Architecture, scaling: str, size: int, *, mirrored: bool = False, drawn: bool = True
) -> KerasModel:
    """ResNet50 without its top, from pixels: (n, size, size, 3) RGB 0 to 255 → (n, size/32, size/32, 2048).

    One flat graph with Keras' layer names. `resnet50` is Keras' own; `resnet50_v1_5` has the same layers and weights, but
    the stride of conv3, conv4 and conv5 is in the 3×3 convolution, padded by one pixel on each side, as the wider world
    trains it. Where `mirrored`, every picture is followed through the network by its mirror image: n pictures give 2n
    maps, all pictures first, then all mirror images; `each` is the layer after which they are one batch. Filters that are
    not `drawn` wait for weights that are loaded: 25 million random numbers need not be drawn for that.
    """
    pixels, scaled = scaled_input(size, scaling, mirrored=mirrored)
    if architecture == "resnet50":
        features = keras().applications.ResNet50(include_top=False, weights=None, input_tensor=scaled).output
    else:
        features = _v1_5(scaled, "glorot_uniform" if drawn else "zeros")
    return keras().Model(pixels, features, name=architecture)


def _v1_5(scaled: Tensor, initial: str) -> Tensor:
    layers = keras().layers
    conv = partial(layers.Conv2D, kernel_initializer=initial)
    x = layers.ZeroPadding2D(3, name="conv1_pad")(scaled)
    x = conv(64, 7, strides=2, name="conv1_conv")(x)
    x = _norm("conv1")(x)
    x = layers.Activation("relu", name="conv1_relu")(x)
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    for stage, (filters, blocks, stride) in enumerate(STAGES, start=2):
        for block in range(1, blocks + 1):
            first = block == 1
            x = _bottleneck(x, conv, filters, stride if first else 1, f"conv{stage}_block{block}", projected=first)
    return x


def _bottleneck(
    x: Tensor, conv: Callable[..., KerasLayer], filters: int, stride: int, name: str, *, projected: bool
) -> Tensor:
    """1×1, 3×3 (which strides), 1×1, beside a shortcut; created in Keras' order, which its weight files follow."""
    layers = keras().layers
    shortcut = x
    if projected:
        shortcut = conv(4 * filters, 1, strides=stride, name=f"{name}_0_conv")(x)
        shortcut = _norm(f"{name}_0")(shortcut)
    x = conv(filters, 1, name=f"{name}_1_conv")(x)
    x = _norm(f"{name}_1")(x)
    x = layers.Activation("relu", name=f"{name}_1_relu")(x)
    if stride > 1:
        x = layers.ZeroPadding2D(1, name=f"{name}_2_pad")(x)
    x = conv(filters, 3, strides=stride, padding="valid" if stride > 1 else "same", name=f"{name}_2_conv")(x)
    x = _norm(f"{name}_2")(x)
    x = layers.Activation("relu", name=f"{name}_2_relu")(x)
    x = conv(4 * filters, 1, name=f"{name}_3_conv")(x)
    x = _norm(f"{name}_3")(x)
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.Activation("relu", name=f"{name}_out")(x)


def _norm(name: str) -> KerasLayer:
    return keras().layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name=f"{name}_bn")


IMAGENET_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/resnet/"
    "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
)


IMAGENET_MD5 = "4d473c1dd8becc155b73f8504c6f6626"


IMAGENET_SOURCE = "Keras Applications ResNet50, ImageNet-1k, ported from Kaiming He's release"


IMAGENET_LICENCE = "MIT (Kaiming He, deep-residual-networks)"
