"""What a training takes at most, from an empty cache to the report: memory of all its processes, CPU-seconds, seconds.

    python -m bench.training_memory DATASET [--weights FILE] [--recipe default] [--recipe paper] [--limit 2048] [-- OPTION …]

Each recipe is trained once in an empty folder, as `stj-model train` does with these further options; `paper` for two epochs,
since each further one takes what the second takes. Exits with 1 where one takes more than the limit.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench.memory import Measured, measure

TRAIN = "import sys; from stj_model.cli import main; sys.exit(main())"
MORE = {"paper": ["--epochs", "2"]}
LIMIT = 2048


def trained(dataset: Path, recipe: str, options: list[str]) -> Measured:
    """Train one recipe where nothing is known yet."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [
            sys.executable,
            "-c",
            TRAIN,
            "train",
            str(dataset),
            "--recipe",
            recipe,
            *MORE.get(recipe, ()),
            *options,
        ]
        return measure(command, quiet=True, STJ_CACHE=f"{scratch}/cache", STJ_RUNS=f"{scratch}/runs")


def main() -> int:
    """Measure, and print; 1 where a training failed or took more than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--recipe", action="append", help="default and paper, if not given")
    parser.add_argument("--weights", default="random", help="as of stj-model train")
    parser.add_argument("--limit", type=float, default=LIMIT, help="megabytes")
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    given, options = parser.parse_args(words[:cut]), words[cut + 1 :]
    worst = 0
    for recipe in given.recipe or ["default", "paper"]:
        found = trained(given.dataset, recipe, ["--weights", given.weights, *options])
        held = not found.code and found.megabytes <= given.limit
        worst = max(worst, int(not held))
        print(f"{recipe:8s} {found}; {'within' if held else 'NOT within'} {given.limit:,.0f} MB", flush=True)
    return worst


if __name__ == "__main__":
    sys.exit(main())
