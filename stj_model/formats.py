"""The formats that a network is exported to: what each is called, what it needs, and how it is written.

How each is read back is in `standalone.py`, which goes with it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stj_core.errors import ModelError
from stj_model.backend import KerasModel, keras, tensorflow

ONNX_OPSET = 18


@dataclass(frozen=True)
class Format:
    """A format: the file or folder that holds the network, the modules that it takes to write and ask it, and how."""

    file: str
    needs: tuple[str, ...]
    write: Callable[[KerasModel, Path], None]

    def missing(self) -> list[str]:
        """Those of the modules that are not installed."""
        return [name for name in self.needs if find_spec(name) is None]


def check_installed(names: Sequence[str]) -> None:
    """Make sure that these formats can be written and asked.

    Raises:
        ModelError: a library is missing.
    """
    for name in names:
        missing = FORMATS[name].missing()
        if missing:
            raise ModelError(f"The format {name} needs {' and '.join(missing)}: pip install 'stj[export]'.")


def write_saved_model(network: KerasModel, path: Path) -> None:
    """Write a TensorFlow SavedModel, for any number of pictures at once."""
    network.export(str(path), format="tf_saved_model", verbose=False)


def write_onnx(network: KerasModel, path: Path) -> None:
    """Write an ONNX file, for any number of pictures at once.

    tf2onnx takes the constants that the graph captured, such as a mean, for further inputs: they become what they are.
    """
    import onnx
    import tf2onnx

    tf = tensorflow()
    signature = tf.TensorSpec(network.inputs[0].shape, tf.float32, name=network.inputs[0].name)
    function = tf.function(lambda pixels: network(pixels, training=False))
    captured = function.get_concrete_function(signature).graph.captures
    constants = {inner.name: outer.numpy() for outer, inner in captured if outer.dtype != tf.resource}
    with _no_copies():
        model, _ = tf2onnx.convert.from_function(function, [signature], opset=ONNX_OPSET)
    graph = model.graph
    used = {name for node in graph.node for name in node.input}
    inputs = [one for one in graph.input if one.name not in constants]
    graph.initializer.extend(
        onnx.numpy_helper.from_array(value, name) for name, value in constants.items() if name in used
    )
    del graph.input[:]
    graph.input.extend(inputs)
    for one in (*graph.input, *graph.output):
        one.type.tensor_type.shape.dim[0].dim_param = "n"
    onnx.checker.check_model(model)
    onnx.save(model, path)


@contextmanager
def _no_copies() -> Iterator[None]:
    """Let tf2onnx improve the graph in place.

    Otherwise it keeps a copy of the graph, weights and all, before each of its steps, in case one fails: 2 GB for a ResNet50.
    """
    name = "TF2ONNX_CATCH_ERRORS"
    before = os.environ.get(name)
    os.environ[name] = "FALSE"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def write_openvino(network: KerasModel, path: Path) -> None:
    """Write an OpenVINO IR in float32, for any number of pictures at once.

    Read from a SavedModel by the core, which says nothing to anybody: `openvino.convert_model` tells its makers.
    """
    import openvino

    aside = path.with_name("aside")
    write_saved_model(network, aside)
    openvino.save_model(openvino.Core().read_model(str(aside)), str(path), compress_to_fp16=False)
    shutil.rmtree(aside)


def write_litert(network: KerasModel, path: Path) -> None:
    """Write a LiteRT file, for one picture at a time, that needs no operations beyond LiteRT's own."""
    one = keras().InputSpec(shape=(1, *network.inputs[0].shape[1:]), dtype="float32", name=network.inputs[0].name)
    own: dict[str, Any] = {"supported_ops": [tensorflow().lite.OpsSet.TFLITE_BUILTINS]}
    network.export(str(path), format="litert", verbose=False, input_signature=[one], target_spec=own)


FORMATS: dict[str, Format] = {
    "saved_model": Format("model", (), write_saved_model),
    "onnx": Format("model.onnx", ("tf2onnx", "onnx", "onnxruntime"), write_onnx),
    "openvino": Format("model.xml", ("openvino",), write_openvino),
    "litert": Format("model.tflite", ("ai_edge_litert",), write_litert),
}
