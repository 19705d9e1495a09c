"""What came of the request: pictures, groups and products per class and split, and how far each share is from its wish."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stj_core.labels import NO_LABEL
from stj_core.vocabulary import SPLITS
from stj_dataset.plan import Plan, bring
from stj_dataset.settings import ExportSettings, Unit

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cell:
    """One class in one split."""

    split: str
    label: int
    pictures: int
    groups: int
    products: int
    largest_group: int
    wanted: float

    @property
    def excess(self) -> float:
        """Pictures more than the request; negative where some are missing."""
        return self.pictures - self.wanted


@dataclass(frozen=True)
class Balance:
    """The shape of a dataset.

    Attributes:
        cells: one for each class and split.
        classes: name of each label.
        pictures: of the classes.
        groups: of all pictures.
        largest_group: its number of pictures.
        withheld: pictures that stayed out, by reason.
        wanted: each split's share.
        unit: what stays together.
        others: pictures of something that is none of the classes, by split; empty where there are none.
        left_out: names of the classes that have no picture and were left out.
        ways: how pictures came into the catalogue: crawl, import.
    """

    cells: tuple[Cell, ...]
    classes: Mapping[int, str]
    pictures: int
    groups: int
    largest_group: int
    withheld: Mapping[str, int]
    wanted: Mapping[str, float]
    unit: Unit = "group"
    others: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[int, str] = field(default_factory=dict)
    ways: frozenset[str] = frozenset()

    @property
    def splits(self) -> dict[str, dict[str, int]]:
        """Pictures for each split and label, as in the JSON answer."""
        answer: dict[str, dict[str, int]] = {}
        for cell in self.cells:
            answer.setdefault(cell.split, {})[str(cell.label)] = cell.pictures
        return answer

    @property
    def shares(self) -> dict[str, dict[str, float]]:
        """Each split's wanted and real share of all pictures."""
        return {
            split: {"wanted": round(self.wanted[split], 6), "got": round(sum(row.values()) / max(self.pictures, 1), 6)}
            for split, row in self.splits.items()
        }

    def remarks(self, shown: Callable[[str], str] = str) -> Iterator[str]:
        """Plain sentences on every class that was left out, every share that is not what was asked for, and why.

        Args:
            shown: how the name of a class is written where the sentences are read.
        """
        for label, name in self.left_out.items():
            yield f"Class {label} ({shown(name)}) has no picture and was left out."
        for cell in self.cells:
            name = f"{cell.split}, class {cell.label} ({shown(self.classes[cell.label])})"
            if not cell.pictures:
                yield f"{name} is empty: no {self.unit} was left for it; {bring(self.ways)} more, or ask for a larger share."
            elif abs(cell.excess) >= 1:
                yield f"{name} has {cell.pictures} where {cell.wanted:.1f} pictures were asked for: {self._why(cell)}."

    def _why(self, cell: Cell) -> str:
        if self.unit == "source":
            return "whole sources stay together, and never change the split they were given before"
        if cell.excess > 0 and cell.largest_group > 1:
            return f"groups stay whole, and its largest has {cell.largest_group} pictures"
        return "groups stay whole, and pictures never change the split they were given before"


@dataclass
class Families:
    """The products that pictures were sighted with, as numbers: texts would not fit for a million pictures."""

    places: list[Ints] = field(default_factory=list)
    names: list[Ints] = field(default_factory=list)

    def add(self, places: Ints, names: Ints) -> None:
        """Add pictures' places in the manifest and their families' numbers."""
        self.places.append(places)
        self.names.append(names)

    @property
    def whole(self) -> tuple[Ints, Ints]:
        """The places of all pictures that were added, int64[n], and the numbers of their families, int64[n]."""
        if not self.places:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        return np.concatenate(self.places), np.concatenate(self.names)


def measure(plan: Plan, families: tuple[Ints, Ints], settings: ExportSettings) -> Balance:
    """Count the plan's pictures, groups and products for each split and class."""
    pictures, shares = plan.pictures, settings.shares
    of_classes = int((pictures.labels != NO_LABEL).sum())
    wanted = shares.of(of_classes)
    _, groups, sizes = np.unique(pictures.groups, return_inverse=True, return_counts=True)
    places, names = families
    cells = []
    for place, split in enumerate(SPLITS):
        if split == "test" and not wanted[split] and not (plan.splits == place).any():
            continue
        for label in sorted(plan.classes):
            here = (pictures.labels == label) & (plan.splits == place)
            of_class = int((pictures.labels == label).sum())
            mine = np.unique(groups[here])
            cells.append(
                Cell(
                    split=split,
                    label=label,
                    pictures=int(here.sum()),
                    groups=len(mine),
                    products=len(np.unique(names[here[places]])),
                    largest_group=int(sizes[mine].max(initial=0)),
                    wanted=of_class * wanted[split],
                )
            )
    others = {
        str(split): n
        for place, split in enumerate(SPLITS)
        if (n := int(((pictures.labels == NO_LABEL) & (plan.splits == place)).sum()))
    }
    return Balance(
        cells=tuple(cells),
        classes=plan.classes,
        pictures=of_classes,
        groups=len(sizes),
        largest_group=int(sizes.max(initial=0)),
        withheld=plan.withheld.counts(),
        wanted=wanted,
        unit=settings.by,
        others=others,
        left_out=plan.left_out,
        ways=plan.ways,
    )
