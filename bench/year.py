"""A year of nightly crawls of a changing shop, its clock simulated: what grows, what stays, and that no picture ever moves.

    python -m bench.year [--nights 365] [--seed 42] [--json FILE] [--report docs/performance]

Each night `python -m stj_spiders saree trousers jeans` runs in a process of its own, forked from one that has imported all of it;
STJ's clock says that night's date. Now and then the shop blocks, shows markup that nobody can read, or is busy; once the disk is
full, once the process is killed. Each month ends with an export, which is held against all earlier ones.
"""

from __future__ import annotations

import argparse
import atexit
import csv
import json
import os
import resource
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.year_shop import LAYOUTS, ChangingShop, serve

FIRST = datetime(2026, 1, 1, 2, 0, tzinfo=UTC)
DISK_FULL, KILLED = 200, 250
BLOCKED = {
    40: "robot check",
    41: "robot check",
    97: "busy",
    180: "robot check",
    233: "busy",
    301: "robot check",
    302: "robot check",
}
UNREADABLE = {130, 131, 280}
SLUGS = ("saree", "trousers", "jeans")
_HURRY = ("STJ_COOL_SECONDS=0.05", "STJ_COOL_MOST_SECONDS=0.2", "STJ_BLOCKS=2", "STJ_RENDER=never", "LOG_LEVEL=WARNING")


