"""Multi-index hashing: which of many hashes lie within some bits of one, exact, by a look at few of them.

The 64 bits are dealt to bands. Two hashes within d bits are within t bits of each other in some band, if the bands' t + 1 add up
to d + 1 (the pigeonhole principle): so for each band every key within t bits of the asked one is looked up, and what stands
there is compared in full. Nothing is added to an index: `NeighbourIndex` makes another for what came later.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

BITS = 64
# Neighbouring bits of a pHash belong together; bands of scattered bits spread real photographs over more keys.
SCATTER = np.random.default_rng(7).permutation(BITS).astype(np.uint64)
# Three wide bands leave a quarter of the candidates of four narrow ones, and want tables that only many hashes are worth.
_FEW, _NARROW, _WIDE = 1 << 22, (16, 16, 16, 16), (22, 21, 21)
# Where more than this share of all would be compared, looking at all of them in order is quicker.
_WORTHWHILE = 1 / 16
_BLOCK = 1 << 20
_PLACE_BITS = np.uint64(32)


def reaches(distance: int, bands: int) -> list[int]:
    """By how many bits the keys may differ in each band, so that reach + 1 adds up to distance + 1; below 0: not at all."""
    return [(distance + bands - number) // bands - 1 for number in range(bands)]


def ball_size(width: int, reach: int) -> int:
    """How many keys `ball` has."""
    return sum(comb(width, bits) for bits in range(reach + 1))


@lru_cache
def ball(width: int, reach: int) -> Places:
    """Every key of `width` bits of which at most `reach` are set, int64[m]; none for a reach below 0."""
    words = [sum(1 << bit for bit in chosen) for n in range(reach + 1) for chosen in combinations(range(width), n)]
    return np.array(words, dtype=np.int64)


@dataclass(frozen=True)
class _Band:
    """Some of the 64 bits as a key.

    Attributes:
        shift: how many scattered bits stand below it.
        width: how many bits it has.
        order: the places of the hashes in order of their keys, uint32[n].
        starts: where in `order` each key begins, uint32[2**width + 1].
    """

    shift: int
    width: int
    order: NDArray[np.uint32]
    starts: NDArray[np.uint32]

    def cells(self, scattered: int, reach: int) -> tuple[Places, Places]:
        """Where in `order` the hashes begin whose keys are within `reach` bits, and how many there are of each key."""
        key = (scattered >> self.shift) & ((1 << self.width) - 1)
        keys = ball(self.width, reach) ^ key
        first = self.starts[keys].astype(np.int64)
        many = self.starts[keys + 1].astype(np.int64) - first
        there = many > 0
        return first[there], many[there]


class MultiIndex:
    """The bands of n hashes; the hashes themselves stay where they are."""

    def __init__(self, hashes: Hashes) -> None:
        """Sort the places of uint64[n] by each band's keys; n is below 2**32.

        For as long as it takes, 8 bytes a hash are needed; what stays is `nbytes`.
        """
        self._size = len(hashes)
        widths = _NARROW if self._size < _FEW else _WIDE
        self._bands = [_band(hashes, sum(widths[:place]), width) for place, width in enumerate(widths)]

    def __len__(self) -> int:
        """The number of hashes."""
        return self._size

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return sum(band.order.nbytes + band.starts.nbytes for band in self._bands)

    def near(self, hashes: Hashes, asked: np.uint64, distance: int) -> Places | None:
        """The places within `distance` bits of one hash, in order; None where looking at all hashes is quicker.

        Args:
            hashes: those that the index was made of.
            asked: one hash.
            distance: in bits.
        """
        how_far = reaches(distance, len(self._bands))
        if sum(ball_size(band.width, reach) for band, reach in zip(self._bands, how_far, strict=True)) > self._enough:
            return None
        scattered = int(scatter(np.array([asked], dtype=np.uint64))[0])
        cells = [band.cells(scattered, reach) for band, reach in zip(self._bands, how_far, strict=True)]
        if sum(int(many.sum()) for _, many in cells) > self._enough:
            return None
        found = []
        for band, (first, many) in zip(self._bands, cells, strict=True):
            places = band.order[runs(first, many)]
            found.append(places[np.bitwise_count(hashes[places] ^ asked) <= distance])
        return np.unique(np.concatenate(found)).astype(np.int64)

    @property
    def _enough(self) -> float:
        """So many looks are no longer quicker than one at everything."""
        return self._size * _WORTHWHILE


def _band(hashes: Hashes, shift: int, width: int) -> _Band:
    """Sort the places of hashes by a band's keys: key and place are one number, which sorts faster than places by keys."""
    numbers = np.empty(len(hashes), dtype=np.uint64)
    starts = np.zeros((1 << width) + 1, dtype=np.uint32)
    for begin in range(0, len(hashes), _BLOCK):
        end = min(begin + _BLOCK, len(hashes))
        keys = (scatter(hashes[begin:end]) >> np.uint64(shift)) & np.uint64((1 << width) - 1)
        numbers[begin:end] = (keys << _PLACE_BITS) | np.arange(begin, end, dtype=np.uint64)
        starts[1:] += np.bincount(keys.astype(np.int64), minlength=1 << width).astype(np.uint32)
    numbers.sort()
    return _Band(shift, width, numbers.astype(np.uint32), np.cumsum(starts, dtype=np.uint32))


def scatter(hashes: Hashes) -> Hashes:
    """Each hash with its bits in the order of SCATTER: uint64[n] to uint64[n]."""
    found = np.zeros(len(hashes), dtype=np.uint64)
    for byte, table in enumerate(_tables()):
        found |= table[(hashes >> np.uint64(8 * byte)).astype(np.uint8)]
    return found


@lru_cache(1)
def _tables() -> Hashes:
    """Where the bits of each value of each of the eight bytes go, uint64[8, 256]."""
    goes_to = np.argsort(SCATTER)
    values = np.arange(256, dtype=np.uint64)
    tables = np.zeros((8, 256), dtype=np.uint64)
    for byte in range(8):
        for bit in range(8):
            tables[byte] |= ((values >> np.uint64(bit)) & np.uint64(1)) << np.uint64(goes_to[8 * byte + bit])
    return tables


def runs(first: Places, many: Places) -> Places:
    """The numbers first, first + 1, … of each run, `many` of it, one run after the other; no run is empty."""
    if not len(first):
        return np.empty(0, dtype=np.int64)
    steps = np.ones(int(many.sum()), dtype=np.int64)
    steps[0] = first[0]
    steps[np.cumsum(many)[:-1]] = first[1:] - (first[:-1] + many[:-1] - 1)
    return np.cumsum(steps)
