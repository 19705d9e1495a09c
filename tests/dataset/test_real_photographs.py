"""The promises on real shop photographs, crawled from the practice shop; the leak check shares no code with what it checks."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import pytest
from PIL import Image

from stj_demo.shop import PracticeShop

from .test_export import tree

BIN = Path(sys.executable).parent
FIRST = (195, 190, 185)
"""Pictures of each class that the smaller shop sells: some 200 fewer than there are."""


def some_of(garments: Path, folder: Path) -> Path:
    """The first pictures of each class, by name, with the brands that they are sold under."""
    folder.mkdir()
    (folder / "SOURCES.csv").symlink_to(garments / "SOURCES.csv")
    for source, count in zip(sorted(garments.glob("[0-2]_*")), FIRST, strict=True):
        (folder / source.name).mkdir()
        for path in sorted(source.iterdir())[:count]:
            (folder / source.name / path.name).symlink_to(path)
    return folder


def run(place: Path, *command: str) -> str:
    """What a command says on stdout, in an environment of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STJ_")}
    program = [str(BIN / command[0]), *command[1:]]
    return subprocess.run(program, cwd=place, env=environment, check=True, capture_output=True, text=True).stdout


def crawl(place: Path, images: Path, port: int = 0) -> int:
    """Crawl all that a shop sells; returns its port, for a second shop at the same address."""
    with PracticeShop(images, port=port) as shop:
        run(place, "python", "-m", "stj_spiders", "-a", f"origin={shop.origin}", "-a", "limit=100000", "-a", "fresh=1")
        return int(shop.origin.rsplit(":", 1)[1])


def export(place: Path, name: str) -> dict[str, Any]:
    """What the export answers."""
    answer: dict[str, Any] = json.loads(run(place, "stj-dataset", "export", name, "--json"))
    return answer


def manifest(root: Path) -> list[dict[str, str]]:
    """The manifest's lines."""
    with (root / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def hashes(path: Path) -> list[np.ndarray]:
    """imagehash's own hashes of a file, upright and mirrored: bits of pHash-64 and pHash-256."""
    with Image.open(path) as picture:
        picture.draft("L", (256, 256))  # the scale that the hash recipe names: another moves a hash by some bits
        grey = picture.convert("L")
    turned = grey.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return [imagehash.phash(one, side).hash.ravel() for one in (grey, turned) for side in (8, 16)]


def leaks(root: Path) -> int:
    """Pairs across splits that are duplicates or relatives, or share a product: every pair is looked at."""
    rows = manifest(root)
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
def test_growth_repeats_and_leaks_nothing(shared: Path, tmp_path: Path) -> None:
    garments = shared / "garments"
    (tmp_path / "scrapy.cfg").write_text("[settings]\ndefault = stj_spiders.settings\n")
    port = crawl(tmp_path, some_of(garments, tmp_path / "some"))
    export(tmp_path, "before")
    export(tmp_path, "again")
    assert tree(tmp_path / "before") == tree(tmp_path / "again")
    crawl(tmp_path, garments, port)
    grown = export(tmp_path, "after")
    before, after = (
        {row["original_sha256"]: row["split"] for row in manifest(tmp_path / name)} for name in ("before", "after")
    )
    stayed = {sha: split for sha, split in before.items() if sha in after}
    print(f"{len(before)} pictures, then {len(after)}; {len(before) - len(stayed)} of the first are gone: {grown}")
    assert len(after) - len(before) >= 200
    assert {sha: after[sha] for sha in stayed} == stayed
    assert len(before) - len(stayed) == grown["withheld"]
    assert leaks(tmp_path / "before") == leaks(tmp_path / "after") == 0
