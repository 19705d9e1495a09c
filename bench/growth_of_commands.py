"""How the commands grow with the catalogue: each at several sizes, and the exponent that fits.

A start costs the same at any size, so the exponent is fitted to what a command takes more than at the smallest size: from the two
largest sizes, log(ratio of CPU) / log(ratio of rows). What the runs of one size differ by goes into a range beside it: the least
that the largest may have grown over the most that the middle one may have, and the other way round.
"""

from __future__ import annotations

import math
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.growth import fill
from bench.tables import Spent, machine, versions, weigh, write_page
from stj_catalog.catalog import open_catalog

SMALL, FULL = (1_000, 30_000, 100_000), (1_000, 100_000, 1_000_000)
COMMANDS = {
    "count": ["stats"],
    "one picture": ["why", "https://shop.test/images/I/old7.jpg"],
    "one decision": ["label", "https://shop.test/images/I/old7.jpg", "--as", "0"],
    "numbers for Prometheus": ["metrics"],
    "find duplicates": ["dedupe"],
    "decisions as CSV": ["reviews", "export", "reviews.csv"],
    "copy and check": ["backup"],
}
_MAIN = "import sys; from stj_dataset.cli import main; sys.exit(main())"


def growth(rounds: int, full: bool, folder: Path) -> None:
    """Each command at each size, in turns."""
    sizes, turns = FULL if full else SMALL, max(2, rounds // 2)
    runs: dict[tuple[str, int], list[Spent]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        places = {size: _filled(Path(scratch) / str(size), size) for size in sizes}
        for _ in range(turns):
            for size, place in places.items():
                for name in COMMANDS:
                    runs.setdefault((name, size), []).append(_once(name, place))
    head = " | ".join(f"{size:,} rows" for size in sizes)
    lines = [f"| | {head} | exponent | peak MB at the last |", f"| --- |{' ---: |' * (len(sizes) + 2)}"]
    for name in COMMANDS:
        cpu = [[one.cpu for one in runs[name, size]] for size in sizes]
        most = max(one.megabytes for one in runs[name, sizes[-1]])
        cells = " | ".join(f"{statistics.median(one):.2f} ({min(one):.2f}–{max(one):.2f})" for one in cpu)
        lines.append(f"| `stj-dataset {COMMANDS[name][0]}`: {name} | {cells} | {exponent(sizes, cpu)} | {most:.0f} |")
    text = (
        f"`python -m bench growth`: CPU-seconds of a whole command, start included, medians of {turns} rounds; catalogues of "
        f"kept pictures with random hashes, without files. {machine()}; {versions(['sqlalchemy', 'numpy'])}. The exponent is "
        "fitted to what the two larger sizes take more than the smallest, which is the start; its range is what the runs of one "
        "size differ by; a dash where less than a tenth of a second grows, or no more than that.\n\n" + "\n".join(lines)
    )
    write_page("growth", "How commands grow with the catalogue", text, folder)


def exponent(sizes: Sequence[int], cpu: Sequence[Sequence[float]]) -> str:
    """The growth between the last two sizes, the smallest one's cost taken off, with its range.

    Args:
        sizes: three or more, rising; the first is so small that its cost is the start.
        cpu: of each size, the CPU-seconds of its runs.

    Returns:
        The exponent of the medians and its range; a dash where less than a tenth of a second grows, or no more than the runs
        differ by.

    >>> exponent((1_000, 10_000, 100_000), [[1.0], [2.0], [11.0]])
    '1.00 (1.00–1.00)'
    """
    start, middle, last = cpu[0], cpu[-2], cpu[-1]
    least = [min(one) - max(start) for one in (middle, last)]
    most = [max(one) - min(start) for one in (middle, last)]
    usual = [statistics.median(one) - statistics.median(start) for one in (middle, last)]
    if min(least) <= 0 or min(usual) < 0.1:
        return "–"
    rows = math.log(sizes[-1] / sizes[-2])
    ratios = usual[1] / usual[0], least[1] / most[0], most[1] / least[0]
    fitted, low, high = (math.log(ratio) / rows for ratio in ratios)
    return f"{fitted:.2f} ({low:.2f}–{high:.2f})"


def _filled(place: Path, size: int) -> Path:
    place.mkdir()
    catalog = open_catalog(str(place / "catalog.sqlite"), create=True)
    fill(catalog, size, np.random.default_rng(42))
    catalog.close()
    (place / "images").mkdir()
    return place


def _once(name: str, place: Path) -> Spent:
    (place / "reviews.csv").unlink(missing_ok=True)
    shutil.rmtree(place / "backups", ignore_errors=True)
    return weigh([sys.executable, "-c", _MAIN, *COMMANDS[name]], place)
