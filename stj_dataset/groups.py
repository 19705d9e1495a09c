"""What must stay together: groups of pictures, or whole shops."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

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
    parent: dict[object, object] = {}

    def root(node: object) -> object:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for group, source in sources:
        parent[root(group)] = root(source)
    known = np.unique(groups).tolist()
    names = {name: place for place, name in enumerate(dict.fromkeys(root(group) for group in known))}
    # Groups that no picture here has may tie two others together, and may have been assigned before.
    by_group = {node: names[root(node)] for node in list(parent) if isinstance(node, int) and root(node) in names}
    return np.array([by_group[group] for group in groups.tolist()], dtype=np.int64), by_group


def name_units(units: Ints, heads: NDArray[np.uint64], size: int) -> NDArray[np.uint64]:
    """The smallest checksum head in each unit: a name that no order of arrival changes."""
    names = np.full(size, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(names, units, heads)
    return names
