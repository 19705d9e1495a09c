"""What to review: label suspects, quarantine, groups of relatives, or everything that is kept."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from stj_catalog.catalog import Catalog
from stj_catalog.decisions import decided_rows, newest_decisions
from stj_catalog.gallery import Filter, Tile, count_pictures, gallery_page, related_pictures, shown_rows, tiles_of
from stj_catalog.narrowed import groups_holding
from stj_core.errors import DatasetError
from stj_core.vocabulary import Status
from stj_dataset.audit.cache import WORDS, Doubt, Doubts, kept_odd
from stj_web.errors import RefusalError
from stj_web.listing import Listing, in_the_runs_order, list_pictures
from stj_web.predictions import ModelFilter
from stj_web.runs import Runs
from stj_web.studio import Studio

QUEUES = ("suspects", "quarantine", "groups", "kept", "rejected", "list")
"""`list` is the list of the catalogue that the address asks for, one by one."""


@dataclass(frozen=True)
class ReviewCard:
    """A picture to decide about.

    Attributes:
        tile: the picture.
        seen: the newest standing decision about it; 0 for none.
        hint: why it is here, in a few words.
        guess: the class that a model would give it, or None.
    """

    tile: Tile
    seen: int = 0
    hint: str = ""
    guess: int | None = None


@dataclass(frozen=True)
class Deck:
    """A page of a queue.

    Attributes:
        cards: in the order of urgency.
        left: how many are undecided in the whole queue, counted up to a limit.
        after: where the next page begins, or None.
        note: one sentence for an empty queue, or about it.
    """

    cards: Sequence[ReviewCard] = field(default_factory=tuple)
    left: int = 0
    after: int | None = None
    note: str = ""


def make_deck(here: Studio, queue: str, wanted: Filter, model: ModelFilter, *, after: int | None, limit: int) -> Deck:
    """Read the next page of a review queue.

    Args:
        here: the studio: its catalogue, its runs (the newest of them names the suspects), and what ranks them.
        queue: a word of QUEUES, but not `list`.
        wanted: narrows quarantine, kept and rejected pictures by what the catalogue says.
        model: narrows and orders any queue by what a run says.
        after: where the page before this one ended.
        limit: so many pictures at most.

    Raises:
        RefusalError: the run that is asked for does not exist or is broken.
        ModelError: its files are damaged.
    """
    catalog = here.catalog
    if queue == "suspects":
        return _suspects(here, model, after or 0, limit)
    if queue == "groups":
        return _groups(here, model, after, max(1, limit // 3))
    status = {"quarantine": Status.QUARANTINED, "kept": Status.KEPT, "rejected": Status.REJECTED}[queue]
    narrowed = Filter(
        status=status.value,
        label=wanted.label,
        reason=wanted.reason,
        text=wanted.text,
        tag=wanted.tag,
        undecided=status is not Status.REJECTED,
    )
    if model.asks or model.run:
        return deck_of(catalog, list_pictures(here, narrowed, model, limit=limit, after=after))
    page = gallery_page(catalog, narrowed, limit=limit, after=after)
    # A picture that was never read has nothing to decide about.
    tiles = [tile for tile in page.tiles if tile.sha256 is not None and tile.path]
    hints = {tile.id: (tile.reason or "").replace("_", " ") for tile in tiles}
    left = here.remembered(("count", narrowed), lambda: count_pictures(catalog, narrowed))
    return Deck(_cards(catalog, tiles, hints, {}), left, page.after)


def deck_of(catalog: Catalog, page: Listing) -> Deck:
    """A page of the catalogue's list as a deck, each picture with what the run says of it."""
    tiles = [tile for tile in page.tiles if tile.sha256 is not None and tile.path]
    said = {tile.id: page.predictions[tile.id] for tile in tiles if tile.id in page.predictions}
    hints = {row: f"{one.answer}, {100 * one.probability:.0f} % sure" for row, one in said.items()}
    guesses = {row: one.guess for row, one in said.items()}
    note = "No picture fits: take a filter away."
    return Deck(_cards(catalog, tiles, hints, guesses), page.count, page.after, note)


