"""What each kind of Keras' layers and operations is in ONNX.

A writer adds the nodes of one call to a graph, and says what its value is called and whether its channels come first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stj_model.backend import KerasLayer, as_array
from stj_model.onnx_writer.graph import TO_FIRST, Call, Graph, Value

SMALLEST_LENGTH = 1e-12
"""What Keras' UnitNormalization takes for the length of nothing."""
SMALLEST_DEVIATION = 1e-7
"""What Keras' Normalization takes for the deviation of what never changes: its epsilon, which `backend` pins."""

Made = tuple[str, bool]
Writer = Callable[[Graph, Call], Made]


def write_call(graph: Graph, call: Call) -> Made:
    """Add a call to a graph; the value's name, and whether its channels come first.

    Raises:
        ModelError: it is of a kind, or has settings, that are not written here.
    """
    writer = WRITERS.get(call.kind)
    if writer is None:
        raise call.refused("no counterpart there that STJ knows")
    if call.config.get("data_format") not in {None, "channels_last"}:
        raise call.refused("channels first")
    name, channels_first = writer(graph, call)
    return _activated(graph, call, name, 1 if channels_first else -1), channels_first


def _activated(graph: Graph, call: Call, name: str, channels: int) -> str:
    """A value after the activation that the layer has in its settings, if any."""
    activation = call.config.get("activation", "linear")
    match activation:
        case "linear" | None:
            return name
        case "relu" | "sigmoid":
            return graph.add(str(activation).capitalize(), name)
        case "softmax":
            return graph.add("Softmax", name, axis=channels)
        case "silu" | "swish":
            return graph.add("Mul", name, graph.add("Sigmoid", name))
    raise call.refused(f"the activation {activation}")


def _weights(layer: KerasLayer, *names: str) -> list[npt.NDArray[np.float64]]:
    """A layer's weights by their attributes; a missing one is the number that changes nothing."""
    usual = {"gamma": 1.0, "moving_variance": 1.0}
    found = [getattr(layer, name, None) for name in names]
    return [
        np.asarray(usual.get(name, 0.0) if one is None else as_array(one), dtype=np.float64)
        for name, one in zip(names, found, strict=True)
    ]


def _as_it_is(graph: Graph, call: Call) -> Made:  # noqa: ARG001 - as every writer
    return call.only.name, call.only.channels_first


def _convolution(graph: Graph, call: Call) -> Made:
    """Convolve, with the BatchNorm that follows computed into the weights, where that is possible."""
    config, layer = call.config, call.layer
    kernel, bias = _weights(layer, "kernel", "bias")
    groups = config.get("groups") or 1
    if call.kind == "DepthwiseConv2D":
        height, width, groups, times = kernel.shape
        kernel = kernel.reshape(height, width, 1, groups * times)
    if call.name in graph.norms:
        scale, shift = _scale_and_shift(graph.norms[call.name])
        kernel, bias = kernel * scale, bias * scale + shift
    bias = np.broadcast_to(bias, kernel.shape[-1:])
    covered = [1 + step * (side - 1) for side, step in zip(kernel.shape[:2], config["dilation_rate"], strict=True)]
    value, padding = _windows(graph, call, covered, config["strides"], zeros_fit=True)
    convolved = graph.add(
        "Conv",
        graph.first(value),
        graph.constant(kernel.transpose(3, 2, 0, 1)),
        graph.constant(bias),
        kernel_shape=kernel.shape[:2],
        strides=config["strides"],
        dilations=config["dilation_rate"],
        group=groups,
        **padding,
    )
    return convolved, True


def _scale_and_shift(norm: KerasLayer) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """What a BatchNorm multiplies each channel by and then adds, once it has learned."""
    gamma, beta, mean, variance = _weights(norm, "gamma", "beta", "moving_mean", "moving_variance")
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return scale, beta - mean * scale


def _batch_norm(graph: Graph, call: Call) -> Made:
    value, norm = call.only, call.layer
    if any(norm is one for one in graph.norms.values()):
        return value.name, value.channels_first
    axis = call.config["axis"]
    if (axis[0] if isinstance(axis, list | tuple) else axis) % value.rank != value.rank - 1:
        raise call.refused("another axis than the channels'")
    scale, shift = _scale_and_shift(norm)
    shape = (-1, 1, 1) if value.channels_first else (-1,)
    scaled = graph.add("Mul", value.name, graph.constant(scale.reshape(shape)))
    return graph.add("Add", scaled, graph.constant(shift.reshape(shape))), value.channels_first


def _dense(graph: Graph, call: Call) -> Made:
    kernel, bias = _weights(call.layer, "kernel", "bias")
    product = graph.add("MatMul", graph.last(call.only), graph.constant(kernel))
    return (graph.add("Add", product, graph.constant(bias)) if call.config["use_bias"] else product), False


