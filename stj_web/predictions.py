"""What a run says of every picture that it judged without having learned from it, by the catalogue's rows.

Test pictures come from `predictions.csv` with their answer and distance; the others from `out_of_fold.csv`, where a head that had
not learned from a picture named its likeliest class; `leave_sources_out.csv` has the same of heads that saw nothing of its shop.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from stj_catalog.gallery import last_picture, shown_rows
from stj_core.errors import StjError
from stj_core.vocabulary import SPLITS
from stj_dataset.manifest import ManifestRow
from stj_model.compare import FILES
from stj_model.standalone import NONE, UNSURE
from stj_web.errors import RefusalError
from stj_web.runs import Runs
from stj_web.studio import Studio

JUDGED = tuple(FILES)
"""How a picture was judged: as a test picture, out of fold, or by heads that saw nothing of its shop."""
SORTS = ("newest", "surest", "least_sure", "farthest", "nearest")
ANSWERS_BESIDE_CLASSES = (UNSURE, NONE)
_SECONDS_GROWING, _SECONDS_KEPT = 30.0, 600.0
_BINS = 10
_LISTS_KEPT = 16
_READ_AT_ONCE = 2 << 20


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a run says of one picture.

    Attributes:
        judged: a word of JUDGED.
        original: sha256 of the original bytes.
        label: the class that it was learned or tested under; None for a picture of none of the classes.
        guess: the likeliest class.
        answer: the likeliest class's short name, `unsure` or `none`.
        probability: of the likeliest class, 0 to 1.
        split: of the run's dataset.
        source: the shop, as the dataset names it.
        out_of_scope: how unlike all that was learned; None where it was not written.
    """

    judged: str
    original: str
    label: int | None
    guess: int
    answer: str
    probability: float
    split: str
    source: str
    out_of_scope: float | None

    @property
    def right(self) -> bool:
        """Whether the likeliest class is the one that it was learned or tested under."""
        return self.guess == self.label

    def as_json(self, run: str) -> dict[str, Any]:
        """The prediction in the REST interface and in downloads."""
        return {
            "run": run,
            "judged": self.judged,
            "answer": self.answer,
            "guess": self.guess,
            "probability": self.probability,
            "right": self.right,
            "label": self.label,
            "split": self.split,
            "source": self.source,
            "out_of_scope": self.out_of_scope,
        }


@dataclass(frozen=True)
class ModelFilter:
    """Which pictures are asked for by what a run says of them; None asks for all.

    Attributes:
        run: the run's name; the newest, if a field below asks and none is named.
        judged: a word of JUDGED; all if None, test first, then out of fold.
        answer: a class's short name, `unsure` or `none`.
        guess: the likeliest class.
        true: the class that they were learned or tested under.
        right: whether the likeliest class is the true one.
        split: of the run's dataset.
        shop: the source, as the run's dataset names it.
        sure_from: the likeliest class's probability is not below this.
        sure_to: nor above this.
        sort: a word of SORTS.
    """

    run: str | None = None
    judged: str | None = None
    answer: str | None = None
    guess: int | None = None
    true: int | None = None
    right: bool | None = None
    split: str | None = None
    shop: str | None = None
    sure_from: float | None = None
    sure_to: float | None = None
    sort: str | None = None

    @property
    def asks(self) -> bool:
        """Whether it narrows or orders by what a run says."""
        fields = (self.judged, self.answer, self.guess, self.true, self.right, self.split, self.shop)
        bounds = (self.sure_from, self.sure_to)
        return any(one is not None for one in (*fields, *bounds)) or self.sort not in (None, "newest")

    @property
    def conditions(self) -> list[tuple[str, object]]:
        """The fields of a prediction that must be equal to something, and to what."""
        wanted = (
            ("answer", self.answer),
            ("guess", self.guess),
            ("label", self.true),
            ("right", self.right),
            ("split", self.split),
            ("source", self.shop),
        )
        return [(name, value) for name, value in wanted if value is not None]


