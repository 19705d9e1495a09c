"""A hundred million pictures and fifty crawl hosts, on paper: what would break first, by what is measured here.

    python -m bench.simulate [--pictures 100000000] [--hosts 50] [--rows 200000] [--to docs/performance]

Constants are measured first, small: a page of 100 new pictures in catalogues of two sizes (bench/growth.py), the search among
millions of hashes that hang together as photographs' do (bench/lookup.py), fingerprints of drawn photographs (python -m bench
fingerprints), and CPU of a crawled picture, which is read from docs/performance/crawl.md. Then hosts crawl in steps of simulated
time: each fetches a page of 100 pictures at its shop's pace, searches for their neighbours, and waits for the one lock of page
commits, first come, first served.
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
from bench.lookup import page_of_asks, timed
from bench.neighbours import make_hashes
from bench.tables import PERFORMANCE, machine, versions, write_page
from stj_catalog.catalog import open_catalog
from stj_catalog.crawls import begin_crawl
from stj_core.labels import load_labels
from stj_images.fingerprint import fingerprint
from stj_images.likeness import Thresholds
from stj_images.neighbours import LOOKED_THROUGH, NeighbourIndex
from stj_spiders import settings

DAY = 86_400.0
ASKS = 3
"""Searches for each picture: as it is, mirrored, and without borders (stj_images/likeness.py, LooksIndex)."""
PAGES = 12
"""Pages whose lock is measured in each catalogue."""
STAGES = (0.01, 0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Constants:
    """What one picture costs, measured.

    Attributes:
        lock_seconds: of the lock for a page of 100 new pictures in an empty catalogue.
        lock_seconds_per_million: how much longer for each million pictures that are there.
        search_seconds: of one ask of an index, where hardly any picture is there; of the processor, as all searching.
        search_seconds_per_million: how much longer for each million pictures that have bands.
        tail_seconds: of one ask of the pictures that have none yet, where they are as many as may be.
        bands_seconds_per_million: for as long a process makes the bands of a million pictures, when it opens the catalogue.
        index_bytes: of a crawl process for each picture that is there, where its arrays, which grow by a quarter, are just full.
        row_bytes: of the catalogue's file for each picture, without cards and pages.
        picture_bytes: of a file.
        fingerprint_seconds: of CPU.
        crawl_seconds: of CPU for a crawled picture, all told.
    """

    lock_seconds: float
    lock_seconds_per_million: float
    search_seconds: float
    search_seconds_per_million: float
    tail_seconds: float
    bands_seconds_per_million: float
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
    return Constants(
        max(0.0, first - slope * few), slope * 1e6, *_search(25 * rows, 50 * rows), size,
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
        found = [page(catalog, settler, crawl.id, crawl.category_id, number, rng) for number in range(1, PAGES + 1)]
        catalog.close()
        size = (file.stat().st_size - bare) / (rows + CARDS * len(found))
    # The least: whatever else this machine does only adds.
    return min(one["locked"] for one in found[1:]), size


def _search(few: int, many: int) -> tuple[float, float, float, float, float]:
    """What `Constants` says of searching and of its memory, from two numbers of hashes."""
    hashes = make_hashes(many, like_photographs=True)
    asked = page_of_asks(hashes, like_photographs=True)
    reach, found = Thresholds().reach, []
    for size in (few, many):
        index = NeighbourIndex()
        index.add(np.arange(size), hashes[:size])
        began = time.process_time()
        index.make_bands()
        made = (time.process_time() - began) / size
        found.append(
            (timed(lambda index=index: index.query_batch(asked, reach), 3)[0] / len(asked), made, index.nbytes / size)
        )
    (first, _, _), (second, made, size_of_one) = found
    slope = max(0.0, (second - first) / (many - few))
    tail = NeighbourIndex()
    tail.add(np.arange(min(many, LOOKED_THROUGH)), hashes[:LOOKED_THROUGH])
    looked_through = timed(lambda: tail.query_batch(asked, reach), 3)[0] / len(asked)
    # Of a picture two hashes are kept: as it is, and without borders.
    return max(0.0, first - slope * few), slope * 1e6, looked_through, 2e6 * made, 2 * size_of_one


def searching(constants: Constants, there: float) -> float:
    """Seconds of a host's search for a page."""
    million = there / 1e6
    each = constants.search_seconds + constants.search_seconds_per_million * million + constants.tail_seconds
    return CARDS * ASKS * each


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
    search = searching(constants, there)
    fetching = CARDS * max(pace, constants.crawl_seconds / cores)
    held = constants.lock_seconds + constants.lock_seconds_per_million * million
    # Fetching goes on while the page before is searched and written: the slower of both decides, and the lock.
    ready = [(host * fetching / hosts + max(fetching, search), host) for host in range(hosts)]
    heapq.heapify(ready)
    free = waited = 0.0
    for _ in range(pages):
        at, host = heapq.heappop(ready)
        begin = max(at, free)
        free = begin + held
        waited += begin - at
        heapq.heappush(ready, (max(at + max(fetching, search), free), host))
    return Stage(
        there, CARDS * pages / free, held * pages / free, waited / pages, search, there * constants.index_bytes / 1e9
    )


