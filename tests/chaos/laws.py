"""What must be true on the disk, whatever happened; nothing of the product's is used to see it."""

from __future__ import annotations

import hashlib
import io
import sqlite3
from contextlib import closing
from pathlib import Path

from PIL import Image

STATUSES = {"kept", "duplicate", "quarantined", "rejected", "forgotten"}
MOST_MEGABYTES = 400


def broken_on_disk(place: Path) -> list[str]:
    """Laws that the catalogue and the image store of a folder break.

    Args:
        place: with `catalog.sqlite` and `images`.
    """
    if not (place / "catalog.sqlite").is_file():
        return []
    with closing(sqlite3.connect(f"file:{place / 'catalog.sqlite'}?mode=ro", uri=True)) as catalog:
        if not catalog.execute("SELECT 1 FROM sqlite_master WHERE name = 'images'").fetchone():
            return []  # it ended before the tables were made
        return [*_of_pictures(catalog, place / "images"), *_of_rows(catalog)]


def _of_pictures(catalog: sqlite3.Connection, images: Path) -> list[str]:
    broken = []
    seen: set[str] = set()
    for key, path, sha256, width, height in catalog.execute(
        "SELECT image_key, path, sha256, width, height FROM images WHERE status = 'kept'"
    ):
        if sha256 in seen:
            broken.append(f"{key} is kept twice")
        seen.add(sha256)
        file = images / (path or "none")
        if not file.is_file():
            broken.append(f"{key} is kept and has no file")
            continue
        data = file.read_bytes()
        if not (hashlib.sha256(data).hexdigest() == sha256 == file.stem):
            broken.append(f"the bytes of {key} are not those of its name")
            continue
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            if sorted(picture.size) != sorted((width, height)):
                broken.append(f"{key} is {picture.size}, its row says {width}, {height}")
    return broken


def _of_rows(catalog: sqlite3.Connection) -> list[str]:
    broken = []
    (said,) = catalog.execute("PRAGMA integrity_check").fetchone()
    if said != "ok":
        broken.append(f"the catalogue is damaged: {said}")
    for key, status, reason in catalog.execute("SELECT image_key, status, reason FROM images"):
        if status not in STATUSES or (status in {"rejected", "quarantined"} and not reason):
            broken.append(f"{key} is {status}, reason {reason}")
    for what, query in {
        "pictures twice": "SELECT count(*) - count(DISTINCT image_key) FROM images",
        "cards twice": "SELECT count(*) - count(DISTINCT crawl_id || '/' || page_id || '/' || position) FROM sightings",
        "cards without a picture and without a reason": (
            "SELECT count(*) FROM sightings WHERE image_id IS NULL AND reason IS NULL"
        ),
        "cards whose picture has no row": (
            "SELECT count(*) FROM sightings WHERE image_id IS NOT NULL AND image_id NOT IN (SELECT id FROM images)"
        ),
    }.items():
        (number,) = catalog.execute(query).fetchone()
        if number:
            broken.append(f"{number} {what}")
    return broken


def broken_when_well(place: Path, origin: str, numbers: list[int]) -> list[str]:
    """Laws that are broken after the shop was well and the same command was given again.

    Args:
        place: with `catalog.sqlite` and `images`.
        origin: the shop's.
        numbers: of all its pictures.
    """
    broken = broken_on_disk(place)
    if not (place / "catalog.sqlite").is_file():
        return ["there is no catalogue"]
    with closing(sqlite3.connect(f"file:{place / 'catalog.sqlite'}?mode=ro", uri=True)) as catalog:
        rows = {
            key.rpartition("/p")[2].partition(".")[0]: f"{status} {reason or ''}".strip()
            for key, status, reason in catalog.execute(
                "SELECT image_key, status, reason FROM images WHERE image_key LIKE ?", (f"{origin}/images/I/p%",)
            )
        }
        (last,) = catalog.execute("SELECT state FROM crawls ORDER BY id DESC LIMIT 1").fetchone()
    lacking = {
        n: rows.get(str(n), "no row")
        for n in numbers
        if rows.get(str(n)) not in {"kept", "duplicate exact", "duplicate"}
    }
    if lacking:
        broken.append(f"{len(lacking)} of {len(numbers)} pictures are not there: {lacking}")
    if last != "finished":
        broken.append(f"the last crawl is {last}")
    strays = [
        str(file.relative_to(place))
        for file in (place / "images").rglob("*")
        if file.is_file() and len(file.stem) != 64
    ]
    if strays:
        broken.append(f"left behind: {strays[:5]}")
    return broken


def broken_at_the_end(
    code: int, err: str, megabytes: float, canary: list[str], allowed: set[int], kind: str = ""
) -> list[str]:
    """Laws about how a command ended, under a kind of failure: its exit code, its words, its memory, and whom it asked."""
    broken = []
    lines = err.strip().splitlines() or [""]
    if code not in allowed:
        broken.append(f"exit code {code}: {lines[-1][:300]}")
    # Without memory the interpreter, its logging, Twisted and asyncio speak for themselves; the last line is still ours.
    if "Traceback" in err and kind != "little memory":
        broken.append(f"a traceback: {lines[-1][:300]}")
    if any(mark in err for mark in ("\x1b", "\x9b", "\u202e")):
        broken.append("characters that act on the terminal")
    if code == 1 and not lines[-1].rstrip().endswith((".", ")", "!")):
        broken.append(f"no sentence: {lines[-1][:300]}")
    if megabytes > MOST_MEGABYTES:
        broken.append(f"{megabytes:.0f} MB")
    if canary:
        broken.append(f"another port of this machine was asked {len(canary)} times")
    return broken
