"""What one answer costs in a new process: `stj-model predict` beside the run's own exported predict.py.

    python bench/cold.py RUN PICTURE [--export FOLDER] [--rounds 5]

Both ways take turns; medians of CPU-seconds, seconds and the largest memory are printed. Without `--export` (a folder that
`stj-model export --format onnx` made) only the first is measured.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

PREDICT = "import sys; from stj_model.cli import main; sys.exit(main())"


def measure(arguments: list[str]) -> tuple[float, float, float]:
    """CPU-seconds, seconds and megabytes of a command."""
    began = time.perf_counter()
    said = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    child = os.posix_spawn(sys.executable, [sys.executable, *arguments], os.environ, file_actions=said)
    _, status, used = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{' '.join(arguments)} failed")
    return used.ru_utime + used.ru_stime, time.perf_counter() - began, used.ru_maxrss / 1024


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--export", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    ways = {"predict": ["-c", PREDICT, "predict", str(given.run), str(given.picture)]}
    if given.export:
        ways["predict.py"] = [str(given.export / "predict.py"), str(given.picture)]
    taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ways}
    for _ in range(given.rounds):
        for name, arguments in ways.items():
            taken[name].append(measure(arguments))
    medians = {
        name: [statistics.median(column) for column in zip(*lines, strict=True)] for name, lines in taken.items()
    }
    print(f"load {os.getloadavg()[0]:.1f}, medians of {given.rounds} rounds in turns")
    for name, (cpu, wall, memory) in medians.items():
        print(f"{name:10s} {cpu:.2f} CPU-s   {wall:.2f} s   {memory:.0f} MB")
    if given.export:
        cpu, wall, memory = (ours / theirs for ours, theirs in zip(*medians.values(), strict=True))
        print(f"predict takes {cpu:.2f} times the CPU, {wall:.2f} times the wall and {memory:.2f} times the memory")


if __name__ == "__main__":
    main()
