"""CPU-seconds, wall clock and memory of a crawl, beside Scrapy's stock pipelines and a plain loop, in turns (A B C A B C).

    python -m bench.crawl [--pictures 1000] [--size 600x800] [--rounds 2] [--borderless] [--ours-only] [--beside FOLDER]
                          [--keep FILE] [--practice-only] [--to docs/performance]

One loopback shop in a process of its own sells noise on white; each crawler starts in an empty folder. What is counted is the
user and system time of the crawl's process from its first import to its exit, and the most memory that it and its children held.
Where nginx is installed, the same is crawled from one that serves the shop's pages and pictures as files, over HTTP and over TLS.
`--beside` adds another checkout of STJ, such as a worktree of an earlier revision; `--keep` adds the rounds to those of earlier
sessions; `--to` writes the page.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.fronts import NGINX, NGINX_BINARY, PLAIN, TLS, Front, nginx, nginx_version
from bench.noise import make_pictures
from bench.peers import LOOP, PIPELINES, walk
from bench.tables import Spent, Way, draw_bars, headline, machine, peer_python, table, versions, watched, write_page

OURS = "STJ"
ROOT = Path(__file__).resolve().parents[1]
HASHING = "ImagesPipeline + imagehash"
PICTURES = {".jpg", ".jpeg"}
# What fetches a list of addresses, and what its environment needs.
FETCHERS = {"icrawler": ["icrawler"], "img2dataset": ["img2dataset", "setuptools<81"], "curl": []}
GOALS = {"FilesPipeline": 2.0, HASHING: 0.6}
_COLUMNS = {"cpu": "CPU-s for 1,000 pictures", "seconds": "s for 1,000", "megabytes": "peak MB"}


@dataclass
class Measured:
    """What is crawled, and what it took.

    Attributes:
        pictures: that the shop sells.
        size: of each, such as `600x800`.
        bordered: whether they lie on white.
        roots: checkouts of STJ by the name of their way.
        ways: by the name of the front that they crawl.
        untrusting: by the name of a way, how many pictures it fetched over TLS without being told whom to trust.
    """

    pictures: int
    size: str
    bordered: bool
    roots: dict[str, Path]
    ways: dict[str, list[Way]]
    untrusting: dict[str, int] = field(default_factory=dict)


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
    parser.add_argument("--practice-only", action="store_true", help="no nginx: from the practice shop alone")
    parser.add_argument("--to", type=Path, help="folder of the page; none is written by default")
    given = parser.parse_args()
    roots = {OURS: ROOT} | ({f"STJ at {revision(given.beside)}": given.beside.resolve()} if given.beside else {})
    measured = Measured(
        given.pictures,
        given.size,
        not given.borderless,
        roots,
        {name: ways_of([*roots], peers=not given.ours_only) for name in fronts_here(practice_only=given.practice_only)},
    )
    if given.keep and given.keep.is_file():
        kept = json.loads(given.keep.read_text(encoding="utf-8"))
        for front, ways in measured.ways.items():
            for way in ways:
                way.runs += [Spent(*one) for one in kept.get(front, {}).get(way.name, [])]
    if given.rounds:
        measure(measured, given.rounds, given.keep)
    if given.to:
        write(measured, given.to)
    print(told(measured))


def revision(checkout: Path) -> str:
    """The revision of a checkout, in short."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short=7", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def fronts_here(*, practice_only: bool = False) -> list[str]:
    """From where the shop can be crawled on this machine."""
    return [PLAIN, NGINX, TLS] if NGINX_BINARY and not practice_only else [PLAIN]


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
    ways = {name: ways_of([OURS]) for name in fronts_here()}
    measured = Measured(1000 if full else 300, "600x800", True, {OURS: ROOT}, ways)
    measure(measured, rounds if full else min(rounds, 3))
    write(measured, folder)


