"""Fuzz a reader towards code that no input has reached: `python -m tests.fuzz.guided TARGET [--inputs 100000] [--seconds 60]`.

Atheris (libFuzzer) counts which branches each input takes and keeps those inputs that take new ones, which blind mutation does
not. The laws are those of `tests.fuzz`: only typed errors, within two seconds and 500 MB.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

_ROOMS = ["stj_core", "stj_dataset", "stj_images", "stj_model", "stj_spiders"]
# Atheris never gives back an array that instrumented code compared: a fingerprint's would fill the memory.
_ARITHMETIC = ["stj_images.fingerprint"]
# What the process holds before the first input, TensorFlow aside, with room to spare.
_HELD_MEGABYTES = 300
_LONGEST = 1 << 18


def main() -> None:
    """Fuzz one target; libFuzzer ends the process: 0 where nothing broke, else what broke lies in `--keep`."""
    # The readers are imported under instrumentation, and by nothing before it.
    with atheris.instrument_imports(include=_ROOMS, exclude=_ARITHMETIC):
        from tests.fuzz.running import MEGABYTES, SECONDS
        from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--inputs", type=int, default=-1, help="so many, and no more")
    parser.add_argument(
        "--seconds", type=int, default=60, help="so long, and no longer; 0 for as long as the inputs take"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--keep", type=Path, default=Path("fuzz-findings"), help="folder for inputs that broke something"
    )
    given = parser.parse_args()
    target = TARGETS[given.target]

    def ask(data: bytes) -> None:
        with contextlib.suppress(*target.allowed):
            target.ask(data)

    given.keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for number, data in enumerate(target.inputs()):
            (Path(corpus) / f"good-{number}").write_bytes(data)
        options = {
            "runs": given.inputs,
            "max_total_time": given.seconds,
            "seed": given.seed,
            "timeout": int(SECONDS),
            "rss_limit_mb": _HELD_MEGABYTES + MEGABYTES,
            "max_len": _LONGEST,
            "artifact_prefix": f"{given.keep}/{given.target.replace(' ', '-')}-",
            "print_final_stats": 1,
        }
        atheris.Setup([sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), corpus], ask)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
