"""The REST interface; `openapi.py` documents it, and a test holds the two together."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request, url_for

from stj_catalog.crawl_status import crawl_pulse, crawls_page
from stj_catalog.decisions import decisions_page
from stj_catalog.gallery import Tile
from stj_catalog.provenance import sightings_page, trace, whole_picture
from stj_catalog.reviews import Decided, record_review, take_back, take_back_many
from stj_core import __version__
from stj_core.errors import ModelError
from stj_core.vocabulary import Status
from stj_web import params, security
from stj_web.errors import RefusalError, not_found
from stj_web.filters import reviewer
from stj_web.forgetting import gone, is_forgotten, told_of
from stj_web.listing import Listing, list_pictures
from stj_web.openapi import document
from stj_web.runs import run_json
from stj_web.security import classify_limit
from stj_web.studio import studio
from stj_web.views.classify import as_json, judge
from stj_web.views.review import known_label
from stj_web.views.selection import decide_many

pages = Blueprint("api", __name__)
_ROOT = "/api/v1"


@pages.get("/health")
@pages.get(f"{_ROOT}/health")
def health() -> Response:
    """Whether the studio works, and with what."""
    here = studio()
    catalog = here.catalog_or_none is not None
    return jsonify(
        status="ok", version=__version__, catalog=catalog, run=here.runs.latest(), loaded=here.classifier.loaded
    )


@pages.get(f"{_ROOT}/openapi.json")
def openapi() -> Response:
    """The interface's own description."""
    return jsonify(document(__version__, studio().web.max_files))


@pages.post(f"{_ROOT}/classify")
@classify_limit
@security.same_site
def classify() -> Response:
    """Judge one picture or several."""
    if request.mimetype != "multipart/form-data":
        raise RefusalError(
            415, "unsupported_media_type", "Send the pictures as multipart/form-data, in the field “files”."
        )
    explain = request.form.get("explain", "0")
    if explain not in {"0", "1"}:
        raise RefusalError(400, "bad_request", f"explain is 0 or 1; got {explain[:20]}.")
    run, judged = judge(studio(), explain=explain == "1")
    return jsonify(run=run, answers=[as_json(one, run) for one in judged])


@pages.get(f"{_ROOT}/images")
def images() -> Response:
    """A page of pictures."""
    page = list_pictures(
        studio(), params.pictures(), params.model(), limit=params.limit(), after=params.whole("after"), counting=False
    )
    return jsonify(images=[_tile(tile) | {"model": _said(page, tile.id)} for tile in page.tiles], next=page.after)


@pages.get(f"{_ROOT}/images/<{params.ID}:image_id>")
def image(image_id: int) -> Response:
    """One picture with everything that is known of it."""
    found = whole_picture(studio().catalog, image_id)
    if found is None:
        raise not_found(f"There is no picture {image_id} in the catalogue.")
    if found.row["status"] == Status.FORGOTTEN:
        raise gone()
    return jsonify(
        image=found.row,
        sightings=found.sightings,
        sighted=found.sighted,
        group=[_tile(tile) for tile in found.group],
        neighbours=[{"image": _tile(tile), "likeness": likeness} for tile, likeness in found.neighbours],
        reviews=found.reviews,
        exports=found.exports,
        tags=found.tags,
        told=[{"image": _tile(tile), "word": word} for tile, word in found.told],
    )


@pages.get(f"{_ROOT}/images/<{params.ID}:image_id>/sightings")
def image_sightings(image_id: int) -> Response:
    """A page of one picture's sightings."""
    if whole_picture(studio().catalog, image_id, most=1) is None:
        raise not_found(f"There is no picture {image_id} in the catalogue.")
    return _paged(
        "sightings", sightings_page(studio().catalog, image=image_id, after=params.whole("after"), limit=params.limit())
    )


@pages.get(f"{_ROOT}/sightings")
def sightings() -> Response:
    """A page of sightings."""
    wanted = {name: params.whole(name) for name in ("image", "crawl", "after")}
    return _paged("sightings", sightings_page(studio().catalog, **wanted, limit=params.limit()))


@pages.get(f"{_ROOT}/trace")
def trace_word() -> Response:
    """What became of an address, an ASIN, a checksum or a row."""
    if not request.args.get("q"):
        raise RefusalError(
            400, "bad_request", "q is an address, an ASIN, a checksum or a picture's number; got nothing."
        )
    word = params.line("q", 2_000) or ""
    found = trace(studio().catalog, word)
    return jsonify(asdict(found) | {"pictures": [_tile(tile) for tile in found.pictures]})


