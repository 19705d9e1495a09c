"""A run's pictures on a map, those whose neighbours are of another class, and the pictures most like one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, render_template

from stj_catalog.gallery import Tile, tiles_of
from stj_catalog.provenance import whole_picture
from stj_core.errors import ModelError, PictureError, StjError
from stj_core.vocabulary import Status
from stj_model.embedding import has_tsne
from stj_web import params
from stj_web.errors import RefusalError, not_found
from stj_web.forgetting import gone, is_forgotten
from stj_web.map_points import Crossing, alike_by_features, as_json, crossings
from stj_web.maps import WAYS, RunMap, Work
from stj_web.studio import Studio, studio
from stj_web.views.selection import chosen_ids, seen_decisions

pages = Blueprint("maps", __name__)
COLOURS = ("class", "answer", "source")
LIKE = ("hash", "features")
_NAME = "string(maxlength=255):name"
_ROWS = 20
_ALIKE = 60


@pages.get(f"/runs/<{_NAME}>/map")
def show(name: str) -> str:
    """The page of a run's map; its points come by themselves."""
    here = studio()
    here.runs.open(name)
    return render_template(
        "map.html",
        name=name,
        way=params.choice("by", WAYS, WAYS[0]),
        ways=WAYS,
        colour=params.choice("colour", COLOURS, COLOURS[0]),
        colours=COLOURS,
        has_tsne=has_tsne(),
        catalog=here.catalog_or_none is not None,
    )


@pages.get(f"/runs/<{_NAME}>/map.json")
def points(name: str) -> tuple[Response, int]:
    """The map's points, or how far their computation is (202)."""
    here = studio()
    found = here.maps.soon(name)
    if isinstance(found, Work):
        return _told(found)
    placed = here.maps.soon_tsne(name, found) if params.choice("by", WAYS) == "tsne" else None
    if isinstance(placed, Work):
        return _told(placed)
    return jsonify(as_json(here, name, found, placed)), 200


@pages.get("/selection/tiles")
def tiles() -> str:
    """Some pictures as tiles that can be chosen, for a page that shows more than it has tiles for."""
    found = _shown(tiles_of(studio().catalog, chosen_ids(params.line("pictures", 4_000) or "")))
    return render_template("tiles.html", tiles=found, seen=seen_decisions(found), said=_said(found))


@pages.get(f"/runs/<{_NAME}>/neighbours")
def neighbours(name: str) -> str:
    """Pictures whose nearest neighbours are of another class: where labels are wrong it shows."""
    here = studio()
    found = here.maps.soon(name)
    if isinstance(found, Work):
        return render_template("neighbours.html", name=name, work=found, rows=(), count=0, after=None, seen={}, start=0)
    every = crossings(here, name, found)
    start = params.whole("after") or 0
    shown = every[start : start + params.limit(_ROWS)]
    rows = _with_tiles(here, shown)
    return render_template(
        "neighbours.html",
        name=name,
        work=None,
        rows=rows,
        count=len(every),
        start=start,
        after=start + len(shown) if start + len(shown) < len(every) else None,
        seen=seen_decisions([tile for tile, _, _ in rows]),
        notes=found.notes,
    )


@pages.get(f"/pictures/<{params.ID}:image_id>/like")
def like(image_id: int) -> str:
    """The pictures most like one, by hash or by what a run's network sees."""
    here = studio()
    whole = whole_picture(here.catalog, image_id, most=1)
    if whole is None:
        raise not_found(f"There is no picture {image_id} in the catalogue.")
    row = whole.row
    if is_forgotten(row["status"], row["reason"]) or row["status"] == Status.FORGOTTEN:
        raise gone()
    way = params.choice("by", LIKE, LIKE[0])
    run, note = here.runs.latest(), ""
    found: list[tuple[int, str]] = []
    try:
        found = _by_hash(here, row) if way == "hash" else _by_features(here, row, run)
    except _NotYetError as wait:
        note = str(wait)
    except StjError as error:
        if isinstance(error, RefusalError):
            raise
        note = str(error)
    except ImportError:
        note = "What the network sees of this picture needs TensorFlow: pip install 'stj[model]'."
    shown = {tile.id: tile for tile in _shown(tiles_of(here.catalog, [one for one, _ in found]))}
    listed = [(shown[one], words) for one, words in found if one in shown]
    return render_template(
        "like.html",
        row=row,
        tile=tiles_of(here.catalog, [image_id])[0],
        way=way,
        run=run,
        listed=listed,
        note=note,
        seen=seen_decisions([tile for tile, _ in listed]),
        said=_said([tile for tile, _ in listed]),
    )


class _NotYetError(StjError):
    """The map is being computed."""


def _told(work: Work) -> tuple[Response, int]:
    return jsonify(state="computing", done=work.done, total=work.total), 202


def _shown(some: list[Tile]) -> list[Tile]:
    """Those that may be shown: what a map or a list of hashes knows may have been forgotten meanwhile."""
    return [tile for tile in some if not is_forgotten(tile.status, tile.reason)]


def _said(some: list[Tile]) -> dict[int, Any]:
    """What the newest run says of some pictures, where that is known without waiting."""
    here = studio()
    run = here.runs.latest()
    try:
        told = here.predictions.soon(run) if run else None
    except ModelError:
        told = None
    found = told.all() if told else {}
    return {tile.id: found[tile.id] for tile in some if tile.id in found}


def _with_tiles(here: Studio, shown: list[Crossing]) -> list[tuple[Tile, list[tuple[Tile, str]], int]]:
    ids = {one.row for one in shown} | {other for one in shown for other, _ in one.near}
    found = {tile.id: tile for tile in _shown(tiles_of(here.catalog, sorted(ids)))}
    return [
        (
            found[one.row],
            [(found[other], f"{far:.3f} away") for other, far in one.near if other in found],
            one.differing,
        )
        for one in shown
        if one.row in found
    ]


def _by_hash(here: Studio, row: dict[str, Any]) -> list[tuple[int, str]]:
    if not row["phash"] or not row["phash256"]:
        raise ModelError("This picture was never read: it has no hash to compare.")
    table = here.map_points.hashes()
    return [
        (one, f"{narrow} of 64, {wide} of 256 bits")
        for one, narrow, wide in table.nearest(row["phash"], row["phash256"], _ALIKE + 1)
        if one != row["id"]
    ][:_ALIKE]


def _by_features(here: Studio, row: dict[str, Any], run: str | None) -> list[tuple[int, str]]:
    if run is None:
        raise ModelError("There is no run yet whose network could look: stj-model train makes one.")
    found = here.maps.soon(run)
    if isinstance(found, Work):
        raise _NotYetError("The map of the run is being computed: load this page again in a moment.")
    near = alike_by_features(here, run, found, _feature(here, run, found, row), _ALIKE + 1)
    return [(one, f"{far:.3f} away") for one, far in near if one != row["id"]][:_ALIKE]


def _feature(here: Studio, run: str, found: RunMap, row: dict[str, Any]) -> Any:  # noqa: ANN401 - a numpy array (d,)
    """The picture as the network sees it; taken from the map's own numbers where the picture is on it."""
    joined = here.map_points.join(run, found)
    place = next((place for place, one in joined.rows.items() if one == row["id"]), None)
    if place is not None:
        return found.components.mean + found.small[place] @ found.components.basis
    if not row["path"]:
        raise ModelError("The catalogue has no bytes of this picture to look at.")
    try:
        return here.classifier.feature(run, here.store.read(row["path"]))
    except (FileNotFoundError, PictureError):
        raise ModelError("This picture's file is gone or broken: stj-dataset verify says more.") from None
