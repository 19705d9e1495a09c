"""Look again at every picture of a catalogue, for crops of each other."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stj_core.errors import PictureError
from stj_images.crops.candidates import find_candidates
from stj_images.crops.keypoints import Keypoints, find_keypoints, small_grey
from stj_images.crops.overlap import find_overlap, overlap_distances

Bars = Callable[[str, int], Callable[[int], None]]
_HELD = 512


@dataclass(frozen=True, slots=True)
class Crop:
    """Two pictures that show one thing in part, by checksum, and the bits between what both show."""

    one: str
    two: str
    distance: int
    distance256: int


@dataclass(frozen=True)
class SecondLook:
    """What was looked at, and what was found.

    Attributes:
        checksums: sha256 of the pictures.
        crops: pairs with half of one of them in common, near or not.
    """

    checksums: frozenset[str]
    crops: Sequence[Crop]


def search(names: Mapping[str, object] | Sequence[str], read: Callable[[str], bytes], bars: Bars) -> SecondLook:
    """Find crops among pictures.

    Args:
        names: their checksums; the answer does not depend on their order.
        read: a picture's bytes; one that cannot be read is left out.
        bars: makes a progress bar from a stage's name and total.
    """
    threads = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(threads, thread_name_prefix="keypoints") as pool:
        known: dict[str, Keypoints] = {}
        advance = bars("Keypoints", len(names))
        for name, found in zip(sorted(names), pool.map(lambda one: _keypoints(read, one), sorted(names)), strict=True):
            if found is not None:
                known[name] = found
            advance(1)
        pairs = find_candidates(list(known.values()))
        order = list(known)
        grey = lru_cache(_HELD)(lambda name: small_grey(read(name)))
        advance = bars("Comparing", len(pairs))
        crops = []
        named = [(order[one], order[two]) for one, two in pairs]
        for crop in pool.map(lambda pair: _compare(known, grey, *pair), named):
            crops += [crop] if crop else []
            advance(1)
    return SecondLook(frozenset(known), crops)


def _keypoints(read: Callable[[str], bytes], name: str) -> Keypoints | None:
    try:
        return find_keypoints(read(name))
    except (OSError, PictureError):
        return None  # verify says so


def _compare(
    known: Mapping[str, Keypoints], grey: Callable[[str], NDArray[np.uint8]], one: str, two: str
) -> Crop | None:
    common = find_overlap(known[one], known[two])
    if common is None:
        return None
    return Crop(one, two, *overlap_distances(grey(one), grey(two), common))
