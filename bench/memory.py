"""What a command takes: the largest memory of all its processes together, its CPU-seconds and its seconds.

    python bench/memory.py -- stj-model train DATASET --none FOLDER …

Memory is the sum of the resident sets of the process and all below it, looked at every 50 ms; shared pages count for each.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

EVERY_SECONDS = 0.05


def tree(process: psutil.Process) -> int:
    """The resident bytes of a process and of all that it started."""
    found = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            found += one.memory_info().rss
        except psutil.Error:  # it has just ended
            continue
    return found


@dataclass(frozen=True)
class Measured:
    """What a command took: megabytes at most and the second at which that was, CPU-seconds, seconds, and its exit code."""

    megabytes: float
    at: float
    cpu: float
    seconds: float
    code: int

    def __str__(self) -> str:
        spent = f"{self.cpu:.1f} CPU-s, {self.seconds:.0f} s"
        return f"peak {self.megabytes:,.0f} MB after {self.at:.0f} s; {spent}; exit {self.code}"


def measure(command: Sequence[str], *, quiet: bool = False, **settings: str) -> Measured:
    """Run a command, with these environment variables more, and look at the memory of all its processes.

    Where `quiet`, what it says is dropped.
    """
    said = subprocess.DEVNULL if quiet else None
    began, peak, when = time.perf_counter(), 0, 0.0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with subprocess.Popen(command, env={**os.environ, **settings}, stdout=said, stderr=said) as child:
        about = psutil.Process(child.pid)
        while child.poll() is None:
            try:
                now = tree(about)
            except psutil.Error:
                break
            if now > peak:
                peak, when = now, time.perf_counter() - began
            time.sleep(EVERY_SECONDS)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return Measured(peak / 2**20, when, cpu, time.perf_counter() - began, child.returncode)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="+")
    print(measure(parser.parse_args().command))


if __name__ == "__main__":
    main()
