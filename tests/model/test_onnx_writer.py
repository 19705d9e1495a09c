# ruff: noqa: PLW0108 - a lambda makes its layer when its test runs: collecting the tests must not import Keras
"""A network written to ONNX says what Keras says, layer by layer and as a whole, and what cannot be written is named."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stj_core.errors import ModelError
from stj_model.backbones.base import build, mean_of_mirrored, scaled_input
from stj_model.backbones.registry import BACKBONES
from stj_model.backend import keras
from stj_model.network import centred_features, pooled_features, textures

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from stj_model.onnx_writer.network import build_onnx  # noqa: E402 - needs onnx

SHAPE = (9, 12, 4)
ALLOWED = 1e-4


def unsettle(model: Any, seed: int = 0) -> None:
    """Give every weight a number that matters: fresh BatchNorms change nothing, and would prove nothing."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras().layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.normal(0, 0.3, layer.bias.shape))


def asked(model: Any, pixels: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What ONNX Runtime and Keras say, by output."""
    session = onnxruntime.InferenceSession(build_onnx(model).SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(None, {model.inputs[0].name: pixels})
    wanted = model(pixels, training=False)
    names = [one.name for one in session.get_outputs()]
    return {name: (array, np.asarray(wanted[name])) for name, array in zip(names, found, strict=True)}


def network(body: Callable[[Any], Any], shape: tuple[int, ...] = SHAPE) -> Any:
    entry = keras().Input(shape, name="pixels")
    made = keras().Model(entry, {"out": body(entry)})
    unsettle(made)
    return made


def same(model: Any, pictures: int = 3) -> None:
    pixels = np.random.default_rng(1).normal(0, 2, (pictures, *model.inputs[0].shape[1:])).astype(np.float32)
    for name, (found, wanted) in asked(model, pixels).items():
        assert found.shape == wanted.shape, name
        assert np.abs(found - wanted).max() <= ALLOWED * max(1.0, np.abs(wanted).max()), name


def layers() -> Any:
    return keras().layers


def ops() -> Any:
    return keras().ops


def twice_used(x: Any) -> Any:
    """A convolution that a BatchNorm and something else look at: the norm cannot be computed with its weights."""
    convolved = layers().Conv2D(4, 3, padding="same")(x)
    return layers().Add()([layers().BatchNormalization()(convolved), convolved])


def called_again(x: Any) -> Any:
    """One layer at two places, the second behind another layer."""
    again = layers().Conv2D(4, 3, padding="same", activation="relu")
    return again(layers().MaxPooling2D(2)(again(x)))


def norm_called_again(x: Any) -> Any:
    norm = layers().BatchNormalization()
    return norm(layers().Conv2D(4, 1)(norm(x)))


def excited(x: Any) -> Any:
    """Squeeze and excitation: a map times one number for each of its channels."""
    squeezed = layers().Reshape((1, 1, 4))(layers().GlobalAveragePooling2D()(x))
    return layers().Multiply()(
        [layers().Conv2D(4, 1, activation="silu")(x), layers().Conv2D(4, 1, activation="sigmoid")(squeezed)]
    )


def padded_twice_used(x: Any) -> Any:
    padded = layers().ZeroPadding2D(1)(x)
    return layers().Concatenate()([padded, layers().Conv2D(2, 1)(padded)])


BODIES: dict[str, Callable[[Any], Any]] = {
    "convolution": lambda x: layers().Conv2D(5, 3)(x),
    "strided, same, uneven": lambda x: layers().Conv2D(5, (3, 2), strides=(2, 3), padding="same", use_bias=False)(x),
    "dilated": lambda x: layers().Conv2D(5, 3, dilation_rate=2)(x),
    "grouped": lambda x: layers().Conv2D(6, 3, groups=2, activation="relu")(x),
    "depthwise": lambda x: layers().DepthwiseConv2D(3, strides=2, padding="same")(x),
    "depthwise, two each, with its norm": lambda x: layers().BatchNormalization()(
        layers().DepthwiseConv2D(3, depth_multiplier=2, use_bias=False)(x)
    ),
    "convolution and norm": lambda x: layers().BatchNormalization(epsilon=0.01)(layers().Conv2D(5, 3)(x)),
    "norm without scale or centre": lambda x: layers().BatchNormalization(scale=False, center=False)(
        layers().Conv2D(5, 3)(x)
    ),
    "norm behind an activation": lambda x: layers().BatchNormalization()(layers().Conv2D(5, 3, activation="relu")(x)),
    "norm of a convolution that is used twice": twice_used,
    "norm of pixels": lambda x: layers().BatchNormalization()(x),
    "norm of a row": lambda x: layers().BatchNormalization()(layers().Flatten()(x)),
    "layer called again": called_again,
    "norm called again": norm_called_again,
    "excitation": excited,
    "padded convolution": lambda x: layers().Conv2D(5, 3, strides=2)(layers().ZeroPadding2D(((1, 2), (0, 3)))(x)),
    "padded, used twice": padded_twice_used,
    "padded, same": lambda x: layers().Conv2D(5, 3, padding="same")(layers().ZeroPadding2D(1)(x)),
    "largest of padded": lambda x: layers().MaxPooling2D(3, 2)(layers().ZeroPadding2D(1)(x)),
    "largest of padded, never negative": lambda x: layers().MaxPooling2D(3, 2)(
        layers().ZeroPadding2D(1)(layers().Conv2D(3, 1, activation="relu")(x))
    ),
    "largest, same": lambda x: layers().MaxPooling2D(2, 3, padding="same")(x),
    "mean, same": lambda x: layers().AveragePooling2D(4, 3, padding="same")(x),
    "mean of padded": lambda x: layers().AveragePooling2D(3, 2)(layers().ZeroPadding2D(1)(x)),
    "mean of everything": lambda x: layers().GlobalAveragePooling2D(keepdims=True)(x),
    "cropped pixels": lambda x: layers().Cropping2D(((1, 2), (0, 3)))(x),
    "cropped map": lambda x: layers().Cropping2D(((0, 2), (4, 0)))(layers().Conv2D(2, 1)(x)),
    "flat map": lambda x: layers().Flatten()(layers().Conv2D(2, 3)(x)),
    "joined maps": lambda x: layers().Concatenate(axis=-1)([layers().Conv2D(2, 1)(x), layers().Conv2D(3, 1)(x)]),
    "joined by rows": lambda x: layers().Concatenate(axis=1)([layers().Conv2D(4, 1)(x), layers().Conv2D(4, 1)(x)]),
    "joined map and pixels": lambda x: layers().Concatenate()([layers().Conv2D(2, 1)(x), x]),
    "map and pixels": lambda x: layers().Subtract()([layers().Conv2D(4, 1)(x), x]),
    "three together": lambda x: layers().Add()([layers().Conv2D(4, 1)(x), layers().Conv2D(4, 1)(x), x]),
    "map and an array": lambda x: layers().Conv2D(4, 1)(x) + np.arange(4, dtype=np.float32),
    "map and a map of rank one less": lambda x: layers().Conv2D(4, 1)(x) * ops().mean(x, axis=0),
    "array first": lambda x: ops().subtract(np.arange(4, dtype=np.float32), x),
    "numbers": lambda x: ops().power(ops().relu(x) / 3 + 1e-3, 0.25) - 1,
    "rescaled": lambda x: layers().Rescaling(0.5, offset=-1.0)(layers().Conv2D(2, 1)(x)),
    "rescaled by channel": lambda x: layers().Rescaling([1.0, 2.0, 3.0, 4.0])(layers().Conv2D(4, 1)(x)),
    "mirrored": lambda x: ops().concatenate([x, ops().flip(x, axis=2)], axis=0),
    "turned upside down and round": lambda x: ops().flip(layers().Conv2D(4, 1)(x), axis=(1, 2)),
    "other channels": lambda x: ops().stack([x[..., 2], x[..., 0]], axis=-1),
    "squares": lambda x: ops().sqrt(ops().square(layers().Conv2D(4, 1)(x)) + 1.0),
    "dense": lambda x: layers().Dense(7, activation="softmax")(layers().Flatten()(x)),
    "dense at each place": lambda x: layers().Dense(3, use_bias=False)(layers().Conv2D(4, 1)(x)),
    "softmax of a map": lambda x: layers().Conv2D(4, 1, activation="softmax")(x),
    "softmax": lambda x: layers().Softmax()(layers().Conv2D(4, 1)(x)),
    "normalised": lambda x: layers().Normalization(mean=np.arange(4.0), variance=np.array([4.0, 1.0, 0.0, 9.0]))(x),
    "on the unit sphere": lambda x: layers().UnitNormalization()(layers().Flatten()(x)),
    "nothing on the unit sphere": lambda x: layers().UnitNormalization()(layers().Flatten()(x * 0.0)),
    "log of sums": lambda x: ops().logsumexp(200.0 * layers().Flatten()(x), axis=1, keepdims=True),
    "largest": lambda x: ops().max(layers().Conv2D(4, 1)(x), axis=(1, 3)),
    "squeezed": lambda x: ops().squeeze(ops().max(x, axis=1, keepdims=True), axis=1),
    "reshaped": lambda x: ops().mean(ops().reshape(layers().Conv2D(4, 1)(x), (3, -1, 4)), axis=1),
    "passed on": lambda x: layers().Dropout(0.5)(layers().Identity()(x)),
    "nothing": lambda x: x,
}


@pytest.mark.medium
@pytest.mark.parametrize("name", BODIES)
def test_a_layer_says_in_onnx_what_it_says_in_keras(name: str):
    same(network(BODIES[name]))


@pytest.mark.medium
@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_whole_backbone_says_what_it_says_in_keras(backbone: str):
    keras().utils.set_random_seed(4)
    about = BACKBONES[backbone]
    whole = build(about, about.scaling, 64, mirrored=True)
    pooled = centred_features(whole, about.last_stage)
    outputs = {
        "features": mean_of_mirrored(pooled),
        "plain": pooled_features(whole, about.last_stage),
        "textures": textures(whole, about.early_stage, 4),
        "map": whole.get_layer(about.last_stage).output,
    }
    model = keras().Model(whole.inputs[0], outputs)
    unsettle(model)
    pixels = np.random.default_rng(2).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)
    found = asked(model, pixels)
    assert set(found) == set(outputs)
    for name, pair in found.items():
        # Textures are fourth roots of differences of nearly equal numbers.
        ours, wanted = (one**4 for one in pair) if name == "textures" else pair
        assert np.abs(wanted).max() > 0
        assert np.abs(ours - wanted).max() <= ALLOWED * np.abs(wanted).max(), name


@pytest.mark.parametrize("scaling", ["caffe", "torch", "tf", "unit"])
@pytest.mark.parametrize("mirrored", [True, False])
def test_pixels_are_scaled_as_keras_scales_them(scaling: str, mirrored: bool):
    pixels, scaled = scaled_input(16, scaling, mirrored=mirrored)
    same(keras().Model(pixels, {"out": scaled}))


@pytest.mark.parametrize("pictures", [1, 2, 5])
def test_any_number_of_pictures_is_answered(pictures: int):
    same(network(BODIES["excitation"]), pictures)


def test_what_nobody_needs_is_not_in_the_file():
    model = build_onnx(network(BODIES["padded convolution"]))
    assert [node.op_type for node in model.graph.node] == ["Transpose", "Conv", "Transpose", "Identity"]
    used = {name for node in model.graph.node for name in node.input}
    assert {one.name for one in model.graph.initializer} <= used
    assert [opset.version for opset in model.opset_import] == [18]


def test_a_batch_norm_is_computed_with_its_convolution():
    kinds = [node.op_type for node in build_onnx(network(BODIES["convolution and norm"])).graph.node]
    assert kinds.count("Conv") == 1
    assert not {"BatchNormalization", "Mul", "Add"} & set(kinds)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            lambda x: layers().SeparableConv2D(2, 3, name="odd")(x),
            "odd is a SeparableConv2D with no counterpart there that STJ knows",
        ),
        (lambda x: layers().Conv2D(2, 3, activation="gelu", name="odd")(x), "odd is a Conv2D with the activation gelu"),
        (
            lambda x: layers().LayerNormalization(name="odd")(x),
            "odd is a LayerNormalization with no counterpart there that STJ knows",
        ),
        (
            lambda x: layers().BatchNormalization(axis=1, name="odd")(x),
            "odd is a BatchNormalization with another axis than the channels'",
        ),
        (
            lambda x: layers().Normalization(mean=0.0, variance=4.0, invert=True, name="odd")(x),
            "odd is a Normalization with invert=True",
        ),
        (
            lambda x: layers().MaxPooling2D(1, data_format="channels_first", name="odd")(x),
            "odd is a MaxPooling2D with channels first",
        ),
        (lambda x: x[..., 1:], "get_item is a GetItem with another part than [..., number]"),
        (lambda x: x[:, 0], "get_item is a GetItem with another part than [..., number]"),
        (lambda x: ops().max(x), "max is a Max with all axes, or with an initial number"),
        (lambda x: ops().max(x, axis=1, initial=9.0), "max is a Max with all axes, or with an initial number"),
        (
            lambda x: keras().Sequential([layers().Dense(2)], name="odd")(x),
            "odd is a Sequential with no counterpart there that STJ knows",
        ),
    ],
)
def test_what_cannot_be_written_is_named(body: Callable[[Any], Any], sentence: str):
    keras().utils.clear_session()
    refused(body, SHAPE, sentence)


def test_padding_that_depends_on_the_picture_is_not_written():
    refused(
        lambda x: layers().MaxPooling2D(2, padding="same", name="odd")(x),
        (None, None, 4),
        "odd is a MaxPooling2D with padding=same for maps of any size",
    )


def refused(body: Callable[[Any], Any], shape: tuple[int | None, ...], sentence: str) -> None:
    model = keras().Model(entry := keras().Input(shape, name="pixels"), {"out": body(entry)})
    with pytest.raises(ModelError) as error:
        build_onnx(model)
    assert str(error.value) == f"The network cannot be written to ONNX: its layer {sentence}. Another format may do."


MEASURE = """
import resource, sys
from pathlib import Path
from stj_model.backend import keras
from stj_model.formats import write_onnx
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
base = keras().applications.ResNet50(weights=None, include_top=False, input_shape=(224, 224, 3), pooling="avg")
model = keras().Model(base.inputs[0], {"features": base.output})
import onnx
before = peak()
write_onnx(model, Path(sys.argv[1]))
print(peak() - before, 4 * model.count_params() / 2**20)
"""


@pytest.mark.slow
def test_writing_takes_a_few_times_the_memory_of_the_weights(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "network.onnx")],
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    more, weights = map(float, done.stdout.split())
    assert more <= 6 * weights
