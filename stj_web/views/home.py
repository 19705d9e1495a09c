"""The overview: what there is, and what to do next; logging in."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Reply

from stj_catalog.crawl_status import crawls_page
from stj_catalog.exports import newest_exports
from stj_catalog.stats import Counts, count_all
from stj_core.vocabulary import Status, in_order
from stj_web import security
from stj_web.errors import RefusalError
from stj_web.security import limiter
from stj_web.studio import studio

pages = Blueprint("home", __name__)


@pages.get("/")
def home() -> str:
    """What the studio holds."""
    here = studio()
    catalog = here.catalog_or_none
    story: dict[str, Any] = {"counts": None, "by_label": [], "totals": {}, "crawls": [], "exports": [], "run": None}
    if catalog is not None:
        counts = here.remembered("counts", lambda: count_all(catalog))
        story |= {
            "counts": counts,
            "by_label": _by_label(counts, here.names),
            "totals": _totals(counts),
            "crawls": crawls_page(catalog, limit=4),
            "exports": newest_exports(catalog, 1),
        }
    latest = here.runs.latest()
    if latest is not None:
        story["run"] = here.runs.entry(latest)
    return render_template("home.html", **story)


@pages.get("/login")
def login() -> str:
    """Ask for the token."""
    return render_template("login.html")


@pages.post("/login")
@limiter.limit("10 per minute")
def log_in() -> Reply:
    """Take the token."""
    if not security.is_token(request.form.get("token", "")):
        raise RefusalError(
            403, "forbidden", "That is not the studio's token: it was set as STJ_WEB_TOKEN when the studio was started."
        )
    security.log_in()
    return redirect(url_for("home.home"))


@pages.post("/logout")
def log_out() -> Reply:
    """Forget the token in this browser."""
    security.log_in(leave=True)
    return redirect(url_for("home.home"))


@pages.get("/metrics")
def metrics() -> Response:
    """Numbers for Prometheus."""
    return studio().metrics.text()


def _totals(counts: Counts) -> dict[str, int]:
    totals = {status.value: 0 for status in Status}
    for (_, status), n in counts.images.items():
        totals[status] = totals.get(status, 0) + n  # a word of another version is counted, too
    return totals


def _name(label: int | None, names: dict[int, str], statuses: dict[str, int]) -> str:
    if label is None:
        return "none of the classes" if set(statuses) == {Status.KEPT} else "without a class"
    return names.get(label, f"class {label}")


def _by_label(counts: Counts, names: dict[int, str]) -> list[dict[str, Any]]:
    found = []
    labels = sorted({*names, *(label for label, _ in counts.images if label is not None)})
    unlabelled = [None] if any(label is None for label, _ in counts.images) else []
    for label in (*labels, *unlabelled):
        here = {status: n for (mine, status), n in counts.images.items() if mine == label}
        each = {status: here.get(status, 0) for status in in_order(Status, {*Status, *here})}
        found.append({"label": label, "name": _name(label, names, here), "statuses": each, "total": sum(each.values())})
    return found
