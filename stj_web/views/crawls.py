"""Crawls: what is running, live; starting and stopping them through scrapyd where there is one, else as jobs of this machine."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Reply

from stj_catalog.crawl_status import crawl_pulse, crawled_origins, crawls_page
from stj_catalog.gallery import Tile, newest_pictures
from stj_core.addresses import is_loopback
from stj_core.errors import StjError
from stj_core.labels import find_category
from stj_core.shops.shop import spider_of_any
from stj_core.vocabulary import CrawlState
from stj_web import params, security
from stj_web.errors import RefusalError, busy, not_found
from stj_web.filters import reviewer
from stj_web.job_commands import crawl_options
from stj_web.studio import Studio, studio

pages = Blueprint("crawls", __name__)
_SECONDS_BETWEEN = 1.0
# A stream ends after so long and the browser opens the next: a thread is never held by somebody who left.
_SECONDS_OPEN = 45.0
PERMISSION = (
    "a shop's pages and pictures are its own and its makers', and may show people. Ask the shop for permission first, then say "
    "here that you have it."
)


@pages.get("/crawls")
def crawls() -> str:
    """Every crawl, newest first."""
    here = studio()
    catalog = here.catalog_or_none
    limit = params.limit(30)
    found = crawls_page(catalog, after=params.whole("after"), limit=limit) if catalog else []
    return render_template(
        "crawls.html",
        crawls=found,
        after=found[-1]["id"] if len(found) == limit else None,
        scrapyd=here.scrapyd.alive(),
        address=here.scrapyd.address,
        jobs=_jobs(here),
        categories=here.labels,
        origin=here.config.origin,
        host=_host(here),
        permission=PERMISSION if needs_permission(here) else "",
        queue=[one for one in here.jobs.files.all()[0] if one.kind == "crawl"][:10],
    )


@pages.get(f"/crawls/<{params.ID}:crawl_id>")
def crawl(crawl_id: int) -> str:
    """One crawl, live."""
    catalog = studio().catalog
    pulse = crawl_pulse(catalog, crawl_id)
    if pulse is None:
        raise not_found(f"There is no crawl {crawl_id}.")
    return render_template("crawl.html", pulse=pulse, tiles=newest_pictures(catalog, crawl_id))


@pages.get(f"/crawls/<{params.ID}:crawl_id>/events")
def events(crawl_id: int) -> Response:
    """How a crawl stands, as server-sent events, whenever that changes."""
    here = studio()
    if crawl_pulse(here.catalog, crawl_id) is None:
        raise not_found(f"There is no crawl {crawl_id}.")
    if not here.streams.acquire(blocking=False):
        raise busy("Too many pages watch crawls at once.")
    here.metrics.streams.inc()
    return _Stream(_told(here, crawl_id), here, content_type="text/event-stream")


@pages.post("/crawls/start")
@security.writes
def start() -> Reply:
    """Queue a crawl: in scrapyd where there is one, else on this machine."""
    here = studio()
    category = find_category(request.form.get("category", ""), here.labels)
    arguments = crawl_options(request.form, here.config.origin)
    if needs_permission(here) and request.form.get("permission") != "yes":
        raise RefusalError(400, "no_permission", f"Nothing was asked of {_host(here)}: {PERMISSION}")
    if category.spider == spider_of_any(category.shop):
        arguments["category"] = category.slug
    if here.scrapyd.alive():
        job = here.scrapyd.start(category.spider, arguments)
        flash(f"The crawl of {category.name} is queued (job {job[:8]}).")
        return redirect(url_for("crawls.crawls"))
    made = here.jobs.add(
        "crawl", f"Crawl {category.name}", {**arguments, "spider": category.spider}, ("crawl",), reviewer()
    )
    return redirect(url_for("jobs.job", number=made.id))


def needs_permission(here: Studio) -> bool:
    """Whether this is a host that is not this machine and that no crawl of the catalogue has asked yet."""
    if is_loopback(here.config.origin):
        return False
    catalog = here.catalog_or_none
    return catalog is None or here.config.origin not in crawled_origins(catalog)


def _host(here: Studio) -> str:
    return urlsplit(here.config.origin).netloc


@pages.post("/crawls/cancel")
@security.writes
def cancel() -> Reply:
    """Stop a job of scrapyd politely: the same crawl can go on later."""
    job = request.form.get("job", "")
    known = {
        str(one.get("id")) for state, jobs in studio().scrapyd.jobs().items() if state != "finished" for one in jobs
    }
    if job not in known:
        raise not_found("scrapyd has no such job that is pending or running.")
    studio().scrapyd.cancel(job)
    flash("The crawl is asked to stop; it can be resumed by the same command.")
    return redirect(url_for("crawls.crawls"))


def tile_json(tile: Tile) -> dict[str, Any]:
    """A picture as the live page shows it."""
    return {
        "id": tile.id,
        "title": tile.title or "",
        "status": tile.status,
        "reason": tile.reason,
        "path": bool(tile.path),
    }


class _Stream(Response):
    """An answer that gives its place back however it ends."""

    def __init__(self, told: Iterator[str], here: Studio, content_type: str) -> None:
        super().__init__(told, content_type=content_type)
        self.headers["Cache-Control"] = "no-store"
        self.headers["X-Accel-Buffering"] = "no"
        self.call_on_close(here.streams.release)
        self.call_on_close(here.metrics.streams.dec)


def _told(here: Studio, crawl_id: int) -> Iterator[str]:
    yield "retry: 1000\n\n"
    ends = time.monotonic() + _SECONDS_OPEN
    before = ""
    while time.monotonic() < ends:
        pulse = _pulse(here, crawl_id)
        if pulse is None:
            break
        text = json.dumps(pulse, ensure_ascii=False)
        yield ": nothing new\n\n" if text == before else f"event: pulse\ndata: {text}\n\n"
        before = text
        if pulse["state"] != CrawlState.RUNNING:
            yield "event: over\ndata: {}\n\n"
            return
        time.sleep(_SECONDS_BETWEEN)


def _pulse(here: Studio, crawl_id: int) -> dict[str, Any] | None:
    """How a crawl stands, with its newest pictures; None where it cannot be read now."""
    try:
        catalog = here.catalog
        pulse = crawl_pulse(catalog, crawl_id)
        newest = newest_pictures(catalog, crawl_id, 24) if pulse else []
    except StjError:
        return None
    return None if pulse is None else pulse | {"newest": [tile_json(tile) for tile in newest]}


def _jobs(here: Studio) -> dict[str, list[dict[str, Any]]]:
    with suppress(RefusalError):
        return here.scrapyd.jobs()
    return {"pending": [], "running": [], "finished": []}
