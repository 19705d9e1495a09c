"""Answer without TensorFlow: the frozen network as an ONNX file kept with the run, and its head in numpy.

Importing TensorFlow costs seconds and half a gigabyte, ONNX Runtime a tenth of that. The frozen network is the same for every
training with the same weights, so it is converted once (STJ_CACHE) and linked into each run; what differs, the head, is small.
The file is used only where it was made of this very model.keras and gave the same answers on pictures of the dataset.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stj_core.console import SILENT, Talk
from stj_core.errors import ModelError
from stj_core.files import atomic_path, file_sha256, write_json
from stj_model.backend import KerasModel, hushed, keras
from stj_model.damage import PARSER_ERRORS, archive_digest, check_regular, check_stored, reading, reason
from stj_model.head import LOGITS, Doubles, Head, Normaliser, none_margin, softmax
from stj_model.preprocess import Pixels

TRUNK, HEAD, ABOUT = "fast.onnx", "fast.npz", "fast.json"
NEEDS_TO_WRITE, NEEDS_TO_ASK = ("onnx", "onnxruntime"), ("onnxruntime",)
ALLOWED = 1e-4
"""The largest difference of a probability to Keras with which the file is kept."""
ALLOWED_OF_LOGITS = 1e-3
"""That of a logit, as a share of the largest: probabilities tell nothing where a head is sure of all pictures."""
CHECKED_ON = 8

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FastHead:
    """The head behind the frozen network: `count` classes at `temperature`, and `none` where it has a column more."""

    head: Head
    temperature: float
    count: int

    def __call__(self, features: Floats) -> list[Doubles]:
        """Probabilities (n, k) of raw features (n, d), and the log-odds of `none` (n, 1) where that was learned."""
        logits = self.head.logits(features)
        chances = softmax(logits[:, : self.count], self.temperature)
        return [chances] if logits.shape[1] == self.count else [chances, none_margin(logits, self.count)[:, None]]

    def save(self, path: Path) -> None:
        """Write the arrays."""
        normaliser = self.head.normaliser
        with atomic_path(path) as part:
            np.savez(
                part,
                mean=normaliser.mean,
                scale=normaliser.scale,
                kernel=self.head.kernel,
                bias=self.head.bias,
                temperature=np.array(self.temperature),
                count=np.array(self.count),
            )

    @classmethod
    def load(cls, path: Path) -> FastHead:
        """Read the arrays.

        Raises:
            ModelError: the file is damaged.
        """
        with reading(path):
            check_stored(path)
            with np.load(path, allow_pickle=False) as held:
                head = Head(Normaliser(held["mean"], held["scale"]), held["kernel"], held["bias"])
                return cls(head, float(held["temperature"]), int(held["count"]))


class FastNetwork:
    """The frozen network in ONNX Runtime with its head: from pixels to what Keras would say, within 1e-4.

    Raises:
        ModelError: ONNX Runtime cannot open the file, or the head is damaged.
    """

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Threads that spin while they wait for the next layer take the cores from the threads that decode.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = str(folder / TRUNK)
        try:
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have nothing else in common
            raise ModelError(f"ONNX Runtime cannot open {path}: {reason(error)}.") from error
        self.head = FastHead.load(folder / HEAD)

    def __call__(self, pixels: Floats) -> list[npt.NDArray[Any]]:
        """Probabilities, the log-odds of `none` where it was learned, and raw features, of float32 (n, size, size, 3)."""
        (features,) = self.session.run(None, {"pixels": pixels})
        return [*self.head(features), features]


def open_fast(folder: Path) -> FastNetwork | None:
    """The fast network of a run; None where there is none, it is of another model.keras, or it cannot be used here."""
    from stj_model.run_dir import MODEL

    if not (folder / ABOUT).is_file() or not _installed(NEEDS_TO_ASK):
        return None
    try:
        check_regular(folder / ABOUT)
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if "made_of" in about and archive_digest(folder / MODEL) != about["made_of"]:
            return None
        # Older runs know their network by all of its bytes.
        for name in (TRUNK, HEAD) if "made_of" in about else (MODEL, TRUNK, HEAD):
            check_regular(folder / name)
            if file_sha256(folder / name) != about["sha256"][name]:
                return None
        return FastNetwork(folder)
    except (ModelError, *PARSER_ERRORS):  # Keras says what is wrong with the run, if anything is
        return None


def write_fast(
    folder: Path,
    model: KerasModel,
    head: FastHead,
    layer: str,
    kept: Path,
    pixels: Pixels,
    talk: Talk = SILENT,
) -> bool:
    """Keep a fast network with a run, if the libraries are there and it says what Keras says.

    Args:
        folder: the run, with its model.keras.
        model: the network of that file.
        head: its head.
        layer: the layer with the raw feature.
        kept: where the converted frozen network lies for further trainings.
        pixels: some pictures to check on, uint8 (n, size, size, 3).
        talk: is told of a difference.

    Returns:
        Whether it was kept.
    """
    if not _installed(NEEDS_TO_WRITE) or not len(pixels):
        return False
    from stj_model.formats import write_onnx
    from stj_model.run_dir import MODEL

    if not kept.is_file():
        talk.say("Converting the frozen network to ONNX, once …")
        try:
            with atomic_path(kept) as part, hushed():
                write_onnx(keras().Model(model.inputs[0], {"features": model.get_layer(layer).output}), part)
        except ModelError as error:  # a backbone with a layer that is not written: Keras answers instead
            talk.say(f"{error} Predict will use Keras.")
            return False
    _link(kept, folder / TRUNK)
    head.save(folder / HEAD)
    try:
        gap, of_logits = _gaps(FastNetwork(folder), model, pixels[:CHECKED_ON].astype(np.float32))
    except ModelError as error:
        return _without(folder, kept, f"cannot be used ({str(error).rstrip('.')})", talk)
    for what, found, allowed in (("", gap, ALLOWED), (" in its logits", of_logits, ALLOWED_OF_LOGITS)):
        if not found <= allowed:  # also where it is no number
            return _without(folder, kept, f"differs from Keras by {found:.1e}{what}, {allowed:.0e} is allowed", talk)
    about = {
        "made_of": archive_digest(folder / MODEL),
        "sha256": {name: file_sha256(folder / name) for name in (TRUNK, HEAD)},
        "pictures": len(pixels[:CHECKED_ON]),
        "largest_difference_to_keras": gap,
        "largest_difference_of_logits": of_logits,
    }
    write_json(about, folder / ABOUT)
    return True


def _gaps(fast: FastNetwork, model: KerasModel, pixels: Floats) -> tuple[float, float]:
    """The largest difference to Keras of a probability, and of a logit as a share of the largest logit."""
    whole = keras().Model(model.inputs[0], [model.outputs[0], model.get_layer(LOGITS).output])
    # One by one: an eager call keeps the maps of all layers at once.
    asked = [whole(pixels[at : at + 1], training=False) for at in range(len(pixels))]
    chances, logits = (np.concatenate([part.numpy() for part in column]) for column in zip(*asked, strict=True))
    found, *_, features = fast(pixels)
    found_logits = fast.head.head.logits(features)[:, : fast.head.count]
    scale = float(np.abs(logits).max()) or 1.0
    return float(np.abs(found - chances).max()), float(np.abs(found_logits - logits).max()) / scale


def _installed(names: Sequence[str]) -> bool:
    return all(find_spec(name) is not None for name in names)


def _link(source: Path, target: Path) -> None:
    """A hard link where the file systems allow it: runs of one frozen network share its bytes."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _without(folder: Path, kept: Path, why: str, talk: Talk) -> bool:
    """Leave a run without a fast network; the next training converts anew, as a file that was damaged would stay so."""
    talk.say(f"The ONNX file {why}: predict will use Keras.")
    for path in (folder / TRUNK, folder / HEAD, kept):
        path.unlink(missing_ok=True)
    return False