def told(measured: Measured) -> str:
    """The tables, one for each front, and who checks a certificate."""
    parts = [
        f"From {front}:\n\n{table(ways, _COLUMNS, per=measured.pictures / 1000)}"
        for front, ways in measured.ways.items()
    ]
    if NGINX not in measured.ways:
        parts.append("Over nginx and TLS nothing was measured: nginx is not installed here, or was not asked for.")
    if measured.untrusting:
        parts.append(told_of_trust(measured.untrusting, measured.pictures))
    return "\n\n".join(parts)


def told_of_trust(fetched: dict[str, int], pictures: int) -> str:
    """Who fetched what from a shop whose certificate nobody vouched for."""
    checking = [name for name, number in fetched.items() if not number]
    others = [f"{name} ({number:,})" for name, number in fetched.items() if number]
    return (
        f"Asked once over TLS without being told to trust the certificate's authority, of {pictures:,} pictures nothing was "
        f"fetched by {', '.join(checking) or 'none of them'}; all the same by {', '.join(others) or 'none'}."
    )


def told_of_goals(ways: Sequence[Way]) -> str:
    """How far the goals are, from the practice shop."""
    cpu = {way.name: statistics.median(one.cpu for one in way.runs) for way in ways if way.runs}
    lines = []
    for peer, most in GOALS.items():
        ratio = cpu[OURS] / cpu[peer]
        lines.append(f"at most {most} × {peer}, here {ratio:.2f}: {'reached' if ratio <= most else 'not reached'}")
    return f"The goals, in CPU-seconds: {'; '.join(lines)}."


def write(measured: Measured, folder: Path) -> None:
    """The page and its picture."""
    ways = measured.ways[PLAIN]
    what = "noise with a white border, JPEG 4:2:0" if measured.bordered else "borderless noise"
    served = f", {nginx_version()}" if NGINX in measured.ways else ""
    text = (
        f"`python -m bench crawl`: {measured.pictures:,} pictures of {measured.size.replace('x', '×')}, {what}, from a loopback "
        f"shop; shop and crawlers in processes of their own, start included, {len(ways[0].runs)} rounds in turns. {machine()}; "
        f"{versions(['scrapy', 'aiohttp', 'pillow', 'imagehash'])}{served}. Medians, least to most. The loop and the first "
        "pipeline keep the shop's bytes and look at none of them; the two others encode every picture anew. The last three are "
        "given the list of addresses, and read no listing.\n\n"
        + told(measured)
        + f"\n\n{told_of_goals(ways)}"
        + "\n\n![CPU-seconds for 1,000 pictures](crawl.png)\n"
    )
    write_page("crawl", "A crawl beside its peers", text, folder)
    label = "CPU-seconds for 1,000 pictures, start included"
    draw_bars(ways, "cpu", label, folder / "crawl.png", measured.pictures / 1000)
    headline(
        "crawl", "CPU of a crawl that fingerprints and groups what it keeps", ways, ["FilesPipeline", HASHING], folder
    )


def measure(measured: Measured, rounds: int, keep: Path | None = None) -> None:
    """Draw the pictures, open the shop, and add so many rounds to each way; `keep` has all of them after each."""
    width, height = map(int, measured.size.split("x"))
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as open_ones:
        folder = Path(scratch)
        goods = folder / "goods" / "0_saree"
        make_pictures(goods, measured.pictures, seed=1, size=(width, height), bordered=measured.bordered)
        shop = open_ones.enter_context(open_shop(folder))
        fronts = [Front(PLAIN, shop)]
        if NGINX in measured.ways:
            place = folder / "nginx"
            place.mkdir()
            fronts += open_ones.enter_context(nginx(place, shop))
        listed = [address for _, found in walk(shop) for address in found]
        for front in fronts:
            lines = [address.replace(shop, front.origin) for address in listed]
            (folder / f"{front.name}.txt").write_text("\n".join(lines), encoding="utf-8")
        for turn in range(rounds + 1):
            _turn(folder, measured, fronts, turn)
            if keep and turn:
                keep.write_text(json.dumps(_kept(measured)), encoding="utf-8")


