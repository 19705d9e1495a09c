"""How long a studio that was just started takes to classify its first picture.

    python -m bench.first_answer RUN PICTURE [--rounds 3] [--limit 2]

Each round starts `stj-web` anew and sends the picture the moment its address is printed, as a visitor does who waited for it.
Exits with 1 where the median from the address to the answer is above the limit.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import requests

SERVE = "import sys; from stj_web.cli import main; sys.exit(main())"


def first_answer(run: Path, picture: Path) -> tuple[float, float, float]:
    """Seconds from the command to the address, from there to the answer, and the studio's CPU-seconds for the latter."""
    with tempfile.TemporaryDirectory() as scratch:
        own = {"STJ_RUNS": str(run.parent), "STJ_CACHE": scratch, "STJ_CATALOG": f"{scratch}/none.sqlite"}
        began = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-c", SERVE, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **own},
        ) as studio:
            try:
                assert studio.stdout is not None
                address = studio.stdout.readline().strip()
                listening, before = time.perf_counter(), cpu_of(studio.pid)
                files = {"files": (picture.name, picture.read_bytes())}
                answer = requests.post(
                    f"{address}/api/v1/classify".replace("//api", "/api"),
                    files=files,
                    data={"run": run.name},
                    timeout=120,
                )
                answered, spent = time.perf_counter(), cpu_of(studio.pid) - before
                answer.raise_for_status()
            finally:
                studio.terminate()
    return listening - began, answered - listening, spent


def cpu_of(pid: int) -> float:
    """The CPU-seconds of a process so far."""
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system)


def main() -> int:
    """Measure, and print; 1 where it takes longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=2.0, help="seconds")
    given = parser.parse_args()
    taken = [first_answer(given.run, given.picture) for _ in range(given.rounds)]
    start, answer, cpu = (statistics.median(column) for column in zip(*taken, strict=True))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, medians of {given.rounds} rounds")
    print(
        f"the studio listens after {start:.2f} s, its first classification comes {answer:.2f} s later ({cpu:.2f} CPU-s)"
    )
    return int(answer > given.limit)


if __name__ == "__main__":
    sys.exit(main())
