"""CPU time and memory of a crawl, beside Scrapy's stock pipelines and a plain loop, in one run.

    python -m bench.crawl [--pictures 1000] [--size 600x800] [--rounds 2] [--borderless] [--ours-only] [--beside FOLDER]

One loopback shop in a process of its own sells noise on white; each crawler starts in an empty folder, in turns (A B C A B C).
What is counted is the user and system time of the crawl's process from its first import to its exit, and its largest resident
size. `--beside` adds another checkout of STJ, such as a worktree of an earlier revision.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from bench.noise import make_pictures
from bench.peers import LOOP, PIPELINES

OURS = "STJ"
EARLIER = "STJ beside"
GOALS = {"FilesPipeline": 2.0, "ImagesPipeline + imagehash": 0.6}
ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Run the benchmark and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--size", default="600x800", help="width and height in pixels")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--borderless", action="store_true", help="pictures without a white border: a third less to hash"
    )
    parser.add_argument("--ours-only", action="store_true", help="no peers: for memory over many pictures")
    parser.add_argument("--beside", type=Path, help="another checkout of STJ, to be measured in the same turns")
    given = parser.parse_args()
    roots = {OURS: ROOT} | ({EARLIER: given.beside.resolve()} if given.beside else {})
    names = [*roots] if given.ours_only else [*roots, LOOP, *PIPELINES]
    with tempfile.TemporaryDirectory() as folder:
        make_pictures(
            Path(folder) / "goods" / "0_saree",
            given.pictures,
            seed=1,
            size=size_of(given.size),
            bordered=not given.borderless,
        )
        measured = run(Path(folder), names, given.pictures, given.rounds, roots)
    report: dict[str, object] = {
        "pictures": given.pictures,
        "size": given.size,
        "bordered": not given.borderless,
        "rounds": given.rounds,
    }
    for name, runs in measured.items():
        report[name] = {
            "cpu_s_per_1000": [round(cpu * 1000 / given.pictures, 2) for cpu, _ in runs],
            "peak_mb": [round(peak) for _, peak in runs],
        }
    for name, runs in measured.items():
        if name != OURS:
            ratio = middle_cpu(measured[OURS]) / middle_cpu(runs)
            report[f"STJ / {name}"] = {"ratio": round(ratio, 2), "goal": GOALS.get(name)}
    print(json.dumps(report, indent=2))


def size_of(text: str) -> tuple[int, int]:
    """Width and height of "600x800"."""
    width, height = map(int, text.split("x"))
    return width, height


def middle_cpu(runs: list[tuple[float, float]]) -> float:
    """The median of the CPU seconds."""
    return statistics.median(cpu for cpu, _ in runs)


def run(
    folder: Path, names: list[str], pictures: int, rounds: int, roots: dict[str, Path]
) -> dict[str, list[tuple[float, float]]]:
    """CPU seconds and peak megabytes of every round, by crawler; those of `roots` are STJ's own, from their checkouts."""
    shop, origin = open_shop(folder)
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    try:
        for turn in range(-1 if len(names) > 1 else 0, rounds):
            for name in names:
                place = folder / f"{turn} {name}"
                place.mkdir()
                used = crawl(place, name, origin, pictures, roots.get(name))
                if turn >= 0:  # the round before the first fills caches: the shop's, and compiled modules
                    measured[name].append(used)
    finally:
        shop.terminate()
        shop.wait()
    return measured


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


def crawl(place: Path, name: str, origin: str, pictures: int, root: Path | None) -> tuple[float, float]:
    """One crawl from start to exit: its CPU seconds and peak megabytes; `root` is STJ's checkout, None for a peer."""
    (place / "scrapy.cfg").write_text("[settings]\ndefault = stj_spiders.settings\n")
    if root is None:
        command = ["-m", "bench.peers", origin, name]
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
    process = subprocess.Popen([sys.executable, *command], cwd=place, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    files = [path for path in (place / "images").rglob("*") if path.is_file()]
    if process.returncode or len(files) != pictures:
        sys.exit(f"{name} ended with exit code {process.returncode} and {len(files)} of {pictures} pictures.")
    time.sleep(0.5)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


if __name__ == "__main__":
    main()
