"""One JPEG from disk to its answer in a warm process, beside the bare compiled call of the very network that answers.

    python bench/latency.py RUN PICTURE [--rounds 40]

Both ways take turns, A B B A, so that whatever else the machine does meets both; medians are compared. The bare call
is given the same pixels, decoded before, as a fresh array each time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from PIL import Image

from stj_model.backend import tensorflow
from stj_model.predict import Predictor
from stj_model.run_dir import open_run

WARM_UP = 5


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--rounds", type=int, default=40)
    given = parser.parse_args()
    predictor = Predictor(open_run(given.run, given.run.parent), fast=False)
    pixels = predictor.read(given.picture.read_bytes())[None].astype(np.float32)
    bare = predictor._keras.compiled  # no other graph is the same network
    taken: dict[str, list[tuple[float, float]]] = {"bare": [], "whole": []}
    for number in range(given.rounds + WARM_UP):
        for name in ("bare", "whole") if number % 2 else ("whole", "bare"):
            began = time.perf_counter(), time.process_time()
            if name == "bare":  # the same graph, so nothing but the way around it differs
                _ = [part.numpy() for part in bare(tensorflow().constant(pixels.copy()))]
            else:
                (answer,) = predictor.answer_files([given.picture])
                assert answer.error is None, answer.error
            if number >= WARM_UP:
                taken[name].append((time.perf_counter() - began[0], time.process_time() - began[1]))
    with Image.open(given.picture) as picture:
        print(f"{given.picture.name}, {picture.width}×{picture.height}, {given.rounds} rounds, medians in milliseconds")
    medians = {
        name: [1000 * statistics.median(column) for column in zip(*lines, strict=True)] for name, lines in taken.items()
    }
    for name, (wall, cpu) in medians.items():
        print(f"  {name:6s} wall {wall:7.1f}   CPU {cpu:7.1f}")
    ratios = [whole / alone for whole, alone in zip(medians["whole"], medians["bare"], strict=True)]
    print(f"  file to answer is {ratios[0]:.3f} times the bare call by wall, {ratios[1]:.3f} by CPU")


if __name__ == "__main__":
    main()
