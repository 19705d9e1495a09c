"""What it costs never to move a picture: how many a growing dataset withholds.

    python bench/withholding.py [CATALOG]

Pictures arrive in two halves with an export after each. Their ties (one product family, or likeness) are known from the start, or
only after the first export; with a catalogue given, its own ties are used too.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stj_catalog.selection import KeptPictures
from stj_dataset.plan import choose
from stj_dataset.settings import ExportSettings
from stj_dataset.split import UNDECIDED, units_by_group, winners

CLASSES = {0: "Saree", 1: "Trousers", 2: "Jeans"}
Edges = Sequence[tuple[int, int]]


def groups_of(size: int, edges: Edges, present: np.ndarray) -> np.ndarray:
    """The group of each picture when only some are there, and only what they tie together."""
    group = np.arange(size)
    for one, two in edges:
        if present[one] and present[two] and group[one] != group[two]:
            group[group == group[one]] = group[two]
    return group


def withheld(labels: np.ndarray, before: Edges, after: Edges, seed: int) -> float:
    """Share of the first half's pictures that the second export withholds."""
    size = len(labels)
    rng = np.random.default_rng(seed)
    first = rng.permutation(size) < size // 2
    heads = rng.integers(0, 2**63, size).astype(np.uint64)
    known = np.full(size, UNDECIDED, dtype=np.int8)
    plan = export(labels, heads, groups_of(size, before, first), known, first, seed)
    known[plan.pictures.ids - 1] = plan.splits
    second = export(labels, heads, groups_of(size, after, np.ones(size, bool)), known, np.ones(size, bool), seed)
    return len(second.withheld.ids) / int(first.sum())


def export(
    labels: np.ndarray, heads: np.ndarray, groups: np.ndarray, known: np.ndarray, present: np.ndarray, seed: int
) -> object:
    """Plan an export of the pictures that are there."""
    sides = np.full(len(labels), 300)
    ids = np.arange(1, len(labels) + 1)
    pictures = KeptPictures(ids, labels, groups, heads, sides, sides * sides, known).take(present)
    units, by_group = units_by_group(pictures.groups)
    has = pictures.assigned >= 0
    decided = winners(units[has], pictures.assigned[has], len(by_group))
    return choose(pictures, units, decided, CLASSES, ExportSettings(seed=seed))


def families(size: int, each: int) -> Edges:
    """Every two of a family of `each` pictures are tied, as by one product."""
    return [(one, two) for one in range(size) for two in range(one + 1, one - one % each + each)]


def chains(size: int, each: int) -> Edges:
    """Only neighbours are tied, as by likeness: a newcomer may be the bridge."""
    return [(one, one + 1) for one in range(size - 1) if (one + 1) % each]


def catalogue_edges(path: Path) -> tuple[np.ndarray, Edges]:
    """The kept pictures' labels and ties of a catalogue."""
    from sqlalchemy import select

    from stj_catalog.catalog import open_catalog
    from stj_catalog.schema import images, likenesses

    catalog = open_catalog(str(path))
    with catalog.read() as connection:
        rows = connection.execute(select(images.c.id, images.c.label).where(images.c.status == "kept")).all()
        ties = connection.execute(
            select(likenesses.c.image_id, likenesses.c.other_id).where(likenesses.c.kind != "weak")
        ).all()
    catalog.close()
    place = {row.id: at for at, row in enumerate(rows)}
    edges = [(place[one], place[two]) for one, two in ties if one in place and two in place]
    return np.array([row.label for row in rows]), edges


def line(name: str, labels: np.ndarray, before: Edges, after: Edges) -> str:
    """One row of the table: the median and the worst of twenty orders of arrival."""
    found = [withheld(labels, before, after, seed) for seed in range(20)]
    return f"| {name} | {statistics.median(found):.2%} | {max(found):.2%} |"


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalog", nargs="?", type=Path)
    options = parser.parse_args()
    print("| ties | withheld, median of 20 orders | worst |\n| --- | --- | --- |")
    if options.catalog:
        labels, edges = catalogue_edges(options.catalog)
        print(line(f"{len(labels)} pictures of the catalogue, {len(edges)} ties", labels, edges, edges))
    labels = np.repeat([0, 1, 2], 400)
    size = len(labels)
    for each in (2, 4, 8):
        print(line(f"families of {each}, known from the start", labels, families(size, each), families(size, each)))
    for each in (4, 8):
        print(line(f"chains of {each}, whose bridges come later", labels, chains(size, each), chains(size, each)))
    for each in (2, 4, 8):
        print(line(f"families of {each}, learnt after the first export", labels, [], families(size, each)))


if __name__ == "__main__":
    main()
