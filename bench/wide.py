"""One listing, crawled by one, two and three processes of one catalogue: seconds, CPU, and what each page and picture was asked.

The practice shop waits before each answer, so that waiting is what is shared, as with any shop that is far away.

    python -m bench.wide [--pages 10] [--delay 0.15] [--catalog postgresql+psycopg://…/%s]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench.noise import make_pictures
from stj_demo.behaviour import Behaviour
from stj_demo.products import CARDS_PER_PAGE
from stj_demo.shop import PracticeShop


def crawl(
    folder: Path, shop: PracticeShop, processes: int, options: list[str], catalog: str | None
) -> dict[str, object]:
    """Crawl the listing anew with so many processes that start at once."""
    folder.mkdir()
    (folder / "scrapy.cfg").write_text("[settings]\ndefault = stj_spiders.settings\n", encoding="utf-8")
    shop.forget_requests()
    environment = {**os.environ, "STJ_CATALOG": catalog or str(folder / "catalog.sqlite")}
    command = [sys.executable, "-m", "scrapy", "crawl", "amazon_sarees", "-a", f"origin={shop.origin}", *options]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with (folder / "log").open("wb") as log:
        running = [
            subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log)
            for _ in range(processes)
        ]
        outs = [one.communicate() for one in running]
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    paths = [one.path for one in shop.requests if one.path.startswith(("/s?", "/images/"))]
    asked = Counter(paths)
    moments = [one.time for one in shop.requests if one.path in asked]
    return {
        "processes": processes,
        "codes": [one.returncode for one in running],
        "seconds": round(seconds, 1),
        "asking_seconds": round(max(moments) - min(moments), 1),
        "cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "asked": len(paths),
        "asked_twice": sum(n > 1 for n in asked.values()),
        "cards": json.loads(outs[0][0])["cards"],
    }


def main() -> None:
    """Measure, and print one JSON line for each number of processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=10)
    parser.add_argument("--delay", type=float, default=0.15)
    parser.add_argument("--most", type=int, default=2)
    parser.add_argument("--catalog", help="URL of an empty catalogue with %%s for its number")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stj-wide-") as name:
        folder = Path(name)
        pictures = given.pages * CARDS_PER_PAGE
        make_pictures(folder / "garments" / "0_saree", pictures, seed=1)
        behaviour = Behaviour(page_delay_s=given.delay, picture_delay_s=given.delay)
        options = ["-a", f"limit={pictures}", "-s", "STJ_SUMMARY=json"]
        with PracticeShop(folder / "garments", planting=False, behaviour=behaviour) as shop:
            for processes in range(1, given.most + 1):
                catalog = given.catalog % processes if given.catalog else None
                print(json.dumps(crawl(folder / f"crawl{processes}", shop, processes, options, catalog)), flush=True)


if __name__ == "__main__":
    main()
