"""The promises on real shop photographs, judged by a check that shares no code with what it checks."""

from __future__ import annotations

import csv
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import pytest
from PIL import Image

from .filling import Item, Shelf
from .test_export import tree

Export = Callable[..., Any]


def cards(garments: Path, first: int, last: int) -> list[Item]:
    """Some photographs of each class as cards, with the repository that they came from as brand."""
    with (garments / "SOURCES.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    chosen = [row for label in "012" for row in [row for row in rows if row["label"] == label][first:last]]
    return [
        Item(
            int(row["label"]),
            (garments / row["file"]).read_bytes(),
            f"A{row['sha256'][:9]}",
            row["repository"],
            key=row["file"],
        )
        for row in chosen
    ]


def hashes(path: Path) -> list[np.ndarray]:
    """imagehash's own hashes of a file, upright and mirrored: bits of pHash-64 and pHash-256."""
    with Image.open(path) as picture:
        picture.draft("L", (256, 256))  # the scale that the hash recipe names: another moves a hash by some bits
        grey = picture.convert("L")
    turned = grey.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return [imagehash.phash(one, side).hash.ravel() for one in (grey, turned) for side in (8, 16)]


def leaks(root: Path) -> int:
    """Pairs across splits that are duplicates or relatives, or share a product: every pair is looked at."""
    with (root / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    prints = np.array([np.concatenate(hashes(root / row["file"])) for row in rows])
    parts = np.split(prints, [64, 320, 384], axis=1)
    found = 0
    for one, two in combinations(range(len(rows)), 2):
        if rows[one]["split"] == rows[two]["split"]:
            continue
        if rows[one]["asin"] == rows[two]["asin"]:
            found += 1
        for other64, other256 in ((parts[0], parts[1]), (parts[2], parts[3])):
            if np.sum(parts[0][one] != other64[two]) <= 10 and np.sum(parts[1][one] != other256[two]) <= 32:
                found += 1
    return found


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_growth_repeats_and_leaks_nothing(shared: Path, empty_shelf: Shelf, export: Export) -> None:
    garments = shared / "garments"
    empty_shelf.add(cards(garments, 0, 184), crawl="first")
    export("before")
    export("again")
    assert tree(Path("before")) == tree(Path("again"))
    empty_shelf.add(cards(garments, 184, 400), crawl="second")
    export("after")
    read = []
    for name in ("before", "after"):
        with (Path(name) / "manifest.csv").open(encoding="utf-8", newline="") as stream:
            read.append({row["original_sha256"]: row["split"] for row in csv.DictReader(stream)})
    before, after = read
    assert len(after) - len(before) > 200
    assert {sha: after.get(sha, "gone") for sha in before} == before
    assert leaks(Path("after")) == 0
