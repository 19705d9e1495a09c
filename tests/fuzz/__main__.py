"""Fuzz for as long as wanted: `python -m tests.fuzz --seconds 3600 [--seed 1] [TARGET …]`; what breaks is printed and kept.

Half of the time, or of the inputs, is blind mutation; the other half is led by coverage, where Atheris is installed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.running import Finding, fuzz
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Go round the targets until the time is over; exit 1 if something broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], help="all without a name")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--inputs", type=int, default=0, help="so many for each target, instead of a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--blind", action="store_true", help="mutation only")
    parser.add_argument(
        "--keep", type=Path, default=Path("fuzz-findings"), help="folder for inputs that broke something"
    )
    options = parser.parse_args()
    names = options.targets or list(TARGETS)
    guided = not options.blind and find_spec("atheris") is not None
    if not guided and not options.blind:
        print("atheris is not installed here: mutation only", file=sys.stderr)
    halves = 2 if guided else 1
    most, seconds = -(-options.inputs // halves), options.seconds / halves
    asked = dict.fromkeys(names, 0)
    findings: list[Finding] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until or most:
        for name in names:
            share = min(500, most - asked[name]) if most else 500
            findings += fuzz(name, TARGETS[name], options.seed + asked[name], share)
            asked[name] += share
        if most and min(asked.values()) >= most:
            break
    for finding in findings:
        options.keep.mkdir(parents=True, exist_ok=True)
        (options.keep / f"{finding.target.replace(' ', '-')}-{finding.seed}").write_bytes(finding.data)
        print(finding)
    broken = len(findings)
    for name in names if guided else ():
        limit = ["--inputs", str(most), "--seconds", "0"] if most else ["--seconds", f"{seconds / len(names):.0f}"]
        number, broke = _led(name, [*limit, "--seed", str(options.seed), "--keep", str(options.keep)])
        asked[name] += number
        broken += broke
    print(", ".join(f"{name} {number:,}" for name, number in asked.items()))
    print(f"{sum(asked.values()):,} inputs, {broken} findings")
    return bool(broken)


def _led(name: str, limits: list[str]) -> tuple[int, bool]:
    """Fuzz one target by coverage, in a process of its own: how many inputs it took, and whether one broke it."""
    command = [sys.executable, "-m", "tests.fuzz.guided", name, *limits]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    number = re.search(r"number_of_executed_units: (\d+)", ended.stdout + ended.stderr)
    if ended.returncode:
        print(f"{name}, led by coverage:", (ended.stdout + ended.stderr)[-2000:], sep="\n")
    return int(number[1]) if number else 0, bool(ended.returncode)


if __name__ == "__main__":
    sys.exit(main())