def _suspects(here: Studio, model: ModelFilter, start: int, limit: int) -> Deck:
    """The labels that the audit of the newest run doubts, worst first, then pictures that the newest audit found odd."""
    catalog = here.catalog
    ranked, note = _doubted(here.runs, here.doubts)
    odd = kept_odd(here.doubts.cache)
    order = list(dict.fromkeys([*(one.sha256 for one in ranked), *odd]))
    found = here.remembered(("rows", hash(tuple(order))), lambda: _rows_of(catalog, order))
    if model.asks or model.run:
        found, note = _as_the_run_says(here, model, found), "No suspect fits: take a filter away."
    decided = here.remembered("decided rows", lambda: decided_rows(catalog))
    places = [place for place, (_, row) in enumerate(found) if row not in decided]
    first = bisect_left(places, start)
    shown = [(place, *found[place]) for place in places[first : first + limit]]
    tiles = tiles_of(catalog, [row for _, _, row in shown])
    asked = {sha256 for _, sha256, _ in shown}
    by_checksum = {one.sha256: one for one in ranked if one.sha256 in asked}
    hints = {row: _why(by_checksum.get(sha256), odd.get(sha256, ())) for _, sha256, row in shown}
    guesses = {row: by_checksum[sha256].guess for _, sha256, row in shown if sha256 in by_checksum}
    after = shown[-1][0] + 1 if len(places) > first + limit else None
    return Deck(_cards(catalog, tiles, hints, guesses), len(places), after, "" if shown else note)


def _rows_of(catalog: Catalog, checksums: Sequence[str]) -> list[tuple[str, int]]:
    """Checksums with their pictures, in this order; no forgotten one's."""
    rows = shown_rows(catalog, checksums)
    return [(sha256, rows[sha256]) for sha256 in checksums if sha256 in rows]


def _as_the_run_says(here: Studio, model: ModelFilter, found: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Those that a run says the wanted of; in its order where one is asked for, else in theirs."""
    _, chosen = in_the_runs_order(here, model)
    place = {row: at for at, row in enumerate(chosen)}
    some = [pair for pair in found if pair[1] in place]
    return some if model.sort in (None, "newest") else sorted(some, key=lambda pair: place[pair[1]])


def _doubted(runs: Runs, doubts: Doubts) -> tuple[Sequence[Doubt], str]:
    """What the audit of the newest run doubts, and the sentence for an empty queue."""
    name = runs.latest()
    if name is None:
        return (), "Suspects come from a training run and from stj-dataset audit: stj-model train makes a run."
    try:
        ranked = doubts.of(runs.open(name).folder.resolve())
    except (DatasetError, RefusalError) as error:
        return (), str(error)
    return ranked, f"The audit of run {name} doubts no label that is undecided."


def _why(doubt: Doubt | None, reasons: Sequence[str]) -> str:
    said = [WORDS[one] for one in reasons]
    if doubt is not None:
        said.insert(0, f"{100 * doubt.sure:.0f} % sure; {100 * doubt.given_share:.0f} % for the given class")
    return ", ".join(said)


def _groups(here: Studio, model: ModelFilter, after: int | None, limit: int) -> Deck:
    catalog = here.catalog
    if model.asks or model.run:
        return _groups_as_the_run_says(here, model, after or 0, limit)
    tiles = related_pictures(catalog, after=after, limit=limit)
    groups = list(dict.fromkeys(tile.group_id for tile in tiles))
    hints = {tile.id: f"group {tile.group_id}" for tile in tiles}
    last = groups[-1] if len(groups) == limit else None
    return Deck(_cards(catalog, tiles, hints, {}), len(tiles), last)


def _groups_as_the_run_says(here: Studio, model: ModelFilter, start: int, limit: int) -> Deck:
    """Groups of which the run says the wanted of one picture at least, in its order; all their pictures are shown."""
    said, chosen = in_the_runs_order(here, model)
    groups = here.remembered(("groups", hash(tuple(chosen))), lambda: groups_holding(here.catalog, chosen))
    tiles = related_pictures(here.catalog, only=groups[start : start + limit])
    told = said.all(model.judged)
    hints = {tile.id: f"group {tile.group_id}" for tile in tiles}
    for tile in tiles:
        if one := told.get(tile.id):
            hints[tile.id] += f" · {one.answer}, {100 * one.probability:.0f} % sure"
    guesses = {tile.id: told[tile.id].guess for tile in tiles if tile.id in told}
    after = start + limit if start + limit < len(groups) else None
    note = "No group of related pictures fits: take a filter away."
    return Deck(_cards(here.catalog, tiles, hints, guesses), len(tiles), after, note)


def _cards(catalog: Catalog, tiles: Sequence[Tile], hints: dict[int, str], guesses: dict[int, int]) -> list[ReviewCard]:
    standing = newest_decisions(catalog, [tile.id for tile in tiles])
    return [
        ReviewCard(
            tile, standing[tile.id]["id"] if tile.id in standing else 0, hints.get(tile.id, ""), guesses.get(tile.id)
        )
        for tile in tiles
    ]
