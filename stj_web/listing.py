"""A page of pictures for the gallery, the REST interface and downloads: what the catalogue says and what a run says, in one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stj_catalog.gallery import (
    COUNT_LIMIT,
    Filter,
    Gallery,
    Tile,
    count_pictures,
    first_ids,
    gallery_page,
    matching,
    page_among,
    tiles_of,
)
from stj_core.errors import ModelError
from stj_core.vocabulary import Status
from stj_web.errors import RefusalError, not_found
from stj_web.predictions import JUDGED, SORTS, ModelFilter, Prediction, RunPredictions, chosen_run
from stj_web.studio import Studio

BATCH = 500


@dataclass(frozen=True)
class Listing:
    """A page of pictures.

    Attributes:
        tiles: the pictures.
        run: whose predictions are shown; None where there is no run.
        predictions: what it says of them, by row.
        count: how many pictures the whole list has, up to COUNT_LIMIT.
        more: whether it has more than that.
        after: where the next page begins, or None.
        back: what the address of the page before this one has in place of `after`, or None.
        notes: what a reader must know about the list.
    """

    tiles: Sequence[Tile]
    run: str | None = None
    predictions: Mapping[int, Prediction] = field(default_factory=dict)
    count: int = 0
    more: bool = False
    after: int | None = None
    back: Mapping[str, int | None] | None = None
    notes: Sequence[str] = ()


def list_pictures(
    here: Studio,
    wanted: Filter,
    model: ModelFilter,
    *,
    limit: int,
    after: int | None = None,
    before: int | None = None,
    counting: bool = True,
    wait: bool = True,
) -> Listing:
    """A page of pictures.

    Args:
        here: the studio.
        wanted: which, by what the catalogue says.
        model: which and in what order, by what a run says.
        limit: so many at most.
        after: where the page begins: a row or, where a run is asked, a place in its order.
        before: the row that it ends before; only where no run is asked.
        counting: whether the whole list is counted.
        wait: whether what a large run says is waited for, where nothing is asked of it.

    Raises:
        RefusalError: the run does not exist or is broken, or `before` makes no sense here.
        ModelError: the run's files are damaged, and the list depends on them.
    """
    said, notes = _said(here, model, wait=wait)
    if model.asks:
        assert said is not None
        _check_answer(said, model)
        if before is not None:
            raise RefusalError(400, "bad_request", "A list in a run's order has places: give after, not before.")
        return _in_the_runs_order(here, wanted, model, said, notes, limit, after or 0)
    catalog = here.catalog
    if counting:
        page, count = _counted(here, wanted, limit, after, before)
    else:
        page, count = gallery_page(catalog, wanted, limit=limit, after=after, before=before), 0
    back = {"before": page.before, "after": None} if page.before is not None else None
    return Listing(
        page.tiles,
        said.run if said else None,
        _of(said, page.tiles),
        count,
        count >= COUNT_LIMIT,
        page.after,
        back,
        notes,
    )


def _counted(here: Studio, wanted: Filter, limit: int, after: int | None, before: int | None) -> tuple[Gallery, int]:
    """A page and the count of the whole list up to COUNT_LIMIT; a search through titles, brands or tags is made once for both."""
    catalog = here.catalog
    if wanted.text or wanted.source or wanted.tag:
        ids = here.remembered(("ids", wanted), lambda: first_ids(catalog, wanted))
        return page_among(catalog, wanted, ids, limit=limit, after=after, before=before), len(ids)
    page = gallery_page(catalog, wanted, limit=limit, after=after, before=before)
    if page.before is None and page.after is None:
        return page, len(page.tiles)
    return page, here.remembered(("count", wanted), lambda: count_pictures(catalog, wanted))


def in_the_runs_order(here: Studio, model: ModelFilter) -> tuple[RunPredictions, Sequence[int]]:
    """What a run says, and the rows that it is asked for, in its order.

    Raises:
        RefusalError: the run does not exist or is broken, or never answers so.
        ModelError: the run's files are damaged.
    """
    said, _ = _said(here, model, wait=True)
    assert said is not None
    _check_answer(said, model)
    return said, said.chosen(model)


def _check_answer(said: RunPredictions, model: ModelFilter) -> None:
    if model.answer is not None and model.answer not in said.answers:
        known = ", ".join(said.answers)
        raise not_found(f"Run {said.run} never answers {model.answer[:60]!r}: it says {known}.")


def every_picture(
    here: Studio, wanted: Filter, model: ModelFilter
) -> Iterator[tuple[Tile, Prediction | None, str | None]]:
    """All pictures of a list, some at a time, each with what the run says and the run's name."""
    after: int | None = None
    while True:
        page = list_pictures(here, wanted, model, limit=BATCH, after=after, counting=False)
        for tile in page.tiles:
            yield tile, page.predictions.get(tile.id), page.run
        if page.after is None:
            return
        after = page.after


