"""Choose the pictures of an export and give each its split: the plan, before a file is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stj_catalog.catalog import Catalog
from stj_catalog.selection import (
    KeptPictures,
    assigned_groups,
    crawls_known,
    group_sources,
    kept_pictures,
)
from stj_core.errors import DatasetError, UsageError
from stj_core.labels import Category
from stj_dataset.settings import ExportSettings
from stj_dataset.split import (
    SPLITS,
    TEST,
    TRAIN,
    VAL,
    name_units,
    order_of,
    split_units,
    units_by_group,
    units_by_source,
    winners,
)

TOO_SMALL, RELATED, OVER_CLASS, AFTER_WRITING = "min_side", "max_related", "per_class", "near_after_conversion"
_CONFLICT = {VAL: "group_in_val", TEST: "group_in_test"}
WITHHELD_WORDS = {
    TOO_SMALL: "shorter side below --min-side",
    _CONFLICT[VAL]: "a newcomer tied its group to one whose pictures are in val",
    _CONFLICT[TEST]: "a newcomer tied its group to one whose pictures are in test",
    RELATED: "more pictures of one group than --max-related",
    OVER_CLASS: "more pictures of one class than --per-class",
    AFTER_WRITING: "became a relative of a picture in another split when it was written as JPEG",
}
_REASONS = ("", *WITHHELD_WORDS)


@dataclass(frozen=True)
class Withheld:
    """Pictures that stay out.

    Attributes:
        ids: int64[n].
        labels: int64[n].
        reasons: int8[n], places in the words of WITHHELD_WORDS, from 1.
    """

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    reasons: NDArray[np.int8]

    @classmethod
    def none(cls) -> Withheld:
        """Nothing stays out."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int8))

    def __iter__(self) -> Iterator[tuple[int, int, str]]:
        """Each picture's row, label and reason."""
        for row, label, reason in zip(self.ids, self.labels, self.reasons, strict=True):
            yield int(row), int(label), _REASONS[reason]

    def counts(self) -> dict[str, int]:
        """How many for each reason."""
        found, sizes = np.unique(self.reasons, return_counts=True)
        return {_REASONS[reason]: int(n) for reason, n in zip(found, sizes, strict=True)}

    def plus(self, pictures: KeptPictures, reason: str) -> Withheld:
        """These and some more."""
        word = np.full(len(pictures), _REASONS.index(reason), dtype=np.int8)
        return Withheld(
            np.concatenate([self.ids, pictures.ids]),
            np.concatenate([self.labels, pictures.labels]),
            np.concatenate([self.reasons, word]),
        )


@dataclass(frozen=True)
class Plan:
    """What an export will hold.

    Attributes:
        pictures: those to write, ordered by split, label and checksum.
        splits: int8[n], the split of each, a place in SPLITS.
        withheld: pictures that stay out, and why.
        classes: name of each label, by label.
    """

    pictures: KeptPictures
    splits: NDArray[np.int8]
    classes: Mapping[int, str]
    withheld: Withheld = field(default_factory=Withheld.none)

    @property
    def group_names(self) -> NDArray[np.uint64]:
        """uint64[n]: each picture's group by its smallest checksum among the pictures written."""
        units, _ = units_by_group(self.pictures.groups)
        return name_units(units, self.pictures.heads, int(units.max(initial=-1)) + 1)[units]

    def without(self, ids: set[int], reason: str) -> Plan:
        """The same plan with some pictures withheld."""
        out = np.isin(self.pictures.ids, list(ids))
        gone = self.withheld.plus(self.pictures.take(out), reason)
        return replace(self, pictures=self.pictures.take(~out), splits=self.splits[~out], withheld=gone)


def make_plan(catalog: Catalog, settings: ExportSettings, categories: Sequence[Category]) -> Plan:
    """Choose the pictures and their splits; the same catalogue and settings give the same plan.

    Raises:
        UsageError: a crawl that is not there.
        DatasetError: a class has no picture, or train would have none of it.
    """
    unknown = set(settings.crawls) - crawls_known(catalog, settings.crawls)
    if unknown:
        raise UsageError(f"--crawl {min(unknown)}: there is no such crawl; the view crawl_yield lists them.")
    classes = {one.label: one.name for one in categories}
    pictures = kept_pictures(catalog, settings.scheme, settings.wanted)
    _check_labels(pictures, classes, "is kept in the catalogue", settings)
    units, decided = _units(catalog, settings, pictures)
    return choose(pictures, units, decided, classes, settings)


