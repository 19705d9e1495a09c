"""The studio's promises in figures: the gallery over 100,000 pictures, and classifying for eight visitors at once.

    python bench/web.py gallery [--rows 100000] [--run RUN]
    python bench/web.py classify --run RUN --pictures FOLDER [--requests 200] [--clients 8]

`gallery` fills a catalogue with rows (no picture files: thumbnails are not what is measured) and times whole requests inside
the server. `classify` sends pictures over HTTP to a studio of its own and, in the same process and minutes, asks the bare model
for the same pictures, one at a time: the share is what serving costs.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import psutil
import requests
import typer
from flask import Flask
from sqlalchemy import Connection

app = typer.Typer(add_completion=False)
PAGES = {
    "first page": "/catalogue",
    "deep page": "/catalogue?after={deep}",
    "kept": "/catalogue?status=kept",
    "quarantined, jeans": "/catalogue?status=quarantined&label=2",
    "reason": "/catalogue?reason=title_mismatch",
    "one crawl": "/catalogue?crawl=3",
    "brand": "/catalogue?source=Brand+17",
    "common word": "/catalogue?text=saree",
    "rare word": "/catalogue?text=zari",
    "no such word": "/catalogue?text=nowhere",
    "word, class, status": "/catalogue?text=jeans&label=2&status=duplicate",
    "picture": "/pictures/{deep}",
    "duplicates": "/duplicates",
    "review, kept": "/review?queue=kept",
    "review, groups": "/review?queue=groups",
    "overview": "/",
    "more like one, by hash": "/pictures/{deep}/like",
    "crawls": "/crawls",
    "one crawl, live": "/crawls/3",
    "jobs": "/jobs",
    "a group": "/catalogue?group={group}",
    "a common tag": "/catalogue?tag=common",
    "a common tag, deep": "/catalogue?tag=common&after={deep}",
    "a rare tag": "/catalogue?tag=rare",
    "a tag, class, status": "/catalogue?tag=common&label=2&status=kept",
    "a tag's word": "/catalogue?text=commo",
    "a tagged picture": "/pictures/{tagged}",
    "tags, REST": "/api/v1/tags",
    "acts, REST": "/api/v1/acts",
    "a picture's acts, REST": "/api/v1/acts?image={tagged}",
    "images, REST": "/api/v1/images?status=kept",
    "review, quarantine": "/review?queue=quarantine",
    "review, rejected": "/review?queue=rejected",
    "review, kept, a tag": "/review?queue=kept&tag=common",
    "review, a list": "/review?queue=list&tag=common",
    "datasets": "/datasets",
    "an export": "/datasets/1",
    "an export, test, deep": "/datasets/1?split=test&after={deep}",
    "why, by title": "/why?q=zari",
    "why, by address": "/why?q=http://x/images/I/{deep}.jpg",
    "forget, asked": "/selection/forget?pictures={deep}",
    "classify": "/classify",
    "metrics": "/metrics",
}
MODEL_PAGES = {
    "with predictions": "/catalogue",
    "wrong, surest": "/catalogue?right=no&sort=surest",
    "wrong, surest, deep": "/catalogue?right=no&sort=surest&after=10000",
    "wrong, kept, word": "/catalogue?right=no&status=kept&text=zari",
    "a shop's wrong": "/catalogue?right=no&shop=shop+7&true=2",
    "a bar": "/catalogue?sure_from=0.5&sure_to=0.599999",
    "the run's page": "/runs/{run}",
    "runs": "/runs",
    "review, suspects": "/review",
    "wrong, a tag": "/catalogue?right=no&tag=common&sort=surest",
    "wrong, REST": "/api/v1/images?right=no&sort=least_sure",
    "review, kept, wrong": "/review?queue=kept&right=no&sort=surest",
    "review, groups, wrong": "/review?queue=groups&right=no&sort=surest",
    "duplicates, wrong": "/duplicates?right=no&sort=surest",
    "map": "/runs/{run}/map",
    "map's points": "/runs/{run}/map.json",
    "neighbours": "/runs/{run}/neighbours",
    "more like, by features": "/pictures/{deep}/like?by=features",
}
_WIDTH = 64
WORDS = ("Silk", "Cotton", "Party", "Wedding", "Slim", "Regular", "Stretch", "Printed", "Woven", "Casual")


@app.command()
def gallery(
    rows: int = 100_000,
    repeats: int = 7,
    run: Annotated[Path | None, typer.Option(help="A run's folder: its copy says something of every picture.")] = None,
) -> None:
    """Time the pages of a large catalogue."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        began = time.perf_counter()
        fill(place / "catalog.sqlite", rows)
        print(f"{rows:,} pictures written in {time.perf_counter() - began:.0f} s\n")
        if run is not None:
            judge_all(place, run)
        places = {"deep": rows // 2 + 1, "group": rows // 2, "tagged": rows // 2 + 6}
        pages = PAGES | (MODEL_PAGES if run is not None else {})
        client = studio(place).test_client()
        process = psutil.Process()
        print(f"the very first page: {1000 * timed(lambda: client.get('/catalogue')):.0f} ms\n")
        before = process.memory_info().rss
        # The processor's time is not changed by who else is busy on the machine.
        print(f"{'page':24} {'median ms':>10} {'worst ms':>10} {'first ms':>10} {'CPU ms':>10}")
        for name, address in pages.items():
            times, spent = [], []
            for _ in range(repeats):
                start, cpu = time.perf_counter(), time.process_time()
                answer = client.get(address.format(**places, run=run.name if run else ""))
                while answer.status_code == 202:  # the map is being computed, once
                    time.sleep(0.5)
                    start, cpu = time.perf_counter(), time.process_time()
                    answer = client.get(address.format(run=run.name if run else ""))
                times.append(1000 * (time.perf_counter() - start))
                spent.append(1000 * (time.process_time() - cpu))
                assert answer.status_code == 200, answer.status_code
            worst, middle = max(times[1:]), statistics.median(times)
            print(f"{name:24} {middle:10.0f} {worst:10.0f} {times[0]:10.0f} {statistics.median(spent):10.0f}")
        after = rows
        for _ in range(300):
            after = client.get(f"/api/v1/images?after={after}&limit=200").json["next"] or rows
        grown = (process.memory_info().rss - before) / 1e6
        print(f"\nmemory after all pages and 60,000 tiles more: {grown:+.0f} MB")


@app.command()
def classify(
    run: Annotated[Path, typer.Option(help="A run's folder.")],
    pictures: Annotated[Path, typer.Option(help="A folder of pictures.")],
    number: Annotated[int, typer.Option("--requests")] = 200,
    clients: int = 8,
) -> None:
    """Classify for several visitors at once, beside the bare model."""
    from stj_core.config import read_config
    from stj_model.predict import Predictor
    from stj_model.run_dir import open_run
    from stj_web.serve import make_server
    from stj_web.settings import WebConfig

    files = [path for path in sorted(pictures.rglob("*")) if path.suffix in {".jpg", ".jpeg", ".png", ".webp"}]
    data = [path.read_bytes() for path, _ in zip(itertools.cycle(files), range(number), strict=False)]
    predictor = Predictor(open_run(run, run.parent))
    predictor.answer(predictor.read(data[0])[None], ["warm"])
    with tempfile.TemporaryDirectory() as folder:
        config = read_config(runs=run.parent, cache=Path(folder), catalog=str(Path(folder) / "none.sqlite"))
        server = make_server(config, WebConfig(port=0, scrapyd=""))
        threading.Thread(target=run_quietly, args=(server,), daemon=True).start()
        address = f"http://127.0.0.1:{server.effective_port}/api/v1/classify"
        ask(address, data[0], run.name)
        # By turns, a quarter each: the machine is not equally busy all the time.
        parts = [data[start::4] for start in range(4)]
        bare = served = 0.0
        codes: list[int] = []
        for part in parts:
            bare += timed(lambda part=part: [predictor.answer(predictor.read(one)[None], ["x"]) for one in part])
            served += timed(lambda part=part: codes.extend(swarm(address, part, clients, run.name)))
        server.close()
    wrong = [code for code in codes if code != 200]
    print(f"bare model:   {number / bare:6.2f} pictures a second")
    print(
        f"the studio:   {number / served:6.2f} pictures a second, {clients} clients, {len(wrong)} errors of {len(codes)}"
    )
    print(f"share:        {bare / served:6.2f}")


def run_quietly(server: Any) -> None:  # noqa: ANN401 - waitress ships without types
    """Serve until the sockets are closed from outside, which ends the loop with an error."""
    with contextlib.suppress(OSError):
        server.run()


def timed(work: Callable[[], object]) -> float:
    """Seconds of the clock that some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def swarm(address: str, data: list[bytes], clients: int, run: str) -> list[int]:
    """Send pictures from several threads; returns the status of each answer."""
    waiting, codes = iter(data), []
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                one = next(waiting, None)
            if one is None:
                return
            codes.append(ask(address, one, run))

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return codes


def ask(address: str, data: bytes, run: str) -> int:
    """Classify one picture over HTTP; returns the answer's status."""
    return requests.post(address, files={"files": ("x.jpg", data)}, data={"run": run}, timeout=300).status_code


def studio(place: Path) -> Flask:
    """A studio over a folder."""
    from stj_core.config import read_config
    from stj_web import create_app
    from stj_web.settings import WebConfig

    config = read_config(
        catalog=str(place / "catalog.sqlite"), images=str(place / "images"), runs=place / "runs", cache=place / "cache"
    )
    return create_app(config, WebConfig(scrapyd=""))


def judge_all(place: Path, run: Path) -> None:
    """Copy a run beside a catalogue and let it say something of every kept picture."""
    import csv
    import random
    import shutil
    import sqlite3

    from stj_dataset.manifest import ManifestRow, write_manifest

    folder = place / "runs" / run.name
    shutil.copytree(run, folder)
    with contextlib.closing(sqlite3.connect(place / "catalog.sqlite")) as connection:
        kept = connection.execute("SELECT sha256, label FROM images WHERE status = 'kept'").fetchall()
    chance = random.Random(1)
    rows = [
        ManifestRow(
            file=f"train/{label}/{sha256}.jpg",
            label=label,
            split=chance.choice(("train", "val", "test")),
            group=str(place),
            sha256=sha256,
            original_sha256=sha256,
            phash="0" * 16,
            width=300,
            height=400,
            source=f"shop {chance.randrange(40)}",
        )
        for place, (sha256, label) in enumerate(kept)
    ]
    write_manifest(rows, folder / "manifest.csv")
    (folder / "predictions.csv").unlink(missing_ok=True)
    with (folder / "out_of_fold.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(("sha256", "label", "group", "fold", "p0", "p1", "p2"))
        for row in rows:
            a, b = sorted((chance.random(), chance.random()))
            table.writerow((row.sha256, row.label, row.group, 0, f"{a:.6f}", f"{b - a:.6f}", f"{1 - b:.6f}"))
    _see_all(folder, [row.sha256 for row in rows])
    print(f"{len(rows):,} pictures judged")


def _see_all(folder: Path, names: list[str]) -> None:
    """Features of every picture, at random around three centres."""
    import numpy as np

    from stj_model.calibration import NEIGHBOURS, Neighbours
    from stj_model.head import Normaliser

    rng = np.random.default_rng(1)
    raw = rng.normal(size=(len(names), _WIDTH)) + 2 * rng.normal(size=(3, _WIDTH))[rng.integers(0, 3, len(names))]
    normaliser = Normaliser.fit(raw, standardise=False)
    Neighbours("features", normaliser, normaliser(raw).astype(np.float32), np.array(names)).save(folder / NEIGHBOURS)


def fill(path: Path, rows: int) -> None:
    """Write so many pictures, products and sightings, and a few of everything else."""
    from sqlalchemy import insert

    from stj_catalog import schema
    from stj_catalog.catalog import open_catalog
    from stj_core.clock import now

    catalog = open_catalog(str(path), create=True)
    moment = now()
    names = ("Saree", "Trousers", "Jeans")
    with catalog.write() as connection:
        connection.execute(
            insert(schema.categories),
            [
                {"id": n + 1, "slug": name.lower(), "label": n, "name": name, "node": str(n)}
                for n, name in enumerate(names)
            ],
        )
        connection.execute(
            insert(schema.crawls),
            [
                {"id": n, "spider": "amazon", "category_id": n % 3 + 1, "origin": "http://x", "state": "finished"}
                | {"settings": {}, "started_at": moment}
                for n in range(1, 31)
            ],
        )
        connection.execute(
            insert(schema.pages),
            [
                {
                    "id": n,
                    "crawl_id": n % 30 + 1,
                    "kind": "listing",
                    "number": n,
                    "url": f"http://x/{n}",
                    "state": "done",
                }
                for n in range(1, rows // 48 + 2)
            ],
        )
        for start in range(1, rows + 1, 10_000):
            numbers = range(start, min(start + 10_000, rows + 1))
            connection.execute(
                insert(schema.products),
                [
                    {
                        "id": n,
                        "asin": f"B{n:09d}",
                        "title": title(n),
                        "brand": f"Brand {n % 400}",
                        "first_seen_at": moment,
                        "last_seen_at": moment,
                    }
                    for n in numbers
                ],
            )
            connection.execute(insert(schema.groups), [{"id": n, "made_at": moment} for n in numbers])
            connection.execute(insert(schema.images), [picture(n, moment) for n in numbers])
            connection.execute(
                insert(schema.sightings),
                [
                    {
                        "crawl_id": n // 48 % 30 + 1,
                        "page_id": n // 48 + 1,
                        "category_id": n % 3 + 1,
                        "product_id": n,
                        "image_id": n,
                    }
                    | {
                        "position": n % 48,
                        "title": title(n),
                        "image_url": f"http://x/images/I/{n}.jpg",
                        "sponsored": False,
                        "seen_at": moment,
                    }
                    for n in numbers
                ],
            )
        _decide(connection, rows, moment)
    catalog.close()


def _decide(connection: Connection, rows: int, moment: str) -> None:
    """What people did to some of the pictures: decisions, tags, pairs told apart, and an export of the kept ones."""
    from sqlalchemy import insert

    from stj_catalog import schema

    by = {"reviewer": "me", "made_at": moment}
    decisions = [{"image_id": n, "action": "keep", **by} for n in range(1, rows + 1, 20)]
    connection.execute(insert(schema.reviews), decisions)
    actions = ["tag", "tag", "untag", "apart"]
    connection.execute(insert(schema.acts), [{"id": n, "action": one, **by} for n, one in enumerate(actions, 1)])
    common = [{"act_id": 1, "image_id": n, "tag": "common"} for n in range(1, rows + 1, 5)]
    rare = [{"act_id": 2, "image_id": n, "tag": "rare"} for n in range(1, rows + 1, rows // 20)]
    taken = [{"act_id": 3, "image_id": n, "tag": "common"} for n in range(1, rows + 1, 50)]
    connection.execute(insert(schema.tags), [*common, *rare, *taken])
    names = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(1, rows // 10)]
    pairs = [sorted(pair) for pair in zip(names[::2], names[1::2], strict=False)]
    connection.execute(insert(schema.ties), [{"act_id": 4, "sha256": a, "other_sha256": b} for a, b in pairs])
    export = {"id": 1, "out": "dataset", "scheme": "seed=42", "settings": {}, "digest": "d" * 64, "made_at": moment}
    connection.execute(insert(schema.exports), [{**export, "pictures": rows * 7 // 10, "withheld": 0}])
    kept = [n for n in range(1, rows + 1) if n % 10 < 7]
    connection.execute(
        insert(schema.export_images),
        [
            {
                "export_id": 1,
                "image_id": n,
                "label": n % 3,
                "split": ("train", "train", "train", "val", "test")[n % 5],
                "file": f"{n}.jpg",
                "sha256": f"{n:064x}",
            }
            for n in kept
        ],
    )


def picture(n: int, moment: str) -> dict[str, Any]:
    """A row like a crawl's: seven in ten are kept."""
    status = ("kept",) * 7 + ("duplicate", "quarantined", "rejected")
    word = status[n % 10]
    sha256 = hashlib.sha256(str(n).encode()).hexdigest()
    row = {
        "id": n,
        "image_key": f"http://x/images/I/{n}.jpg",
        "url": f"http://x/images/I/{n}._SL640_.jpg",
        "status": word,
        "label": n % 3,
    }
    row |= {
        "reason": {"quarantined": "title_mismatch", "rejected": "too_small"}.get(word),
        "group_id": n - n % 10 % 2 if n > 1 else 1,
    }
    row |= {
        "duplicate_of": n - 1 if word == "duplicate" else None,
        "duplicate_kind": "near" if word == "duplicate" else None,
    }
    row |= {
        "distance": 4 if word == "duplicate" else None,
        "sha256": sha256,
        "path": f"{sha256[:2]}/{sha256}.jpg",
        "format": "JPEG",
    }
    row |= {
        "width": 500,
        "height": 667,
        "bytes": 40_000,
        "phash": sha256[:16],
        "phash256": sha256,
        "phash_mirror": sha256[:16],
    }
    row |= {
        "phash256_mirror": sha256,
        "phash_trim": sha256[:16],
        "phash256_trim": sha256,
        "hash_recipe": 1,
        "compared": n,
    }
    return row | {
        "first_crawl_id": n // 48 % 30 + 1,
        "fetched_at": moment,
        "first_seen_at": moment,
        "last_seen_at": moment,
    }


def title(n: int) -> str:
    """A title as a shop writes them; one in five thousand has a rare word."""
    kind = ("Saree", "Trousers", "Jeans")[n % 3]
    rare = " with zari border" if n % 5_003 == 0 else ""
    return f"Women's {WORDS[n % 10]} {WORDS[n // 10 % 10]} {kind} number {n}{rare}"


if __name__ == "__main__":
    app()
