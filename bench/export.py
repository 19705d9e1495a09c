"""Export beside `cp -r`: time and memory for many pictures, copied and linked.

    python bench/export.py --pictures 20000 --rounds 3

Draws a catalogue of different pictures once (kept with --keep FOLDER), then takes turns: `cp -r` of the image store, an export
that copies, an export with hard links. The leak check and the preview are told apart; they run in the first round only.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from stj_catalog.catalog import Catalog, open_catalog
from stj_catalog.schema import categories, crawls, groups, images, pages, products, sightings
from stj_core.clock import now
from stj_core.labels import load_labels
from stj_images.fingerprint import Fingerprint, fingerprint
from stj_images.store import FolderStore, store_path

SIZE = (390, 520)
APART = ("check", "preview")


def draw(number: int) -> bytes:
    """A picture of some 45 KB that no other number's resembles."""
    rng = np.random.default_rng(number)
    coarse, fine = (
        Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)
        for shape in ((8, 6, 3), (104, 78, 3))
    )
    stream = io.BytesIO()
    Image.blend(coarse, fine, 0.4).save(stream, "JPEG", quality=88)
    return stream.getvalue()


def make_picture(job: tuple[int, str]) -> Fingerprint:
    """Draw one picture into the store."""
    number, root = job
    data = draw(number)
    print_ = fingerprint(data)
    target = Path(root) / store_path(print_.sha256, "jpg")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return print_


def fill(folder: Path, count: int) -> None:
    """A catalogue as a crawl leaves it, written directly: settling is measured elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    catalog = open_catalog(str(folder / "catalog.sqlite"), create=True)
    with ProcessPoolExecutor(2) as pool:
        jobs = ((number, str(folder / "images")) for number in range(count))
        insert(catalog, pool.map(make_picture, jobs, chunksize=50))
    catalog.close()


def insert(catalog: Catalog, prints: Iterator[Fingerprint]) -> None:
    """One product, group and sighting for each picture."""
    labels, moment = load_labels(), now()
    with catalog.write() as connection:
        connection.execute(
            categories.insert(),
            [
                {"id": 1 + one.label, "slug": one.slug, "label": one.label, "name": one.name, "node": one.node}
                for one in labels
            ],
        )
        one_each = [{"id": 1 + one.label, "category_id": 1 + one.label} for one in labels]
        fixed = {
            "spider": "bench",
            "origin": "http://127.0.0.1",
            "state": "finished",
            "settings": {},
            "started_at": moment,
        }
        connection.execute(crawls.insert(), [{**row, **fixed} for row in one_each])
        page = {"kind": "listing", "number": 1, "url": "http://127.0.0.1/s", "state": "done", "cards": 1}
        connection.execute(pages.insert(), [{"id": row["id"], "crawl_id": row["id"], **page} for row in one_each])
        for at, one in enumerate(prints, 1):
            insert_one(connection, at, one, moment)


def insert_one(connection: object, at: int, one: Fingerprint, moment: str) -> None:
    """The rows of one picture."""
    label, url = at % 3, f"http://127.0.0.1/images/I/{at}.jpg"
    hashes = (
        "sha256",
        "format",
        "width",
        "height",
        "phash",
        "phash256",
        "phash_mirror",
        "phash256_mirror",
        "phash_trim",
        "phash256_trim",
    )
    image = {name: getattr(one, name) for name in hashes if hasattr(one, name) and name in images.c}
    image |= {"id": at, "image_key": url, "url": url, "status": "kept", "label": label, "group_id": at, "compared": at}
    image |= {"path": store_path(one.sha256, "jpg"), "bytes": one.size, "hash_recipe": one.recipe}
    image |= {"first_crawl_id": 1 + label, "first_seen_at": moment, "last_seen_at": moment}
    seen = {"first_seen_at": moment, "last_seen_at": moment}
    product = {"id": at, "asin": f"B{at:09d}", "title": f"Garment {at}", "brand": f"shop {at % 40}", **seen}
    sighting = {"crawl_id": 1 + label, "page_id": 1 + label, "category_id": 1 + label, "product_id": at, "image_id": at}
    sighting |= {"position": at, "title": f"Garment {at}", "image_url": url, "sponsored": False, "seen_at": moment}
    for table, row in (
        (groups, {"id": at, "made_at": moment}),
        (images, image),
        (products, product),
        (sightings, sighting),
    ):
        connection.execute(table.insert(), row)  # type: ignore[attr-defined]


def export_once(folder: Path, out: Path, *, link: bool, unchecked: bool) -> None:
    """Export in this process and print what it took, as JSON."""
    import stj_dataset.export
    from stj_dataset.export import export_dataset
    from stj_dataset.leaks import LeakReport
    from stj_dataset.settings import ExportSettings
    from stj_images.likeness import Thresholds

    if unchecked:
        stj_dataset.export.check_leaks = lambda _root, written, *_, **__: LeakReport(
            len(list(written)), 0, [], [], [], None
        )
        stj_dataset.export.write_preview = lambda *_: None
    catalog, store = open_catalog(str(folder / "catalog.sqlite")), FolderStore(folder / "images")
    settings = ExportSettings(out=out, link=link)
    start = time.perf_counter()
    result = export_dataset(catalog, store, load_labels(), settings, thresholds=Thresholds())
    seconds = {"all": time.perf_counter() - start, **result.seconds}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "pictures": result.balance.pictures}))


def timed(command: list[str]) -> tuple[float, str]:
    """How long a command took, and what it said."""
    start = time.perf_counter()
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return time.perf_counter() - start, said


def main() -> None:
    """Take turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="keep the catalogue here, and use it again")
    parser.add_argument("--once", nargs=2, metavar=("FOLDER", "OUT"), help=argparse.SUPPRESS)
    parser.add_argument("--link", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--unchecked", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        folder, out = map(Path, options.once)
        export_once(folder, out, link=options.link, unchecked=options.unchecked)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch) / "filled"
        if not (folder / "catalog.sqlite").exists():
            fill(folder, options.pictures)
        measure(folder, folder / "out", options.rounds)