def first_broken(
    constants: Constants, pictures: float, hosts: int, pace: float, cores: int, memory: float
) -> list[tuple[float, str]]:
    """From how many pictures on each thing no longer keeps up, the first first; what holds to the end is left out."""
    fetching = CARDS * max(pace, constants.crawl_seconds / cores)
    each = fetching / hosts  # seconds from one page of any host to the next
    slope = constants.lock_seconds_per_million
    lock = 0.0 if constants.lock_seconds >= each else (each - constants.lock_seconds) / slope * 1e6 if slope else np.inf
    room = fetching - searching(constants, 0)
    slope = CARDS * ASKS * constants.search_seconds_per_million
    search = max(0.0, room / slope * 1e6) if slope else float("inf")
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
    opening = constants.bands_seconds_per_million * pictures / 1e6
    rows, files = pictures * constants.row_bytes / 1e9, pictures * constants.picture_bytes / 1e12
    whole = f"""\
- fetching alone, at {1 / pace:.1f} pictures a second of each shop: {alone:,.0f} shop-days, {alone / hosts:,.1f} days of
  {hosts} hosts with a shop each; with the lock and the search {days:,.1f} days
- the catalogue's rows of pictures: {rows:,.0f} GB as SQLite writes them, cards and pages not counted; the files: {files:,.1f} TB
- fingerprints: {hours:,.0f} CPU-hours; an export that hashes all afresh costs them once more
- bands of all hashes: {opening:,.0f} CPU-seconds of each crawl process, soon after it opened the catalogue"""
    return "\n".join(
        [*lines, "", "What breaks, and when:" if said else "Nothing breaks.", "", *said, "", "All of it:", "", whole]
    )  # fmt: skip


def main(words: Sequence[str] | None = None) -> None:
    """Measure, simulate, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100_000_000)
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--rows", type=int, default=200_000, help="of the larger catalogue that is measured")
    parser.add_argument("--pace", type=float, default=settings.STJ_PICTURE_SECONDS, help="seconds between two pictures")
    parser.add_argument("--cores", type=int, default=2, help="of a host")
    parser.add_argument("--memory", type=float, default=4.0, help="GB that a crawl process may have")
    parser.add_argument("--to", type=Path, default=PERFORMANCE, help="folder of the page")
    given = parser.parse_args(words)
    constants = measure(given.rows)
    told = "\n".join(f"| {name} | {value:.6g} |" for name, value in asdict(constants).items())
    text = (
        f"`python -m bench.simulate`: {given.pictures:,} pictures, {given.hosts} hosts of {given.cores} cores with a shop each, "
        f"constants of catalogues with {given.rows // 10:,} and {given.rows:,} rows, and of {25 * given.rows:,} and "
        f"{50 * given.rows:,} hashes as uneven as photographs'. {machine()}; {versions(['sqlalchemy', 'numpy', 'pillow'])}. All "
        "beyond those sizes is extrapolated, along straight "
        "lines; a lock_seconds_per_million of 0 means that the larger catalogue's lock was no longer than the smaller one's.\n\n"
        f"| measured | |\n| --- | ---: |\n{told}\n\n"
        + report(constants, given.pictures, given.hosts, given.pace, given.cores, given.memory * 1e9)
    )
    print(write_page("simulate", "A hundred million pictures, on paper", text, given.to).read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
