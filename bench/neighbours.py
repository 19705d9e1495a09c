"""A million hashes: STJ beside imagededup (BK-tree, brute force) and faiss, on the same hashes, in one run.

    python -m bench.neighbours [--size 1000000] [--like-photographs] [--json FILE]

Peers are optional (`pip install faiss-cpu imagededup` in an environment of their own); those that are not there are named.
A peer that would need minutes answers a sample of the queries; its time is then scaled and marked with ~.
Catalogues are opened, and 100 newcomers added to them, in processes of their own, for the memory.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from stj_images.neighbours import NeighbourIndex

QUERIES = 200
ENOUGH_SECONDS = 8.0


def make_hashes(size: int, *, like_photographs: bool) -> np.ndarray:
    """uint64[size]: random, or as uneven as photographs' (bits hang together, half of them are set); some are near-copies."""
    rng = np.random.default_rng(42)
    if like_photographs:
        hashes = np.concatenate([_uneven(rng, min(50_000, size - start)) for start in range(0, size, 50_000)])
    else:
        hashes = rng.integers(0, 2**64, size, dtype=np.uint64)
    copies = rng.permutation(size)[: 2 * (size // 100)].reshape(2, -1)
    flips = np.zeros(copies.shape[1], dtype=np.uint64)
    for _ in range(4):
        flips |= np.uint64(1) << rng.integers(0, 64, len(flips)).astype(np.uint64)
    hashes[copies[1]] = hashes[copies[0]] ^ flips
    return hashes


def _uneven(rng: np.random.Generator, size: int) -> np.ndarray:
    """Coefficients of smooth pictures: the low ones are few sources mixed, which ties bits together as in photographs."""
    mix = np.random.default_rng(7).normal(size=(24, 64)) * (np.arange(24)[:, None] < 12) * 0.5
    latent = rng.normal(size=(size, 24)) @ mix + rng.normal(size=(size, 64))
    latent += np.random.default_rng(8).normal(size=64) * 0.5
    bits = latent > np.median(latent, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)


@dataclass(frozen=True)
class Spent:
    """What a piece of work took: seconds by the clock, and of processors."""

    seconds: float
    cpu: float
    scaled: bool = False


def timed(work: Callable[[], object], *, repeat: int = 1) -> Spent:
    """What one call takes, the best of some."""
    spent = []
    for _ in range(repeat):
        start, cpu = time.perf_counter(), time.process_time()
        work()
        spent.append(Spent(time.perf_counter() - start, time.process_time() - cpu))
    return min(spent, key=lambda one: one.seconds)


def sampled(ask: Callable[[int], object], total: int) -> Spent:
    """What `total` questions take; after some seconds the rest is scaled."""
    start, cpu = time.perf_counter(), time.process_time()
    for number in range(total):
        ask(number)
        spent = time.perf_counter() - start
        if spent > ENOUGH_SECONDS and number + 1 < total:
            times = total / (number + 1)
            return Spent(spent * times, (time.process_time() - cpu) * times, scaled=True)
    return Spent(time.perf_counter() - start, time.process_time() - cpu)


def bench_stj(hashes: np.ndarray) -> list[dict[str, object]]:
    """The index's own times."""
    index = NeighbourIndex()
    rows = [
        row("STJ", "build", timed(lambda: index.add(np.arange(len(hashes)), hashes))),
        row("STJ", f"{QUERIES} queries, 10 bits", timed(lambda: index.query_batch(hashes[:QUERIES], 10), repeat=3)),
    ]
    for distance in (6, 10):
        blocks: list[int] = []
        spent = timed(
            partial(lambda bits, sizes: sizes.extend(len(one) for one, *_ in index.pair_blocks(bits)), distance, blocks)
        )
        rows.append(row("STJ", f"all pairs, {distance} bits", spent, f"{sum(blocks):,} pairs"))
    return rows


def bench_faiss(hashes: np.ndarray) -> list[dict[str, object]]:
    """faiss: the flat binary index, and multi-hash look-ups that are exact up to 11 bits."""
    faiss = importlib.import_module("faiss")
    codes = hashes.astype(">u8").view(np.uint8).reshape(-1, 8)
    many = faiss.IndexBinaryMultiHash(64, 4, 16)
    many.nflip = 2
    return _faiss("faiss IndexBinaryFlat", faiss.IndexBinaryFlat(64), codes) + _faiss(
        "faiss IndexBinaryMultiHash", many, codes
    )


def _faiss(name: str, index: Any, codes: np.ndarray) -> list[dict[str, object]]:  # noqa: ANN401 - faiss has no types
    def ask(distance: int, number: int) -> None:
        # faiss counts "less than".
        index.range_search(codes[number * QUERIES : (number + 1) * QUERIES], distance + 1)

    rows = [row(name, "build", timed(lambda: index.add(codes)))]
    rows.append(row(name, f"{QUERIES} queries, 10 bits", timed(lambda: ask(10, 0), repeat=3)))
    for distance in (6, 10):
        spent = sampled(partial(ask, distance), len(codes) // QUERIES)
        rows.append(row(name, f"all pairs, {distance} bits", spent, "every hash asked"))
    return rows


def bench_imagededup(hashes: np.ndarray) -> list[dict[str, object]]:
    """Imagededup's searchers, given its own hex strings and its own distance."""
    bktree = importlib.import_module("imagededup.handlers.search.bktree").BKTree
    brute = importlib.import_module("imagededup.handlers.search.brute_force").BruteForce
    fast = importlib.import_module("imagededup.handlers.search.brute_force_cython").BruteForceCython

    def distance(one: str, two: str) -> int:
        return (int(one, 16) ^ int(two, 16)).bit_count()

    words = {str(number): f"{word:016x}" for number, word in enumerate(hashes.tolist())}
    asked = [f"{word:016x}" for word in hashes.tolist()]
    rows = []
    for name, kind in (("BK-tree", bktree), ("brute force", brute), ("brute force, Cython", fast)):
        made: list[Any] = []
        rows.append(
            row(f"imagededup {name}", "build", timed(lambda kind=kind, made=made: made.append(kind(words, distance))))
        )
        for what, total, bits in (
            (f"{QUERIES} queries, 10 bits", QUERIES, 10),
            ("all pairs, 6 bits", len(asked), 6),
            ("all pairs, 10 bits", len(asked), 10),
        ):
            spent = sampled(lambda number, made=made, bits=bits: made[0].search(asked[number], bits), total)
            rows.append(row(f"imagededup {name}", what, spent))
    return rows


def bench_catalogue(hashes: np.ndarray) -> list[dict[str, object]]:
    """A catalogue of as many pictures: opening it for a crawl, and its counts; each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "catalog.sqlite"
        fill_catalogue(file, hashes)
        rows = [in_a_process("open for crawling", "--open", file)]
        rows.append(in_a_process("100 newcomers settle", "--settle", file))
        code = "import sys; from stj_dataset.cli import main; sys.argv = ['stj-dataset', *sys.argv[1:]]; main()"
        command = [sys.executable, "-c", code, "stats", "--json", "--catalog", str(file)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        rows.append(row("STJ", "stj-dataset stats, whole process", Spent(spent.seconds, cpu)))
    return rows


def fill_catalogue(file: Path, hashes: np.ndarray) -> None:
    """Write pictures with these hashes; what does not matter here is the same for all."""
    import sqlite3

    from stj_catalog.catalog import open_catalog

    open_catalog(str(file), create=True).close()
    wide = np.random.default_rng(1).integers(0, 2**64, (len(hashes), 4), dtype=np.uint64)
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        names = ("id", "image_key", "url", "status", "label", "group_id", "sha256", "path", "format", "width", "height",
                 "bytes", "phash", "phash256", "phash_mirror", "phash256_mirror", "phash_trim", "phash256_trim",
                 "hash_recipe", "rule", "compared", "first_seen_at", "last_seen_at")  # fmt: skip
        marks = ", ".join("?" * len(names))

        def rows() -> Iterator[tuple[object, ...]]:
            for number, word in enumerate(hashes.tolist(), 1):
                short = f"{word:016x}"
                long = "".join(f"{part:016x}" for part in wide[number - 1].tolist())
                sha256 = f"{number:064x}"
                key = f"https://m.media-amazon.com/images/I/{number:011d}.jpg"
                yield (number, key, key, "kept", number % 3, number, sha256, f"{sha256[:2]}/{sha256}.jpg", "JPEG", 640, 853,
                       60_000, short, long, short, long, short, long, 1, "duplicate 8/22, related 10/32", number,
                       "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z")  # fmt: skip

        connection.executemany(f"INSERT INTO images ({', '.join(names)}) VALUES ({marks})", rows())
        connection.executemany(
            "INSERT INTO groups (id, made_at) VALUES (?, ?)",
            ((number, "2026-01-01T00:00:00.000Z") for number in range(1, len(hashes) + 1)),
        )


def in_a_process(what: str, flag: str, file: Path) -> dict[str, object]:
    """Run one of the measurements below in a process of its own."""
    command = [sys.executable, "-m", "bench.neighbours", flag, str(file)]
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1]).stdout
    found = json.loads(told)
    return row("STJ", what, Spent(found["seconds"], found["cpu"]), found["note"])


def measure_opening(file: Path) -> dict[str, object]:
    """What opening a catalogue for a crawl takes, with the most memory."""
    from stj_catalog.catalog import open_catalog
    from stj_catalog.incremental import Settler
    from stj_images.likeness import Thresholds

    made: list[Settler] = []
    spent = timed(lambda: made.append(Settler.for_catalog(open_catalog(str(file)), Thresholds())))
    return {**asdict(spent), "note": f"{len(made[0].index):,} pictures, {peak_megabytes():.0f} MB in all"}


def measure_settling(file: Path) -> dict[str, object]:
    """What it takes to look 100 newcomers up among all pictures."""
    from stj_catalog.catalog import open_catalog
    from stj_catalog.incremental import Settler
    from stj_images.likeness import Looks, Thresholds

    settler = Settler.for_catalog(open_catalog(str(file)), Thresholds())
    rng = np.random.default_rng(3)
    short, wide = rng.integers(0, 2**64, (2, 100), np.uint64), rng.integers(0, 2**64, (4, 100, 4), np.uint64)
    newcomers = Looks(np.arange(100), *short, *wide)
    spent = timed(lambda: settler.index.candidates(newcomers, 10), repeat=3)
    return {**asdict(spent), "note": "300 queries: as it is, mirrored, trimmed"}


def peak_megabytes() -> float:
    """The most memory this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def row(who: str, what: str, spent: Spent, note: str = "") -> dict[str, object]:
    """One line of the table."""
    return {"who": who, "what": what, **asdict(spent), "note": note}


def show(rows: list[dict[str, object]]) -> None:
    """Print the table."""
    print("| who | what | seconds | CPU-seconds | |\n| --- | --- | ---: | ---: | --- |")
    for one in rows:
        times = [f"{'~' if one['scaled'] else ''}{_digits(float(str(one[name])))}" for name in ("seconds", "cpu")]
        print(f"| {one['who']} | {one['what']} | {times[0]} | {times[1]} | {one['note']} |")


def _digits(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= 100 else f"{seconds:.2f}"


def main() -> None:
    """Run everything, or one of the parts that need their own process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--like-photographs", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--settle", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.open or options.settle:
        print(json.dumps(measure_opening(options.open) if options.open else measure_settling(options.settle)))
        return
    hashes = make_hashes(options.size, like_photographs=options.like_photographs)
    rows = bench_stj(hashes)
    if not options.like_photographs:
        rows += bench_catalogue(hashes)
    for module, bench in (("faiss", bench_faiss), ("imagededup", bench_imagededup)):
        if importlib.util.find_spec(module) is None:
            print(f"{module} is not installed: left out.", file=sys.stderr)
            continue
        rows += bench(hashes)
    print(
        f"{options.size:,} hashes, {platform.processor() or platform.machine()}, Python {platform.python_version()}\n"
    )
    show(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