def choose(
    pictures: KeptPictures,
    units: NDArray[np.int64],
    decided: NDArray[np.int8],
    classes: Mapping[int, str],
    settings: ExportSettings,
) -> Plan:
    """The plan as a pure function of the pictures.

    Args:
        pictures: those that were asked for.
        units: int64[n], what each must stay together with.
        decided: int8[units], the split of each unit where an earlier export decided it, else -1.
        classes: name of each label that the dataset must have.
        settings: what was asked for.

    Raises:
        DatasetError: a class has no picture, or train would have none of it.
    """
    out = np.zeros(len(pictures), dtype=np.int8)

    def withhold(which: NDArray[np.bool_], reason: str) -> None:
        out[which & (out == 0)] = _REASONS.index(reason)

    withhold(pictures.sides < settings.min_side, TOO_SMALL)
    for place, reason in _CONFLICT.items():
        withhold((pictures.assigned >= 0) & (pictures.assigned < place) & (decided[units] == place), reason)
    if settings.max_related:
        larger_first = (pictures.heads, -pictures.areas)
        withhold(~_first_of(pictures.groups, larger_first, settings.max_related, out == 0), RELATED)
    if settings.per_class:
        shuffled = (order_of(settings.seed, pictures.heads),)
        withhold(~_first_of(pictures.labels, shuffled, settings.per_class, out == 0), OVER_CLASS)
    withheld = Withheld(pictures.ids[out > 0], pictures.labels[out > 0], out[out > 0])
    pictures, units = pictures.take(out == 0), units[out == 0]
    _check_labels(pictures, classes, "is left", settings)
    splits = _split(pictures, units, decided, settings)
    _check_train(pictures, splits, classes, settings)
    order = np.lexsort((pictures.heads, pictures.labels, splits))
    return Plan(pictures.take(order), splits[order], classes, withheld)


def _units(
    catalog: Catalog, settings: ExportSettings, pictures: KeptPictures
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """The unit of each picture, and each unit's split where an earlier export decided it."""
    if settings.by == "source":
        units, by_group = units_by_source(pictures.groups, group_sources(catalog))
    else:
        units, by_group = units_by_group(pictures.groups)
    size = int(units.max(initial=-1)) + 1
    before = [
        (by_group[group], SPLITS.index(split))
        for group, split in assigned_groups(catalog, settings.scheme)
        if group in by_group
    ]
    known, splits = (np.array(before, dtype=np.int64).reshape(-1, 2)).T
    return units, winners(known, splits, size)


def _split(
    pictures: KeptPictures, units: NDArray[np.int64], decided: NDArray[np.int8], settings: ExportSettings
) -> NDArray[np.int8]:
    """Each picture's split."""
    known, places = np.unique(units, return_inverse=True)
    labels, kinds = np.unique(pictures.labels, return_inverse=True)
    counts = np.zeros((len(known), len(labels)), dtype=np.int64)
    np.add.at(counts, (places, kinds), 1)
    names = name_units(places, pictures.heads, len(known))
    return split_units(counts, names, decided[known], settings.shares, settings.seed)[places]


def _first_of(
    kinds: NDArray[np.int64], keys: tuple[NDArray[Any], ...], most: int, among: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """True for the first `most` of each kind `among` those that count, in the order of `keys` (the last weighs most)."""
    order = np.lexsort((*keys, kinds, ~among))
    ordered = np.where(among[order], kinds[order], -1)
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)])
    lengths = np.diff(np.r_[starts, len(ordered)])
    place = np.arange(len(ordered)) - np.repeat(starts, lengths)
    stay = np.zeros(len(kinds), dtype=bool)
    stay[order] = place < most
    return stay


def _check_labels(pictures: KeptPictures, classes: Mapping[int, str], what: str, settings: ExportSettings) -> None:
    present = set(np.unique(pictures.labels).tolist())
    if strange := sorted(present - classes.keys()):
        raise DatasetError(
            f"Pictures of label {strange[0]} are kept that labels.toml does not name: "
            "set STJ_LABELS to the labels.toml that they were crawled with."
        )
    if empty := sorted(classes.keys() - present):
        asked = " with these options" if settings.crawls or settings.since or settings.min_side else ""
        raise DatasetError(
            f"No picture of class {empty[0]} ({classes[empty[0]]}) {what}{asked}: "
            "crawl it first, or see stj-dataset stats for what became of its pictures."
        )


def _check_train(
    pictures: KeptPictures, splits: NDArray[np.int8], classes: Mapping[int, str], settings: ExportSettings
) -> None:
    for label, name in classes.items():
        mine = splits[pictures.labels == label]
        if not (mine == TRAIN).any():
            share = settings.shares.of_all["train"]
            raise DatasetError(
                f"Train would get none of the {len(mine)} pictures of class {label} ({name}): its share is {share:.3g} "
                "of them and groups stay whole; give a smaller --split or --test, or crawl more."
            )