def measure(folder: Path, out: Path, rounds: int) -> None:
    """Compare, in one run."""
    copies, told = [], {"copy": [], "link": []}
    size = sum(path.stat().st_size for path in (folder / "images").glob("*/*"))
    for turn in range(rounds):
        shutil.rmtree(out, ignore_errors=True)
        copies.append(timed(["cp", "-r", str(folder / "images"), str(out)])[0])
        shutil.rmtree(out)
        for kind, flags in (("copy", []), ("link", ["--link"])):
            command = [
                sys.executable,
                __file__,
                "--once",
                str(folder),
                str(out),
                *flags,
                *(["--unchecked"] if turn else []),
            ]
            told[kind].append(json.loads(timed(command)[1]))
            shutil.rmtree(out)
    copied = statistics.median(copies)
    pictures = told["copy"][0]["pictures"]
    print(f"{pictures} pictures, {size / 1e6:.0f} MB, medians of {rounds} rounds; cp -r {copied:.2f} s")
    for kind, runs in told.items():
        stages = {name: statistics.median(run["seconds"][name] for run in runs) for name in runs[0]["seconds"]}
        stages |= {name: runs[0]["seconds"][name] for name in APART}
        alone = statistics.median(run["seconds"]["all"] - sum(run["seconds"][name] for name in APART) for run in runs)
        peak = max(run["peak_mb"] for run in runs)
        apart = ", ".join(f"{name} {stages[name]:.2f} s" for name in stages)
        print(f"{kind}: {alone:.2f} s = {alone / copied:.2f} times cp -r; peak {peak:.0f} MB ({apart})")


if __name__ == "__main__":
    main()
