"""Would a smaller drafted decoding find the same copies? `python -m bench.draft [FOLDER] [--side 128] [--every 1] [--json FILE]`.

Every photograph, and of every n-th each edited copy (those of bench/likeness.py), is hashed at STJ's draft side and at another;
what each finds, which pairs of different photographs each takes for the same or for relatives, and what each costs, is held side
by side. FOLDER holds folders of photographs (default: garments in the folder `shared` beside the checkout).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from bench.likeness import DEFAULT, TRANSFORMS, upright
from stj_images import fingerprint as module
from stj_images.fingerprint import Fingerprint
from stj_images.likeness import KINDS, Looks, Thresholds, compare, likenesses_among


def at_side(data: bytes, side: int) -> tuple[Fingerprint, float]:
    """A fingerprint at a draft side, and its CPU-seconds."""
    usual, module.DRAFT_SIDE = module.DRAFT_SIDE, side
    began = time.process_time()
    try:
        return module.fingerprint(data), time.process_time() - began
    finally:
        module.DRAFT_SIDE = usual


def alike(one: Fingerprint, two: Fingerprint) -> bool:
    """Whether two are the same picture or relatives."""
    return KINDS[compare(Looks.of_prints([one]), Looks.of_prints([two]), Thresholds()).kind[0]] in {
        "duplicate",
        "related",
    }


def measure(files: list[Path], sides: tuple[int, int], every: int = 1) -> dict[str, Any]:
    """What each side finds and costs."""
    prints: dict[int, list[Fingerprint]] = {side: [] for side in sides}
    spent = dict.fromkeys(sides, 0.0)
    found = {name: dict.fromkeys(sides, 0) for name in TRANSFORMS}
    asked = 0
    for number, file in enumerate(files):
        data = file.read_bytes()
        # In turns, so that caches meet both.
        for side in sides if number % 2 else sides[::-1]:
            one, seconds = at_side(data, side)
            prints[side].append(one)
            spent[side] += seconds
        asked += 1
        if number % every:
            continue
        picture = upright(data)
        for name, make in TRANSFORMS.items():
            copy = make(picture)
            asked += 1
            for side in sides if asked % 2 else sides[::-1]:
                one, seconds = at_side(copy, side)
                spent[side] += seconds
                found[name][side] += alike(prints[side][-1], one)
        if number % 50 == 0:
            print(f"{number} of {len(files)}", file=sys.stderr, flush=True)
    pairs = {
        side: sorted(
            (files[one.a].name, files[one.b].name, one.kind)
            for one in likenesses_among(Looks.of_prints(prints[side]), Thresholds())
            if one.kind in {"duplicate", "related"}
        )
        for side in sides
    }
    moved = sum(one.phash != two.phash for one, two in zip(*prints.values(), strict=True))
    return {
        "photographs": len(files),
        "edited": len(files[::every]),
        "pictures": asked,
        "cpu_ms": {side: 1000 * spent[side] / asked for side in sides},
        "cost": spent[sides[1]] / spent[sides[0]],
        "found": found,
        "pairs": {side: len(pairs[side]) for side in sides},
        "only": {side: [one for one in pairs[side] if one not in pairs[other]] for side, other in (sides, sides[::-1])},
        "hashes_that_differ": moved,
    }


def main() -> None:
    """Measure, and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--every", type=int, default=1, help="edit every n-th photograph")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    files = sorted(file for file in given.folder.glob("*/*") if file.is_file())
    if not files:
        parser.error(f"no photographs in the folders of {given.folder}")
    text = json.dumps(measure(files, (module.DRAFT_SIDE, given.side), given.every), indent=1)
    print(text)
    if given.json:
        given.json.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
