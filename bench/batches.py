"""One way to ask a network about pictures in batches, warm: `python batches.py WAY NETWORK PIXELS.npy [--batch 8]`.

Run by the Python of the way's own environment; nothing of STJ's is imported. Prints a line of JSON: the CPU-seconds and seconds
of one pass over the pictures after another that warmed it up, and what it answered.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Ask = Callable[[Any], Any]


def keras(network: str) -> Ask:
    """Keras, the saved model, as a compiled function."""
    import keras as library
    import tensorflow as tf

    return tf.function(library.models.load_model(network, compile=False), reduce_retracing=True)


def onnxruntime(network: str) -> Ask:
    """ONNX Runtime, as it comes."""
    import onnxruntime as library

    session = library.InferenceSession(network, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda pixels: session.run(None, {name: pixels})[0]


def openvino(network: str) -> Ask:
    """OpenVINO, in 32 bits: on some processors it would else compute in 16, and answer otherwise."""
    import openvino as library

    compiled = library.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda pixels: compiled(pixels)[0]


WAYS = {one.__name__: one for one in (keras, onnxruntime, openvino)}


def main() -> None:
    """Ask twice, and print the second time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("network")
    parser.add_argument("pixels", help="float32[n, height, width, 3] from 0 to 255, as numpy saves it")
    parser.add_argument("--batch", type=int, default=8)
    given = parser.parse_args()
    ask, pixels = WAYS[given.way](given.network), np.load(given.pixels)
    for _ in range(2):
        began = time.perf_counter(), time.process_time()
        answers = [np.asarray(ask(pixels[at : at + given.batch])) for at in range(0, len(pixels), given.batch)]
        seconds, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    print(json.dumps({"seconds": seconds, "cpu": cpu, "answers": np.concatenate(answers).tolist()}))


if __name__ == "__main__":
    main()