def _in_the_runs_order(
    here: Studio,
    wanted: Filter,
    model: ModelFilter,
    said: RunPredictions,
    notes: Sequence[str],
    limit: int,
    start: int,
) -> Listing:
    chosen = said.chosen(model)
    kept = here.remembered(
        ("kept", said.run, wanted, model, len(chosen)), lambda: matching(here.catalog, wanted, chosen)
    )
    rows = chosen if len(kept) == len(chosen) else [row for row in chosen if row in kept]
    # What a run said is kept for minutes, and a picture may be forgotten in between.
    tiles = [tile for tile in tiles_of(here.catalog, rows[start : start + limit]) if tile.status != Status.FORGOTTEN]
    predictions = said.all(model.judged)
    return Listing(
        tiles,
        said.run,
        {tile.id: predictions[tile.id] for tile in tiles},
        len(rows),
        False,
        start + limit if start + limit < len(rows) else None,
        {"after": max(0, start - limit) or None} if start else None,
        notes,
    )


def _said(here: Studio, model: ModelFilter, *, wait: bool) -> tuple[RunPredictions | None, list[str]]:
    """What the chosen run says; nothing where there is none, or where its files are damaged and nobody asked for them."""
    name = chosen_run(here, model)
    if name is None:
        return None, []
    try:
        said = here.predictions.of(name) if wait or model.asks or model.run else here.predictions.soon(name)
    except ModelError as error:
        if model.asks or model.run:
            raise
        return None, [f"What run {name} says cannot be shown. {error}"]
    if said is None:
        return None, [f"What run {name} says is being read: load this page again in a moment to see it."]
    if not (model.asks or model.run):
        return said, []
    absent = [f"{said.absent:,} of the run's judged pictures are not in this catalogue."] if said.absent else []
    bad = [f"{said.unreadable:,} lines of the run's predictions cannot be read."] if said.unreadable else []
    return said, absent + bad


def _of(said: RunPredictions | None, tiles: Sequence[Tile]) -> dict[int, Prediction]:
    found: Any = said.all() if said else {}
    return {tile.id: found[tile.id] for tile in tiles if tile.id in found}


def model_hints(here: Studio, model: ModelFilter) -> dict[str, Any]:
    """What the filters by a run can be set to: by the one that is asked for, else by the newest."""
    runs = here.runs.names()
    # Without a catalogue there is no picture that a run could say anything of.
    run = (model.run or here.runs.latest()) if here.catalog_or_none is not None else None
    told = {"asked_run": run, "runs": runs, "sorts": SORTS, "judged_ways": JUDGED, "answers": (), "shops": ()}
    if run is None or run not in runs:
        return told
    try:
        # No page waits for a large run of which it asks nothing.
        asked = model.asks or model.run
        said = here.predictions.of(run) if asked else here.predictions.soon(run)
    except ModelError:
        said = None
    return told | {"answers": said.answers if said else (), "shops": here.runs.shops(run)}
