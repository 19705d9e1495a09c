"""What changed from one run to another: the pictures of their datasets, and those that only one of them names rightly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stj_catalog.gallery import Tile, shown_rows, tiles_of
from stj_core.errors import StjError
from stj_dataset.diff import compare_rows
from stj_dataset.manifest import ManifestRow
from stj_web.forgetting import is_forgotten
from stj_web.studio import Studio

if TYPE_CHECKING:
    from stj_model.compare import RunComparison
    from stj_model.run_dir import Run

_SHOWN = 24
Worded = tuple[Tile, str]


@dataclass(frozen=True)
class Changes:
    """What changed.

    Attributes:
        words: the difference of the datasets in a sentence.
        parts: for each kind of difference its title, how many pictures, and some of them with words.
        sides: for each run its name, how many pictures only it names rightly, and some of them with words; empty where the two
            were not asked about the same pictures.
        note: why the datasets cannot be told apart.
    """

    words: str = ""
    parts: Sequence[tuple[str, int, Sequence[Worded]]] = ()
    sides: Sequence[tuple[str, int, Sequence[Worded]]] = ()
    note: str = ""


def changes_between(here: Studio, one: Run, two: Run, comparison: RunComparison | None) -> Changes:
    """What changed from one run to another; what of it cannot be read is said in the note."""
    before, after = here.runs.manifest(one.name), here.runs.manifest(two.name)
    sides = _sides(here, before, comparison) if comparison is not None else ()
    if not before or not after:
        return Changes(
            sides=sides, note="What the runs learned from cannot be read, so their datasets are not compared."
        )
    try:
        found = compare_rows(before.values(), after.values(), same_scheme=False)
    except StjError as error:
        return Changes(sides=sides, note=str(error))
    named = here.names

    def name(label: int | None) -> str:
        return "none of the classes" if label is None else named.get(label, f"class {label}")

    told: list[tuple[str, Mapping[str, str]]] = [
        ("relabelled", {sha: f"{name(was)} → {name(now)}" for sha, (was, now) in found.relabelled.items()}),
        ("added", dict.fromkeys(found.added, "")),
        ("removed", dict.fromkeys(found.removed, "")),
        ("moved to another split", {sha: f"{was} → {now}" for sha, (was, now) in found.moved.items()}),
    ]
    parts = [(title, len(some), _worded(here, some)) for title, some in told if some]
    words = ", ".join(f"{len(some):,} {title}" for title, some in told if some)
    same = "The runs learned from the very same pictures under the same labels."
    return Changes(f"From {one.name} to {two.name}: {words}." if words else same, parts, sides)


def _sides(
    here: Studio, rows: Mapping[str, ManifestRow], comparison: RunComparison
) -> list[tuple[str, int, Sequence[Worded]]]:
    named = here.names
    only: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for one in comparison.discordant:
        row = rows.get(one.sha256)
        first = one.guess_a == one.label
        wrong = one.guess_b if first else one.guess_a
        words = f"the other says {named.get(wrong, f'class {wrong}')}"
        only[0 if first else 1][row.original_sha256 if row and row.original_sha256 else one.sha256] = words
    return [
        (name, len(some), _worded(here, some))
        for name, some in zip((comparison.run_a, comparison.run_b), only, strict=True)
    ]


def _worded(here: Studio, some: Mapping[str, str]) -> list[Worded]:
    """Some pictures, by the checksum of their original, with their words; those that may not be shown are left out."""
    catalog = here.catalog_or_none
    if catalog is None:
        return []
    ids = shown_rows(catalog, set(_first(some, 10 * _SHOWN)))
    words = {ids[sha]: text for sha, text in some.items() if sha in ids}
    found = tiles_of(catalog, list(words)[: 2 * _SHOWN])
    return [(tile, words[tile.id]) for tile in found if not is_forgotten(tile.status, tile.reason)][:_SHOWN]


def _first(some: Iterable[str], most: int) -> list[str]:
    return [sha for _, sha in zip(range(most), some, strict=False)]
