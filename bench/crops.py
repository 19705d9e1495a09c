"""Which crops the second look finds among real photographs, and which different photographs it takes for crops.

    python -m bench.crops FOLDER [--every 3]

Every third photograph is cut in each way, saved as JPEG, and put among all originals; a crop counts as found when it is tied to
its own original by the distances that `stj-dataset dedupe --crops` allows.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageOps

from stj_core.intervals import wilson
from stj_images.crops.search import Crop, search
from stj_images.likeness import Thresholds
from stj_images.pixels import on_white
from stj_model.data import list_pictures

Change = Callable[[Image.Image], Image.Image]
RULE = Thresholds()


def without(left: float, top: float, right: float, bottom: float) -> Change:
    """Cut these shares of width and height away."""
    return lambda one: one.crop(
        (
            round(one.width * left),
            round(one.height * top),
            one.width - round(one.width * right),
            one.height - round(one.height * bottom),
        )
    )


def bordered(colour: str) -> Change:
    """A border of a twentieth of the longer side around what a cut of 5 % a side leaves."""
    cut = without(0.05, 0.05, 0.05, 0.05)
    return lambda one: ImageOps.expand(cut(one), round(0.05 * max(one.size)), colour)


CHANGES: dict[str, Change] = {
    "4 % in all off each side": without(0.02, 0.02, 0.02, 0.02),
    "5 % off each side": without(0.05, 0.05, 0.05, 0.05),
    "10 % off each side": without(0.1, 0.1, 0.1, 0.1),
    "20 % off each side": without(0.2, 0.2, 0.2, 0.2),
    "20 % off above and right": without(0, 0.2, 0.2, 0),
    "40 % off left and below": without(0.4, 0, 0, 0.4),
    "5 % off each side, white border": bordered("white"),
    "5 % off each side, black border": bordered("black"),
}


def as_jpeg(picture: Image.Image) -> bytes:
    """Its bytes, at quality 85."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=85)
    return stream.getvalue()


def look(data: dict[str, bytes]) -> list[Crop]:
    """The pairs near enough to count."""
    found = search(list(data), data.__getitem__, lambda _what, _total: lambda _done: None)
    return [one for one in found.crops if one.distance <= RULE.crop and one.distance256 <= RULE.crop256]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=3)
    given = parser.parse_args()
    files = list_pictures(given.folder)
    named = {hashlib.sha256(data).hexdigest(): (data, file) for file in files for data in [file.read_bytes()]}
    data = {checksum: one for checksum, (one, _) in named.items()}
    began = time.process_time()
    pairs = look(data)
    spent = time.process_time() - began
    print(f"{len(data)} photographs, {1000 * spent / len(data):.0f} CPU-ms each; pairs among them:")
    for pair in sorted(pairs, key=lambda one: one.distance256):
        print(f"  {named[pair.one][1].name} {named[pair.two][1].name} {pair.distance}/{pair.distance256} bits")
    print("\n| cut | found | [95 % interval] | n |\n| --- | --- | --- | --- |")
    for name, change in CHANGES.items():
        copies: dict[str, bytes] = {}
        wanted = set()
        for file in files[:: given.every]:
            original = file.read_bytes()
            with Image.open(io.BytesIO(original)) as picture:
                copy = as_jpeg(change(on_white(ImageOps.exif_transpose(picture)).convert("RGB")))
            checksum = hashlib.sha256(copy).hexdigest()
            copies[checksum] = copy
            wanted.add(frozenset((checksum, hashlib.sha256(original).hexdigest())))
        hits = len(wanted & {frozenset((pair.one, pair.two)) for pair in look({**data, **copies})})
        low, high = wilson(hits, len(wanted))
        print(f"| {name} | {hits / len(wanted):.3f} | [{low:.3f}, {high:.3f}] | {len(wanted)} |", flush=True)


if __name__ == "__main__":
    main()
