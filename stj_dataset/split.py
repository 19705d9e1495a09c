"""Which split each unit goes to: stratified by class, decided by the seed, and never moved once it is decided.

A unit is what must stay together (a group of pictures, or all groups of some shops). Units that are decided already are left
alone; the others fill what is missing, large units first. Each draws its split with a chance proportional to the room that is
left there, so that single pictures are spread exactly as by drawing without replacement, and large units no differently.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stj_catalog.grouping import components
from stj_core.vocabulary import SPLITS
from stj_dataset.shares import Shares

TRAIN, VAL, TEST = range(len(SPLITS))
UNDECIDED = -1


def split_units(
    counts: NDArray[np.int64],
    names: NDArray[np.uint64],
    decided: NDArray[np.int8],
    shares: Shares,
    seed: int,
    tests: Sequence[int] | None = None,
) -> NDArray[np.int8]:
    """Decide every unit's split.

    Args:
        counts: int64[units, classes], pictures of each class.
        names: uint64[units], what the seed is mixed with: a name that no order of arrival changes.
        decided: int8[units], place in SPLITS, or -1 for those that are not decided yet.
        shares: how large the splits should be.
        seed: decides everything that is open.
        tests: pictures of each class for test, where a number was asked for instead of a share.

    Returns:
        int8[units], place in SPLITS.
    """
    answer = decided.copy()
    targets = np.array(
        [shares.targets(int(n), tests[kind] if tests else None) for kind, n in enumerate(counts.sum(axis=0))],
        dtype=np.int64,
    ).reshape(-1, 3)
    room = targets.T.copy()
    for place in range(3):
        room[place] -= counts[decided == place].sum(axis=0)
    fresh = np.flatnonzero(decided == UNDECIDED)
    shuffle, draws = _draws(seed, names[fresh])
    left: list[list[int]] = room.tolist()
    for at in np.lexsort((names[fresh], shuffle, -counts[fresh].sum(axis=1))):
        unit = fresh[at]
        wanted = [(kind, n) for kind, n in enumerate(counts[unit].tolist()) if n]
        place = _choose(wanted, left, float(draws[at]))
        answer[unit] = place
        for kind, n in wanted:
            left[place][kind] -= n
    return answer


def _choose(wanted: list[tuple[int, int]], left: list[list[int]], draw: float) -> int:
    """The split for a unit: drawn among those with room for all of it, else the one that lacks most."""
    room = [min((split[kind] - n for kind, n in wanted), default=-1) for split in left]
    lacks = [sum(split[kind] for kind, _ in wanted) for split in left]
    chances = [lack if fits >= 0 else 0 for fits, lack in zip(room, lacks, strict=True)]
    total = sum(chances)
    if not total:
        return max(range(3), key=lambda place: (lacks[place], -place))
    point = draw * total
    for place, chance in enumerate(chances):
        point -= chance
        if point < 0:
            return place
    return max(place for place in range(3) if chances[place])


def _draws(seed: int, names: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
    """Two numbers for each name that only the seed and the name decide: a place in the order, and a draw from [0, 1)."""
    words = (hashlib.blake2b(f"{seed}:{name:016x}".encode(), digest_size=16).digest() for name in names)
    numbers = np.frombuffer(b"".join(words), dtype=">u8").reshape(-1, 2)
    return numbers[:, 0].astype(np.uint64), (numbers[:, 1] >> np.uint64(11)) / float(1 << 53)


def order_of(seed: int, names: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A number for each name that only the seed and the name decide: sorting by it is a seeded shuffle."""
    return _draws(seed, names)[0]


def winners(units: NDArray[np.int64], splits: NDArray[Any], size: int) -> NDArray[np.int8]:
    """The split of each unit that has any: where several met, test beats val and val beats train.

    Args:
        units: int64[n], the unit of each thing that has a split.
        splits: int8[n], its split.
        size: number of units.
    """
    answer = np.full(size, UNDECIDED, dtype=np.int8)
    np.maximum.at(answer, units, splits.astype(np.int8))
    return answer


Ints = NDArray[np.int64]


def units_by_group(groups: Ints) -> tuple[Ints, dict[int, int]]:
    """Each group is a unit.

    Args:
        groups: int64[n], the group of each picture.

    Returns:
        the unit of each picture, int64[n], and the unit of each group.
    """
    known, units = np.unique(groups, return_inverse=True)
    return units.astype(np.int64), {int(group): place for place, group in enumerate(known)}


def units_by_source(groups: Ints, sources: Iterable[tuple[int, str]]) -> tuple[Ints, dict[int, int]]:
    """Whatever hangs together by groups and sources is a unit: a shop, or shops that share a group.

    Args:
        groups: int64[n], the group of each picture.
        sources: every (group, source), also of groups that no picture here has.
    """
    tied = list(sources)
    everyone = dict.fromkeys([*groups.tolist(), *(group for group, _ in tied)])
    places = {group: place for place, group in enumerate(everyone)}
    shops = {source: len(places) + place for place, source in enumerate(dict.fromkeys(source for _, source in tied))}
    whole = {
        node: min(component)
        for component in components((places[group], shops[source]) for group, source in tied)
        for node in component
    }
    roots = {group: whole.get(place, place) for group, place in places.items()}
    names = {
        root: number for number, root in enumerate(dict.fromkeys(roots[group] for group in np.unique(groups).tolist()))
    }
    # Groups that no picture here has may tie two others together, and may have been assigned before.
    by_group = {group: names[root] for group, root in roots.items() if root in names}
    return np.array([by_group[group] for group in groups.tolist()], dtype=np.int64), by_group


def name_units(units: Ints, heads: NDArray[np.uint64], size: int) -> NDArray[np.uint64]:
    """The smallest checksum head in each unit: a name that no order of arrival changes."""
    names = np.full(size, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(names, units, heads)
    return names
