"""Kill -9 at random moments of a crawl of 1,000 pictures: nothing is lost, and nothing fetched twice but what was in flight.

    python -m bench.kill9 [--kills 20] [--pictures 1000] [--seed 42]

The shop draws nothing: it sells noise, for speed. After the last kill the same command crawls to the end; then pictures and
sightings are held against those of an undisturbed crawl of the same shop, the shop's log against the catalogue as each kill left
it, and `stj-dataset verify` has its say.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from bench.noise import make_pictures
from stj_demo.behaviour import Behaviour
from stj_demo.shop import PracticeShop


def main() -> None:
    """Run the benchmark and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--delay", type=float, default=0.2, help="seconds that the shop takes for a picture")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = run(Path(folder), given.kills, given.pictures, random.Random(given.seed), given.delay)
    print(json.dumps(report, indent=2))
    sys.exit(0 if report["ok"] else 1)


def run(folder: Path, kills: int, pictures: int, dice: random.Random, delay: float) -> dict[str, object]:
    """Crawl, kill and go on until it is done; returns what was seen."""
    make_pictures(folder / "goods" / "0_saree", pictures, seed=1)
    (folder / "scrapy.cfg").write_text("[settings]\ndefault = stj_spiders.settings\n")
    behaviour = Behaviour(picture_delay_s=delay)
    with PracticeShop(folder / "goods", planting=False, behaviour=behaviour) as shop:
        in_flight: Counter[str] = Counter()
        lost, killed, code = set(), 0, None
        while killed < kills:
            process = start(folder, shop.origin)
            # Somewhere between the first import and a few seconds of crawling.
            ended = wait(process, dice.uniform(0.5, 2 + 2.2 * pictures * delay / 4 / kills))
            if ended:
                code = process.returncode
                break
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
            # The shop notes a request when it answers: what was in the air at the kill is noted a moment later.
            time.sleep(delay + 0.5)
            known = fetched(folder)
            # What was asked for and is not in the catalogue may be asked for once more after this kill.
            in_flight.update(asked(shop).keys() - known)
            lost |= {path for path in known if not stored(folder, path)}
        if code is None:  # the same command once more would be a second crawl of what is finished
            code = start(folder, shop.origin).wait(timeout=1200)
        times = asked(shop)
        shop.behave(picture_delay_s=0.0)
        calm = folder / "undisturbed"
        calm.mkdir()
        (calm / "scrapy.cfg").write_text("[settings]\ndefault = stj_spiders.settings\n")
        code = start(calm, shop.origin).wait(timeout=1200) or code
    again = {path: n - 1 for path, n in times.items() if n > 1 + in_flight[path]}
    wanted, had = kept_files(calm), kept_files(folder)
    sightings = sighted(folder), sighted(calm)
    verify = subprocess.run(
        [bin_path("stj-dataset"), "verify", "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    clean = verify.returncode == 0
    return {
        "ok": code == 0 and had == wanted and sightings[0] == sightings[1] and not again and not lost and clean,
        "kills": killed,
        "pictures_undisturbed": len(wanted),
        "missing": len(wanted - had),
        "too_many": len(had - wanted),
        "sightings": sum(sightings[0].values()),
        "sightings_undisturbed": sum(sightings[1].values()),
        "requests": sum(times.values()),
        "asked_again_because_in_flight": sum(times.values()) - len(times),
        "asked_again_without_need": again,
        "rows_without_a_whole_file": len(lost),
        "verify": json.loads(verify.stdout) if verify.stdout else verify.stderr,
    }


def start(folder: Path, origin: str) -> subprocess.Popen[bytes]:
    """The same command every time."""
    command = [bin_path("scrapy"), "crawl", "amazon_sarees", "-a", f"origin={origin}"]
    command += ["-a", "limit=100000", "-a", "pages=100", "-L", "WARNING", "-s", "STJ_SUMMARY=json"]
    return subprocess.Popen(command, cwd=folder, start_new_session=True, stdout=subprocess.DEVNULL)


def wait(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether it ended by itself within `seconds`."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            return True
        time.sleep(0.01)
    return False


def bin_path(name: str) -> str:
    """A script beside this Python."""
    return str(Path(sys.executable).with_name(name))


def asked(shop: PracticeShop) -> Counter[str]:
    """How often each picture was asked for, by its path without a size."""
    paths = (one.path for one in shop.requests if one.path.startswith("/images/"))
    return Counter(f"{path.split('.')[0]}.{path.rsplit('.', 1)[1]}" for path in paths)


def fetched(folder: Path) -> set[str]:
    """The pictures whose rows are in the catalogue."""
    if not (folder / "catalog.sqlite").exists():
        return set()
    with closing(sqlite3.connect(folder / "catalog.sqlite")) as connection:
        try:
            rows = connection.execute("SELECT image_key FROM images").fetchall()
        except sqlite3.OperationalError:  # killed before the tables were made
            return set()
    return {"/" + key.split("/", 3)[3] for (key,) in rows}


def kept_files(folder: Path) -> set[str]:
    """The picture files of the store, each named by its checksum."""
    return {path.name for path in (folder / "images").rglob("*") if path.is_file()}


def sighted(folder: Path) -> Counter[tuple[int, int, str]]:
    """How often each place on a page shows which picture."""
    query = (
        "SELECT pages.number, sightings.position, images.image_key FROM sightings "
        "JOIN pages ON pages.id = sightings.page_id JOIN images ON images.id = sightings.image_id"
    )
    with closing(sqlite3.connect(folder / "catalog.sqlite")) as connection:
        return Counter(connection.execute(query).fetchall())


def stored(folder: Path, path: str) -> bool:
    """Whether a picture's row has its file, of the right length."""
    with closing(sqlite3.connect(folder / "catalog.sqlite")) as connection:
        query = "SELECT path, bytes FROM images WHERE image_key LIKE ?"
        row = connection.execute(query, (f"%{path}",)).fetchone()
    file = folder / "images" / row[0]
    return file.is_file() and file.stat().st_size == row[1]


if __name__ == "__main__":
    main()