def _normalization(graph: Graph, call: Call) -> Made:
    if call.config["invert"]:
        raise call.refused("invert=True")
    mean, variance = (np.asarray(part, dtype=np.float64) for part in (call.layer.mean, call.layer.variance))  # type: ignore[union-attr]  # a layer
    centred = graph.add("Sub", graph.last(call.only), graph.constant(mean))
    return graph.add("Div", centred, graph.constant(np.maximum(np.sqrt(variance), SMALLEST_DEVIATION))), False


def _unit_normalization(graph: Graph, call: Call) -> Made:
    name = graph.last(call.only)
    axis = graph.integers(np.atleast_1d(call.config["axis"]))
    length = graph.add("Max", graph.add("ReduceL2", name, axis, keepdims=1), graph.constant(SMALLEST_LENGTH))
    return graph.add("Div", name, length), False


def _rescaling(graph: Graph, call: Call) -> Made:
    scale, offset = (np.asarray(call.config[key]) for key in ("scale", "offset"))
    value = call.only
    name, channels_first = (
        (value.name, value.channels_first) if not (scale.ndim or offset.ndim) else (graph.last(value), False)
    )
    scaled = graph.add("Mul", name, graph.constant(scale))
    return (graph.add("Add", scaled, graph.constant(offset)) if offset.any() else scaled), channels_first


def _zero_padding(graph: Graph, call: Call) -> Made:
    (top, bottom), (left, right) = call.config["padding"]
    return graph.pad(call.only, (top, left, bottom, right)), call.only.channels_first


def _cropping(graph: Graph, call: Call) -> Made:
    (top, bottom), (left, right) = call.config["cropping"]
    farthest = np.iinfo(np.int64).max
    ends = [-end if end else farthest for end in (bottom, right)]
    axes = [2, 3] if call.only.channels_first else [1, 2]
    return _sliced(graph, call.only.name, [top, left], ends, axes), call.only.channels_first


def _sliced(
    graph: Graph, name: str, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int], step: int = 1
) -> str:
    return graph.add("Slice", name, *(graph.integers(one) for one in (starts, ends, axes, [step] * len(axes))))


def _windows(
    graph: Graph, call: Call, sides: Sequence[int], strides: Sequence[int], *, zeros_fit: bool
) -> tuple[Value, dict[str, Any]]:
    """What windows are taken of, and how that is padded.

    Zeros that a layer before has put around a map are left to the windows, where what they pad with is the same to them.
    """
    if call.config["padding"] == "same":
        return call.only, {"pads": _same(call, sides, strides)}
    value, zeros = graph.unpadded(call.only) if zeros_fit else (call.only, None)
    return value, {"pads": zeros} if zeros else {}


