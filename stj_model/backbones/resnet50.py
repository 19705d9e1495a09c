"""ResNet50 (He et al. 2015) as Keras has it, and v1.5: layers, stages, and where its ImageNet weights are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from stj_model.backbones.base import Backbone, Download, NotebookCut
from stj_model.backend import KerasLayer, Tensor, keras

BATCH_NORM_EPSILON = 1.001e-5
STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""Filters, blocks and stride of conv2 to conv5 (He et al. 2015, table 1)."""


def _as_keras(scaled: Tensor, drawn: bool) -> Tensor:  # noqa: ARG001 - every body is told; Keras draws always
    return keras().applications.ResNet50(include_top=False, weights=None, input_tensor=scaled).output


def _v1_5(scaled: Tensor, drawn: bool) -> Tensor:
    """The same layers and weights as `resnet50`, the stride of conv3 to conv5 in the 3×3 convolution.

    It is padded by one pixel on each side, as the wider world trains it. Filters that wait for loaded weights are zeros:
    drawing 25 million random numbers takes seconds.
    """
    layers = keras().layers
    conv = partial(layers.Conv2D, kernel_initializer="glorot_uniform" if drawn else "zeros")
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


RESNET50 = Backbone(
    name="resnet50",
    body=_as_keras,
    scaling="caffe",
    stem="conv1_pad",
    first_convolution="conv1_conv",
    early_stage="conv2_block3_out",
    last_stage="conv5_block3_out",
    imagenet=Download(
        "https://storage.googleapis.com/tensorflow/keras-applications/resnet/"
        "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        md5="4d473c1dd8becc155b73f8504c6f6626",
        size=94_765_736,
        source="Keras Applications ResNet50, ImageNet-1k, ported from Kaiming He's release",
        licence="MIT (Kaiming He, deep-residual-networks)",
    ),
    notebook=NotebookCut(
        "conv5_block2_out",
        (
            *(f"conv5_block3_{n}_{what}" for n in (1, 2) for what in ("conv", "bn", "relu")),
            *(f"conv5_block3_{what}" for what in ("3_conv", "3_bn", "add", "out")),
        ),
    ),
)
RESNET50_V1_5 = replace(RESNET50, name="resnet50_v1_5", body=_v1_5, imagenet=None)