def main() -> None:
    """Live the year and tell of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=365)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--json", type=_absolute)
    parser.add_argument("--report", type=_absolute, help="folder that gets year.md and year.png")
    given = parser.parse_args()
    # No TemporaryDirectory: the forked processes would remove it at their own end.
    folder = Path(tempfile.mkdtemp())
    try:
        year = live(folder, given.nights, given.seed, given.json)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if given.json:
        given.json.write_text(json.dumps(year), encoding="utf-8")
    if given.report:
        from bench.year_report import write_report

        write_report(year, given.report)
    print(json.dumps({name: value for name, value in year.items() if name != "nights"}, indent=2))
    sys.exit(0 if year["ok"] else 1)


def _absolute(name: str) -> Path:
    """A path that stays the same wherever the nights go."""
    return Path(name).resolve()


def live(place: Path, nights: int, seed: int, keep: Path | None = None) -> dict[str, Any]:
    """Every night of the year; what was measured and what was wrong.

    Args:
        place: an empty folder.
        nights: how many.
        seed: decides what the shop does.
        keep: a file that gets what was measured so far each month, for one who cannot wait.
    """
    shop = ChangingShop(seed)
    server = serve(shop)
    _settle(place, shop.origin)
    seen: list[dict[str, Any]] = []
    wrong: list[str] = []
    splits: dict[str, str] = {}
    months: list[dict[str, Any]] = []
    try:
        for night in range(1, nights + 1):
            shop.night()
            shop.block = BLOCKED.get(night, "")
            shop.layout = "unknown" if night in UNREADABLE else LAYOUTS[night * len(LAYOUTS) // (nights + 1)]
            told = one_night(place, night)
            seen.append(told)
            wrong += [f"night {night}: {one}" for one in strange(told)]
            if night % 30 == 0 or night == nights:
                months.append(export(place, night, splits, wrong))
                if keep:
                    keep.write_text(json.dumps(told_so_far(shop, seen, months, wrong)), encoding="utf-8")
            if night % 50 == 0:
                print(f"night {night}: {told}", file=sys.stderr, flush=True)
    finally:
        server.shutdown()
        server.server_close()
    wrong += last_look(place, shop)
    return told_so_far(shop, seen, months, wrong)


def told_so_far(
    shop: ChangingShop, seen: list[dict[str, Any]], months: list[dict[str, Any]], wrong: list[str]
) -> dict[str, Any]:
    """The nights and months that were lived."""
    return {
        "ok": not wrong,
        "wrong": wrong,
        "ends": dict(Counter(str(one["code"]) for one in seen)),
        "changes": asdict(shop.changes),
        "products": len(shop.stock),
        "months": months,
        "nights": seen,
        "seed": shop.seed,
        "python": sys.version.split()[0],
    }


def _settle(place: Path, origin: str) -> None:
    """Import everything once, here, and point STJ at the folder and the shop."""
    for name in [one for one in os.environ if one.startswith("STJ_")]:
        del os.environ[name]
    os.environ["STJ_ORIGIN"] = origin
    os.chdir(place)
    Path("scrapy.cfg").write_text("[settings]\ndefault = stj_spiders.settings\n", encoding="utf-8")

    import stj_dataset.export  # noqa: F401 - so that every night's fork has it already
    import stj_spiders.__main__
    import stj_spiders.pipelines.pictures
    import stj_spiders.settings
    import stj_spiders.spiders.category  # noqa: F401 - as above


def one_night(place: Path, night: int) -> dict[str, Any]:
    """Crawl once; how it ended and what it left."""
    began = time.monotonic()

    def crawl() -> None:
        if night == DISK_FULL:
            full = 20_000  # bytes a file: less than the catalogue has, whatever room its pages still hold
            resource.setrlimit(resource.RLIMIT_FSIZE, (full, full))
        if night == KILLED:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, 0.6)
        from stj_core import cli
        from stj_spiders.__main__ import app

        cli.run(app, [*SLUGS, *(word for one in _HURRY for word in ("-s", one))])

    status, used, err, handles = apart(crawl, night)
    files = [file for file in (place / "images").rglob("*") if file.is_file()]
    with closing(sqlite3.connect(place / "catalog.sqlite")) as catalog:
        rows = {
            name: catalog.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for name in ("images", "sightings", "pages")
        }
    return {
        "night": night,
        "code": os.waitstatus_to_exitcode(status),
        "seconds": round(time.monotonic() - began, 2),
        "cpu": round(used.ru_utime + used.ru_stime, 3),
        "megabytes": round(used.ru_maxrss / 1024, 1),
        "handles": handles,
        "catalogue": (place / "catalog.sqlite").stat().st_size,
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files),
        "beside": sorted(one.name for one in place.iterdir() if not one.name.startswith(("catalog.sqlite", "dataset"))),
        "said": err.strip().splitlines()[-1][:200] if err.strip() else "",
        **rows,
    }


def apart(work: Callable[[], None], night: int) -> tuple[int, Any, str, int]:
    """Do something in a process forked from this one, on a night's date: wait status, usage, words, handles at its end."""
    with tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as counted:
        sys.stdout.flush()
        child = os.fork()
        if not child:
            os.dup2(err.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            _set_clock(night)
            code = 99
            try:
                work()
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
            finally:
                os.write(counted.fileno(), str(sum(1 for _ in Path("/proc/self/fd").iterdir())).encode())
                atexit._run_exitfuncs()  # what a process does at its end, which os._exit leaves out
                sys.stderr.flush()
                os._exit(code)
        _, status, used = os.wait4(child, 0)
        err.seek(0)
        counted.seek(0)
        return status, used, err.read().decode("utf-8", "replace"), int(counted.read() or b"0")


def _set_clock(night: int) -> None:
    """Have STJ's clock say the night's date; its seconds go on as they do."""
    from stj_core import clock

    ahead = FIRST + timedelta(days=night - 1) - datetime.now(UTC)

    class Simulated(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # noqa: ANN401 - as datetime's own
            return datetime.now(tz) + ahead

    clock.datetime = Simulated  # type: ignore[misc]  # that is the simulation


def strange(told: dict[str, Any]) -> list[str]:
    """What should not be so on such a night."""
    night, code = told["night"], told["code"]
    expected = {0}
    if night in BLOCKED or night in UNREADABLE or night == DISK_FULL:
        expected = {1}
    if night == KILLED:
        expected = {-signal.SIGALRM}
    found = []
    if code not in expected:
        found.append(f"exit code {code}: {told['said']}")
    if "Traceback" in told["said"]:
        found.append(told["said"])
    if told["megabytes"] > 400:
        found.append(f"{told['megabytes']} MB")
    if set(told["beside"]) - {"scrapy.cfg", "images", "cache", "backups"}:
        found.append(f"left behind: {told['beside']}")
    return found


def export(place: Path, night: int, splits: dict[str, str], wrong: list[str]) -> dict[str, Any]:
    """Export, and hold every picture's split against all that it ever had."""

    def write() -> None:
        from stj_core import cli
        from stj_dataset.cli import app

        cli.run(app, ["export", "--split", "0.2", "--json"])

    status, used, err, _ = apart(write, night)
    if status:
        wrong.append(f"the export of night {night} ended with {os.waitstatus_to_exitcode(status)}: {err[-300:]}")
        return {"night": night, "pictures": 0, "moved": 0}
    moved, groups = 0, {}
    with (place / "dataset" / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    for line in lines:
        sha256, split = line["original_sha256"], line["split"]
        moved += splits.setdefault(sha256, split) != split
        if groups.setdefault(line["group"], split) != split:
            wrong.append(f"night {night}: group {line['group']} is in two splits")
    if moved:
        wrong.append(f"night {night}: {moved} pictures moved between splits")
    counts = Counter(line["split"] for line in lines)
    return {
        "night": night,
        "pictures": len(lines),
        "moved": moved,
        **{name: counts[name] for name in ("train", "val", "test")},
        "cpu": round(used.ru_utime + used.ru_stime, 2),
        "megabytes": round(used.ru_maxrss / 1024),
    }


def last_look(place: Path, shop: ChangingShop) -> list[str]:
    """Whether every photograph on tonight's shelves is known, and every kept one has its file."""
    wrong = []
    with closing(sqlite3.connect(place / "catalog.sqlite")) as catalog:
        rows = dict(catalog.execute("SELECT image_key, status FROM images").fetchall())
        kept = catalog.execute("SELECT path FROM images WHERE status = 'kept'").fetchall()
        sound = catalog.execute("PRAGMA integrity_check").fetchone()[0]
    lacking = [one.number for one in shop.stock if f"{shop.origin}/images/I/g{one.photograph:06d}.jpg" not in rows]
    if lacking:
        wrong.append(f"{len(lacking)} photographs of the last night's shelves were never seen")
    if sound != "ok":
        wrong.append(f"the catalogue is damaged: {sound}")
    gone = [path for (path,) in kept if not (place / "images" / path).is_file()]
    if gone:
        wrong.append(f"{len(gone)} kept pictures have no file")
    shutil.rmtree(place / "dataset", ignore_errors=True)
    os.chdir("/")
    return wrong


if __name__ == "__main__":
    main()
