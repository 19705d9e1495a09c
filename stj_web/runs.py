"""The training runs that there are; a name from a request is looked up among them and never becomes a path.

What is read of a run comes from the model's room; here it is bounded (sizes, kinds of files, depth) and made fit to show, so
that a damaged or hostile run folder is one marked row and never the end of a page.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import g, has_request_context

from stj_core.errors import ModelError, StjError
from stj_core.fetched import copies
from stj_dataset.manifest import LABELS, MANIFEST, ManifestRow, find_dataset
from stj_images.decode import MAX_BYTES
from stj_model.calibration import CALIBRATION, NEIGHBOURS
from stj_model.compare import FILES
from stj_model.damage import PARSER_ERRORS, reading, reason
from stj_model.run_dir import (
    CONFIG,
    ENVIRONMENT,
    HISTORY,
    LATEST,
    LEAVE_SOURCES_OUT,
    METRICS,
    MISTAKES,
    MODEL,
    OUT_OF_FOLD,
    PREDICTIONS,
    REPORT,
    Run,
)
from stj_model.runs import HEADLINES, RunEntry, list_runs, read_run
from stj_web.errors import RefusalError, not_found

if TYPE_CHECKING:
    from stj_model.compare import RunComparison

_MEGABYTE = 1 << 20
_JSON_MB, _CSV_MB, _REPORT_MB = 32, 256, 128
_LARGEST_MB = {
    **dict.fromkeys((CONFIG, ENVIRONMENT, METRICS, MISTAKES, LABELS, CALIBRATION), _JSON_MB),
    **dict.fromkeys((MANIFEST, HISTORY, PREDICTIONS, OUT_OF_FOLD, LEAVE_SOURCES_OUT), _CSV_MB),
    REPORT: _REPORT_MB,
}
"""No page reads more of a file than this: a whole run of a million pictures stays below."""
_DEEPEST = 12
_HIGHEST = 1e6


class Runs:
    """The run folders below STJ_RUNS."""

    def __init__(self, root: Path, cache: Path | None = None) -> None:
        self._root, self._cache = root, cache
        self._manifest = lru_cache(maxsize=4)(_manifest)
        self._originals = lru_cache(maxsize=4)(_originals)
        self._shops: dict[str, tuple[dict[str, ManifestRow], list[str]]] = {}

    def entries(self) -> list[RunEntry]:
        """Every run, newest first: finished, unfinished, and broken ones with the reason; read once for a request."""
        if not has_request_context():
            return self._entries()
        kept: dict[Path, list[RunEntry]] = g.setdefault("run_entries", {})
        if self._root not in kept:
            kept[self._root] = self._entries()
        return kept[self._root]

    def _entries(self) -> list[RunEntry]:
        try:
            return [_fit(entry) for entry in list_runs(self._root, _read_bounded)]
        except OSError:
            return []

    def names(self) -> list[str]:
        """The names of finished runs, newest first."""
        return [entry.name for entry in self.entries() if entry.status == "finished"]

    def latest(self) -> str | None:
        """The name of the run that `latest` points at, else of the newest finished one, or None."""
        link = self._root / LATEST
        names = self.names()
        if link.is_dir() and (name := link.resolve().name) in names:
            return name
        return names[0] if names else None

    def entry(self, name: str) -> RunEntry:
        """A run as tables and pages show it, also a broken one.

        Raises:
            RefusalError: there is no such run.
        """
        found = next((entry for entry in self.entries() if entry.name == name), None)
        if found is None:
            raise not_found(f"There is no run of this name: {len(self.names())} are in STJ_RUNS.")
        return found

    def open(self, name: str | None) -> Run:
        """A finished run by its name; the newest for None.

        Raises:
            RefusalError: there is none, or it is broken.
        """
        if name is None or name == LATEST:
            name = self.latest()
            if name is None:
                raise RefusalError(503, "no_model", "There is no run yet: stj-model train makes one.")
        entry = self.entry(name)
        if entry.status != "finished":
            raise RefusalError(409, "broken_run", f"Run {name} is {entry.status}: {entry.reason}")
        return Run(self._root / name)

    def labels(self, name: str) -> dict[int, str]:
        """The classes of a run by label."""
        return {label: plain(text) for label, text in self.open(name).labels().items()}

    def history(self, name: str) -> list[dict[str, float]]:
        """Accuracy and loss by epoch.

        Raises:
            ModelError: the file is damaged.
        """
        run = self.open(name)
        _bounded(run.folder, HISTORY)
        found = run.history()
        if any(not abs(value) <= _HIGHEST for line in found for value in line.values()):
            raise ModelError(f"The run's {HISTORY} holds what is no accuracy or loss: train again.")
        return found

    def environment(self, name: str) -> dict[str, Any]:
        """The versions and the machine that a run was trained on; empty where they were not written.

        Raises:
            ModelError: the file is damaged.
        """
        run = self.open(name)
        _bounded(run.folder, ENVIRONMENT)
        if not (run.folder / ENVIRONMENT).exists():
            return {}
        shown: dict[str, Any] = plain(run.read_json(ENVIRONMENT))
        return shown

    def report(self, name: str) -> bytes | None:
        """A run's report, or None where it has none.

        Raises:
            ModelError: it cannot be read.
        """
        folder = self.open(name).folder
        _bounded(folder, REPORT)
        path = folder / REPORT
        with reading(path):
            return path.read_bytes() if path.is_file() else None

    def mistakes(self, name: str) -> tuple[list[dict[str, Any]], int]:
        """The pictures that a run got wrong, the surest first, and how many of its lines cannot be read.

        Raises:
            ModelError: the file is damaged.
        """
        folder = self.open(name).folder
        _bounded(folder, MISTAKES)
        path = folder / MISTAKES
        if not path.exists():
            return [], 0
        with reading(path):
            lines = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(lines, list):
            raise ModelError(f"The run's {MISTAKES} should hold a list: train again.")
        found = [one for one in lines if _is_mistake(one)]
        return found, len(lines) - len(found)

    def lines(self, name: str, file: str) -> list[dict[str, str]]:
        """The lines of one of a run's CSV files; none where it has no such file.

        Raises:
            ModelError: the file is damaged.
        """
        folder = self.open(name).folder
        _bounded(folder, file)
        path = folder / file
        if not path.exists():
            return []
        with reading(path), path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    def stamp(self, name: str) -> tuple[tuple[int, int], ...]:
        """Changes with what a run says of its pictures."""
        folder = self.open(name).folder
        return tuple(_stamp(folder / file) for file in (MANIFEST, LABELS, *FILES.values()))

    def manifest(self, name: str) -> dict[str, ManifestRow]:
        """What a run learned from, by checksum of the written file; empty where that cannot be read."""
        run = self.open(name)
        try:
            _bounded(run.folder, MANIFEST)
            return self._manifest(run, _stamp(run.folder / MANIFEST))
        except StjError:
            return {}

    def shops(self, name: str) -> list[str]:
        """The shops of a run's dataset, those with the most pictures first; counted once for each manifest."""
        rows = self.manifest(name)
        kept = self._shops.get(name)
        if kept is None or kept[0] is not rows:
            counts = Counter(row.source for row in rows.values() if row.source)
            kept = self._shops[name] = (rows, [shop for shop, _ in counts.most_common(50)])
        return kept[1]

    def learned(self, name: str, sha256: str) -> ManifestRow | None:
        """The picture of a run's dataset that some bytes are, as they were written or as the shop sent them; None for others."""
        rows = self.manifest(name)
        if sha256 in rows:
            return rows[sha256]
        run = self.open(name)
        return self._originals(run, _stamp(run.folder / MANIFEST)).get(sha256) if rows else None

    def dataset_file(self, name: str, row: ManifestRow) -> bytes:
        """The bytes of a picture from the dataset of a run, if they are still those that it learned from.

        Raises:
            FileNotFoundError: the dataset is gone, or something else stands there now.
        """
        document = self.open(name).document
        fetched = copies(self._cache) if self._cache else ()
        dataset = find_dataset(Path(str(document.get("dataset", ""))), str(document.get("dataset_digest", "")), fetched)
        try:
            path = (dataset / row.file).resolve()
            if path.is_relative_to(dataset.resolve()) and path.is_file() and path.stat().st_size <= MAX_BYTES:
                data = path.read_bytes()
                if hashlib.sha256(data).hexdigest() == row.sha256:
                    return data
        except (OSError, ValueError, RuntimeError) as error:  # a loop of links; a name with a zero byte
            raise FileNotFoundError(row.file) from error
        raise FileNotFoundError(row.file)


