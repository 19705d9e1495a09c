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
    ways_in,
)
from stj_core.errors import DatasetError, UsageError
from stj_core.labels import NO_LABEL, Category
from stj_core.vocabulary import SPLITS, Withheld
from stj_dataset.settings import ExportSettings
from stj_dataset.shares import count_tests
from stj_dataset.split import (
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

_CONFLICT = {VAL: Withheld.GROUP_IN_VAL, TEST: Withheld.GROUP_IN_TEST}
_REASONS = ("", *Withheld)


@dataclass(frozen=True)
class WithheldPictures:
    """Pictures that stay out.

    Attributes:
        ids: int64[n].
        labels: int64[n].
        reasons: int8[n], places in the words of `vocabulary.Withheld`, from 1.
    """

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    reasons: NDArray[np.int8]

    @classmethod
    def none(cls) -> WithheldPictures:
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

    def plus(self, pictures: KeptPictures, reason: str) -> WithheldPictures:
        """These and some more."""
        word = np.full(len(pictures), _REASONS.index(reason), dtype=np.int8)
        return WithheldPictures(
            np.concatenate([self.ids, pictures.ids]),
            np.concatenate([self.labels, pictures.labels]),
            np.concatenate([self.reasons, word]),
        )


@dataclass(frozen=True)
class Plan:
    """What an export will hold.

    Attributes:
        pictures: those to write, ordered by split, label and checksum, those of none of the classes last.
        splits: int8[n], the split of each, a place in SPLITS.
        withheld: pictures that stay out, and why.
        classes: name of each label, by label.
        left_out: the classes that have no picture and were left out, as --allow-missing says.
        ways: how pictures came into the catalogue: crawl, import.
        slugs: short name of each class, by label: what a model trained on the export answers.
    """

    pictures: KeptPictures
    splits: NDArray[np.int8]
    classes: Mapping[int, str]
    withheld: WithheldPictures = field(default_factory=WithheldPictures.none)
    left_out: Mapping[int, str] = field(default_factory=dict)
    ways: frozenset[str] = frozenset()
    slugs: Mapping[int, str] = field(default_factory=dict)

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
    classes = {one.label: one.name for one in categories if one.label != NO_LABEL}
    pictures = kept_pictures(catalog, settings.scheme, settings.wanted)
    ways = ways_in(catalog)
    present = _present(pictures, classes, "is kept in the catalogue", settings, ways)
    units, decided = _units(catalog, settings, pictures)
    plan = choose(pictures, units, decided, present, settings, ways)
    return replace(
        plan,
        left_out={label: name for label, name in classes.items() if label not in plan.classes},
        ways=ways,
        slugs={one.label: one.slug for one in categories if one.label in plan.classes},
    )


def choose(
    pictures: KeptPictures,
    units: NDArray[np.int64],
    decided: NDArray[np.int8],
    classes: Mapping[int, str],
    settings: ExportSettings,
    ways: frozenset[str] = frozenset(),
) -> Plan:
    """The plan as a pure function of the pictures.

    Args:
        pictures: those that were asked for.
        units: int64[n], what each must stay together with.
        decided: int8[units], the split of each unit where an earlier export decided it, else -1.
        classes: name of each label that the dataset must have.
        settings: what was asked for.
        ways: how pictures came into the catalogue, for what is said of a class without any: crawl, import.

    Raises:
        DatasetError: a class has no picture, or train would have none of it.
    """
    out = np.zeros(len(pictures), dtype=np.int8)

    def withhold(which: NDArray[np.bool_], reason: str) -> None:
        out[which & (out == 0)] = _REASONS.index(reason)

    withhold(pictures.sides < settings.min_side, Withheld.TOO_SMALL)
    for place, reason in _CONFLICT.items():
        withhold((pictures.assigned >= 0) & (pictures.assigned < place) & (decided[units] == place), reason)
    if settings.max_related:
        larger_first = (pictures.heads, -pictures.areas)
        withhold(~_first_of(pictures.groups, larger_first, settings.max_related, out == 0), Withheld.RELATED)
    if settings.per_class:
        shuffled = (order_of(settings.seed, pictures.heads),)
        withhold(~_first_of(pictures.labels, shuffled, settings.per_class, out == 0), Withheld.OVER_CLASS)
    if settings.layout == "student":
        withhold(pictures.labels == NO_LABEL, Withheld.NO_CLASS)
    withheld = WithheldPictures(pictures.ids[out > 0], pictures.labels[out > 0], out[out > 0])
    pictures, units = pictures.take(out == 0), units[out == 0]
    classes = _present(pictures, classes, "is left", settings, ways)
    splits = _split(pictures, units, decided, settings)
    _check_train(pictures, splits, classes, settings, ways)
    # What is none of the classes comes last: it lies in a folder, or in shards, of its own.
    order = np.lexsort((pictures.heads, pictures.labels, splits, pictures.labels == NO_LABEL))
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
    tests = None
    if settings.test_count is not None:
        held = counts[decided[known] == TEST].sum(axis=0)
        tests = count_tests(
            settings.test_count, counts.sum(axis=0).tolist(), held.tolist(), (labels != NO_LABEL).tolist()
        )
    return split_units(counts, names, decided[known], settings.shares, settings.seed, tests)[places]


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


def _present(
    pictures: KeptPictures, classes: Mapping[int, str], what: str, settings: ExportSettings, ways: frozenset[str]
) -> Mapping[int, str]:
    """The classes that have pictures: all of them, but with --allow-missing."""
    present = set(np.unique(pictures.labels).tolist()) - {NO_LABEL}
    if strange := sorted(present - classes.keys()):
        raise DatasetError(
            f"Pictures of label {strange[0]} are kept that labels.toml does not name: "
            f"set STJ_LABELS to the labels.toml that they were {_past(ways)} with."
        )
    empty = sorted(classes.keys() - present)
    if empty and not settings.allow_missing:
        asked = " with these options" if settings.crawls or settings.since or settings.min_side else ""
        raise DatasetError(
            f"No picture of class {empty[0]} ({classes[empty[0]]}) {what}{asked}: {bring(ways)} some, see stj-dataset stats "
            "for what became of those that came, or leave out classes without pictures with --allow-missing."
        )
    if not present:
        raise DatasetError(f"No picture of any class {what}: {bring(ways)} some, or see stj-dataset stats.")
    return {label: name for label, name in classes.items() if label in present}


def _check_train(
    pictures: KeptPictures,
    splits: NDArray[np.int8],
    classes: Mapping[int, str],
    settings: ExportSettings,
    ways: frozenset[str],
) -> None:
    for label, name in classes.items():
        mine = splits[pictures.labels == label]
        if not (mine == TRAIN).any():
            share = settings.shares.of(int((pictures.labels != NO_LABEL).sum()))["train"]
            raise DatasetError(
                f"Train would get none of the {len(mine)} pictures of class {label} ({name}): its share is {share:.3g} "
                f"of them and groups stay whole; give a smaller --split or --test, or {bring(ways)} more."
            )


def bring(ways: frozenset[str]) -> str:
    """What whoever filled this catalogue does to get more pictures."""
    return " or ".join(sorted(ways)) or "crawl or import"


def _past(ways: frozenset[str]) -> str:
    return " or ".join(f"{one}ed" for one in sorted(ways)) or "crawled or imported"
