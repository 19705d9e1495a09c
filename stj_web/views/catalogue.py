"""The gallery, a picture's page, duplicates side by side, and why a picture is not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from flask import Blueprint, Response, render_template, request, send_file

from stj_catalog.acts import acts_page
from stj_catalog.catalog import Catalog
from stj_catalog.gallery import Filter, Tile, count_pictures, duplicate_pairs, tiles_of
from stj_catalog.narrowed import duplicates_of
from stj_catalog.provenance import trace, whole_picture
from stj_core.errors import ModelError, PictureError
from stj_core.picture_types import MEDIA_TYPES
from stj_core.vocabulary import Status
from stj_web import params, security
from stj_web.errors import RefusalError, not_found
from stj_web.forgetting import forget_pictures, gone, is_forgotten, refuse_forgotten, told_of
from stj_web.listing import every_picture, in_the_runs_order, list_pictures, model_hints
from stj_web.predictions import ModelFilter, Prediction
from stj_web.studio import Studio, studio
from stj_web.tables import KINDS, download
from stj_web.views.selection import seen_decisions

pages = Blueprint("catalogue", __name__)
COLUMNS = (
    *(
        "id",
        "sha256",
        "status",
        "reason",
        "label",
        "class",
        "title",
        "asin",
        "width",
        "height",
        "group_id",
        "duplicate_of",
        "tags",
    ),
    *("model_run", "model_judged", "model_answer", "model_guess", "model_probability", "model_right", "model_label"),
    *("model_split", "model_source", "model_out_of_scope"),
)
# Kept by browsers and asked for anew each time, at the cost of a 304: a picture may be forgotten at any time.
_ASK_AGAIN = "private, no-cache"


@pages.get("/catalogue")
def gallery() -> str:
    """Pictures, newest first or as a run would have them."""
    here = studio()
    catalog = here.catalog_or_none
    wanted, model = params.pictures(), params.model()
    if catalog is None:
        return render_template("gallery.html", page=None, wanted=wanted)
    after, before = params.places()
    page = list_pictures(here, wanted, model, limit=params.limit(), after=after, before=before, wait=False)
    return render_template(
        "gallery.html",
        page=page,
        wanted=wanted,
        model=model,
        hints=here.hints(catalog),
        seen=seen_decisions(page.tiles),
        **model_hints(here, model),
    )


@pages.get(f"/catalogue.<{KINDS}>")
def download_pictures(kind: str) -> Response:
    """The whole list that the address asks for, as a file."""
    here = studio()
    wanted, model = params.pictures(), params.model()
    list_pictures(here, wanted, model, limit=1, counting=False)  # what cannot be is refused before the file begins
    rows = (_row(tile, one, run) for tile, one, run in every_picture(here, wanted, model))
    return download(kind, "pictures", COLUMNS, rows)


def _row(tile: Tile, said: Prediction | None, run: str | None) -> dict[str, Any]:
    """A picture as a line of a table."""
    name = studio().names.get(tile.label) if tile.label is not None else None
    told = said.as_json(run or "") if said else {}
    return told_of(tile) | {"class": name} | {f"model_{key}": value for key, value in told.items()}


@pages.get(f"/pictures/<{params.ID}:image_id>")
def picture(image_id: int) -> str:
    """One picture with everything that is known of it."""
    whole = whole_picture(studio().catalog, image_id)
    if whole is None:
        raise not_found(f"There is no picture {image_id} in the catalogue.")
    if whole.row["status"] == Status.FORGOTTEN:
        raise gone()
    kept = tiles_of(studio().catalog, [whole.row["duplicate_of"]]) if whole.row["duplicate_of"] else []
    said, run = _said_of(image_id)
    return render_template(
        "picture.html",
        whole=whole,
        row=whole.row,
        kept=kept[0] if kept else None,
        said=said,
        said_by=run,
        acts=acts_page(studio().catalog, image=image_id, limit=20),
        hints=studio().hints(studio().catalog),
    )


def _said_of(image_id: int) -> tuple[Prediction | None, str | None]:
    """What the newest run says of a picture, and the run's name."""
    here = studio()
    run = here.runs.latest()
    if run is None:
        return None, None
    try:
        said = here.predictions.soon(run)
        return said.all().get(image_id) if said else None, run
    except ModelError:
        return None, run


@pages.get(f"/pictures/<{params.ID}:image_id>/<any(tile, large):size>.jpg")
def thumbnail(image_id: int, size: str) -> Response:
    """A small version of a picture; made once."""
    here = studio()
    tile = _stored(image_id)
    sha256, path = tile["sha256"], tile["path"]
    return sent_thumbnail(sha256, size, lambda: here.store.read(path))


@pages.get(f"/pictures/<{params.ID}:image_id>/original")
def original(image_id: int) -> Response:
    """The original bytes, as the shop sent them."""
    tile = _stored(image_id)
    if request.if_none_match.contains(tile["sha256"]):
        return Response(status=304)
    try:
        data = studio().store.read(tile["path"])
    except FileNotFoundError:
        raise not_found(f"The file of picture {image_id} is gone: stj-dataset verify says more.") from None
    kind = MEDIA_TYPES.get(str(tile["path"]).rsplit(".", 1)[-1], "application/octet-stream")
    response = Response(data, content_type=kind)
    response.set_etag(tile["sha256"])
    response.headers["Cache-Control"] = _ASK_AGAIN
    response.headers["Content-Disposition"] = "inline"
    return response


@pages.get(f"/pictures/<{params.ID}:image_id>/forget")
def ask_to_forget(image_id: int) -> str:
    """What forgetting a picture would delete, and what would hold it still."""
    plan = forget_pictures(studio(), [image_id], dry_run=True)
    return render_template("forget.html", image_id=image_id, plan=plan, done=None)