def shared_splits(entries: Sequence[RunEntry]) -> list[str]:
    """The splits that all of some runs were judged on."""
    return [split for split in HEADLINES if entries and all(entry.figures.get(split) for entry in entries)]


def run_json(entry: RunEntry) -> dict[str, Any]:
    """A run in the REST interface."""
    return {
        "name": entry.name,
        "status": entry.status,
        "reason": entry.reason or None,
        "recipe": entry.recipe,
        "dataset_digest": entry.digest,
        "figures": entry.figures,
        "config": entry.config,
    }


def compared(one: Run, two: Run, split: str) -> tuple[str, RunComparison | None]:
    """Whether two runs differ by more than chance on a split, in a sentence with the comparison, or why that cannot be said."""
    from stj_model.compare import compare

    try:
        found = compare(one, two, split)
        return str(plain(found.sentence())), found
    except StjError as refusal:
        return str(plain(str(refusal))), None
    except PARSER_ERRORS as error:
        return f"The two runs cannot be compared ({plain(reason(error))}): a file of one of them is damaged.", None


def plain(value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - any JSON value
    """A JSON value that every page and program can read: nothing nested without end, no number that JSON does not have."""
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {str(name): plain(part, depth + 1) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part, depth + 1) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return value


def _fit(entry: RunEntry) -> RunEntry:
    """An entry that can be shown: a name that is no text, or figures that nest without end, are not."""
    name = entry.name.encode("utf-8", "backslashreplace").decode("utf-8")
    if name != entry.name:
        return replace(entry, name=name, status="broken", reason="The folder's name is no UTF-8: rename it.")
    told = {part: plain(getattr(entry, part)) for part in ("figures", "config", "weights", "cost", "reason", "recipe")}
    return replace(entry, digest=plain(entry.digest), **told)


def _read_bounded(folder: Path) -> RunEntry:
    """A run as an entry; no file of it is opened that is none, or larger than a page may read."""
    try:
        for name in (CONFIG, METRICS, LABELS, MANIFEST, MODEL, CALIBRATION, NEIGHBOURS):
            _bounded(folder, name)
    except ModelError as error:
        return RunEntry(folder.name, "broken", reason=str(error), changed=_changed(folder))
    return read_run(folder)


def _bounded(folder: Path, name: str) -> None:
    """Make sure that a file of a run is a file and of a size that a page may read.

    Raises:
        ModelError: it is not.
    """
    path = folder / name
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ModelError(f"The run's {path} cannot be read ({why}): train again.") from error
    if not stat.S_ISREG(found.st_mode):
        raise ModelError(f"The run's {path} is no file: train again.")
    most = _LARGEST_MB.get(name)
    if most is not None and found.st_size > most * _MEGABYTE:
        raise ModelError(f"The run's {path} has {found.st_size >> 20:,} MB, over {most}: no training writes so much.")


def _changed(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def _stamp(path: Path) -> tuple[int, int]:
    """Changes with the file: when it was written, and its size."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _manifest(run: Run, _stamp: tuple[int, int]) -> dict[str, ManifestRow]:
    return {row.sha256: row for row in run.manifest()}


def _originals(run: Run, stamp: tuple[int, int]) -> dict[str, ManifestRow]:
    return {row.original_sha256: row for row in _manifest(run, stamp).values()}


def _is_mistake(one: object) -> bool:
    """Whether a line of `mistakes.json` holds what the page shows of it."""
    try:
        assert isinstance(one, dict)
        shares = {int(label): float(share) for label, share in one["probabilities"].items()}
        return (
            isinstance(one["sha256"], str)
            and len(one["sha256"]) == 64
            and int(one["sha256"], 16) >= 0
            and all(isinstance(one[name], int) and not isinstance(one[name], bool) for name in ("label",))
            and (one["true"] is None or (isinstance(one["true"], int) and not isinstance(one["true"], bool)))
            and isinstance(one.get("asin") or "", str)
            and 0 <= shares[one["label"]] <= 1
        )
    except (AssertionError, *PARSER_ERRORS):
        return False
