"""Answers for pictures: one in a new process, and a folder in batches, beside the same network asked in the plainest ways.

The run is trained here, on drawn garments, a whole ResNet50 with drawn weights: what an answer costs depends on neither.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bench.tables import (
    ROOT,
    Spent,
    Way,
    draw_bars,
    headline,
    in_turns,
    machine,
    peer_python,
    table,
    versions,
    weigh,
    write_page,
)
from stj_demo.sources import Drawn

SIDE, SAME = 224, 1e-3
MODEL_CLI = "import sys; from stj_model.cli import main; sys.exit(main())"
_KERAS = """
import sys
import keras, numpy
from PIL import Image
picture = Image.open(sys.argv[2]).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
print(keras.models.load_model(sys.argv[1], compile=False)(numpy.asarray(picture, dtype="float32")[None]))
"""
DRAWN_WEIGHTS = """
import sys
import keras
keras.utils.set_random_seed(42)
keras.applications.ResNet50(include_top=False, weights=None).save_weights(sys.argv[1])
"""
_OPENVINO = """
import sys
import numpy, openvino
from PIL import Image
picture = Image.open(sys.argv[2]).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
network = openvino.Core().compile_model(sys.argv[1], "CPU")
print(network(numpy.asarray(picture, dtype="float32")[None])[0])
"""


def predictions(rounds: int, full: bool, folder: Path) -> None:
    """A cold answer, and a folder."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        run, pictures = trained(place, 60 if full else 30)
        exported = place / "exported"
        _model(place, "export", str(run), "--to", str(exported), "--format", "onnx")
        network = next(exported.rglob("*.onnx"))
        one = min(pictures.rglob("*.jpg"))
        python = sys.executable
        openvino = peer_python("openvino", ["openvino", "numpy", "pillow"])
        missing = "" if openvino else "could not be had here"
        ways = [
            Way("stj-model predict", [python, "-c", MODEL_CLI, "predict", str(run), str(one)]),
            Way("the run's own predict.py (ONNX Runtime)", [python, str(network.with_name("predict.py")), str(one)]),
            Way("OpenVINO, the ONNX file", [openvino or "", "-c", _OPENVINO, str(network), str(one)], missing=missing),
            Way("Keras, the model.keras", [python, "-c", _KERAS, str(run / "model.keras"), str(one)]),
        ]  # fmt: skip
        in_turns(ways, rounds, place)
        warm = in_batches(place, run, network, pictures, openvino, rounds)
        many = weigh([python, str(ROOT / "bench" / "batch.py"), str(run), str(pictures), "--count", "64"], place)
    beside = f"; {versions(['openvino'], openvino)}" if openvino else ""
    text = (
        f"`python -m bench predictions`: one picture, each answer in a new process, {rounds} rounds in turns; ResNet50. The "
        "first also measures how far the picture is from all that was learned, and says where the answer is unsure. "
        f"{machine()}; {versions(['keras', 'tensorflow', 'onnxruntime'])}{beside}. Medians, least to most.\n\n"
        + table(ways, {"cpu": "CPU-s", "seconds": "s", "megabytes": "peak MB"})
        + "\n\n![CPU-seconds of a cold answer](predictions.png)\n\n"
        + warm
        + "\n\nA folder from disk, as `stj-model predict` reads it, warm:\n\n```\n"
        + many.said.strip()
        + "\n```\n"
    )
    write_page("predictions", "What an answer costs", text, folder)
    draw_bars(ways, "cpu", "CPU-seconds of one answer in a new process", folder / "predictions.png")
    headline("predictions", "One answer of ResNet50, from a cold start", ways, [one.name for one in ways[1:]], folder)


def in_batches(place: Path, run: Path, network: Path, pictures: Path, openvino: str | None, rounds: int) -> str:
    """Decoded pictures in batches of eight, warm: ONNX Runtime, which answers for us, OpenVINO and Keras, in turns.

    Raises:
        RuntimeError: the answers differ.
    """
    files = sorted(pictures.rglob("*.jpg"))
    size = (SIDE, SIDE)
    pixels = [np.asarray(Image.open(file).convert("RGB").resize(size), dtype=np.float32) for file in files]
    np.save(place / "pixels.npy", np.stack(pixels))
    missing = "" if openvino else "could not be had here"
    ways = [
        Way(
            name,
            [python or "", str(ROOT / "bench" / "batches.py"), way, str(file), str(place / "pixels.npy")],
            missing=lack,
        )
        for name, way, python, file, lack in (
            ("ONNX Runtime (ours)", "onnxruntime", sys.executable, network, ""),
            ("OpenVINO", "openvino", openvino, network, missing),
            ("Keras", "keras", sys.executable, run / "model.keras", ""),
        )
    ]
    in_turns(ways, rounds, place)
    apart = agree(ways)
    for way in ways:
        told = [json.loads(one.said.splitlines()[-1]) for one in way.runs]
        way.runs = [Spent(say["seconds"], say["cpu"], one.megabytes) for say, one in zip(told, way.runs, strict=True)]
    columns = {"cpu": "CPU-ms a picture", "seconds": "ms a picture", "megabytes": "peak MB"}
    return (
        f"{len(files)} decoded pictures in batches of 8, the second pass of a process of its own; {rounds} rounds in turns, all "
        f"in 32 bits, probabilities at most {apart:.0e} apart. Neither the start nor the first pass is counted.\n\n"
        + table(ways, columns, per=len(files) / 1000)
    )


def agree(ways: Sequence[Way]) -> float:
    """The largest difference between the probabilities of all ways that ran.

    Raises:
        RuntimeError: it is so large that they do not compute the same.
    """
    told = [np.array(json.loads(way.runs[0].said.splitlines()[-1])["answers"]) for way in ways if way.runs]
    apart = max(float(np.abs(one - told[0]).max()) for one in told)
    if apart > SAME:
        raise RuntimeError(f"The networks answer differently, by {apart:.3f}: they are not the same work.")
    return apart


def trained(place: Path, pictures: int) -> tuple[Path, Path]:
    """A run, and the folder of drawn garments that it learned from."""
    drawn = place / "drawn"
    for label, kind in enumerate(("saree", "trousers", "jeans")):
        (drawn / f"{label}_{kind}").mkdir(parents=True)
        for number in range(pictures // 3):
            (drawn / f"{label}_{kind}" / f"{number}.jpg").write_bytes(Drawn(kind, 42, number).read())
    stj = "import sys; from stj_dataset.cli import main; sys.exit(main())"
    weigh([sys.executable, "-c", stj, "import", str(drawn)], place)
    weigh([sys.executable, "-c", stj, "export", "dataset", "--split", "0.2"], place)
    # A whole ResNet50 from a file: of random weights that STJ draws itself only the early stages would be looked at.
    weights = place / "drawn.weights.h5"
    weigh([sys.executable, "-c", DRAWN_WEIGHTS, str(weights)], place)
    _model(place, "train", "dataset", "--weights", str(weights), "--backbone", "resnet50")
    (run,) = (one for one in (place / "runs").iterdir() if (one / "model.keras").is_file() and not one.is_symlink())
    return run, drawn


def _model(place: Path, *words: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", MODEL_CLI, *words], cwd=place, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise SystemExit(f"stj-model {' '.join(words)} ended with {ended.returncode}: {ended.stderr[-500:]}")
