"""A folder of pictures from disk to answers, beside the bare network asked about the same pixels, decoded before.

    python bench/batch.py RUN FOLDER [--count 64] [--rounds 5] [--batch-size 8]

Both ways take turns, A B B A, in one warm process; medians of the wall clock are compared. Decoding goes on beside computing, so
that a folder should cost little more than its pictures cost the network.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

import numpy as np

from stj_model.data import list_pictures
from stj_model.features import BATCH
from stj_model.predict import Predictor
from stj_model.run_dir import open_run


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=BATCH)
    parser.add_argument("--keras", action="store_true", help="ask Keras, also where the run has an ONNX file")
    given = parser.parse_args()
    predictor = Predictor(open_run(given.run, given.run.parent), fast=not given.keras, batch=given.batch_size)
    files = list_pictures(given.folder)[: given.count]
    pixels = np.stack([predictor.read(file.read_bytes()) for file in files]).astype(np.float32)
    ask = predictor.fast or predictor._keras.call  # the very network that answers

    def bare() -> None:
        for at in range(0, len(pixels), given.batch_size):
            ask(pixels[at : at + given.batch_size])

    def whole() -> None:
        answers = list(predictor.answer_files(files))
        assert all(answer.error is None for answer in answers)

    ways = {"bare": bare, "whole": whole}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(given.rounds + 1):
        for name in ways if number % 2 else reversed(ways):
            began = time.perf_counter(), time.process_time()
            ways[name]()
            if number:  # the first round warms up
                taken[name].append((time.perf_counter() - began[0], time.process_time() - began[1]))
    medians = {
        name: [statistics.median(column) for column in zip(*lines, strict=True)] for name, lines in taken.items()
    }
    how = "ONNX Runtime" if predictor.fast else "Keras"
    print(
        f"{len(files)} pictures, batches of {given.batch_size}, {how}, {given.rounds} rounds, medians in seconds, "
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    for name, (wall, cpu) in medians.items():
        print(f"  {name:6s} wall {wall:7.2f}   CPU {cpu:7.2f}")
    ratio = medians["whole"][0] / medians["bare"][0]
    print(f"  the folder takes {ratio:.3f} times the bare network by wall")


if __name__ == "__main__":
    main()