def _same(call: Call, sides: Sequence[int], strides: Sequence[int]) -> list[int]:
    """How much is padded for one window to begin at every stride: the odd one at the end.

    Said in numbers, since ONNX Runtime miscounts its own SAME_UPPER where a stride is longer than a window.
    """
    before, after = [], []
    for length, side, stride in zip(call.only.shape[1:3], sides, strides, strict=True):
        if length is None:
            raise call.refused("padding=same for maps of any size")
        more = max((-(-length // stride) - 1) * stride + side - length, 0)
        before.append(more // 2)
        after.append(more - more // 2)
    return [*before, *after]


def _pooling(graph: Graph, call: Call) -> Made:
    """The largest or the mean of each window; what is outside the map counts for neither, which zeros around it would."""
    mean = call.kind != "MaxPooling2D"
    size = call.config["pool_size"]
    sides, strides = (np.broadcast_to(one, 2).tolist() for one in (size, call.config["strides"] or size))
    zeros_fit = not mean and graph.never_negative(graph.unpadded(call.only)[0])
    value, padding = _windows(graph, call, sides, strides, zeros_fit=zeros_fit)
    operator = "AveragePool" if mean else "MaxPool"
    return graph.add(operator, graph.first(value), kernel_shape=sides, strides=strides, **padding), True


def _global_average(graph: Graph, call: Call) -> Made:
    pooled = graph.add("GlobalAveragePool", graph.first(call.only))
    return (pooled, True) if call.config["keepdims"] else (graph.add("Flatten", pooled), False)


def _reshape(graph: Graph, call: Call) -> Made:
    """The number of pictures is kept by a layer and given to an operation."""
    config = call.config
    shape = (0, *config["target_shape"]) if "target_shape" in config else config["newshape"]
    return graph.add("Reshape", graph.last(call.only), graph.integers(shape)), False


def _flatten(graph: Graph, call: Call) -> Made:
    return graph.add("Flatten", graph.last(call.only)), False


def _together(operator: str) -> Writer:
    """One number of several, place by place: all in the order that the first has, if no array has to be turned for that."""

    def write(graph: Graph, call: Call) -> Made:
        values = [one for one in call.given if isinstance(one, Value)]
        arrays = [one for one in call.given if not isinstance(one, Value) and np.ndim(one)]
        first = (
            not arrays
            and any(one.channels_first for one in values)
            and all(one.rank == len(TO_FIRST) for one in values)
        )
        name, *rest = [_operand(graph, call, one, channels_first=first) for one in call.given]
        for other in rest:
            name = graph.add(operator, name, other)
        return name, first

    return write


def _operand(graph: Graph, call: Call, given: Any, *, channels_first: bool) -> str:  # noqa: ANN401 - a value or numbers
    if isinstance(given, Value):
        return graph.first(given) if channels_first else graph.last(given)
    if isinstance(given, int | float | np.ndarray):
        return graph.constant(given)
    raise call.refused(f"{given!r} among its inputs")


def _each(operator: str) -> Writer:
    """A function of each number."""

    def write(graph: Graph, call: Call) -> Made:
        return graph.add(operator, call.only.name), call.only.channels_first

    return write


def _squared(graph: Graph, call: Call) -> Made:
    return graph.add("Mul", call.only.name, call.only.name), call.only.channels_first


def _concatenate(graph: Graph, call: Call) -> Made:
    values = call.given
    axis = call.config["axis"] % values[0].rank
    first = all(one.channels_first for one in values)
    names = [graph.first(one) if first else graph.last(one) for one in values]
    return graph.add("Concat", *names, axis=TO_FIRST.index(axis) if first else axis), first


def _reduced(operator: str) -> Writer:
    """One number of those along some axes."""

    def write(graph: Graph, call: Call) -> Made:
        if call.config.get("axis") is None or call.config.get("initial") is not None:
            raise call.refused("all axes, or with an initial number")
        axes = graph.integers(np.atleast_1d(call.config["axis"]))
        return graph.add(operator, graph.last(call.only), axes, keepdims=int(call.config["keepdims"])), False

    return write


def _flip(graph: Graph, call: Call) -> Made:
    axes = np.atleast_1d(call.config["axis"]).tolist()
    none = np.iinfo(np.int64).min
    return _sliced(graph, graph.last(call.only), [-1] * len(axes), [none] * len(axes), axes, -1), False


def _one_channel(graph: Graph, call: Call) -> Made:
    """`x[..., number]`, and no other way to take a part."""
    match call.given:
        case [Value() as value, key_start, int(number)] if key_start is Ellipsis:
            return graph.add("Gather", graph.last(value), graph.integers(number), axis=-1), False
    raise call.refused("another part than [..., number]")


def _stack(graph: Graph, call: Call) -> Made:
    axis = call.config["axis"]
    where = graph.integers([axis])
    return graph.add(
        "Concat", *(graph.add("Unsqueeze", graph.last(one), where) for one in call.given), axis=axis
    ), False


def _squeeze(graph: Graph, call: Call) -> Made:
    return graph.add("Squeeze", graph.last(call.only), graph.integers(np.atleast_1d(call.config["axis"]))), False


def _softmax(graph: Graph, call: Call) -> Made:
    return graph.add("Softmax", graph.last(call.only), axis=call.config["axis"]), False


WRITERS: dict[str, Writer] = {
    **dict.fromkeys(("Activation", "Dropout", "Identity"), _as_it_is),
    **dict.fromkeys(("Conv2D", "DepthwiseConv2D"), _convolution),
    "BatchNormalization": _batch_norm,
    "Dense": _dense,
    "Normalization": _normalization,
    "UnitNormalization": _unit_normalization,
    "Rescaling": _rescaling,
    "ZeroPadding2D": _zero_padding,
    "Cropping2D": _cropping,
    **dict.fromkeys(("MaxPooling2D", "AveragePooling2D", "AveragePool"), _pooling),
    "GlobalAveragePooling2D": _global_average,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Add": _together("Add"),
    "Subtract": _together("Sub"),
    "Multiply": _together("Mul"),
    "TrueDivide": _together("Div"),
    "Power": _together("Pow"),
    "Relu": _each("Relu"),
    "Sqrt": _each("Sqrt"),
    "Square": _squared,
    "Concatenate": _concatenate,
    "Mean": _reduced("ReduceMean"),
    "Max": _reduced("ReduceMax"),
    "Logsumexp": _reduced("ReduceLogSumExp"),
    "Flip": _flip,
    "GetItem": _one_channel,
    "Stack": _stack,
    "Squeeze": _squeeze,
    "Softmax": _softmax,
}
"""A layer and an operation of one name, such as Add, do the same and differ in how they are given their inputs."""