@pages.post(f"/pictures/<{params.ID}:image_id>/forget")
@security.writes
def forget(image_id: int) -> str:
    """Forget a picture with all its duplicates, once its number was typed again."""
    given = request.form.get("sure", "").strip()
    if given != str(image_id):
        raise RefusalError(
            400,
            "not_sure",
            f"Nothing was forgotten: to be sure, type the picture's number {image_id}; got {given[:20]}.",
        )
    done = forget_pictures(studio(), [image_id])
    return render_template("forget.html", image_id=image_id, plan=None, done=done)


@pages.get("/duplicates")
def duplicates() -> str:
    """Duplicates beside what was kept instead, newest first or as a run would have the kept ones."""
    here = studio()
    catalog, model = here.catalog_or_none, params.model()
    limit, start = params.limit(24), params.whole("after")
    if catalog is not None and _asked(model):
        wanted = _duplicates_as_the_run_says(here, model)
        first = start or 0
        pairs = duplicate_pairs(catalog, only=wanted[first : first + limit])
        after, count = (first + limit if first + limit < len(wanted) else None), len(wanted)
    else:
        pairs = duplicate_pairs(catalog, after=start, limit=limit) if catalog else []
        after = pairs[-1][0].id if len(pairs) == limit else None
        count = 0
        if catalog is not None:
            every = Filter(status="duplicate")
            count = here.remembered(("count", every), lambda: count_pictures(catalog, every))
    hints = model_hints(here, model)
    return render_template(
        "duplicates.html", pairs=pairs, after=after, count=count, model=model, said=_said_of_all(pairs, model), **hints
    )


def _asked(model: ModelFilter) -> bool:
    return model.asks or bool(model.run)


def _duplicates_as_the_run_says(here: Studio, model: ModelFilter) -> list[int]:
    """The duplicates of those kept pictures that a run says the wanted of, in its order: it has judged the kept ones alone."""
    _, chosen = in_the_runs_order(here, model)
    return here.remembered(("duplicates", hash(tuple(chosen))), lambda: duplicates_of(here.catalog, chosen))


def _said_of_all(pairs: Sequence[Any], model: ModelFilter) -> dict[int, Prediction]:
    """What the asked run, or the newest, says of the kept pictures."""
    here = studio()
    run = model.run or here.runs.latest()
    if run is None or not pairs:
        return {}
    try:
        said = here.predictions.of(run) if _asked(model) else here.predictions.soon(run)
    except ModelError:
        return {}
    told = said.all(model.judged) if said else {}
    return {kept.id: told[kept.id] for _, kept, _ in pairs if kept.id in told}


@pages.get(f"/duplicates.<{KINDS}>")
def download_duplicates(kind: str) -> Response:
    """All duplicates that the address asks for beside what was kept instead, as a file."""
    here = studio()
    catalog, model = here.catalog, params.model()
    wanted = _duplicates_as_the_run_says(here, model) if _asked(model) else None
    columns = ("id", "sha256", "kept_id", "kept_sha256", "distance", "duplicate_kind", "distance256", "way", "rule")
    return download(kind, "duplicates", columns, _duplicate_rows(catalog, wanted))


def _duplicate_rows(catalog: Catalog, wanted: Sequence[int] | None) -> Iterator[dict[str, Any]]:
    after: int | None = None
    start = 0
    while True:
        only = None if wanted is None else wanted[start : start + 500]
        pairs = duplicate_pairs(catalog, after=after, limit=500, only=only) if only is None or only else []
        if not pairs:
            return
        for mine, kept, told in pairs:
            row = {"id": mine.id, "sha256": mine.sha256, "kept_id": kept.id, "kept_sha256": kept.sha256}
            yield row | {"distance": mine.distance, **told}
        after, start = pairs[-1][0].id, start + 500


@pages.get("/why")
def why() -> str:
    """What became of an address, an ASIN or a checksum."""
    word = params.line("q", 2_000)
    catalog = studio().catalog_or_none
    found = trace(catalog, word) if word and catalog is not None else None
    return render_template("why.html", word=word, found=found, catalog=catalog is not None)


def sent_thumbnail(sha256: str, size: str, load: Any) -> Response:  # noqa: ANN401 - a callable
    """A thumbnail as an answer that browsers keep and ask about again; who calls has asked the catalogue already.

    Raises:
        RefusalError: the original is gone or cannot be read.
    """
    if request.if_none_match.contains(sha256):
        return Response(status=304)
    try:
        path = studio().thumbnails.path(sha256, size, load)
    except (FileNotFoundError, PictureError):
        raise not_found("This picture's file is gone or broken: stj-dataset verify says more.") from None
    response = send_file(path.resolve(), mimetype="image/jpeg", etag=sha256)
    response.headers["Cache-Control"] = _ASK_AGAIN
    return response


def _stored(image_id: int) -> dict[str, Any]:
    """Where the store has a picture.

    Raises:
        RefusalError: there is no such picture, or none of its bytes.
    """
    found = tiles_of(studio().catalog, [image_id])
    if not found:
        raise not_found(f"There is no picture {image_id} in the catalogue.")
    tile = found[0]
    if is_forgotten(tile.status, tile.reason):
        raise gone()
    if not tile.path or not tile.sha256:
        raise RefusalError(404, "no_bytes", f"The catalogue has no bytes of picture {image_id}.")
    refuse_forgotten(studio(), tile.sha256)
    return {"sha256": tile.sha256, "path": tile.path}
