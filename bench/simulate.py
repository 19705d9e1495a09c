"""A hundred million pictures and fifty crawl hosts, on paper: what would break first, by what is measured here.

    python -m bench.simulate [--pictures 100000000] [--hosts 50] [--rows 100000] [--to docs/performance]

Constants are measured first, small: a page of 100 new pictures in catalogues of two sizes (bench/growth.py), the search among a
million hashes, fingerprints of drawn photographs (python -m bench fingerprints), and CPU of a crawled picture, which is read from
docs/performance/crawl.md. Then hosts crawl in steps of simulated time: each fetches a page of 100 pictures at its shop's pace,
searches for their neighbours, and waits for the one lock of page commits, first come, first served.
"""

from __future__ import annotations

import argparse
import heapq
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bench.__main__ import shop_photograph
from bench.growth import CARDS, Timed, fill, page
from bench.tables import PERFORMANCE, machine, versions, write_page
from stj_catalog.catalog import open_catalog
from stj_catalog.crawls import begin_crawl
from stj_core.labels import load_labels
from stj_images.fingerprint import fingerprint
from stj_images.likeness import Thresholds
from stj_images.neighbours import NeighbourIndex
from stj_spiders import settings

DAY = 86_400.0
ASKS = 3
"""Searches for each picture: as it is, mirrored, and without borders (stj_images/likeness.py, LooksIndex)."""
STAGES = (0.01, 0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Constants:
    """What one picture costs, measured.

    Attributes:
        lock_seconds: of the lock for a page of 100 new pictures in an empty catalogue.
        lock_seconds_per_million: how much longer for each million pictures that are there.
        search_seconds_per_million: of one ask of the index, for each million pictures.
        index_bytes: of a crawl process for each picture that is there, where its arrays, which grow by doubling, are just full.
        row_bytes: of the catalogue's file for each picture, without cards and pages.
        picture_bytes: of a file.
        fingerprint_seconds: of CPU.
        crawl_seconds: of CPU for a crawled picture, all told.
    """

    lock_seconds: float
    lock_seconds_per_million: float
    search_seconds_per_million: float
    index_bytes: float
    row_bytes: float
    picture_bytes: float
    fingerprint_seconds: float
    crawl_seconds: float


@dataclass(frozen=True)
class Stage:
    """How hosts crawl while so many pictures are there.

    Attributes:
        pictures: that are there.
        rate: new pictures a second, of all hosts.
        lock_share: of the time that somebody holds the lock.
        waited: seconds that a page waits for the lock on average.
        searching: seconds of a host's search for a page.
        index_gigabytes: of each crawl process.
    """

    pictures: float
    rate: float
    lock_share: float
    waited: float
    searching: float
    index_gigabytes: float


def measure(rows: int, photographs: int = 60) -> Constants:
    """Measure every constant here; rows of the larger of two catalogues."""
    few, many = rows // 10, rows
    (first, _), (second, size) = _lock(few), _lock(many)
    slope = max(0.0, (second - first) / (many - few))
    data = [shop_photograph(number) for number in range(photographs)]
    began = time.process_time()
    for one in data:
        fingerprint(one)
    printed = (time.process_time() - began) / photographs
    search, index = _search(10 * rows)
    return Constants(
        max(0.0, first - slope * few), slope * 1e6, search * 1e6, index, size,
        float(np.mean([len(one) for one in data])), printed, crawled_cpu(PERFORMANCE / "crawl.md"),
    )  # fmt: skip


def crawled_cpu(path: Path) -> float:
    """CPU-seconds of a crawled picture, as bench crawl wrote them.

    Raises:
        ValueError: the page does not say.
    """
    found = re.search(r"^\| STJ \| ([\d.]+) ", path.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError(f"{path} does not say what a crawled picture costs: python -m bench crawl")
    return float(found[1]) / 1000


def _lock(rows: int) -> tuple[float, float]:
    """Seconds of the lock for a page in a catalogue of so many rows, and bytes of the file for each."""
    rng = np.random.default_rng(42)
    with tempfile.TemporaryDirectory(prefix="stj-simulate-") as folder:
        file = Path(folder) / "catalog.sqlite"
        catalog = open_catalog(str(file), create=True)
        bare = file.stat().st_size
        fill(catalog, rows, rng)
        settler = Timed.for_catalog(catalog, Thresholds())
        assert isinstance(settler, Timed)
        crawl = begin_crawl(
            catalog, spider="bench", category=load_labels()[0], origin="https://shop.test", settings={},
            first_url="https://shop.test/s?page=0",
        )  # fmt: skip
        found = [page(catalog, settler, crawl.id, crawl.category_id, number, rng) for number in range(1, 7)]
        catalog.close()
        size = (file.stat().st_size - bare) / (rows + CARDS * len(found))
    return sorted(one["locked"] for one in found[1:])[2], size


def _search(rows: int) -> tuple[float, float]:
    """Seconds of one ask for each row, and bytes of the two indexes of a process for each."""
    rng = np.random.default_rng(7)
    index = NeighbourIndex()
    index.add(np.arange(rows), rng.integers(0, 2**64, rows, dtype=np.uint64))
    asked = rng.integers(0, 2**64, 100, dtype=np.uint64)
    best = []
    for _ in range(3):
        began = time.perf_counter()
        index.query_batch(asked, Thresholds().reach)
        best.append(time.perf_counter() - began)
    return min(best) / 100 / rows, 2 * (index.ids.itemsize + index.hashes.itemsize)


def crawl(constants: Constants, there: float, hosts: int, pace: float, cores: int, pages: int = 2_000) -> Stage:
    """Let hosts crawl so many pages while so many pictures are there, one lock among them.

    Args:
        constants: what everything costs.
        there: pictures in the catalogue.
        hosts: each with a shop of its own.
        pace: seconds between two pictures of a shop.
        cores: of a host.
        pages: of 100 pictures.
    """
    million = there / 1e6
    searching = CARDS * ASKS * constants.search_seconds_per_million * million
    fetching = CARDS * max(pace, constants.crawl_seconds / cores)
    held = constants.lock_seconds + constants.lock_seconds_per_million * million
    # Fetching goes on while the page before is searched and written: the slower of both decides, and the lock.
    ready = [(host * fetching / hosts + max(fetching, searching), host) for host in range(hosts)]
    heapq.heapify(ready)
    free = waited = 0.0
    for _ in range(pages):
        at, host = heapq.heappop(ready)
        begin = max(at, free)
        free = begin + held
        waited += begin - at
        heapq.heappush(ready, (max(at + max(fetching, searching), free), host))
    return Stage(
        there, CARDS * pages / free, held * pages / free, waited / pages, searching, there * constants.index_bytes / 1e9
    )


def first_broken(
    constants: Constants, pictures: float, hosts: int, pace: float, cores: int, memory: float
) -> list[tuple[float, str]]:
    """From how many pictures on each thing no longer keeps up, the first first; what holds to the end is left out."""
    fetching = CARDS * max(pace, constants.crawl_seconds / cores)
    each = fetching / hosts  # seconds from one page of any host to the next
    slope = constants.lock_seconds_per_million
    lock = 0.0 if constants.lock_seconds >= each else (each - constants.lock_seconds) / slope * 1e6 if slope else np.inf
    search = fetching / (CARDS * ASKS * constants.search_seconds_per_million) * 1e6
    index = memory / constants.index_bytes
    found = [
        (float(lock), f"the one lock of page commits is never free ({hosts} hosts bring a page every {each:.2f} s)"),
        (float(search), f"a host's search takes longer than its fetching ({fetching:.0f} s a page)"),
        (float(index), f"the hashes in each crawl process are more than {memory / 1e9:.0f} GB"),
    ]
    return sorted(one for one in found if one[0] <= pictures)


def report(constants: Constants, pictures: int, hosts: int, pace: float, cores: int, memory: float) -> str:
    """The page's numbers, as Markdown."""
    stages = [crawl(constants, pictures * share, hosts, pace, cores) for share in STAGES]
    days, before = 0.0, 0.0
    for one in stages:
        days += (one.pictures - before) / one.rate / DAY
        before = one.pictures
    lines = [
        "| pictures there | new a second | lock held | a page waits for it | search for a page | hashes in each process |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {one.pictures:,.0f} | {one.rate:,.1f} | {one.lock_share:.0%} | {one.waited:.2f} s | {one.searching:.1f} s | "
        f"{one.index_gigabytes:.2f} GB |"
        for one in stages
    ]
    broken = first_broken(constants, pictures, hosts, pace, cores, memory)
    said = [f"{place}. from {number:,.0f} pictures on: {why}" for place, (number, why) in enumerate(broken, 1)]
    hours = pictures * constants.fingerprint_seconds / 3600
    alone = pictures * pace / DAY
    rows, files = pictures * constants.row_bytes / 1e9, pictures * constants.picture_bytes / 1e12
    whole = f"""\
- fetching alone, at {1 / pace:.1f} pictures a second of each shop: {alone:,.0f} shop-days, {alone / hosts:,.1f} days of
  {hosts} hosts with a shop each; with the lock and the search {days:,.1f} days
- the catalogue's rows of pictures: {rows:,.0f} GB as SQLite writes them, cards and pages not counted; the files: {files:,.1f} TB
- fingerprints: {hours:,.0f} CPU-hours; an export that hashes all afresh costs them once more"""
    return "\n".join(
        [*lines, "", "What breaks, and when:" if said else "Nothing breaks.", "", *said, "", "All of it:", "", whole]
    )  # fmt: skip


def main(words: Sequence[str] | None = None) -> None:
    """Measure, simulate, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100_000_000)
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--rows", type=int, default=100_000, help="of the larger catalogue that is measured")
    parser.add_argument("--pace", type=float, default=settings.STJ_PICTURE_SECONDS, help="seconds between two pictures")
    parser.add_argument("--cores", type=int, default=2, help="of a host")
    parser.add_argument("--memory", type=float, default=4.0, help="GB that a crawl process may have")
    parser.add_argument("--to", type=Path, default=PERFORMANCE, help="folder of the page")
    given = parser.parse_args(words)
    constants = measure(given.rows)
    told = "\n".join(f"| {name} | {value:.6g} |" for name, value in asdict(constants).items())
    text = (
        f"`python -m bench.simulate`: {given.pictures:,} pictures, {given.hosts} hosts of {given.cores} cores with a shop each, "
        f"constants of catalogues with {given.rows // 10:,} and {given.rows:,} rows, and {10 * given.rows:,} hashes. "
        f"{machine()}; {versions(['sqlalchemy', 'numpy', 'pillow'])}. All beyond those sizes is extrapolated, along straight "
        "lines; a lock_seconds_per_million of 0 means that the larger catalogue's lock was no longer than the smaller one's.\n\n"
        f"| measured | |\n| --- | ---: |\n{told}\n\n"
        + report(constants, given.pictures, given.hosts, given.pace, given.cores, given.memory * 1e9)
    )
    print(write_page("simulate", "A hundred million pictures, on paper", text, given.to).read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
