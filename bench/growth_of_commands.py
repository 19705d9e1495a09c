"""How the commands grow with the catalogue: each at several sizes, and the exponent that fits.

A start costs the same at any size, so the exponent is fitted to what a command takes more than at the smallest size: from the two
largest sizes, log(ratio of CPU) / log(ratio of rows).
"""

from __future__ import annotations

import math
import shutil
import statistics
import sys
import tempfile
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
        cpu = [statistics.median(one.cpu for one in runs[name, size]) for size in sizes]
        most = max(one.megabytes for one in runs[name, sizes[-1]])
        cells = " | ".join(f"{one:.2f}" for one in cpu)
        lines.append(f"| `stj-dataset {COMMANDS[name][0]}`: {name} | {cells} | {exponent(sizes, cpu)} | {most:.0f} |")
    text = (
        f"`python -m bench growth`: CPU-seconds of a whole command, start included, medians of {turns} rounds; catalogues of "
        f"kept pictures with random hashes, without files. {machine()}; {versions(['sqlalchemy', 'numpy'])}. The exponent is "
        "fitted to what the two larger sizes take more than the smallest; a dash where that is under a tenth of a second.\n\n"
        + "\n".join(lines)
    )
    write_page("growth", "How commands grow with the catalogue", text, folder)


def exponent(sizes: tuple[int, ...], cpu: list[float]) -> str:
    """The growth between the last two sizes, the smallest one's cost taken off; a dash where nothing grows.

    >>> exponent((1_000, 10_000, 100_000), [1.0, 2.0, 11.0])
    '1.00'
    """
    middle, last = (one - cpu[0] for one in cpu[-2:])
    if min(middle, last) < 0.1:
        return "–"
    return f"{math.log(last / middle) / math.log(sizes[-1] / sizes[-2]):.2f}"


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