@dataclass(frozen=True)
class RunPredictions:
    """Everything that one run says.

    Attributes:
        run: its name.
        by_row: predictions by the catalogue's row, for each way of judging.
        absent: how many of its pictures this catalogue does not hold.
        unreadable: how many lines of its files cannot be read.
        answers: the words that it may answer.
    """

    run: str
    by_row: Mapping[str, Mapping[int, Prediction]] = field(default_factory=dict)
    absent: int = 0
    unreadable: int = 0
    answers: Sequence[str] = ANSWERS_BESIDE_CLASSES
    _chosen: dict[ModelFilter, Sequence[int]] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def _merged(self) -> Mapping[int, Prediction]:
        merged: dict[int, Prediction] = {}
        for way in reversed(JUDGED):
            merged |= self.by_row.get(way, {})
        return merged

    def all(self, judged: str | None = None) -> Mapping[int, Prediction]:
        """Predictions by row; of all ways of judging where none is named, the test's first."""
        return self._merged if judged is None else self.by_row.get(judged, {})

    def chosen(self, wanted: ModelFilter) -> Sequence[int]:
        """The pictures that are asked for, in the order that is asked for; the newest first where they are alike."""
        if wanted not in self._chosen:
            if len(self._chosen) >= _LISTS_KEPT:
                self._chosen.clear()
            self._chosen[wanted] = self._choose(wanted)
        return self._chosen[wanted]

    def _choose(self, wanted: ModelFilter) -> Sequence[int]:
        found = list(self.all(wanted.judged).items())
        for name, value in wanted.conditions:
            found = [pair for pair in found if getattr(pair[1], name) == value]
        if (low := wanted.sure_from) is not None:
            found = [pair for pair in found if pair[1].probability >= low]
        if (high := wanted.sure_to) is not None:
            found = [pair for pair in found if pair[1].probability <= high]
        found.sort(key=lambda pair: -pair[0])
        if wanted.sort in ("surest", "least_sure"):
            found.sort(key=lambda pair: pair[1].probability, reverse=wanted.sort == "surest")
        elif wanted.sort in ("farthest", "nearest"):
            known = [pair for pair in found if pair[1].out_of_scope is not None]
            known.sort(key=lambda pair: pair[1].out_of_scope or 0.0, reverse=wanted.sort == "farthest")
            found = known + [pair for pair in found if pair[1].out_of_scope is None]
        return [row for row, _ in found]


@dataclass(frozen=True)
class Bin:
    """Pictures whose likeliest class had a probability between two bounds, and how many were named rightly."""

    low: float
    high: float
    n: int
    right: int


def reliability(predictions: Iterable[Prediction]) -> list[Bin]:
    """How often the run was right where it said it was so sure, in tenths; empty ones are left out."""
    bins: list[list[Prediction]] = [[] for _ in range(_BINS)]
    for one in predictions:
        bins[min(_BINS - 1, int(one.probability * _BINS))].append(one)
    return [
        # The upper bound belongs to the next bin: six digits are written, so that the view of a bin holds what it counts.
        Bin(at / _BINS, 1.0 if at == _BINS - 1 else (at + 1) / _BINS - 1e-6, len(some), sum(one.right for one in some))
        for at, some in enumerate(bins)
        if some
    ]


def by_shop(predictions: Iterable[Prediction]) -> list[tuple[str, int, int]]:
    """Pictures and right answers of each source, the one with the most mistakes first."""
    found: dict[str, list[bool]] = {}
    for one in predictions:
        found.setdefault(one.source, []).append(one.right)
    counted = [(source, len(some), sum(some)) for source, some in found.items()]
    return sorted(counted, key=lambda line: (line[2] - line[1], line[0]))


