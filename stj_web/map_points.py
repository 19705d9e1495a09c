"""What the pages show of a run's map: each picture's row, class, answer and source, asked anew when the catalogue changed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stj_catalog.alike import HashTable, hash_table, hidden_ids, labels_of
from stj_catalog.gallery import shown_rows
from stj_catalog.version import data_version
from stj_core.cli import counted
from stj_core.errors import ModelError
from stj_web.maps import RunMap, TsneMap
from stj_web.predictions import Prediction
from stj_web.studio import Studio

_EDGE = 10_000
_SHOPS = 8


@dataclass(frozen=True)
class Joined:
    """A map's pictures as the catalogue knows them now.

    Attributes:
        rows: the catalogue's row of each picture of the map, by place; those that may not be shown are missing.
        labels: the present class by row; None for none of the classes.
        sources: the shop by row.
        absent: how many of the map's pictures the catalogue does not show.
    """

    rows: Mapping[int, int] = field(default_factory=dict)
    labels: Mapping[int, int | None] = field(default_factory=dict)
    sources: Mapping[int, str] = field(default_factory=dict)
    absent: int = 0


class MapPoints:
    """Maps joined with the catalogue: kept until either changes."""

    def __init__(self, here: Studio) -> None:
        self._here = here
        self._lock = threading.Lock()
        self._joined: tuple[Hashable, Joined] = ((), Joined())
        self._hashes: tuple[Hashable, HashTable | None] = ((), None)

    def join(self, name: str, found: RunMap) -> Joined:
        """The map's pictures that may be shown."""
        catalog = self._here.catalog
        stamp = (name, found.digest, data_version(catalog))
        with self._lock:
            if self._joined[0] == stamp:
                return self._joined[1]
        manifest = self._here.runs.manifest(name)
        originals = {
            place: manifest[sha256].original_sha256 or sha256
            for place, sha256 in enumerate(found.names)
            if sha256 in manifest
        }
        ids = shown_rows(catalog, set(originals.values()))
        rows = {place: ids[sha256] for place, sha256 in originals.items() if sha256 in ids}
        joined = Joined(
            rows,
            labels_of(catalog, set(rows.values())),
            {row: manifest[found.names[place]].source for place, row in rows.items()},
            len(found.names) - len(rows),
        )
        with self._lock:
            self._joined = (stamp, joined)
        return joined

    def hashes(self) -> HashTable:
        """The hashes of every picture that may be shown."""
        catalog = self._here.catalog
        stamp = data_version(catalog)
        with self._lock:
            known, table = self._hashes
        if table is None or known != stamp:
            table = hash_table(catalog)
            with self._lock:
                self._hashes = (stamp, table)
        return table


def as_json(here: Studio, name: str, found: RunMap, placed: TsneMap | None) -> dict[str, Any]:
    """The map for the page: columns, coordinates as whole numbers from 0 to 10,000."""
    joined = here.map_points.join(name, found)
    hidden = hidden_ids(here.catalog)
    said = _said(here, name)
    # A copy may have brought several exported files to one row: each row is a point once.
    places: dict[int, int] = {}
    wanted = range(len(found.names)) if placed is None else placed.places.tolist()
    at_of = {place: at for at, place in enumerate(wanted)}
    for place in wanted:
        row = joined.rows.get(place)
        if row is not None and row not in hidden:
            places.setdefault(row, place)
    plane = found.plane if placed is None else placed.plane
    points = plane[[at_of[place] for place in places.values()]] if places else np.zeros((0, 2), np.float32)
    answers = [*here.predictions.of(name).answers] if said else []
    shops = [shop for shop, _ in Counter(joined.sources[row] for row in places).most_common(_SHOPS)]
    shop_at = {shop: number for number, shop in enumerate(shops)}
    answer_at = {answer: number for number, answer in enumerate(answers)}
    told = [said.get(row) for row in places]
    x, y = _whole(points)
    return {
        "state": "ready",
        "ids": list(places),
        "x": x,
        "y": y,
        "label": [-1 if joined.labels.get(row) is None else joined.labels[row] for row in places],
        "answer": [answer_at.get(one.answer, -1) if one else -1 for one in told],
        "answers": answers,
        "right": [-1 if one is None or one.label is None else int(one.right) for one in told],
        "source": [shop_at.get(joined.sources[row], -1) for row in places],
        "sources": shops,
        "notes": [*found.notes, *_notes(found, placed, joined)],
        "share": [round(float(one), 4) for one in found.components.shares[:2]] if placed is None else [],
    }


