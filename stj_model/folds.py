"""Folds that keep what belongs together together: relatives for out-of-fold figures, whole shops for honest ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

NEVER = -1
"""The fold of what is never held out: without it nobody would teach its class."""


def grouped_folds(
    labels: Sequence[int] | Ints, groups: Sequence[str], folds: int, seed: int, *, every_class: bool = True
) -> Ints:
    """Give every picture a fold so that no group is in two, and each class is spread as evenly as groups allow.

    The largest groups are placed first, each where its classes are fewest (longest-processing-time rule); groups of one
    size come in an order drawn from `seed`. Fewer folds are used where a class has fewer groups, unless a fold may do
    without some class: shops sell few classes, and holding out five times is still possible where a class has three shops.
    The only group of a class is never held out: the other classes are measured all the same, as often as they can be.

    Args:
        labels: class of each picture, n of them.
        groups: group of each picture.
        folds: wanted number, 2 or more.
        seed: of the order among equals.
        every_class: whether each fold must hold each class.

    Returns:
        int64 of shape (n,), 0 to folds - 1, or NEVER. Only where each class has one group alone, those are held out.
    """
    if every_class and (rest := ~_in_only_group(labels, groups)).any() and not rest.all():
        found = np.full(len(rest), NEVER, dtype=np.int64)
        some = [group for group, one in zip(groups, rest, strict=True) if one]
        found[rest] = grouped_folds(np.asarray(labels)[rest], some, folds, seed)
        return found
    classes, coded = np.unique(np.asarray(labels), return_inverse=True)
    names, members = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    counts = np.zeros((len(names), len(classes)), dtype=np.int64)
    np.add.at(counts, (members, coded), 1)
    used = max(2, min(folds, int((counts > 0).sum(axis=0).min()) if every_class else len(names)))
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = shuffled[np.argsort(-counts[shuffled].sum(axis=1), kind="stable")]
    share = counts / counts.sum(axis=0)
    filled = np.zeros((used, len(classes)))
    fold_of = np.zeros(len(names), dtype=np.int64)
    for group in order:
        # Its own classes decide; between equals, the smaller fold.
        cost = (filled @ share[group]) + 1e-6 * filled.sum(axis=1)
        fold = int(np.argmin(cost))
        fold_of[group] = fold
        filled[fold] += share[group]
    result: Ints = fold_of[members]
    if not every_class and any(filled.max(axis=0) > 1 - 1e-9):
        return grouped_folds(labels, groups, folds, seed)  # one fold took all of a class: nobody would teach it
    return result


def _in_only_group(labels: Sequence[int] | Ints, groups: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which pictures are in a group that is the only one of some class, (n,)."""
    pairs = {(int(label), group) for label, group in zip(labels, groups, strict=True)}
    known = Counter(label for label, _ in pairs)
    only = {group for label, group in pairs if known[label] == 1}
    return np.array([group in only for group in groups], dtype=bool)


def holdable(labels: Sequence[int] | Ints, groups: Sequence[str]) -> bool:
    """Whether every class has pictures in two groups or more, so that a whole group can be held out."""
    pairs = {(int(label), group) for label, group in zip(labels, groups, strict=True)}
    return all(sum(1 for other, _ in pairs if other == label) > 1 for label in {label for label, _ in pairs})
