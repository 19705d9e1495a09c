"""The price of leakage: the same pictures judged under a naive random split, by group, and by shop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stj_core.console import SILENT, Talk
from stj_core.intervals import wilson
from stj_model.compare import mcnemar
from stj_model.config import TrainConfig
from stj_model.data import check_trainable, open_dataset
from stj_model.folds import NEVER, grouped_folds, holdable
from stj_model.head import Ints
from stj_model.recipes import TrainingJob
from stj_model.recipes.frozen import extract_table, fitter, group_folds, held_out_logits, source_folds
from stj_model.weights import find_weights

Right = npt.NDArray[np.bool_]

NAIVE, GROUPED, SHOPS = "naive", "grouped", "shops"
RESAMPLES = 10_000


@dataclass(frozen=True)
class LeakageDraw:
    """One seed's folds, each picture judged once under each split: how many of n pictures were named rightly.

    Attributes:
        seed: of the folds.
        n: pictures.
        correct: by split: `naive`, `grouped`, and `shops` where every class has two.
        b: right under the naive split only.
        c: right under the grouped one only.
        p_value: McNemar's exact test of b and c.
    """

    seed: int
    n: int
    correct: dict[str, int]
    b: int
    c: int
    p_value: float

    def as_json(self) -> dict[str, Any]:
        """The draw in the document of `stj-model leakage`."""
        shares = {name: _share(correct, self.n) for name, correct in self.correct.items()}
        return {"seed": self.seed, **shares, "b": self.b, "c": self.c, "p_value": self.p_value}


@dataclass(frozen=True)
class PooledLeakage:
    """Some pictures over all draws.

    Attributes:
        n: pictures, each counted once, however many draws have judged it.
        accuracy: by split, the mean over the draws.
        flattery: by how much the naive split is above the grouped one, picture by picture.
        interval: its 95 % interval: the bootstrap's percentiles (Efron 1979), groups drawn whole, since relatives are no
            independent witnesses, and draws of the folds drawn too, since each decides many pictures at once.
    """

    n: int
    accuracy: dict[str, float]
    flattery: float
    interval: tuple[float, float]

    def as_json(self) -> dict[str, Any]:
        """These pictures in the document of `stj-model leakage`."""
        shares = {name: _share(accuracy * self.n, self.n) for name, accuracy in self.accuracy.items()}
        ends = [round(end, 4) for end in self.interval]
        return {"n": self.n, **shares, "flattery": round(self.flattery, 4), "flattery_interval": ends}

    def in_points(self) -> str:
        """The flattery in points of a hundred, with its interval."""
        low, high = self.interval
        return f"{100 * self.flattery:+.1f} points (95 % interval {100 * low:+.1f} to {100 * high:+.1f})"


@dataclass(frozen=True)
class Leakage:
    """What a naive split is worth on a dataset.

    Attributes:
        folds: in which each draw cuts the dataset.
        groups: of the dataset.
        draws: one per seed.
        pooled: all pictures, over all draws.
        related: those with a relative in the dataset, which alone can leak; None where there is none.
        alone: the others, which no split can flatter: how far they differ is how far chance goes; None where there is none.
    """

    folds: int
    groups: int
    draws: tuple[LeakageDraw, ...]
    pooled: PooledLeakage
    related: PooledLeakage | None
    alone: PooledLeakage | None

    def as_json(self) -> dict[str, Any]:
        """The JSON document of `stj-model leakage`."""
        parts = {"pooled": self.pooled, "related": self.related, "alone": self.alone}
        return {
            "folds": self.folds,
            "groups": self.groups,
            "draws": [draw.as_json() for draw in self.draws],
            **{name: None if part is None else part.as_json() for name, part in parts.items()},
        }

    def sentence(self) -> str:
        """What came out, for a person."""
        if self.related is None:
            return (
                f"None of the {self.pooled.n:,} pictures has a relative in the dataset: a naive split has nothing to leak "
                "here, and the figures differ by the draw alone."
            )
        gap = (
            f"{self.related.n:,} of the {self.pooled.n:,} pictures have a relative in the dataset; a naive split flatters "
            f"them by {self.related.in_points()}"
        )
        if self.related.interval[0] > 0:
            return f"{gap}: more than chance, and {self.pooled.in_points()} of the whole accuracy."
        return f"{gap}: not more than chance. Only relatives can leak, and the export has taken the duplicates out already."


def measure(dataset: Path, config: TrainConfig, seeds: Sequence[int], *, cache: Path, talk: Talk = SILENT) -> Leakage:
    """Judge every picture of a dataset by heads that saw nothing of it, of its relatives, or of its shop.

    Each seed draws five folds (`config.folds`) three times: by picture, as `train_test_split` would; by group, as
    `stj-dataset export` does; by shop. The features are those of the recipe and come from the cache where they are known.

    Args:
        dataset: folder with manifest.csv, labels.json and dataset.json.
        config: from `stj_model.config.resolve`; any recipe with a head on frozen features.
        seeds: of the folds, one draw each.
        cache: folder of features (STJ_CACHE).
        talk: where progress is told.

    Raises:
        DatasetError: the dataset does not match its manifest, or has nothing to learn in some class.
        WeightsError: the weights cannot be had.
    """
    opened = replace(open_dataset(dataset), none=())
    check_trainable(opened, config.recipe)
    weights = find_weights(config.weights, config.architecture)
    job = TrainingJob(opened, config, weights, cache, cache, talk)  # nothing is written but features
    seen = extract_table(job)
    table = seen.table
    fit_one = fitter(job, standardise=seen.weights.is_random)
    count, by_shop = len(opened.labels), holdable(table.classes, table.sources())
    alone = [picture.sha256 for picture in table.pictures]
    judged = group_folds(table, config.folds, seeds[0]) != NEVER  # whatever the seed

    def right_by(folds: Ints) -> Right:
        found: Right = (held_out_logits(table, folds, fit_one, count).argmax(axis=1) == table.classes)[judged]
        return found

    right: dict[str, list[Right]] = {NAIVE: [], GROUPED: [], **({SHOPS: []} if by_shop else {})}
    with talk.bar(f"Judging {len(alone)} pictures", len(seeds) * len(right)) as advance:
        for seed in seeds:
            right[NAIVE].append(right_by(grouped_folds(table.classes, alone, config.folds, seed)))
            right[GROUPED].append(right_by(group_folds(table, config.folds, seed)))
            if by_shop:
                right[SHOPS].append(right_by(source_folds(table, config.folds, seed)))
            advance(len(right))
    groups = [picture.group for picture, one in zip(table.pictures, judged, strict=True) if one]
    return summarise({name: np.stack(draws) for name, draws in right.items()}, groups, seeds, config.folds)


def summarise(right: dict[str, Right], groups: Sequence[str], seeds: Sequence[int], folds: int) -> Leakage:
    """Count what was right.

    Args:
        right: by split, whether each of n pictures was named rightly in each of s draws: (s, n).
        groups: of each picture.
        seeds: of each draw.
        folds: of each draw.
    """
    _, members, sizes = np.unique(np.asarray(groups, dtype=str), return_inverse=True, return_counts=True)
    related = sizes[members] > 1
    draws = []
    for place, seed in enumerate(seeds):
        naive, grouped = right[NAIVE][place], right[GROUPED][place]
        b, c = int((naive & ~grouped).sum()), int((grouped & ~naive).sum())
        correct = {name: int(every[place].sum()) for name, every in right.items()}
        draws.append(LeakageDraw(seed, len(naive), correct, b, c, mcnemar(b, c)))

    def part(chosen: Right) -> PooledLeakage | None:
        return (
            _pool({name: every[:, chosen] for name, every in right.items()}, members[chosen]) if chosen.any() else None
        )

    return Leakage(folds, len(sizes), tuple(draws), _pool(right, members), part(related), part(~related))


def _pool(right: dict[str, Right], members: Ints) -> PooledLeakage:
    _, place, sizes = np.unique(members, return_inverse=True, return_counts=True)
    gain = right[NAIVE].astype(np.float64) - right[GROUPED]
    sums = np.stack([np.bincount(place, line) for line in gain])  # by draw and group
    random = np.random.default_rng(0)
    groups, draws = (
        random.multinomial(size, np.full(size, 1 / size), size=RESAMPLES) for size in (len(sizes), len(gain))
    )
    means = ((draws @ sums) * groups).sum(axis=1) / len(gain) / (groups @ sizes)
    low, high = np.quantile(means, (0.025, 0.975))
    accuracy = {name: float(every.mean()) for name, every in right.items()}
    return PooledLeakage(gain.shape[1], accuracy, float(gain.mean()), (float(low), float(high)))


def _share(correct: float, n: int) -> dict[str, Any]:
    """An accuracy with its 95 % interval; over several draws n stays the number of pictures, which are the same ones."""
    low, high = wilson(correct, n)
    return {"accuracy": round(correct / n, 4), "interval": [round(low, 4), round(high, 4)]}
