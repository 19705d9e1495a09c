"""Training runs: a table, one run with its report, and two or more side by side."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, render_template, request

from stj_catalog.gallery import tiles_of
from stj_catalog.lookup import ids_of_checksums
from stj_model.runs import RunEntry
from stj_web import params, security
from stj_web.errors import RefusalError, not_found
from stj_web.runs import shared_splits, verdict
from stj_web.studio import studio
from stj_web.views.catalogue import sent_thumbnail

pages = Blueprint("runs", __name__)
_MOST = 6
_SPLIT_NAMES = {"test": "test", "out_of_fold": "out of fold", "val": "validation", "train": "training"}


@pages.get("/runs")
def runs() -> str:
    """Every run, newest first."""
    here = studio().runs
    return render_template("runs.html", stories=here.stories(), latest=here.latest(), splits=_SPLIT_NAMES)


@pages.get("/runs/<string(maxlength=120):name>")
def run(name: str) -> str:
    """One run."""
    here = studio().runs
    story = here.story(name)
    opened = here.open(name)
    return render_template(
        "run.html",
        story=story,
        history=opened.history(),
        mistakes=_mistakes(name)[:24],
        labels=_labels(name),
        splits=_SPLIT_NAMES,
        has_report=here.report(name) is not None,
        environment=here.environment(name),
    )


@pages.get("/runs/<string(maxlength=120):name>/report")
def report(name: str) -> Response:
    """The run's own report: one file that needs nothing else and may reach nothing."""
    found = studio().runs.report(name)
    if found is None:
        raise not_found("This run has no report: stj-model writes one at the end of a training.")
    response = Response(found, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = security.REPORT_POLICY
    return response


@pages.get("/runs/<string(maxlength=120):name>/pictures/<string(length=64):sha256>")
def training_picture(name: str, sha256: str) -> Response:
    """A small version of a picture that a run learned from or was judged on."""
    here = studio()
    row = here.runs.manifest(name).get(sha256)
    if row is None:
        raise not_found("No picture of this run's dataset has this checksum.")

    def load() -> bytes:
        catalog = here.catalog_or_none
        ids = ids_of_checksums(catalog, [row.original_sha256]) if catalog else {}
        tiles = tiles_of(catalog, list(ids.values())) if catalog and ids else []
        if tiles and tiles[0].path and tiles[0].status != "forgotten":
            try:
                return here.store.read(tiles[0].path)
            except FileNotFoundError:
                pass
        return here.runs.dataset_file(name, row).read_bytes()

    return sent_thumbnail(row.sha256, "tile", load)


@pages.get("/compare")
def compare() -> str:
    """Two or more runs side by side."""
    here = studio().runs
    wanted = list(dict.fromkeys(request.args.getlist("run")))
    if len(wanted) > _MOST:
        raise RefusalError(400, "bad_request", f"{len(wanted)} runs are too many side by side: {_MOST} are shown.")
    stories = [here.story(name) for name in wanted]
    shared = shared_splits(stories)
    split = params.choice("split", tuple(_SPLIT_NAMES)) or (shared[0] if shared else None)
    return render_template(
        "compare.html",
        stories=stories,
        all_names=here.names(),
        shared=shared,
        split=split if split in shared else None,
        splits=_SPLIT_NAMES,
        histories=[(story.name, here.open(story.name).history()) for story in stories],
        labels=_labels(stories[0].name) if stories else {},
        verdict=_verdict(stories, split),
        differing=_differing(stories),
    )


def _mistakes(name: str) -> list[dict[str, Any]]:
    """What a run got wrong, with the checksum by which the catalogue knows each picture."""
    here = studio().runs
    rows = here.manifest(name)
    return [
        one | {"original": rows[sha256].original_sha256 if sha256 in rows else sha256}
        for one in here.mistakes(name)
        for sha256 in [str(one.get("sha256", ""))]
    ]


def _labels(name: str) -> dict[int, str]:
    return studio().runs.open(name).labels()


def _differing(stories: list[RunEntry]) -> list[tuple[str, list[Any]]]:
    """The settings in which some runs differ."""
    names = sorted({name for story in stories for name in story.config})
    rows = [(name, [story.config.get(name) for story in stories]) for name in names]
    return [(name, values) for name, values in rows if any(value != values[0] for value in values)]


def _verdict(stories: list[RunEntry], split: str | None) -> str | None:
    """Whether two runs differ by more than chance, where that can be said."""
    if len(stories) != 2 or split is None:
        return None
    here = studio().runs
    return verdict(here.open(stories[0].name), here.open(stories[1].name), split)