class PredictionTables:
    """What runs say: read again when their files change; rows are looked up again when there are more, twice a minute at most."""

    def __init__(self, here: Studio) -> None:
        self._here = here
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, object, int, RunPredictions]] = {}
        self._reading: set[str] = set()

    def soon(self, name: str) -> RunPredictions | None:
        """As `of` where that takes no time; None while a large run is read aside: nobody waits who did not ask for it.

        Raises:
            RefusalError: there is no such run, or it is broken.
            ModelError: its files are damaged, and small.
        """
        if name in self._kept or sum(size for _, size in self._here.runs.stamp(name)) < _READ_AT_ONCE:
            return self.of(name)
        if name not in self._reading:
            self._reading.add(name)
            threading.Thread(target=self._read_aside, args=(name,), name="predictions", daemon=True).start()
        return None

    def _read_aside(self, name: str) -> None:
        # What is wrong with the run is said to whoever asks for it.
        with suppress(StjError):
            self.of(name)
        self._reading.discard(name)

    def of(self, name: str) -> RunPredictions:
        """What a run says of the pictures in the catalogue.

        Raises:
            RefusalError: there is no such run, or it is broken.
            ModelError: its files are damaged.
        """
        stamp = self._here.runs.stamp(name)
        last = last_picture(self._here.catalog)
        with self._lock:
            if name in self._kept:
                then, known, rows, said = self._kept[name]
                age = time.monotonic() - then
                fresh = age < _SECONDS_GROWING or (last == rows and age < _SECONDS_KEPT)
                if known == stamp and fresh:
                    return said
            said = _read(self._here, name)
            others = [pair for pair in self._kept.items() if pair[0] != name][:1]
            self._kept = {name: (time.monotonic(), stamp, last, said), **dict(others)}
            return said


def _read(here: Studio, name: str) -> RunPredictions:
    runs = here.runs
    slugs = runs.open(name).words()
    rows = runs.manifest(name)
    tables: dict[str, dict[str, Prediction]] = {}
    unreadable = 0
    for judged in JUDGED:
        table, bad = _table(runs, name, judged, rows, slugs)
        tables[judged] = table
        unreadable += bad
    originals = {original for table in tables.values() for original in table}
    ids = shown_rows(here.catalog, originals)
    return RunPredictions(
        name,
        {judged: {ids[sha]: one for sha, one in table.items() if sha in ids} for judged, table in tables.items()},
        absent=len(originals) - len(ids),
        unreadable=unreadable,
        answers=(*slugs.values(), *ANSWERS_BESIDE_CLASSES),
    )


def _table(
    runs: Runs, name: str, judged: str, rows: Mapping[str, ManifestRow], slugs: Mapping[int, str]
) -> tuple[dict[str, Prediction], int]:
    """The predictions of one file of a run by the checksum of the original, and how many lines cannot be read."""
    found, bad = {}, 0
    columns = [(f"p{label}", label) for label in slugs]
    for line in runs.lines(name, FILES[judged]):
        row = rows.get(line.get("sha256") or "")
        one = _prediction(judged, line, row, columns, slugs) if row else None
        if one is None:
            bad += 1
        else:
            found[one.original] = one
    return found, bad


def _prediction(
    judged: str,
    line: Mapping[str, str],
    row: ManifestRow,
    columns: Sequence[tuple[str, int]],
    slugs: Mapping[int, str],
) -> Prediction | None:
    try:
        shares = {label: float(line[name]) for name, label in columns}
        guess = max(shares, key=lambda label: shares[label])
        scope = float(line["out_of_scope"]) if line.get("out_of_scope") else None
    except (KeyError, ValueError, TypeError):
        return None
    numbers = [*shares.values(), scope or 0.0]
    if not all(abs(number) < 1e6 for number in numbers) or not 0 <= shares[guess] <= 1:
        return None
    known = {*slugs.values(), *ANSWERS_BESIDE_CLASSES}
    answer = line.get("answer") or slugs[guess]
    return Prediction(
        judged=judged,
        original=row.original_sha256 or row.sha256,
        label=row.label,
        guess=guess,
        answer=answer if answer in known else slugs[guess],
        probability=round(shares[guess], 6),
        split=row.split if row.split in SPLITS else "",
        source=row.source,
        out_of_scope=scope,
    )


def chosen_run(here: Studio, wanted: ModelFilter) -> str | None:
    """The run that is asked for, the newest where none is named, or None where there is none.

    Raises:
        RefusalError: the named run does not exist or is broken, or something is asked that only a run can tell.
    """
    if wanted.run:
        return here.runs.open(wanted.run).name
    latest = here.runs.latest()
    if latest is None and wanted.asks:
        raise RefusalError(503, "no_model", "There is no run yet that could say this: stj-model train makes one.")
    return latest
