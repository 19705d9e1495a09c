"""Training runs: a table, one run with its report, and two or more side by side."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from flask import Blueprint, Response, render_template, request, url_for

from stj_core.cli import counted
from stj_core.errors import ModelError
from stj_model.runs import HEADLINES, SPLIT_NAMES, RunEntry, why_no_honest_figure
from stj_web import params, security
from stj_web.changes import Changes, changes_between
from stj_web.errors import RefusalError, not_found
from stj_web.forgetting import forgotten_ones, forgotten_rows, refuse_forgotten
from stj_web.predictions import JUDGED, RunPredictions, by_shop, reliability
from stj_web.reports import without_forgotten
from stj_web.runs import compared, shared_splits
from stj_web.studio import studio
from stj_web.tables import KINDS, download
from stj_web.training_files import training_bytes
from stj_web.views.catalogue import sent_thumbnail

pages = Blueprint("runs", __name__)
_MOST = 6
_NAME = "string(maxlength=255):name"
T = TypeVar("T")


@pages.get("/runs")
def runs() -> str:
    """Every run, newest first."""
    here = studio().runs
    return render_template("runs.html", entries=here.entries(), latest=here.latest(), splits=SPLIT_NAMES)


@pages.get(f"/runs.<{KINDS}>")
def download_runs(kind: str) -> Response:
    """Every run with its figures, as a file; a broken one with the reason."""
    judged = [f"{split}_{what}" for split in HEADLINES for what in ("n", "accuracy", "low", "high")]
    columns = ("name", "status", "reason", "recipe", "dataset", "weights", "seconds", *judged)
    return download(kind, "runs", columns, (_line(entry) for entry in studio().runs.entries()))


def _line(entry: RunEntry) -> dict[str, Any]:
    """A run as a line of a table."""
    told = {name: value for name, value in entry.as_json().items() if not isinstance(value, dict)}
    for split in HEADLINES:
        if figure := entry.figure(split):
            low, high = figure["interval"]
            told |= {f"{split}_n": figure["n"], f"{split}_accuracy": figure["accuracy"]}
            told |= {f"{split}_low": low, f"{split}_high": high}
    return told


@pages.get(f"/runs/<{_NAME}>")
def run(name: str) -> str:
    """One run; what of it cannot be read is said on its page."""
    here = studio().runs
    entry = here.entry(name)
    if entry.status != "finished":
        return render_template("run.html", entry=entry, notes=[entry.reason], splits=SPLIT_NAMES)
    notes: list[str] = []
    said = _said(notes, name)
    mistakes, unreadable = _readable(notes, lambda: here.mistakes(name)) or ([], 0)
    mistakes, hidden = _known_mistakes(name, mistakes)
    if hidden:
        notes.append(f"{counted(hidden, 'mistake')} of the run is not shown: the picture was forgotten.")
    if unreadable:
        notes.append(f"{unreadable} lines of the run's mistakes.json cannot be read.")
    return render_template(
        "run.html",
        entry=entry,
        history=_readable(notes, lambda: here.history(name)) or [],
        mistakes=mistakes[:24],
        labels=here.labels(name),
        splits=SPLIT_NAMES,
        has_report=_readable(notes, lambda: here.report(name)) is not None,
        environment=_readable(notes, lambda: here.environment(name)) or {},
        links={judged: partial(_cell, name, judged) for judged in JUDGED if said and said.by_row.get(judged)},
        no_honest_figure="" if "leave_sources_out" in entry.figures else why_no_honest_figure(entry.recipe),
        tables=_tables(said),
        notes=notes,
    )


@pages.get(f"/runs/<{_NAME}>/report")
def report(name: str) -> Response:
    """The run's own report: one file that needs nothing else and may reach nothing."""
    here = studio()
    found = here.runs.report(name)
    if found is None:
        raise not_found("This run has no report: stj-model writes one at the end of a training.")
    if lost := forgotten_rows(here, here.runs.manifest(name).values()):
        gone = [row for row in here.runs.manifest(name).values() if row.sha256 in lost]
        page = without_forgotten(found.decode("utf-8", "replace"), gone)
        if page is None:
            raise RefusalError(
                410,
                "forgotten",
                f"This report is not shown: the run's dataset holds {counted(len(lost), 'picture')} forgotten since, and what "
                "shows it cannot be told from the rest. Export and train again, then delete the run.",
            )
        found = page.encode()
    response = Response(found, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = security.REPORT_POLICY
    return response


@pages.get(f"/runs/<{_NAME}>/pictures/<string(length=64):sha256>")
def training_picture(name: str, sha256: str) -> Response:
    """A small version of a picture that a run learned from or was judged on."""
    here = studio()
    row = here.runs.manifest(name).get(sha256)
    if row is None:
        raise not_found("No picture of this run's dataset has this checksum.")
    refuse_forgotten(here, row.sha256, row.original_sha256)
    return sent_thumbnail(row.sha256, "tile", lambda: training_bytes(here, name, row))


@pages.get("/compare")
def compare() -> str:
    """Two or more runs side by side."""
    here = studio().runs
    wanted = list(dict.fromkeys(request.args.getlist("run")))
    if len(wanted) > _MOST:
        raise RefusalError(400, "bad_request", f"{len(wanted)} runs are too many side by side: {_MOST} are shown.")
    entries = [here.entry(here.open(name).name) for name in wanted]
    shared = shared_splits(entries)
    # The first that both were asked about picture by picture, so that the comparison can say whether it is chance.
    told = next((split for split in JUDGED if split in shared), shared[0] if shared else None)
    split = params.choice("split", tuple(SPLIT_NAMES)) or told
    notes: list[str] = []
    verdict, changes = _two(entries, split)
    return render_template(
        "compare.html",
        entries=entries,
        shared=shared,
        split=split if split in shared else None,
        splits=SPLIT_NAMES,
        histories=[(entry.name, _readable(notes, partial(here.history, entry.name)) or []) for entry in entries],
        labels={entry.name: here.labels(entry.name) for entry in entries},
        verdict=verdict,
        changes=changes,
        differing=_differing(entries),
        notes=notes,
    )


def _said(notes: list[str], name: str) -> RunPredictions | None:
    """What the run says of the catalogue's pictures; nothing where there is no catalogue."""
    if studio().catalog_or_none is None:
        return None
    return _readable(notes, lambda: studio().predictions.of(name))


def _tables(said: RunPredictions | None) -> dict[str, Any] | None:
    """The shops with their mistakes, and how often the run is right where it is so sure."""
    every = list(said.all().values()) if said else []
    return {"shops": by_shop(every), "bins": reliability(every)} if every else None


def _cell(name: str, judged: str, true: int, guess: int) -> str:
    """Where the pictures of a confusion matrix' cell are shown."""
    return url_for("catalogue.gallery", run=name, judged=judged, true=true, guess=guess)


def _readable(notes: list[str], read: Callable[[], T]) -> T | None:
    """A part of a run, or None where it cannot be read: then the notes say why."""
    try:
        return read()
    except ModelError as error:
        notes.append(str(error))
        return None


def _known_mistakes(name: str, mistakes: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """Mistakes with the checksum by which the catalogue knows each picture, and how many are of forgotten ones."""
    here = studio()
    rows = here.runs.manifest(name)
    told = [
        one | {"original": rows[one["sha256"]].original_sha256 if one["sha256"] in rows else one["sha256"]}
        for one in mistakes
    ]
    lost = forgotten_ones(here, {sha256 for one in told for sha256 in (one["sha256"], one["original"])})
    shown = [one for one in told if not lost & {one["sha256"], one["original"]}]
    return shown, len(told) - len(shown)


def _differing(entries: list[RunEntry]) -> list[tuple[str, list[Any]]]:
    """The settings in which some runs differ."""
    names = sorted({name for entry in entries for name in entry.config})
    rows = [(name, [entry.config.get(name) for entry in entries]) for name in names]
    return [(name, values) for name, values in rows if any(value != values[0] for value in values)]


def _two(entries: list[RunEntry], split: str | None) -> tuple[str | None, Changes | None]:
    """Whether two runs differ by more than chance, where that can be said, and what changed from one to the other."""
    if len(entries) != 2:
        return None, None
    here = studio()
    one, two = (here.runs.open(entry.name) for entry in entries)
    verdict, comparison = compared(one, two, split) if split is not None else (None, None)
    return verdict, changes_between(here, one, two, comparison)
