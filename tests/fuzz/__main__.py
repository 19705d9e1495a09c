"""Fuzz for as long as wanted: `python -m tests.fuzz --seconds 3600 [--seed 1] [TARGET …]`; what breaks is printed and kept."""

from __future__ import annotations

import argparse
import sys
import time
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
    parser.add_argument(
        "--keep", type=Path, default=Path("fuzz-findings"), help="folder for inputs that broke something"
    )
    options = parser.parse_args()
    names = options.targets or list(TARGETS)
    asked = dict.fromkeys(names, 0)
    findings: list[Finding] = []
    until = time.monotonic() + options.seconds
    while time.monotonic() < until or options.inputs:
        for name in names:
            share = min(500, options.inputs - asked[name]) if options.inputs else 500
            findings += fuzz(name, TARGETS[name], options.seed + asked[name], share)
            asked[name] += share
        if options.inputs and min(asked.values()) >= options.inputs:
            break
    for finding in findings:
        options.keep.mkdir(parents=True, exist_ok=True)
        (options.keep / f"{finding.target.replace(' ', '-')}-{finding.seed}").write_bytes(finding.data)
        print(finding)
    print(", ".join(f"{name} {number:,}" for name, number in asked.items()))
    print(f"{sum(asked.values()):,} inputs, {len(findings)} findings")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