@pages.get(f"{_ROOT}/reviews")
def reviews() -> Response:
    """A page of decisions, those taken back too."""
    found = decisions_page(
        studio().catalog, image=params.whole("image"), after=params.whole("after"), limit=params.limit()
    )
    return _paged("reviews", found)


@pages.post(f"{_ROOT}/reviews")
@security.writes
def add_review() -> tuple[Response, int]:
    """Decide about a picture."""
    body = params.body()
    image_id = params.number(body, "image_id", low=1)
    label = params.number(body, "label")
    action = params.words(body, "action") or ""
    if image_id is None:
        raise RefusalError(400, "bad_request", "image_id is missing: it is the picture's number.")
    here = studio()
    if whole_picture(here.catalog, image_id, most=1) is None:
        raise not_found(f"There is no picture {image_id} in the catalogue.")
    done = record_review(
        here.catalog,
        image_id,
        action,
        reviewer=params.words(body, "reviewer") or reviewer(),
        seen=params.number(body, "seen") or 0,
        thresholds=here.thresholds,
        label=None if label is None else known_label(label),
        reason=params.words(body, "reason"),
    )
    return _decided(done), 201


@pages.post(f"{_ROOT}/reviews/batch")
@security.writes
def add_reviews() -> tuple[Response, int]:
    """Decide the same about many pictures: about all of them, or about none."""
    body = params.body()
    label = params.number(body, "label")
    done = decide_many(
        params.pictures_seen(body),
        params.words(body, "action") or "",
        None if label is None else known_label(label),
        by=params.words(body, "reviewer"),
        reason=params.words(body, "reason"),
    )
    return jsonify(decided=[_decided_json(one) for one in done]), 201


@pages.post(f"{_ROOT}/reviews/undo")
@security.writes
def undo_reviews() -> Response:
    """Take some decisions back: all of them, or none."""
    done = take_back_many(studio().catalog, params.numbers(params.body(), "reviews"), studio().thresholds)
    return jsonify(decided=[_decided_json(one) for one in done])


@pages.delete(f"{_ROOT}/reviews/<{params.ID}:review_id>")
@security.writes
def undo_review(review_id: int) -> Response:
    """Take a decision back."""
    return _decided(take_back(studio().catalog, review_id, studio().thresholds))


@pages.get(f"{_ROOT}/runs")
def runs() -> Response:
    """Every run, newest first; a broken one with the reason."""
    here = studio().runs
    return jsonify(runs=[run_json(entry) for entry in here.entries()], latest=here.latest())


@pages.get(f"{_ROOT}/runs/<string(maxlength=255):name>")
def run(name: str) -> Response:
    """One run; its history is null where it cannot be read."""
    here = studio().runs
    entry = here.entry(name)
    try:
        history = here.history(name) if entry.status == "finished" else None
    except ModelError:
        history = None
    return jsonify(run_json(entry) | {"history": history})


@pages.get(f"{_ROOT}/crawls")
def crawls() -> Response:
    """A page of crawls."""
    return _paged("crawls", crawls_page(studio().catalog, after=params.whole("after"), limit=params.limit(30)))


@pages.get(f"{_ROOT}/crawls/<{params.ID}:crawl_id>")
def crawl(crawl_id: int) -> Response:
    """How one crawl stands."""
    pulse = crawl_pulse(studio().catalog, crawl_id)
    if pulse is None:
        raise not_found(f"There is no crawl {crawl_id}.")
    return jsonify(pulse)


def _paged(name: str, rows: list[dict[str, Any]]) -> Response:
    """Rows, and where the next page begins."""
    return jsonify(
        {
            name: rows,
            "next": rows[-1]["id"] if rows and len(rows) == params.limit(30 if name == "crawls" else 60) else None,
        }
    )


def _decided(done: Decided) -> Response:
    return jsonify(_decided_json(done))


def _decided_json(done: Decided) -> dict[str, Any]:
    image = {"id": done.review["image_id"], "status": done.status, "label": done.label, "reason": done.reason}
    return {"review": done.review, "image": image}


def _said(page: Listing, image_id: int) -> dict[str, Any] | None:
    one = page.predictions.get(image_id)
    return one.as_json(page.run or "") if one else None


def _tile(tile: Tile) -> dict[str, Any]:
    shown = tile.path is not None and not is_forgotten(tile.status, tile.reason)
    thumbnail = url_for("catalogue.thumbnail", image_id=tile.id, size="tile") if shown else None
    return told_of(tile) | {"thumbnail": thumbnail}
