"""How long the search for a page's neighbours takes among many hashes: all looked at, looked up by bands, and by faiss.

    python -m bench.lookup [--sizes 1 10 30] [--to docs/performance]        # sizes in millions

Each size and kind of hashes is a process of its own: random hashes, and such as hang together as photographs' do. A page of 48
cards asks 144 times (as it is, mirrored, without borders); half of its pictures have copies there. All ways have to bring the
same. faiss lives in an environment of its own (bench/tables.py), and where it cannot be had it is left out; one thread for all.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.neighbours import _uneven, make_hashes
from stj_images import neighbours
from stj_images.multi_index import MultiIndex
from stj_images.neighbours import NeighbourIndex

ASKED, REACH = 3 * 48, 10
KINDS = {"random": False, "as photographs'": True}
# Above so many hashes faiss' look-ups by hash would not fit beside the others.
_HASHED = 10_000_000


def page_of_asks(hashes: np.ndarray, *, like_photographs: bool) -> np.ndarray:
    """uint64[144]: half of them stand among the hashes but for a few bits."""
    rng = np.random.default_rng(11)
    known = hashes[rng.integers(0, len(hashes), ASKED // 2)]
    for _ in range(3):
        known ^= np.uint64(1) << rng.integers(0, 64, len(known)).astype(np.uint64)
    fresh = _uneven(rng, ASKED // 2) if like_photographs else rng.integers(0, 2**64, ASKED // 2, dtype=np.uint64)
    return np.concatenate([known, fresh])


def timed(work: Callable[[], Any], times: int = 1) -> tuple[float, Any]:
    """CPU-seconds of one call, the best of some, and what it brought."""
    best, found = float("inf"), None
    for _ in range(times):
        began = time.process_time()
        found = work()
        best = min(best, time.process_time() - began)
    return best, found


def resident() -> int:
    """Bytes that this process holds."""
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * 4096


def measure(size: int, *, like_photographs: bool) -> list[dict[str, Any]]:
    """One size and kind, every way."""
    hashes = make_hashes(size, like_photographs=like_photographs)
    asked = page_of_asks(hashes, like_photographs=like_photographs)
    index = NeighbourIndex()
    index.add(np.arange(size), hashes)
    neighbours._PAID_BY = sys.maxsize  # never
    all_seen, wanted = timed(lambda: index.query_batch(asked, REACH), 2)
    plain = index.nbytes
    rows = [{"way": "all looked at", "build": 0.0, "seconds": all_seen, "bytes": plain / size}]
    neighbours._PAID_BY, neighbours.LOOKED_THROUGH = 0, 0
    made, _ = timed(index.make_bands)
    looked_up, found = timed(lambda: index.query_batch(asked, REACH), 3)
    same = all((a[0] == b[0]).all() and (a[1] == b[1]).all() for a, b in zip(wanted, found, strict=True))
    assert same, "the bands bring something else"
    assert isinstance(index._banded[0], MultiIndex)
    rows.append({"way": "looked up by bands", "build": made, "seconds": looked_up, "bytes": index.nbytes / size})
    if importlib.util.find_spec("faiss"):
        rows += by_faiss(hashes, asked, sum(len(ids) for ids, _ in wanted))
    return rows


def by_faiss(hashes: np.ndarray, asked: np.ndarray, wanted: int) -> list[dict[str, Any]]:
    """faiss, which looks at all, and which looks up by hash; the latter is exact up to 11 bits."""
    import faiss  # type: ignore[import-not-found]  # in an environment of its own

    faiss.omp_set_num_threads(1)
    codes, asks = (one.astype(">u8").view(np.uint8).reshape(-1, 8) for one in (hashes, asked))
    ways = {"faiss IndexBinaryFlat": faiss.IndexBinaryFlat(64)}
    if len(hashes) <= _HASHED:
        ways["faiss IndexBinaryMultiHash"] = faiss.IndexBinaryMultiHash(64, 4, 16)
        ways["faiss IndexBinaryMultiHash"].nflip = 2
    rows = []
    for name, index in ways.items():
        before = resident()
        made, _ = timed(lambda index=index: index.add(codes))
        held = resident() - before
        # faiss counts "less than".
        seconds, (limits, _, _) = timed(lambda index=index: index.range_search(asks, REACH + 1), 2)
        assert int(limits[-1]) == wanted, f"{name} brings {limits[-1]}, not {wanted}"
        rows.append({"way": name, "build": made, "seconds": seconds, "bytes": held / len(hashes)})
    return rows


def main(words: Sequence[str] | None = None) -> None:
    """Measure all sizes, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=float, nargs="+", default=[1, 10, 30], help="in millions")
    parser.add_argument("--to", type=Path, help="folder of the page; by default docs/performance")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    if given.one:
        print(json.dumps(measure(int(given.one[0]), like_photographs=KINDS[given.one[1]])))
        return
    from bench.tables import PERFORMANCE, ROOT, machine, peer_python, versions, write_page

    # The index needs numpy alone, so that it runs in the peer's environment, on the same hashes in one process.
    python = peer_python("faiss", ["faiss-cpu", "numpy", "pillow"])
    lines = [
        "| hashes | kind | way | a page of 48 cards | of looking at all | made in | bytes a hash |",
        "| ---: | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for size in (int(1e6 * one) for one in given.sizes):
        for kind in KINDS:
            command = [python or sys.executable, "-m", "bench.lookup", "--one", str(size), kind]
            said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
            rows = json.loads(said)
            lines += [
                f"| {size:,} | {kind} | {one['way']} | {one['seconds']:.3f} CPU-s | {one['seconds'] / rows[0]['seconds']:.3f} | "
                f"{one['build']:.2f} CPU-s | {one['bytes']:.0f} |"
                for one in rows
            ]
    told = versions(["faiss-cpu", "numpy"], python) if python else "faiss could not be had here"
    text = (
        f"`python -m bench.lookup`: {ASKED} asks within {REACH} bits, answers of all ways compared. {machine()}; {told}, "
        "one thread. The least of some runs. Bytes with ids, where there are some; of a picture, which has two hashes, twice as "
        "many.\n\n" + "\n".join(lines)
    )
    print(write_page("lookup", "Near hashes among tens of millions", text, given.to or PERFORMANCE).read_text("utf-8"))


if __name__ == "__main__":
    main()
