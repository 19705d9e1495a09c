"""Chaos for as long as wanted: `python -m tests.chaos [--seeds 100] [--first 1] [--seconds 3600] [--keep FOLDER]`."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from tests.chaos.forking import ForkServer
from tests.chaos.running import try_seed


def main() -> int:
    """Try seed after seed until there are enough or the time is over; exit 1 if a law was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--keep", type=Path, help="folder for what broke a law, to look at")
    given = parser.parse_args()
    until, crawls, bad = time.monotonic() + given.seconds, 0, 0
    ends: Counter[int] = Counter()
    most, tried = 0.0, 0
    with tempfile.TemporaryDirectory() as folder, closing(ForkServer()) as server:
        for seed in range(given.first, given.first + given.seeds):
            if time.monotonic() > until:
                break
            place = Path(folder) / f"seed-{seed}"
            # Every tenth as a person starts it.
            seen = try_seed(seed, place, server=None if seed % 10 == 0 else server)
            print(seen, flush=True)
            tried, crawls, bad = tried + 1, crawls + len(seen.crawls), bad + bool(seen.broken)
            ends.update(code for _, code, _, _ in seen.crawls)
            most = max(most, *(megabytes for *_, megabytes in seen.crawls))
            if seen.broken and given.keep:
                shutil.copytree(place, given.keep / place.name, dirs_exist_ok=True)
            shutil.rmtree(place)
    told = ", ".join(f"{number} x {code}" for code, number in sorted(ends.items()))
    print(f"{tried} seeds, {crawls} crawls (exit codes {told}), at most {most:.0f} MB; {bad} seeds broke a law")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
