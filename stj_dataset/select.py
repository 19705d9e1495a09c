"""Choose the pictures of an export and give each its split: the plan, before a file is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stj_catalog.catalog import Catalog
from stj_catalog.errors import DatasetError, UsageError
from stj_catalog.labels import Category
from stj_catalog.selection import (
    KeptPictures,
    assigned_groups,
    crawls_known,
    group_sources,
    kept_pictures,
)
from stj_dataset.groups import name_units, units_by_group, units_by_source
from stj_dataset.settings import ExportSettings
from stj_dataset.split import SPLITS, TRAIN, order_of, split_units, winners

TOO_SMALL, RELATED, OVER_CLASS, AFTER_WRITING = "min_side", "max_related", "per_class", "near_after_conversion"
_CONFLICT = {1: "group_in_val", 2: "group_in_test"}
WITHHELD_WORDS = {
    TOO_SMALL: "shorter side below --min-side",
    RELATED: "more pictures of one group than --max-related",
    OVER_CLASS: "more pictures of one class than --per-class",
    "group_in_val": "a newcomer tied its group to one whose pictures are in val",
    "group_in_test": "a newcomer tied its group to one whose pictures are in test",
    AFTER_WRITING: "became a relative of a picture in another split when it was written as JPEG",
}


@dataclass(frozen=True)
class Plan:
    """What an export will hold.

    Attributes:
        pictures: those to write, ordered by split, label and checksum.
        splits: int8[n], the split of each, a place in SPLITS.
        withheld: pictures that stay out, with the reason (a word of WITHHELD_WORDS).
        classes: name of each label, by label.
    """

    pictures: KeptPictures
    splits: NDArray[np.int8]
    classes: Mapping[int, str]
    withheld: Sequence[tuple[int, int, str]] = field(default_factory=tuple)

    @property
    def group_names(self) -> NDArray[np.uint64]:
        """uint64[n]: each picture's group by its smallest checksum among the pictures written."""
        units, _ = units_by_group(self.pictures.groups)
        return name_units(units, self.pictures.heads, int(units.max(initial=-1)) + 1)[units]

    def without(self, ids: set[int], reason: str) -> Plan:
        """The same plan with some pictures withheld."""
        out = np.isin(self.pictures.ids, list(ids))
        gone = [(int(row), int(label), reason) for row, label in _pairs(self.pictures.take(out))]
        return replace(
            self,
            pictures=self.pictures.take(~out),
            splits=self.splits[~out],
            withheld=[*self.withheld, *gone],
        )


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
    out = np.full(len(pictures), "", dtype="U24")

    def withhold(which: NDArray[np.bool_], reason: str) -> None:
        out[which & (out == "")] = reason

    withhold(pictures.sides < settings.min_side, TOO_SMALL)
    for place, reason in _CONFLICT.items():
        withhold((pictures.assigned >= 0) & (pictures.assigned < place) & (decided[units] == place), reason)
    if settings.max_related:
        larger_first = (pictures.heads, -pictures.areas)
        withhold(~_first_of(pictures.groups, larger_first, settings.max_related, out == ""), RELATED)
    if settings.per_class:
        shuffled = (order_of(settings.seed, pictures.heads),)
        withhold(~_first_of(pictures.labels, shuffled, settings.per_class, out == ""), OVER_CLASS)
    withheld = [(row, label, str(why)) for (row, label), why in zip(_pairs(pictures), out, strict=True) if why]
    pictures, units = pictures.take(out == ""), units[out == ""]
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


def _pairs(pictures: KeptPictures) -> list[tuple[int, int]]:
    return list(zip(pictures.ids.tolist(), pictures.labels.tolist(), strict=True))
