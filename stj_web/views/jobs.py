"""The loop in the browser: export, train and compare as jobs of this machine, watched live, and what changed afterwards."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Reply

from stj_catalog.crawl_status import crawls_page
from stj_web import params, security
from stj_web.filters import reviewer
from stj_web.job_commands import LOOP, RECIPES, WEIGHTS, loop_options
from stj_web.job_files import Job, Step
from stj_web.studio import studio

pages = Blueprint("jobs", __name__)
NAMES = {
    "export": "Export a dataset",
    "train": "Train a model",
    "compare": "Compare with the run before",
    "crawl": "Crawl",
}


@pages.get("/jobs")
def jobs() -> str:
    """The queue, and the form of the loop."""
    here = studio()
    here.jobs.begin()
    found, unreadable = here.jobs.files.all()
    return render_template(
        "jobs.html",
        jobs=found,
        unreadable=unreadable,
        recipes=RECIPES,
        weights=WEIGHTS,
        weights_set=here.config.weights,
        catalog=here.catalog_or_none is not None,
        step_names=NAMES,
        works=here.jobs.works,
    )


@pages.get(f"/jobs/<{params.ID}:number>")
def job(number: int) -> str:
    """One job, live."""
    here = studio()
    here.jobs.begin()
    found = here.jobs.get(number)
    return render_template("job.html", job=found, step_names=NAMES, told=_told(found), works=here.jobs.works)


@pages.get(f"/jobs/<{params.ID}:number>.json")
def progress(number: int) -> Response:
    """How a job stands, for its page."""
    return jsonify(_told(studio().jobs.get(number)))


@pages.post("/jobs/loop")
@security.writes
def loop() -> Reply:
    """Queue an export, a training and a comparison."""
    options = loop_options(request.form)
    made = studio().jobs.add("loop", f"Export, train ({options['recipe']}), compare", options, LOOP, reviewer())
    return redirect(url_for("jobs.job", number=made.id))


@pages.post(f"/jobs/<{params.ID}:number>/cancel")
@security.writes
def cancel(number: int) -> Reply:
    """Stop a job politely."""
    done = studio().jobs.cancel(number)
    flash(done.sentence if done.over else "It is asked to stop, and ends as soon as it has written what it knows.")
    return redirect(url_for("jobs.job", number=number))


@pages.post(f"/jobs/<{params.ID}:number>/again")
@security.writes
def again(number: int) -> Reply:
    """Give a job's commands once more."""
    made = studio().jobs.again(number, reviewer())
    return redirect(url_for("jobs.job", number=made.id))


def _told(found: Job) -> dict[str, Any]:
    """A job as its page shows it."""
    return {
        "id": found.id,
        "state": found.state,
        "cancel": found.cancel,
        "over": found.over,
        "sentence": found.sentence,
        "began_at": found.began_at,
        "ended_at": found.ended_at,
        "steps": [_step(step) for step in found.steps],
        "log": studio().jobs.files.tail(found.id),
        "links": _links(found),
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        "title": NAMES.get(step.name, step.name),
        "state": step.state,
        "began_at": step.began_at,
        "ended_at": step.ended_at,
        "sentence": step.sentence,
    }


def _links(found: Job) -> list[dict[str, str]]:
    """Where what a job made is looked at."""
    links: list[dict[str, str]] = []
    names = studio().runs.names()
    train = found.step("train")
    run = (train.result or {}).get("run") if train else None
    before = found.options.get("before")
    if run in names:
        if before in names and before != run:
            links.append({"title": "What changed", "href": url_for("runs.compare", run=[before, run])})
        links.append({"title": "The new run", "href": url_for("runs.run", name=run)})
        links.append({"title": "Its map", "href": url_for("maps.show", name=run)})
    if found.step("crawl") and found.began_at and (crawl := _crawl_of(found)):
        links.append({"title": "The crawl, live", "href": url_for("crawls.crawl", crawl_id=crawl)})
    return links


def _crawl_of(found: Job) -> int | None:
    """The crawl that a job began or went on with: the newest of its spider that was under way since."""
    catalog = studio().catalog_or_none
    newest = crawls_page(catalog, limit=10) if catalog else []
    mine = [
        one
        for one in newest
        if one["spider"] == found.options.get("spider")
        and (one["state"] == "running" or (one["finished_at"] or one["started_at"]) >= (found.began_at or ""))
    ]
    return int(mine[0]["id"]) if mine else None
