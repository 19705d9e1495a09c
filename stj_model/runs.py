"""The runs that there are, for a table: finished ones with their figures, unfinished ones, and broken ones with the reason."""

from __future__ import annotations

import fcntl
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from stj_core.errors import StjError
from stj_model.run_dir import CONFIG, METRICS, UNFINISHED, open_run

Status = Literal["finished", "training", "interrupted", "broken"]


@dataclass(frozen=True)
class RunLine:
    """A run as a table shows it; what is not known is empty or None.

    Attributes:
        name: the folder's name; an unfinished run has a key instead.
        status: `training` while a process is at it, `interrupted` where the same command would go on.
        recipe: how it was trained.
        weights: where its weights are from.
        dataset: the digest of what it was trained on.
        test: `n`, `accuracy` and `interval` on the test split.
        leave_sources_out: the same with each picture's shop left out of what was learned.
        out_of_fold: the same out of fold.
        seconds: how long the training took.
        reason: what is wrong with it, or how far it is.
        changed: when it was last written, in seconds since 1970.
    """

    name: str
    status: Status
    recipe: str = ""
    weights: str = ""
    dataset: str = ""
    test: dict[str, Any] | None = None
    leave_sources_out: dict[str, Any] | None = None
    out_of_fold: dict[str, Any] | None = None
    seconds: float | None = None
    reason: str = ""
    changed: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The line in the document of `stj-model runs`."""
        return asdict(self)


def list_runs(runs: Path) -> list[RunLine]:
    """Every run below a folder, the newest first; a folder that is none is a line with the reason.

    Args:
        runs: the folder of runs (STJ_RUNS); it may be missing.
    """
    if not runs.is_dir():
        return []
    whole = [
        _finished(path) for path in runs.iterdir() if path.is_dir() and not path.is_symlink() and path.name[0] != "."
    ]
    aside = runs / UNFINISHED
    begun = [_unfinished(path) for path in aside.iterdir() if path.is_dir()] if aside.is_dir() else []
    return sorted([*whole, *begun], key=lambda line: (-line.changed, line.name))


def _finished(folder: Path) -> RunLine:
    try:
        run = open_run(folder, folder.parent)
        document, metrics = run.document, run.read_json(METRICS)
        figures = metrics["figures"]
        return RunLine(
            name=run.name,
            status="finished",
            recipe=str(document["config"]["recipe"]),
            weights=str(document["weights"].get("source", "")),
            dataset=str(document["dataset_digest"]),
            test=_figure(figures.get("test")),
            leave_sources_out=_figure(figures.get("leave_sources_out")),
            out_of_fold=_figure(figures.get("out_of_fold")),
            seconds=metrics.get("cost", {}).get("seconds"),
            changed=_changed(folder / CONFIG),
        )
    except StjError as error:
        reason = str(error)
    except (KeyError, TypeError, AttributeError) as error:
        reason = f"{CONFIG} or {METRICS} is not one that this STJ knows ({type(error).__name__}: {error}): train again."
    return RunLine(folder.name, "broken", reason=reason, changed=_changed(folder))


def _figure(part: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if part is None else {key: part[key] for key in ("n", "accuracy", "interval")}


def _unfinished(folder: Path) -> RunLine:
    busy = _is_held(folder / "lock")
    epoch = _epoch(folder)
    far = "" if epoch is None else f"after epoch {epoch}"
    hint = "" if busy else "the same stj-model train goes on from here"
    return RunLine(
        name=f"{UNFINISHED}/{folder.name}",
        status="training" if busy else "interrupted",
        reason="; ".join(filter(None, (far, hint))),
        changed=_changed(folder),
    )


def _is_held(lock: Path) -> bool:
    """Whether a process trains this run now: it holds the lock."""
    try:
        with lock.open() as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _epoch(folder: Path) -> int | None:
    try:
        return int(json.loads((folder / "checkpoint.json").read_text(encoding="utf-8"))["state"]["epoch"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