def _kept(measured: Measured) -> dict[str, dict[str, list[tuple[float, float, float]]]]:
    return {
        front: {way.name: [(one.seconds, one.cpu, one.megabytes) for one in way.runs] for way in ways}
        for front, ways in measured.ways.items()
    }


def _turn(folder: Path, measured: Measured, fronts: Sequence[Front], turn: int) -> None:
    """Each way from each front once; turn 0 fills caches, and over TLS asks who checks a certificate."""
    for number in range(len(measured.ways[PLAIN])):
        for front in fronts if turn % 2 else reversed(fronts):
            way = measured.ways[front.name][number]
            if way.missing:
                continue
            place = folder / "crawled"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            trusting = turn > 0 or front.authority is None
            command = command_of(way, front, measured.roots.get(way.name), folder / f"{front.name}.txt", trusting)
            spent, code, said = weigh_in(
                place, command, front.trust() if trusting else {}, measured.roots.get(way.name)
            )
            kept = sum(path.suffix in PICTURES for path in (place / "images").rglob("*"))
            if not trusting:
                measured.untrusting[way.name] = kept
            elif code or kept != measured.pictures:
                sys.exit(f"{way.name} ended with {code} and {kept} of {measured.pictures} pictures: {said[-500:]}")
            if turn:
                way.runs.append(spent)
            time.sleep(0.5)


@contextmanager
def open_shop(folder: Path) -> Iterator[str]:
    """A shop in a process of its own; gives its origin."""
    code = (
        "import sys, threading\nfrom pathlib import Path\nfrom stj_demo.shop import PracticeShop\n"
        "with PracticeShop(Path(sys.argv[1]), planting=False) as shop:\n"
        "    print(shop.origin, flush=True)\n    threading.Event().wait()\n"
    )
    command = [sys.executable, "-c", code, str(folder / "goods")]
    shop = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert shop.stdout is not None
        origin = shop.stdout.readline().strip()
        urllib.request.urlopen(origin).read()
        yield origin
    finally:
        shop.terminate()
        shop.wait()


def command_of(way: Way, front: Front, root: Path | None, listed: Path, trusting: bool) -> list[str]:
    """The command of one crawl.

    Args:
        way: whose; a fetcher's has the Python of its environment.
        front: from where.
        root: STJ's checkout, None for a peer.
        listed: a file with the pictures' addresses, for a fetcher.
        trusting: name the authority of the front's certificate.
    """
    authority = [str(front.authority)] if trusting and front.authority else []
    if way.name in FETCHERS:
        return [way.command[0], str(ROOT / "bench" / "fetchers.py"), way.name, str(listed), "images", *authority]
    if root is None:
        return [sys.executable, "-m", "bench.peers", front.origin, way.name, *authority]
    command = [
        sys.executable,
        "-m",
        "scrapy",
        "crawl",
        "amazon_sarees",
        "-a",
        f"origin={front.origin}",
        "-L",
        "WARNING",
    ]
    command += ["-a", "limit=1000000", "-a", "pages=100000"]
    return [*command, "-s", "STJ_PICTURES_AT_ONCE=8", "-s", "STJ_IMAGE_SIZE="]


def weigh_in(place: Path, command: list[str], trust: dict[str, str], root: Path | None) -> tuple[Spent, int, str]:
    """One crawl from start to exit in an empty folder: what it took, its exit code, and its talk.

    Args:
        place: the folder.
        command: the crawl.
        trust: variables that name an authority.
        root: STJ's checkout, None for a peer.
    """
    (place / "scrapy.cfg").write_text("[settings]\ndefault = stj_spiders.settings\n")
    # Compiled modules are read as on any machine; the first crawl of all writes them.
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")},
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(root or ROOT), os.environ.get("PYTHONPATH", "")])),
        **trust,
    }
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=place, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    with watched(process.pid) as peak:
        said = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    return Spent(seconds, used.ru_utime + used.ru_stime, peak.megabytes), process.returncode, said


if __name__ == "__main__":
    main()
