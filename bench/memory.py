"""What a command takes: the largest memory of all its processes together, its CPU-seconds and its seconds.

    python bench/memory.py -- stj-model train DATASET --none FOLDER …

Memory is the sum of the resident sets of the process and all below it, looked at every 50 ms; shared pages count for each.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import time

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


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    began, peak, when = time.perf_counter(), 0, 0.0
    with subprocess.Popen(given.command) as child:
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
    print(
        f"peak {peak / 2**20:,.0f} MB after {when:.0f} s; {used.ru_utime + used.ru_stime:.1f} CPU-s, "
        f"{time.perf_counter() - began:.0f} s; exit {child.returncode}"
    )


if __name__ == "__main__":
    main()
