"""Which pictures may show the same thing: those that share rare visual words.

A descriptor becomes eight words of 24 bits each: on which side of 24 planes it lies. Pictures are then compared as texts are in
a search engine, by the words they have in common, and a word that many pictures have says nothing. The work grows with the
number of pictures, not with that of pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stj_images.crops.keypoints import Keypoints

PARTNERS = 10
_WORDS, _BITS = 8, 24
_COMMON = 128


def find_candidates(pictures: Sequence[Keypoints], partners: int = PARTNERS) -> list[tuple[int, int]]:
    """Pairs of places in `pictures`, the smaller first: each picture with those most like it, of equals the first.

    Everything is counted in whole numbers, so that the same pictures in the same order always give the same pairs.
    """
    from scipy.sparse import csr_array

    owners = np.repeat(np.arange(len(pictures)), [len(one.descriptors) for one in pictures])
    if not len(owners):
        return []
    words = _words(np.concatenate([one.descriptors for one in pictures]))
    pairs = np.unique(np.stack([np.tile(owners, _WORDS), words.ravel()], axis=1), axis=0)
    _, columns, shown_by = np.unique(pairs[:, 1], return_inverse=True, return_counts=True)
    telling = ((shown_by > 1) & (shown_by <= _COMMON))[columns]
    ones = np.ones(int(telling.sum()), dtype=np.int32)
    table = csr_array((ones, (pairs[telling, 0], columns[telling])), shape=(len(pictures), len(shown_by)))
    shared = (table @ table.T).tocsr()
    sizes = np.sqrt(np.maximum(table.sum(axis=1), 1))
    found: set[tuple[int, int]] = set()
    for place in range(len(pictures)):
        row = slice(shared.indptr[place], shared.indptr[place + 1])
        others, common = shared.indices[row], shared.data[row]
        likeness = common / (sizes[place] * sizes[others])
        best = np.lexsort((others, -likeness))
        nearest = [int(other) for other in others[best] if other != place][:partners]
        found |= {(min(place, other), max(place, other)) for other in nearest}
    return sorted(found)


def _words(descriptors: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The words of n descriptors, int64[8, n], no two of the eight alphabets alike."""
    middle = np.rint(descriptors.mean(axis=0, dtype=np.float64)).astype(np.float32)
    planes = np.random.default_rng(0).integers(0, 2, (descriptors.shape[1], _WORDS * _BITS)) * 2 - 1
    # Whole numbers below 2²⁴: float32 adds them exactly, in whatever order.
    sides = (descriptors.astype(np.float32) - middle) @ planes.astype(np.float32) > 0
    values = np.int64(1) << np.arange(_BITS, dtype=np.int64)
    spelt = sides.reshape(-1, _WORDS, _BITS) @ values
    words: NDArray[np.int64] = (spelt + (np.arange(_WORDS, dtype=np.int64) << _BITS)).T
    return words