def _notes(found: RunMap, placed: TsneMap | None, joined: Joined) -> list[str]:
    notes = []
    if placed is not None and len(placed.places) < len(found.names):
        notes.append(f"t-SNE places {len(placed.places):,} of {len(found.names):,} pictures, drawn at random.")
    if joined.absent:
        notes.append(
            f"{counted(joined.absent, 'picture')} of the run: not shown by this catalogue, or not there any more."
        )
    return notes


def _said(here: Studio, name: str) -> Mapping[int, Prediction]:
    """What the run says; nothing where its files are damaged: the map is there all the same."""
    try:
        return here.predictions.of(name).all()
    except ModelError:
        return {}


def _whole(points: Any) -> tuple[list[int], list[int]]:  # noqa: ANN401 - a numpy array (n, 2)
    """Coordinates as whole numbers from 0 to 10,000, y upwards, both axes to one scale."""
    if not len(points):
        return [], []
    low, high = points.min(axis=0), points.max(axis=0)
    span = max(float((high - low).max()), 1e-9)
    middle = (low + high) / 2
    scaled = np.rint((points - middle) / span * _EDGE + _EDGE / 2).clip(0, _EDGE).astype(int)
    return scaled[:, 0].tolist(), (_EDGE - scaled[:, 1]).tolist()


@dataclass(frozen=True)
class Crossing:
    """A picture whose nearest others are of another class.

    Attributes:
        row: the picture.
        near: its nearest others, with their cosine distances, nearest first.
        differing: how many of them are of another class.
    """

    row: int
    near: Sequence[tuple[int, float]]
    differing: int


def crossings(here: Studio, name: str, found: RunMap) -> list[Crossing]:
    """Pictures with a nearest neighbour of another class: the most such neighbours first, then the nearest such one."""
    joined = here.map_points.join(name, found)
    hidden = hidden_ids(here.catalog)
    rows, labels = joined.rows, joined.labels
    listed: list[tuple[int, float, Crossing]] = []
    seen: set[int] = set()
    compared = found.compared.tolist()
    for at, place in enumerate(compared):
        row = rows.get(place)
        if row is None or row in hidden or row in seen:
            continue
        seen.add(row)
        near = [
            (other, float(far))
            for neighbour, far in zip(found.near[at].tolist(), found.far[at].tolist(), strict=True)
            if (other := rows.get(compared[neighbour])) is not None and other not in hidden and other != row
        ]
        across = [far for other, far in near if labels.get(other) != labels.get(row)]
        if across:
            listed.append((-len(across), min(across), Crossing(row, near, len(across))))
    listed.sort(key=lambda one: (one[0], one[1], one[2].row))
    return [one for _, _, one in listed]


def alike_by_features(here: Studio, name: str, found: RunMap, feature: Any, count: int) -> list[tuple[int, float]]:  # noqa: ANN401 - a numpy array
    """The rows of the map's pictures nearest to a feature (d,), with their cosine distances, nearest first."""
    joined = here.map_points.join(name, found)
    hidden = hidden_ids(here.catalog)
    place_of = {sha256: place for place, sha256 in enumerate(found.names)}
    small = found.components(feature[None])
    small /= max(float(np.linalg.norm(small)), 1e-12)
    best: dict[int, float] = {}
    for sha256, distance in found.nearest(small[0], 2 * count + len(hidden)):
        row = joined.rows.get(place_of[sha256])
        if row is not None and row not in hidden:
            best.setdefault(row, distance)
    return list(best.items())[:count]
