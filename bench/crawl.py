"""CPU time and memory of a crawl, beside Scrapy's stock pipelines and a plain loop, in turns (A B C A B C).

    python -m bench.crawl [--pictures 1000] [--size 600x800] [--rounds 2] [--borderless] [--ours-only] [--beside FOLDER]
                          [--keep FILE] [--to docs/performance]

One loopback shop in a process of its own sells noise on white; each crawler starts in an empty folder. What is counted is the
user and system time of the crawl's process from its first import to its exit, and the most memory that it and its children held.
`--beside` adds another checkout of STJ, such as a worktree of an earlier revision; `--keep` adds the rounds to those of earlier
sessions; `--to` writes the page.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from bench.noise import make_pictures
from bench.peers import LOOP, PIPELINES, addresses
from bench.tables import Spent, Way, draw_bars, headline, machine, peer_python, table, versions, watched, write_page

OURS = "STJ"
ROOT = Path(__file__).resolve().parents[1]
HASHING = "ImagesPipeline + imagehash"
PICTURES = {".jpg", ".jpeg"}
# What fetches a list of addresses, and what its environment needs.
FETCHERS = {"icrawler": ["icrawler"], "img2dataset": ["img2dataset", "setuptools<81"], "curl": []}


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--size", default="600x800", help="width and height in pixels")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--borderless", action="store_true", help="pictures without a border: a third less to hash")
    parser.add_argument("--ours-only", action="store_true", help="no peers: for memory over many pictures")
    parser.add_argument("--beside", type=Path, help="another checkout of STJ, to be measured in the same turns")
    parser.add_argument("--keep", type=Path, help="a file that collects the rounds of several sessions")
    parser.add_argument("--to", type=Path, help="folder of the page; none is written by default")
    given = parser.parse_args()
    roots = {OURS: ROOT} | ({f"STJ at {revision(given.beside)}": given.beside.resolve()} if given.beside else {})
    ways = ways_of([*roots], peers=not given.ours_only)
    if given.keep and given.keep.is_file():
        for way in ways:
            way.runs += [Spent(*one) for one in json.loads(given.keep.read_text(encoding="utf-8")).get(way.name, [])]
    if given.rounds:
        measure(ways, given.pictures, given.size, given.rounds, roots, bordered=not given.borderless, keep=given.keep)
    if given.to:
        write(ways, given.pictures, given.size, given.to, bordered=not given.borderless)
    print(told(ways, given.pictures))


def revision(checkout: Path) -> str:
    """The revision of a checkout, in short."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short=7", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def ways_of(ours: Sequence[str], *, peers: bool = True) -> list[Way]:
    """STJ's own ways, and those of its peers; an environment that cannot be made is named."""
    ways = [Way(name, []) for name in (*ours, *((LOOP, *PIPELINES) if peers else ()))]
    for name, packages in FETCHERS.items() if peers else ():
        python = peer_python(name, packages) if packages else sys.executable
        missing = "" if python and (packages or shutil.which(name)) else "could not be had here"
        ways.append(Way(name, [python or ""], missing=missing))
    return ways


def write_crawl(rounds: int, full: bool, folder: Path) -> None:
    """A crawl beside its peers, as a page of docs/performance."""
    pictures = 1000 if full else 300
    ways = ways_of([OURS])
    measure(ways, pictures, "600x800", rounds, {OURS: ROOT}, bordered=True)
    write(ways, pictures, "600x800", folder, bordered=True)


def told(ways: Sequence[Way], pictures: int) -> str:
    """The table."""
    columns = {"cpu": "CPU-s for 1,000 pictures", "seconds": "s for 1,000", "megabytes": "peak MB"}
    return table(ways, columns, per=pictures / 1000)


def write(ways: Sequence[Way], pictures: int, size: str, folder: Path, *, bordered: bool) -> None:
    """The page and its picture."""
    what = "noise with a white border, JPEG 4:2:0" if bordered else "borderless noise"
    text = (
        f"`python -m bench crawl`: {pictures:,} pictures of {size.replace('x', '×')}, {what}, from a loopback shop; shop and "
        f"crawlers in processes of their own, start included, {len(ways[0].runs)} rounds in turns. {machine()}; "
        f"{versions(['scrapy', 'aiohttp', 'pillow', 'imagehash'])}. Medians, least to most. The loop and the first pipeline keep "
        "the shop's bytes and look at none of them; the two others encode every picture anew. The last three are given the list "
        "of addresses, and read no listing.\n\n"
        + told(ways, pictures)
        + "\n\n![CPU-seconds for 1,000 pictures](crawl.png)\n"
    )
    write_page("crawl", "A crawl beside its peers", text, folder)
    draw_bars(ways, "cpu", "CPU-seconds for 1,000 pictures, start included", folder / "crawl.png", pictures / 1000)
    headline(
        "crawl", "CPU of a crawl that fingerprints and groups what it keeps", ways, ["FilesPipeline", HASHING], folder
    )


