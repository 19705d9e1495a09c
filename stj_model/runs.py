"""The runs that there are: finished ones with their figures, unfinished ones, and broken ones marked with the reason."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any, Literal

from stj_core.errors import StjError
from stj_model.calibration import NEIGHBOURS
from stj_model.damage import PARSER_ERRORS, archive_digest, check_regular, reading, reason
from stj_model.run_dir import CONFIG, LATEST, METRICS, MODEL, UNFINISHED, open_run

Status = Literal["finished", "training", "interrupted", "broken"]
SPLIT_NAMES = {
    "leave_sources_out": "shops held out",
    "test": "test",
    "out_of_fold": "out of fold",
    "val": "validation",
    "train": "training",
}
"""What a run is judged on, by the names in metrics.json, for people; the most believable first."""
HEADLINES = tuple(SPLIT_NAMES)
"""The splits by how far their figure can be believed for pictures of other shops, the most honest first."""
_SUMMARY = ("n", "accuracy", "interval")


def why_no_honest_figure(recipe: str) -> str:
    """Why a run has no figure that is honest about other shops, in words that follow a colon."""
    if recipe == "paper":
        return "recipe paper holds no shop out"
    return "the pictures' shops are unknown, or some class has a single one, so that none can be held out"


@dataclass(frozen=True)
class RunEntry:
    """A run as a table or a page shows it; what is not known is empty or None.

    Attributes:
        name: the folder's name; an unfinished run has a key instead.
        status: `training` while a process is at it, `interrupted` where the same command would go on, `broken` where a
            file is missing, damaged or of another program: `reason` says which.
        recipe: how it was trained.
        digest: of the dataset that it was trained on.
        figures: the figures of each split in the shape of `stj-model evaluate --json`, checked.
        config: everything that was asked for.
        weights: what is known of the backbone's weights.
        cost: seconds and CPU-seconds.
        reason: what is wrong with it, or how far it is.
        changed: when it was last written, in seconds since 1970.
    """

    name: str
    status: Status
    recipe: str = ""
    digest: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    changed: float = 0.0

    @property
    def head(self) -> str | None:
        """The split whose figure speaks for the run, or None."""
        return next((split for split in HEADLINES if self.figures.get(split)), None)

    @property
    def source(self) -> str:
        """Where the weights are from."""
        return str(self.weights.get("source", ""))

    def figure(self, split: str) -> dict[str, Any] | None:
        """`n`, `accuracy` and `interval` of a split, or None."""
        part = self.figures.get(split)
        return None if part is None else {key: part[key] for key in _SUMMARY}

    def as_json(self) -> dict[str, Any]:
        """The line in the document of `stj-model runs`."""
        return {
            "name": self.name,
            "status": self.status,
            "recipe": self.recipe,
            "weights": self.source,
            "dataset": self.digest,
            **{split: self.figure(split) for split in ("test", "leave_sources_out", "out_of_fold")},
            "seconds": self.cost.get("seconds"),
            "reason": self.reason,
            "changed": self.changed,
        }


def list_runs(runs: Path, read: Callable[[Path], RunEntry] | None = None) -> list[RunEntry]:
    """Every run below a folder, the newest first; a folder that is none is an entry with the reason.

    Args:
        runs: the folder of runs (STJ_RUNS); it may be missing.
        read: makes the entry of one folder; `read_run` if not given.
    """
    if not runs.is_dir():
        return []
    read = read or read_run
    whole = [read(path) for path in runs.iterdir() if path.is_dir() and not path.is_symlink() and path.name[0] != "."]
    aside = runs / UNFINISHED
    begun = [_unfinished(path) for path in aside.iterdir() if path.is_dir()] if aside.is_dir() else []
    return sorted([*whole, *begun], key=lambda entry: (-entry.changed, entry.name))


def latest_run(runs: Path) -> str | None:
    """The name that `latest` points at, else that of the newest whole run, or None."""
    link = runs / LATEST
    whole = [entry.name for entry in list_runs(runs) if entry.status == "finished"]
    if link.is_dir() and link.resolve().name in whole:
        return link.resolve().name
    return whole[0] if whole else None


def read_run(folder: Path) -> RunEntry:
    """A run folder as an entry; whatever is wrong with it makes it a broken one."""
    try:
        run = open_run(folder, folder.parent)
        document, metrics = run.document, run.read_json(METRICS)
        run.config()
        run.words()
        run.calibration()
        for archive in (MODEL, NEIGHBOURS):
            with reading(folder / archive):
                archive_digest(folder / archive)
        return _finished(run.name, document, metrics, _changed(folder / CONFIG))
    except StjError as error:
        why = str(error)
    except PARSER_ERRORS as error:
        why = _unknown(error)
    return RunEntry(folder.name, "broken", reason=why, changed=_changed(folder))


def read_published_run(name: str, config: bytes, metrics: bytes, changed: float) -> RunEntry:
    """A run of which nothing else is here as an entry: its `config.json` and `metrics.json` are read, and its network is not."""
    try:
        return _finished(name, json.loads(config), json.loads(metrics), changed)
    except PARSER_ERRORS as error:
        return RunEntry(name, "broken", reason=_unknown(error), changed=changed)


def _finished(name: str, document: Mapping[str, Any], metrics: Mapping[str, Any], changed: float) -> RunEntry:
    return RunEntry(
        name=name,
        status="finished",
        recipe=str(document["config"]["recipe"]),
        digest=str(document["dataset_digest"]),
        figures={str(split): _checked(part) for split, part in metrics["figures"].items()},
        config=dict(document["config"]),
        weights=dict(document["weights"]),
        cost={str(name): float(value) for name, value in metrics.get("cost", {}).items()},
        changed=changed,
    )


def _unknown(error: Exception) -> str:
    return f"{CONFIG} or {METRICS} is not one that this STJ knows ({reason(error)}): train again."


def _checked(part: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a split, if everything that tables and pages read of them is there and of its kind.

    Raises:
        KeyError: a figure is missing.
        ValueError: one is not what it is called.
    """
    for name in ("n", "correct", "accuracy", "ece"):
        if name != "ece" or name in part:
            _number(part[name], name)
    if len(part["interval"]) != 2:
        raise ValueError(f"interval is {part['interval']!r}")
    for end in part["interval"]:
        _number(end, "interval")
    for label, figures in part["per_class"].items():
        int(label)
        for name in ("precision", "recall", "f1", "n"):
            _number(figures[name], name)
    size = len(part["per_class"])
    if len(part["confusion"]) != size or any(len(line) != size for line in part["confusion"]):
        raise ValueError(f"confusion is not of {size} × {size} classes")
    for count in (count for line in part["confusion"] for count in line):
        _number(count, "confusion")
    for figures in part["per_source"].values():
        for name in ("n", "correct"):
            _number(figures[name], name)
    return dict(part)


def _number(value: object, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, Real) or not abs(float(value)) < float("inf"):
        raise ValueError(f"{name} is {value!r}")


def _unfinished(folder: Path) -> RunEntry:
    busy = _is_held(folder / "lock")
    epoch = _epoch(folder)
    far = "" if epoch is None else f"after epoch {epoch}"
    hint = "" if busy else "the same stj-model train goes on from here"
    return RunEntry(
        name=f"{UNFINISHED}/{folder.name}",
        status="training" if busy else "interrupted",
        reason="; ".join(filter(None, (far, hint))),
        changed=_changed(folder),
    )


def _is_held(lock: Path) -> bool:
    """Whether a process trains this run now: it holds the lock."""
    try:
        check_regular(lock)
        with lock.open() as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (OSError, ValueError):
        return False
    return False


def _epoch(folder: Path) -> int | None:
    path = folder / "checkpoint.json"
    try:
        check_regular(path)
        return int(json.loads(path.read_text(encoding="utf-8"))["state"]["epoch"])
    except PARSER_ERRORS:
        return None


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
