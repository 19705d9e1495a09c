"""Export, leak check and preview included, beside `cp -r` and peers: time and memory for many pictures, copied and linked.

    python bench/export.py --pictures 20000 --rounds 3 --rehash --peers

Draws a catalogue of different pictures once (kept with --keep FOLDER), then takes turns: `cp -r` of the image store, an export
that copies, an export with hard links; once, an export that hashes every file afresh, split-folders and save_to_disk. The peers
run in an environment of their own, which is made when it is first needed (`peers` in the folder that is kept).
"""

from __future__ import annotations

import argparse
import io
import json
import os
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
from typing import Any

import numpy as np
from PIL import Image

from stj_catalog.catalog import Catalog, open_catalog
from stj_catalog.schema import categories, crawls, groups, images, pages, products, sightings
from stj_core.clock import now
from stj_core.labels import load_labels
from stj_images.fingerprint import Fingerprint, fingerprint
from stj_images.store import FolderStore, store_path

SIZE = (390, 520)
PEERS = {
    "split-folders": """
import sys, splitfolders
splitfolders.ratio(sys.argv[1], output=sys.argv[2], seed=42, ratio=(0.72, 0.18, 0.1))
""",
    "save_to_disk": """
import sys, datasets
datasets.disable_progress_bars()
read = datasets.load_dataset("imagefolder", data_dir=sys.argv[1], cache_dir=sys.argv[2] + "/cache")
read.save_to_disk(sys.argv[2] + "/saved")
""",
}
"""What a peer makes of the same pictures: class folders split at random, or a saved Hugging Face dataset."""
PACKAGES = ("split-folders", "datasets", "pillow")


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


def export_once(folder: Path, out: Path, kind: str) -> None:
    """Export in this process and print what it took, as JSON."""
    from stj_dataset.export import export_dataset
    from stj_dataset.settings import ExportSettings
    from stj_images.likeness import Thresholds

    catalog, store = open_catalog(str(folder / "catalog.sqlite")), FolderStore(folder / "images")
    settings = ExportSettings(out=out, link=kind == "link", rehash=kind == "rehash")
    start, begun = time.perf_counter(), time.process_time()
    result = export_dataset(catalog, store, load_labels(), settings, thresholds=Thresholds())
    seconds = {"all": time.perf_counter() - start, **result.seconds}
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = time.process_time() - begun
    counted = {"files": result.proof.files, "afresh": result.proof.afresh}
    print(json.dumps({"seconds": seconds, "peak_mb": used.ru_maxrss / 1024, "cpu": cpu, **counted}))


def peers_python(place: Path) -> Path:
    """The interpreter of an environment with the peers in it, made where there is none yet."""
    python = place / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def class_folders(folder: Path) -> None:
    """The store's pictures as peers want them: a folder for each class, hard links."""
    target = folder / "classes"
    if target.exists():
        return
    for place, path in enumerate(sorted((folder / "images").glob("*/*.jpg"))):
        home = target / str(place % 3)
        home.mkdir(parents=True, exist_ok=True)
        os.link(path, home / path.name)


def _children() -> float:
    """CPU seconds of the commands that were run so far."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


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
    parser.add_argument(
        "--peers", action="store_true", help="also split-folders and Hugging Face's save_to_disk, once each"
    )
    parser.add_argument("--rehash", action="store_true", help="also an export that hashes every file afresh, once")
    parser.add_argument("--once", nargs=3, metavar=("FOLDER", "OUT", "KIND"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        export_once(Path(options.once[0]), Path(options.once[1]), options.once[2])
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch) / "filled"
        if not (folder / "catalog.sqlite").exists():
            fill(folder, options.pictures)
        once = (["rehash"] if options.rehash else []) + (list(PEERS) if options.peers else [])
        measure(folder, folder / "out", options.rounds, once)


def measure(folder: Path, out: Path, rounds: int, once: list[str]) -> None:
    """Compare, in one run."""
    copies: list[float] = []
    used: list[float] = []
    told: dict[str, list[dict[str, Any]]] = {}
    files = list((folder / "images").glob("*/*"))
    size = sum(path.stat().st_size for path in files)
    if set(once) & set(PEERS):
        class_folders(folder)
        python = peers_python(folder / "peers")
    for turn in range(rounds):
        shutil.rmtree(out, ignore_errors=True)
        before = _children()
        copies.append(timed(["cp", "-r", str(folder / "images"), str(out)])[0])
        used.append(_children() - before)
        shutil.rmtree(out)
        for kind in ("copy", "link", *([] if turn else once)):
            before = _children()
            if kind in PEERS:
                out.mkdir()
                wall, _ = timed([str(python), "-c", PEERS[kind], str(folder / "classes"), str(out)])
                told[kind] = [{"seconds": {"all": wall}, "wall": wall, "used": _children() - before}]
            else:
                wall, said = timed([sys.executable, __file__, "--once", str(folder), str(out), kind])
                told.setdefault(kind, []).append({**json.loads(said), "wall": wall, "used": _children() - before})
            shutil.rmtree(out)
    copied = statistics.median(copies)
    spread = f"{min(copies):.2f} to {max(copies):.2f}"
    cpu = statistics.median(used)
    print(
        f"{len(files)} pictures, {size / 1e6:.0f} MB, {rounds} rounds in turns; cp -r {copied:.2f} s ({spread}), {cpu:.2f} CPU-s"
    )
    for kind, runs in told.items():
        stages = {name: statistics.median(run["seconds"][name] for run in runs) for name in runs[0]["seconds"]}
        whole = statistics.median(run["wall"] for run in runs)
        apart = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in stages.items())
        print(f"{kind}: {stages['all'] / copied:.2f} times cp -r, {whole / copied:.2f} with Python's start ({apart})")
        spent = statistics.median(run["used"] for run in runs)
        print(f"   {spent:.2f} CPU-s of the whole process, {spent / cpu:.2f} times cp's")
        if "files" in (last := runs[-1]):
            checked = f"{last['files']} files read again, {last['afresh']} hashed afresh"
            spent = statistics.median(run["cpu"] for run in runs)
            print(f"   {checked}; {spent:.2f} CPU-s, {spent / cpu:.2f} times cp's; peak {last['peak_mb']:.0f} MB")


if __name__ == "__main__":
    main()
