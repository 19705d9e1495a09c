"""Where forgotten pictures are held outside of the catalogue and the image store, and how they go from there."""

from __future__ import annotations

import csv
import gzip
import json
import mmap
import shutil
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np

from stj_core.files import atomic_path, atomic_writer, sweep_unfinished, write_json
from stj_core.stale import STALE
from stj_core.vocabulary import Status

_BLOCK = 1 << 20
# Longer than any title or address that is kept: a word may lie across two blocks.
_OVERLAP = 10_000
_LONGEST_FIELD = 10_000_000
_NAME_DIGITS = 16
# So many checksums are looked for in each line of a table before it is taken apart.
_FEW = 8
# What is drawn from numbers alone; every other picture in `plots/` shows thumbnails.
_DRAWN = frozenset({"accuracy", "architecture", "confusion", "loss", "reliability"})
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".svg"})


def mentions(file: Path, words: Iterable[str]) -> bool:
    """Whether a file, also a gzipped one, holds one of some words."""
    wanted = [word.encode() for word in words]
    opened = gzip.open if file.suffix == ".gz" else Path.open
    tail = b""
    with suppress(OSError, EOFError, zlib.error), opened(file, "rb") as stream:
        while block := stream.read(_BLOCK):
            held = tail + block
            if any(word in held for word in wanted):
                return True
            tail = held[-_OVERLAP:]
    return False


def files_naming(folder: Path, words: Sequence[str]) -> list[Path]:
    """Files of the cache that are called after a picture, or list it; then also what belongs to the list."""
    found: set[Path] = set()
    for file in _files(folder):
        if any(word in file.name for word in words):
            found.add(file)
        elif file.suffix == ".json" and mentions(file, words):
            found |= {one for one in file.parent.glob(f"{file.stem}.*") if one.is_file()}
    return sorted(found)


def runs_naming(runs: Path, words: Sequence[str]) -> list[Path]:
    """Run folders of which a CSV file, at whatever depth, or the mark of a stale one, names a picture."""
    if not runs.is_dir():
        return []
    folders = (one for one in sorted(runs.iterdir()) if one.is_dir() and not one.is_symlink())
    return [one for one in folders if any(mentions(file, words) for file in (*one.rglob("*.csv"), one / STALE))]


def written_of(manifests: Iterable[Path], checksums: Sequence[str]) -> set[str]:
    """The checksums that manifests of datasets and runs give to files made of some pictures: a converted one has its own."""
    found: set[str] = set()
    for file in manifests:
        if not mentions(file, checksums):
            continue
        with suppress(OSError, ValueError, csv.Error), file.open(encoding="utf-8", newline="") as stream:
            columns = next(csv.reader([stream.readline()]), [])
            rows = csv.reader(stream) if len(checksums) > _FEW else _rows_with(file, checksums)
            original, written = (columns.index(name) for name in ("original_sha256", "sha256"))
            found |= {
                row[written]
                for row in rows
                if len(row) > max(original, written) and row[original] in checksums and row[written]
            }
    return found


def _rows_with(file: Path, words: Sequence[str]) -> Iterator[list[str]]:
    """The rows of a table that hold one of some words.

    Each is read alone: a title of several lines stands behind a manifest's checksums, so that what is between them is whole.
    """
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as held:
        for word in words:
            at = held.find(word.encode())
            while at >= 0:
                end = held.find(b"\n", at)
                end = len(held) if end < 0 else end
                line = held[held.rfind(b"\n", 0, at) + 1 : end].decode("utf-8", "replace")
                yield next(csv.reader([line]), [])
                at = held.find(word.encode(), end)


def backups_holding(backups: Iterable[Path], words: Sequence[str]) -> list[Path]:
    """Backups of the catalogue in which a picture is not forgotten."""
    return [one for one in backups if _holds(one, words)]


def purge_dataset(folder: Path) -> None:
    """Remove a dataset's folder whole: an export makes it again, without the picture."""
    last = [folder / name for name in ("manifest.csv", "dataset.json")]  # by these it is known, also half removed
    for file in _files(folder):
        if file not in last:
            file.unlink()
    for inside in [one for one in folder.iterdir() if one.is_dir() and not one.is_symlink()]:
        shutil.rmtree(inside)
    for file in last:
        file.unlink(missing_ok=True)
    shutil.rmtree(folder)


