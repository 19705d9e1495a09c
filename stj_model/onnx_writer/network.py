"""The way through a Keras network, and its ONNX model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from stj_core.errors import ModelError
from stj_model.backend import KerasLayer, KerasModel
from stj_model.onnx_writer.graph import Call, Graph, Value
from stj_model.onnx_writer.layers import Made, write_call

OPSET = 18
CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D")

Document = Mapping[str, Any]
Key = tuple[str, int]
"""A layer's name, and which of its calls."""


def build_onnx(network: KerasModel) -> Any:  # noqa: ANN401 - an onnx.ModelProto
    """Write a functional network down, for any number of pictures at once.

    Args:
        network: on float32 layers that are written here; its outputs are a dict.

    Returns:
        The checked `onnx.ModelProto`; its inputs are called as in Keras, its outputs as in the dict.

    Raises:
        ModelError: a layer is not written here, or not with its settings.
    """
    import onnx

    about = network.get_config()
    opset = onnx.helper.make_opsetid("", OPSET)
    # The oldest form of a file that knows these operators, for whatever reads it elsewhere.
    model = onnx.ModelProto(ir_version=onnx.helper.find_min_ir_version_for([opset]), producer_name="stj")
    model.opset_import.append(opset)
    model.graph.name = network.name
    graph = Graph(model.graph, _absorbed(network, about))
    for layer in _entries(about):
        graph.proto.input.append(_described(layer["name"], layer["config"]["batch_shape"]))
    made = _write_calls(graph, network, about)
    for name, (layer, number, _) in about["output_layers"].items():
        shape = network.output[name].shape
        found, channels_first = made[layer, number]
        whole = graph.last(Value(found, tuple(shape), channels_first))
        graph.proto.node.append(onnx.helper.make_node("Identity", [whole], [name]))
        graph.proto.output.append(_described(name, shape))
    graph.prune(about["output_layers"])
    onnx.checker.check_model(model)
    return model


def _described(name: str, shape: Sequence[int | None]) -> Any:  # noqa: ANN401 - an onnx.ValueInfoProto
    """An input or output: float32, of any number of pictures."""
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape[1:]])


def _write_calls(graph: Graph, network: KerasModel, about: Document) -> dict[Key, Made]:
    """Write each call once all that it is given is there: a layer that is called again may be listed before that."""
    layers = {layer.name: layer for layer in network.layers}
    made: dict[Key, Made] = {(layer["name"], 0): (layer["name"], False) for layer in _entries(about)}
    waiting = [(layer, number) for layer in about["layers"] for number in range(len(layer["inbound_nodes"]))]
    while waiting:
        left = []
        for layer, number in waiting:
            name, node = layer["name"], layer["inbound_nodes"][number]
            if all(key in made for key in _sources(node)):
                given = [_operand(one, made) for one in _arguments(node)]
                call = Call(layer["class_name"], name, layer["config"], given, layers.get(name))
                made[name, number] = write_call(graph, call)
            else:
                left.append((layer, number))
        if len(left) == len(waiting):
            raise ModelError(f"The network cannot be written to ONNX: its layer {left[0][0]['name']} is given nothing.")
        waiting = left
    return made


def _entries(about: Document) -> list[Document]:
    """The layers that pixels come in by."""
    return [layer for layer in about["layers"] if layer["class_name"] == "InputLayer"]


def _arguments(node: Document) -> Iterator[Any]:
    """What a call is given, flat; whether it trains, and masks that are not there, are passed over."""
    named = [value for name, value in node["kwargs"].items() if name != "training" and value is not None]
    waiting = [*node["args"], *named]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, list | tuple):
            waiting[:0] = one
        else:
            yield one


def _referred(argument: Any) -> Document | None:  # noqa: ANN401 - whatever Keras has written down
    """What a call says of the output of another that it is given; None of anything else."""
    if isinstance(argument, dict) and argument.get("class_name") == "__keras_tensor__":
        found: Document = argument["config"]
        return found
    return None


def _sources(node: Document) -> list[Key]:
    """The calls whose outputs a call is given."""
    found = [_referred(one) for one in _arguments(node)]
    return [(one["keras_history"][0], one["keras_history"][1]) for one in found if one is not None]


def _operand(argument: Any, made: Mapping[Key, Made]) -> Any:  # noqa: ANN401 - a value, numbers, or whatever Keras has written
    referred = _referred(argument)
    if referred is not None:
        name, number, _ = referred["keras_history"]
        found, channels_first = made[name, number]
        return Value(found, tuple(referred["shape"]), channels_first)
    match argument:
        case {"class_name": "__tensor__" | "__numpy__", "config": {"value": values}}:
            return np.array(values, dtype=np.float32)
        case {"class_name": "__ellipsis__"}:
            return Ellipsis
    return argument


def _absorbed(network: KerasModel, about: Document) -> dict[str, KerasLayer]:
    """The BatchNorms that follow directly on a convolution whose output nothing else is given, by the convolution's name."""
    once = {layer["name"]: layer for layer in about["layers"] if len(layer["inbound_nodes"]) == 1}
    given = Counter(key for layer in about["layers"] for node in layer["inbound_nodes"] for key in _sources(node))
    given.update((name, number) for name, number, _ in about["output_layers"].values())
    found = {}
    for name, layer in once.items():
        if layer["class_name"] != "BatchNormalization":
            continue
        (key,) = _sources(layer["inbound_nodes"][0])
        before = once.get(key[0])
        if (
            before is not None
            and before["class_name"] in CONVOLUTIONS
            and before["config"]["activation"] == "linear"
            and given[key] == 1
        ):
            found[key[0]] = network.get_layer(name)
    return found
