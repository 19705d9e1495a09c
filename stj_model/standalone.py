"""Ask a network that `stj-model export` wrote, with python predict.py picture.jpg and more.

Needs numpy, Pillow and the runtime of the format (TensorFlow, onnxruntime, openvino or ai-edge-litert), and nothing of STJ.
What the network cannot hold is here: squashing a picture to the network's size, and in `pixels.py` beside this file: decoding
it. `model.json` names the classes and says from which values on an answer is "unsure" or "none".

STJ reads its pictures and words its answers with the functions of these very files; an export copies this one as `predict.py`.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Ask = Callable[[Floats], tuple[Floats, Floats]]
"""From pixels, float32 of shape (n, size, size, 3), RGB 0 to 255, to probabilities (n, k) and out_of_scope (n,)."""

UNSURE, NONE = "unsure", "none"
PROBABILITIES, OUT_OF_SCOPE = "probabilities", "out_of_scope"


def read(path: Path, about: dict[str, Any]) -> Pixels:
    """A file as the network's pixels: uint8 of shape (size, size, 3), RGB.

    Args:
        path: the file.
        about: `input` of `model.json`: the network's size and filter, and what is read at all.

    Raises:
        Exception: whatever keeps the file from being read.
    """
    if path.stat().st_size > about["max_bytes"]:
        raise ValueError(f"The picture has over {about['max_bytes'] >> 20} MiB.")
    data, decoder = path.read_bytes(), pixels_module()
    formats = tuple(about["formats"])
    with decoder.open_lazily(data, formats) as picture:
        if picture.width * picture.height > about["max_pixels"]:
            raise ValueError(f"The picture has over {about['max_pixels'] / 1e6:.0f} megapixels.")
    size = about["size"]
    # A JPEG much larger than the network's size is decoded at a part of its size.
    return squash(decoder.open_upright(data, 2 * size, formats), size, about["resample"])


@cache
def pixels_module() -> Any:  # noqa: ANN401 - a module: the one beside an exported network, else STJ's own
    """The decoder: `pixels.py` beside this file where it was exported, whatever STJ is installed; else STJ's own."""
    beside = Path(__file__).with_name("pixels.py")
    if not beside.is_file():
        from stj_images import pixels

        return pixels
    spec = importlib.util.spec_from_file_location("exported_pixels", beside)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def squash(picture: Image.Image, size: int, resample: str) -> Pixels:
    """An RGB picture at the network's size, its proportions given up: uint8 of shape (size, size, 3)."""
    return np.asarray(picture.resize((size, size), Image.Resampling[resample.upper()]), dtype=np.uint8)


def slug(name: str) -> str:
    """A class's short name: "Saree" → "saree"."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def short_names(labels: Mapping[int, str], given: Mapping[str, object]) -> dict[int, str]:
    """The words that answers use, one for each class and none twice.

    A name of which nothing is left, as of one in another script, is kept as it is; what another class or an answer is called
    already gets the label's number.

    Args:
        labels: the classes' names by label.
        given: short names that are known, by label.
    """
    found: dict[int, str] = {}
    for label, name in labels.items():
        known = given.get(str(label))
        said = _said(known) if isinstance(known, str) else ""
        said = said or slug(name) or _said(name) or str(label)
        while said in {UNSURE, NONE} or said in found.values():
            said = f"{said}-{label}"
        found[label] = said
    return found


def _said(text: str) -> str:
    """A text as a word of an answer, in any script: no blanks, nothing that a terminal would obey."""
    return "-".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def word(name: str, probability: float, out_of_scope: float, abstain_below: float, out_of_scope_above: float) -> str:
    """The answer in a word.

    Args:
        name: the likeliest class's.
        probability: the likeliest class's, 0 to 1.
        out_of_scope: how unlike the classes it is; the network's output of this name.
        abstain_below: a lower probability is `unsure`.
        out_of_scope_above: a higher `out_of_scope` is `none`.
    """
    if out_of_scope > out_of_scope_above:
        return NONE
    return UNSURE if probability < abstain_below else name


def open_saved_model(path: Path) -> Ask:
    """Open a SavedModel with TensorFlow."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))

    def ask(pixels: Floats) -> tuple[Floats, Floats]:
        found = loaded.signatures["serving_default"](pixels=tf.constant(pixels))
        return found[PROBABILITIES].numpy(), found[OUT_OF_SCOPE].numpy()

    return ask


def open_onnx(path: Path) -> Ask:
    """Open an ONNX file with ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def ask(pixels: Floats) -> tuple[Floats, Floats]:
        probabilities, distances = session.run([PROBABILITIES, OUT_OF_SCOPE], {"pixels": pixels})
        return probabilities, distances

    return ask


def open_openvino(path: Path) -> Ask:
    """Open an OpenVINO IR; in float32, since what it takes by itself may be bfloat16, which moves a probability by up to 0.1."""
    import openvino

    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def ask(pixels: Floats) -> tuple[Floats, Floats]:
        found = compiled(pixels)
        return np.array(found[PROBABILITIES]), np.array(found[OUT_OF_SCOPE])

    return ask


def open_litert(path: Path) -> Ask:
    """Open a LiteRT file, whose network takes one picture at a time."""
    from ai_edge_litert.interpreter import Interpreter

    call = Interpreter(model_path=str(path)).get_signature_runner("serving_default")

    def ask(pixels: Floats) -> tuple[Floats, Floats]:
        found = [call(pixels=pixels[place : place + 1]) for place in range(len(pixels))]
        return (
            np.concatenate([one[PROBABILITIES] for one in found]),
            np.concatenate([one[OUT_OF_SCOPE] for one in found]),
        )

    return ask


OPEN: dict[str, Callable[[Path], Ask]] = {
    "saved_model": open_saved_model,
    "onnx": open_onnx,
    "openvino": open_openvino,
    "litert": open_litert,
}


class Exported:
    """An exported network and its `model.json`; `ask` takes pixels, `answer` a file."""

    def __init__(self, folder: Path) -> None:
        self.about: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.ask = OPEN[self.about["format"]](folder / self.about["file"])

    def answer(self, path: Path) -> dict[str, Any]:
        """What it says of a file, in the shape of `stj-model predict --json`."""
        about = self.about
        said = {"file": str(path), "answer": None, "label": None, "probabilities": None, "out_of_scope": None}
        try:
            pixels = read(path, about["input"])
        except Exception as error:  # noqa: BLE001 - decoders of damaged data raise anything
            return {**said, "error": str(error) or type(error).__name__}
        probabilities, distances = self.ask(pixels[None].astype(np.float32))
        chances = {label: float(p) for label, p in zip(about["labels"], probabilities[0], strict=True)}
        best, distance = max(chances, key=lambda label: chances[label]), float(distances[0])
        limits = about["abstain_below"], about["out_of_scope_above"]
        return {
            **said,
            "answer": word(about["answers"][best], chances[best], distance, *limits),
            "label": int(best),
            "probabilities": {label: round(p, 6) for label, p in chances.items()},
            "out_of_scope": round(distance, 6),
            "error": None,
        }


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("No picture was named: python predict.py picture.jpg …")
    network = Exported(Path(__file__).parent)
    print(json.dumps([network.answer(Path(name)) for name in sys.argv[1:]], indent=2))  # noqa: T201 - its result