def purge_run(run: Path, words: Sequence[str]) -> list[str]:
    """Take pictures out of a run's lists and features, and delete the pages and plots that show them.

    Returns:
        the files that were changed or deleted, below the run.
    """
    changed: list[str] = []
    for folder in {file.parent for file in _files(run)}:
        sweep_unfinished(folder)  # a purge that was cut short wrote aside
    # Exported files are called by the beginning of their checksum.
    words = sorted({*words, *(f"/{word[:_NAME_DIGITS]}." for word in words if len(word) > _NAME_DIGITS)})
    for file in _files(run):
        if any(word in file.name for word in words):
            file.unlink()
        elif file.suffix in {".csv", ".tsv"}:
            if not _thin_rows(file, words):
                continue
        elif file.suffix == ".npz":
            if not _thin_arrays(file, words):
                continue
        elif file.name == STALE or not mentions(file, words):
            continue
        elif file.suffix == ".json":
            _thin_json(file, words)
        else:
            file.unlink()
        changed.append(file.relative_to(run).as_posix())
    # Thumbnails inside a page, or beside each other in one picture, carry no name: whatever shows pictures goes.
    for file in _files(run):
        shows = file.suffix in _PICTURES and file.parent.name == "plots" and file.stem not in _DRAWN
        if file.suffix == ".html" or shows:
            file.unlink()
            changed.append(file.relative_to(run).as_posix())
    (run / STALE).unlink(missing_ok=True)
    return sorted(changed)


def _files(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if file.is_file() and not file.is_symlink():
            yield file


def _thin_rows(file: Path, words: Sequence[str]) -> bool:
    """Rewrite a CSV file without the rows that hold one of some words; whether there were any."""
    if not mentions(file, words):
        return False
    longest = csv.field_size_limit(_LONGEST_FIELD)
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream, delimiter="\t" if file.suffix == ".tsv" else ","))
    finally:
        csv.field_size_limit(longest)
    kept = [row for row in rows if not any(word in cell for cell in row for word in words)]
    with atomic_path(file) as part, part.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter="\t" if file.suffix == ".tsv" else ",", lineterminator="\n").writerows(kept)
    return True


def _thin_json(file: Path, words: Sequence[str]) -> None:
    """Rewrite a JSON file without the entries that hold one of some words; it goes where that is no JSON, or nested too deep."""
    try:
        write_json(_without(json.loads(file.read_text(encoding="utf-8")), words), file)
    except (ValueError, RecursionError):
        file.unlink()


def _without(value: Any, words: Sequence[str]) -> Any:  # noqa: ANN401 - any JSON value
    """A JSON value without the entries of its lists and objects that name one of some words."""
    if isinstance(value, list):
        return [_without(one, words) for one in value if not _is_about(one, words)]
    if isinstance(value, dict):
        return {
            key: _without(one, words)
            for key, one in value.items()
            if not any(word in key for word in words)
            and not (isinstance(one, str) and any(word in one for word in words))
        }
    return value


def _is_about(value: Any, words: Sequence[str]) -> bool:  # noqa: ANN401 - any JSON value
    """Whether an entry of a list is about a picture: a text that names it, or an object with one."""
    if isinstance(value, dict):
        return any(isinstance(one, str) and any(word in one for word in words) for one in value.values())
    return isinstance(value, str) and any(word in value for word in words)


def _thin_arrays(file: Path, words: Sequence[str]) -> bool:
    """Rewrite arrays with an array of names beside them, without the rows of some names; whether there were any."""
    with suppress(OSError, ValueError, EOFError), np.load(file, allow_pickle=False) as held:
        arrays = {name: held[name] for name in held.files}
        names = arrays.get("names")
        if names is None or names.ndim != 1 or not np.isin(names, list(words)).any():
            return False
        keep = ~np.isin(names, list(words))
        rows = {name for name, one in arrays.items() if name == "names" or (one.ndim > 1 and len(one) == len(names))}
        thin = {name: one[keep] if name in rows else one for name, one in arrays.items()}
        with atomic_writer(file) as stream:
            np.savez(stream, **thin)
        return True
    return False


def _holds(backup: Path, checksums: Sequence[str]) -> bool:
    with (
        suppress(sqlite3.DatabaseError),
        closing(sqlite3.connect(f"{backup.absolute().as_uri()}?mode=ro", uri=True)) as copy,
    ):
        wanted = "SELECT 1 FROM images WHERE sha256 = ? AND status <> ?"
        return any(copy.execute(wanted, (one, Status.FORGOTTEN.value)).fetchone() for one in checksums)
    return False