def measure(
    ways: Sequence[Way],
    pictures: int,
    size: str,
    rounds: int,
    roots: dict[str, Path],
    *,
    bordered: bool,
    keep: Path | None = None,
) -> None:
    """Draw the pictures, open the shop, and add so many rounds to each way; `keep` has all of them after each."""
    width, height = map(int, size.split("x"))
    with tempfile.TemporaryDirectory() as scratch:
        goods = Path(scratch) / "goods" / "0_saree"
        make_pictures(goods, pictures, seed=1, size=(width, height), bordered=bordered)
        run(Path(scratch), ways, pictures, rounds, roots, keep)


def run(
    folder: Path, ways: Sequence[Way], pictures: int, rounds: int, roots: dict[str, Path], keep: Path | None
) -> None:
    """Add so many rounds to each way; those of `roots` are STJ's own, from their checkouts."""
    shop, origin = open_shop(folder)
    listed = folder / "addresses.txt"
    try:
        if any(way.name in FETCHERS for way in ways):
            listed.write_text("\n".join(addresses(origin)), encoding="utf-8")
        for turn in range(-1 if len(ways) > 1 else 0, rounds):
            for way in ways:
                if way.missing:
                    continue
                place = folder / f"{turn} {way.name}"
                place.mkdir()
                spent = crawl(place, way, origin, pictures, roots.get(way.name), listed)
                if turn >= 0:  # the round before the first fills caches: the shop's, and compiled modules
                    way.runs.append(spent)
            if keep and turn >= 0:
                kept = {way.name: [(one.seconds, one.cpu, one.megabytes) for one in way.runs] for way in ways}
                keep.write_text(json.dumps(kept), encoding="utf-8")
    finally:
        shop.terminate()
        shop.wait()


def open_shop(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """A shop in a process of its own, and where it is."""
    code = (
        "import sys, threading\nfrom pathlib import Path\nfrom stj_demo.shop import PracticeShop\n"
        "with PracticeShop(Path(sys.argv[1]), planting=False) as shop:\n"
        "    print(shop.origin, flush=True)\n    threading.Event().wait()\n"
    )
    command = [sys.executable, "-c", code, str(folder / "goods")]
    shop = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert shop.stdout is not None
    origin = shop.stdout.readline().strip()
    urllib.request.urlopen(origin).read()
    return shop, origin


def crawl(place: Path, way: Way, origin: str, pictures: int, root: Path | None, listed: Path) -> Spent:
    """One crawl from start to exit.

    Args:
        place: an empty folder, where it runs.
        way: whose; a fetcher's has the Python of its environment.
        origin: the shop.
        pictures: that it has.
        root: STJ's checkout, None for a peer.
        listed: a file with the pictures' addresses, for a fetcher.
    """
    (place / "scrapy.cfg").write_text("[settings]\ndefault = stj_spiders.settings\n")
    python = sys.executable
    if way.name in FETCHERS:
        python, command = way.command[0], [str(ROOT / "bench" / "fetchers.py"), way.name, str(listed), "images"]
    elif root is None:
        command = ["-m", "bench.peers", origin, way.name]
    else:
        command = ["-m", "scrapy", "crawl", "amazon_sarees", "-a", f"origin={origin}", "-L", "WARNING"]
        command += ["-a", "limit=1000000", "-a", "pages=100000"]
        command += ["-s", "STJ_PICTURES_AT_ONCE=8", "-s", "STJ_IMAGE_SIZE="]
    # Compiled modules are read as on any machine; the first crawl of all writes them.
    environment = {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(root or ROOT), os.environ.get("PYTHONPATH", "")])),
    }
    began = time.perf_counter()
    process = subprocess.Popen(
        [python, *command], cwd=place, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    with watched(process.pid) as peak:
        said = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    kept = [path for path in (place / "images").rglob("*") if path.suffix in PICTURES]
    if process.returncode or len(kept) != pictures:
        sys.exit(f"{way.name} ended with {process.returncode} and {len(kept)} of {pictures} pictures: {said[-500:]}")
    time.sleep(0.5)
    return Spent(seconds, used.ru_utime + used.ru_stime, peak.megabytes)


if __name__ == "__main__":
    main()
