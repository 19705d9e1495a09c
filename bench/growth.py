"""What a page of 100 new pictures costs to write, in a catalogue that holds many already.

    python -m bench.growth [--rows 1000000] [--pages 8] [--profile]

The catalogue is filled with rows of random hashes, as another's crawls would have left them. A page is then written the way the
crawl does it: its pictures' rows; the search for their neighbours; then its cards, their likenesses, statuses and groups, in one
exclusive transaction (`locked`), which is all that other crawlers have to wait for.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import json
import pstats
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sqlalchemy import insert

from stj_catalog.catalog import Catalog, open_catalog
from stj_catalog.crawls import begin_crawl
from stj_catalog.frontier import Response, add_page, lease_page
from stj_catalog.incremental import Settler
from stj_catalog.intake import CardSighting, FetchedPicture, SeenPage, commit_page, record_pictures
from stj_catalog.schema import groups, images
from stj_core.clock import now
from stj_core.labels import load_labels
from stj_images.fingerprint import Fingerprint
from stj_images.likeness import Thresholds
from stj_images.store import store_path

CARDS = 100
_BATCH = 20_000
_WIDE = ("phash256", "phash256_mirror", "phash256_trim")
_SHORT = ("phash", "phash_mirror", "phash_trim")


class Timed(Settler):
    """A settler that knows how long its search took, which nobody else has to wait for."""

    searched = 0.0

    def look_ahead(self, catalog: Catalog, keys: Sequence[str]) -> None:
        """Search, and note how long it took."""
        began = time.perf_counter()
        super().look_ahead(catalog, keys)
        self.searched = time.perf_counter() - began


def hashes(rng: np.random.Generator, rows: int) -> list[dict[str, str]]:
    """Random fingerprints' hashes."""
    short, wide = rng.bytes(8 * 3 * rows).hex(), rng.bytes(32 * 3 * rows).hex()
    found: list[dict[str, str]] = []
    for row in range(3 * rows):
        near, far = short[16 * row : 16 * row + 16], wide[64 * row : 64 * row + 64]
        if row % 3 == 0:
            found.append({})
        found[-1] |= {_SHORT[row % 3]: near, _WIDE[row % 3]: far}
    return found


def fill(catalog: Catalog, rows: int, rng: np.random.Generator) -> None:
    """Write so many kept pictures, each in a group of its own."""
    moment = now()
    for start in range(0, rows, _BATCH):
        some = range(start, min(rows, start + _BATCH))
        with catalog.write(exclusive=True) as connection:
            connection.execute(insert(groups), [{"id": n + 1, "made_at": moment} for n in some])
            connection.execute(
                insert(images),
                [
                    {
                        **looks,
                        "id": n + 1,
                        "image_key": f"https://shop.test/images/I/old{n}.jpg",
                        "url": f"https://shop.test/images/I/old{n}.jpg",
                        "status": "kept",
                        "label": n % 3,
                        "group_id": n + 1,
                        "sha256": hashlib.sha256(str(n).encode()).hexdigest(),
                        "width": 600,
                        "height": 800,
                        "hash_recipe": 1,
                        "compared": n + 1,
                        "first_seen_at": moment,
                        "last_seen_at": moment,
                    }
                    for n, looks in zip(some, hashes(rng, len(some)), strict=True)
                ],
            )


def page(
    catalog: Catalog, settler: Timed, crawl_id: int, category_id: int, number: int, rng: np.random.Generator
) -> dict[str, float]:
    """Write a page of new pictures; returns the seconds of both steps."""
    with catalog.write() as connection:
        add_page(connection, crawl_id, "listing", number, f"https://shop.test/s?page={number}")
    leased = lease_page(catalog, crawl_id, 600, max_listing=10**6)
    assert leased is not None
    names = [f"https://shop.test/images/I/new{number}x{place}.jpg" for place in range(CARDS)]
    looks = [
        Fingerprint(hashlib.sha256(name.encode()).hexdigest(), "JPEG", 600, 800, 1000, **one)
        for name, one in zip(names, hashes(rng, CARDS), strict=True)
    ]
    began = time.perf_counter()
    record_pictures(
        catalog,
        [
            FetchedPicture(name, name, crawl_id, look, store_path(look.sha256, "jpg"), None, 200)
            for name, look in zip(names, looks, strict=True)
        ],
    )
    recorded = time.perf_counter()
    cards = [
        CardSighting(place, name, name, asin=f"B{number:05d}{place:04d}", title=f"Saree {place}")
        for place, name in enumerate(names, 1)
    ]
    seen = SeenPage(leased.id, crawl_id, category_id, Response(200, "ok", 9, CARDS), cards, token=leased.token)
    commit_page(catalog, settler, seen)
    committed = time.perf_counter()
    return {
        "record": recorded - began,
        "search": settler.searched,
        "locked": committed - recorded - settler.searched,
    }


def main() -> None:
    """Measure, and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pages", type=int, default=8)
    parser.add_argument(
        "--catalog", help="SQLAlchemy URL of an empty catalogue; an SQLite file of its own if not given"
    )
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    given = parser.parse_args()
    rng = np.random.default_rng(42)
    with tempfile.TemporaryDirectory(prefix="stj-growth-") as folder:
        catalog = open_catalog(given.catalog or str(Path(folder) / "catalog.sqlite"), create=True)
        began = time.perf_counter()
        fill(catalog, given.rows, rng)
        filled = time.perf_counter()
        settler = Timed.for_catalog(catalog, Thresholds())
        assert isinstance(settler, Timed)
        opened = time.perf_counter()
        crawl = begin_crawl(
            catalog, spider="bench", category=load_labels()[0], origin="https://shop.test", settings={},
            first_url="https://shop.test/s?page=0",
        )  # fmt: skip
        profile = cProfile.Profile()
        pages = []
        for number in range(1, given.pages + 1):
            if given.profile and number == 3:
                profile.enable()
            pages.append(page(catalog, settler, crawl.id, crawl.category_id, number, rng))
        profile.disable()
        catalog.close()
    if given.profile:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(45)
    best = {step: round(sorted(one[step] for one in pages[1:])[len(pages[1:]) // 2], 4) for step in pages[0]}
    print(
        json.dumps(
            {
                "rows": given.rows,
                "fill_seconds": round(filled - began, 1),
                "open_seconds": round(opened - filled, 2),
                "median_seconds": best,
                "pages": [{name: round(value, 4) for name, value in one.items()} for one in pages],
            }
        )
    )


if __name__ == "__main__":
    main()
