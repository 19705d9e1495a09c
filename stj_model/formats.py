"""The formats that a network is exported to: what each is called, what it needs, and how it is written.

How each is read back is in `standalone.py`, which goes with it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stj_core.errors import ModelError
from stj_core.extras import extra_of
from stj_model.backend import KerasModel, keras, tensorflow


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
            extra = extra_of(missing[0])
            raise ModelError(f"The format {name} needs {' and '.join(missing)}: pip install 'stj[{extra}]'.")


def write_saved_model(network: KerasModel, path: Path) -> None:
    """Write a TensorFlow SavedModel, for any number of pictures at once."""
    network.export(str(path), format="tf_saved_model", verbose=False)


def write_onnx(network: KerasModel, path: Path) -> None:
    """Write an ONNX file, for any number of pictures at once."""
    import onnx

    from stj_model.onnx_writer.network import build_onnx

    onnx.save(build_onnx(network), path)


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
    "onnx": Format("model.onnx", ("onnx", "onnxruntime"), write_onnx),
    "openvino": Format("model.xml", ("openvino",), write_openvino),
    "litert": Format("model.tflite", ("ai_edge_litert",), write_litert),
}
