"""Which hashes lie within some Hamming distance: exact, on numpy arrays.

A query is brute force up to a million rows, which is a decision and not a shortcut: 16 bytes a row, exact at any distance, and
under a millisecond, where tree indexes are slower. Among more rows most is looked up by bands (`multi_index.py`), once enough was
asked to pay for making them. All pairs of a large index come from four bands (`_Band`). Both are exact too: what two hashes
differ by cannot be much in every band.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import comb

import numpy as np
from numpy.typing import NDArray

from stj_images.multi_index import SCATTER, MultiIndex, ball, reaches

Ids = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Distances = NDArray[np.uint8]
Places = NDArray[np.int64]
Pairs = tuple[Places, Places, Distances]

# Small enough that a block and its popcounts stay in the processor's cache.
_BLOCK = 1 << 16
_BANDS, _BAND_BITS = 4, 16
# A cell larger than this is cut, so that a product of two cells fits a block.
_CELL = 128
# Seconds per compared pair, and per mask where so many rows or more fill its cells, measured: only the choice between the two
# ways depends on them.
_PAIR_SECONDS, _MASK_SECONDS, _MASK_ROWS = 1.2e-9, 5e-3, 1 << 17
_NONE = np.uint64(0)
# Up to so many hashes of which there are no bands are looked through; of more, bands are made once so many were asked.
LOOKED_THROUGH, _PAID_BY = 1 << 20, 256
# Arrays grow to twice their size, later by a quarter: tens of millions of hashes leave no room for as many again.
_DOUBLED = 1 << 20


def hashes_from_hex(words: Sequence[str]) -> Hashes:
    """Hex words of 16 digits as uint64[n]."""
    return np.frombuffer(bytes.fromhex("".join(words)), dtype=">u8").astype(np.uint64)


def wide_from_hex(words: Sequence[str]) -> Hashes:
    """Hex words of 64 digits as uint64[n, 4]."""
    return hashes_from_hex(words).reshape(-1, 4)


def wide_distance(a: Hashes, b: Hashes) -> NDArray[np.int64]:
    """Hamming distances between rows of uint64[n, 4] and uint64[n, 4] (or [4])."""
    distances: NDArray[np.int64] = np.bitwise_count(a ^ b).sum(axis=-1, dtype=np.int64)
    return distances


class NeighbourIndex:
    """64-bit hashes with their ids, in arrays that grow, and bands of those that were there for long."""

    def __init__(self) -> None:
        """Start empty."""
        # Bands of the first so many hashes each, one after the other; what comes behind has none yet.
        self._banded: list[MultiIndex] = []
        self._asked = 0
        self._ids: Ids = np.empty(1024, dtype=np.int64)
        self._hashes: Hashes = np.empty(1024, dtype=np.uint64)
        self._size = 0

    def __len__(self) -> int:
        """The number of hashes."""
        return self._size

    @property
    def ids(self) -> Ids:
        """The ids, int64[n], in order of addition."""
        return self._ids[: self._size]

    @property
    def hashes(self) -> Hashes:
        """The hashes, uint64[n], in order of addition."""
        return self._hashes[: self._size]

    def add(self, ids: Ids, hashes: Hashes) -> None:
        """Add hashes.

        Args:
            ids: int64[n]; an id may come more than once.
            hashes: uint64[n].
        """
        ids = np.atleast_1d(np.asarray(ids, dtype=np.int64))
        hashes = np.atleast_1d(np.asarray(hashes, dtype=np.uint64))
        if ids.shape != hashes.shape or ids.ndim != 1:
            raise ValueError(f"ids and hashes must be two vectors of one length, got {ids.shape} and {hashes.shape}")
        needed = self._size + len(ids)
        if needed > len(self._ids):
            room = max(needed, len(self._ids) + (len(self._ids) if len(self._ids) < _DOUBLED else len(self._ids) // 4))
            self._ids = np.concatenate([self.ids, np.empty(room - self._size, dtype=np.int64)])
            self._hashes = np.concatenate([self.hashes, np.empty(room - self._size, dtype=np.uint64)])
        self._ids[self._size : needed] = ids
        self._hashes[self._size : needed] = hashes
        self._size = needed

    def query(self, hash: int | np.uint64, distance: int) -> tuple[Ids, Distances]:  # noqa: A002 - the contract's name
        """The hashes within `distance` bits of one hash.

        Returns:
            ids, int64[k], and their distances in bits, uint8[k], in order of addition.
        """
        return self.query_batch(np.asarray([hash], dtype=np.uint64), distance)[0]

    def query_batch(self, hashes: Hashes, distance: int, *, since: int = 0) -> list[tuple[Ids, Distances]]:
        """For each of uint64[q], what `query` returns; only of what was added after the first `since` hashes."""
        wanted = np.atleast_1d(np.asarray(hashes, dtype=np.uint64))
        begin = since
        found: list[list[Places]] = [[] for _ in wanted]
        if self._size - since > LOOKED_THROUGH:
            self._consider_bands(len(wanted))
            begin = max(since, self._whole)
            for place, one in enumerate(wanted):
                found[place] = list(self._looked_up(one, distance, since))
        for place, near in enumerate(self._looked_through(wanted, distance, begin, self._size)):
            found[place] += near
        return [self._answer(one, near) for one, near in zip(wanted, found, strict=True)]

    def _answer(self, asked: np.uint64, near: list[Places]) -> tuple[Ids, Distances]:
        if not near:
            return np.empty(0, np.int64), np.empty(0, np.uint8)
        places = np.concatenate(near)
        return self._ids[places], np.bitwise_count(self._hashes[places] ^ asked)

    def _looked_through(self, wanted: Hashes, distance: int, begin: int, end: int) -> list[list[Places]]:
        """The places from `begin` to `end` within `distance` bits of each hash, by a look at everything there."""
        found: list[list[Places]] = [[] for _ in wanted]
        for start in range(begin, end, _BLOCK):
            block = self._hashes[start : min(start + _BLOCK, end)]
            differing = np.empty_like(block)
            far = np.empty(len(block), dtype=np.uint8)
            for place, one in enumerate(wanted):
                np.bitwise_count(np.bitwise_xor(block, one, out=differing), out=far)
                if far.min() <= distance:  # most blocks hold nobody near: the least distance is the quickest to say so
                    found[place].append(np.flatnonzero(far <= distance) + start)
        return found

    def _looked_up(self, asked: np.uint64, distance: int, since: int) -> Iterator[Places]:
        """The places from `since` on, as far as there are bands, within `distance` bits of one hash."""
        end = 0
        for bands in self._banded:
            start, end = end, end + len(bands)
            if end <= since:
                continue
            near = bands.near(self._hashes[start:end], asked, distance)
            if near is None:
                (some,) = self._looked_through(np.array([asked]), distance, max(start, since), end)
                yield from some
            else:
                yield near[near >= since - start] + start

    def _consider_bands(self, asked: int) -> None:
        """Make bands of what has none, once it is much and was asked for so often that they pay."""
        if self._size - self._whole > LOOKED_THROUGH:
            self._asked += asked
            if self._asked >= _PAID_BY:
                self.make_bands()

    def make_bands(self) -> None:
        """Make bands of all that has none; those of few hashes are joined with them, so that there are never many bands."""
        self._asked, whole = 0, self._whole
        while self._banded and len(self._banded[-1]) <= 2 * (self._size - whole):
            whole -= len(self._banded.pop())
        self._banded.append(MultiIndex(self._hashes[whole : self._size]))

    @property
    def _whole(self) -> int:
        """How many hashes have bands."""
        return sum(len(one) for one in self._banded)

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self._ids.nbytes + self._hashes.nbytes + sum(one.nbytes for one in self._banded)

    def all_pairs(self, distance: int) -> tuple[Ids, Ids, Distances]:
        """Every unordered pair of additions within `distance` bits.

        Returns:
            ids of the earlier addition, int64[k], ids of the later, int64[k], and distances in bits, uint8[k]; ordered by
            the earlier, then the later addition.
        """
        found = list(self._places(distance))
        if not found:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint8)
        first, second, bits = (np.concatenate(part) for part in zip(*found, strict=True))
        order = np.argsort(first * self._size + second)
        return self._ids[first[order]], self._ids[second[order]], bits[order]

    def pair_blocks(self, distance: int, *, turned: int = 0, across: int = 0) -> Iterator[tuple[Ids, Ids, Distances]]:
        """The pairs of `all_pairs`, in blocks and in no promised order: a large catalogue has more than fit in memory.

        Args:
            distance: in bits.
            turned: bits that count as different where they are equal, as the odd columns of a mirrored picture are.
            across: only pairs of one of the first so many additions with one of the others; all pairs, if 0.
        """
        for first, second, bits in self._places(distance, np.uint64(turned), across):
            yield self._ids[first], self._ids[second], bits

    def _places(self, distance: int, turned: np.uint64 = _NONE, across: int = 0) -> Iterator[Pairs]:
        """The cheaper way to the pairs, as places in the index."""
        hashes = self.hashes.copy()
        brute = (across * (self._size - across) if across else self._size**2 / 2) * _PAIR_SECONDS
        masks = sum(comb(_BAND_BITS, n) for reach in _reaches(distance) for n in range(reach + 1))
        if brute > masks * _mask_seconds(len(hashes)):
            bands = _bands(hashes, distance, across)
            if brute > sum(band.seconds for band in bands):
                return _banded_pairs(bands, distance, turned)
        return _brute_pairs(hashes, distance, turned, across)


def _mask_seconds(rows: int) -> float:
    """About how long a mask takes beside the pairs that it leads to: fewer rows fill fewer cells."""
    return _MASK_SECONDS * min(1.0, rows / _MASK_ROWS)


def _brute_pairs(hashes: Hashes, distance: int, turned: np.uint64 = _NONE, across: int = 0) -> Iterator[Pairs]:
    """Compare everything with everything after it, or the first `across` with all others, a block at a time."""
    tall = 128
    for top in range(0, across or len(hashes), tall):
        rows = hashes[top : min(top + tall, across or len(hashes)), None] ^ turned
        for left in range(across or top, len(hashes), _BLOCK // tall):
            far = np.bitwise_count(rows ^ hashes[left : left + _BLOCK // tall])
            # Flat: where hardly anything is true, numpy finds it in one dimension thirty times faster than in two.
            hits = np.flatnonzero(far <= distance)
            if not len(hits):
                continue
            first, second = np.unravel_index(hits, far.shape)
            bits = far.ravel()[hits]
            first, second = first + top, second + left
            later = first < second
            if later.any():
                yield first[later], second[later], bits[later]


@dataclass(frozen=True)
class _Band:
    """Sixteen of the 64 bits as a key, and how far the keys of a pair may be apart to be found in this band.

    Two hashes within d bits are within t of each other in some band if the bands' t + 1 add up to d + 1. The hashes are
    sorted by key and cut into cells of one key; each mask of at most t bits leads from a cell to those to compare it with.

    Where only pairs across two halves are wanted, a seventeenth bit of the key says of which half a row is, and each mask
    turns it.

    Attributes:
        positions: of its bits among the 64, uint64[16].
        reach: t, the bits by which the keys may differ.
        order: the place of each sorted row in the index, int64[n].
        hashes: sorted by key, uint64[n].
        counts: rows of each key, int64[65536], or int64[131072] with halves.
        masks: by which keys may differ, int64[m].
        earlier: bits and reach of the bands before: a pair that they find too is theirs.
    """

    positions: Hashes
    reach: int
    order: Places
    hashes: Hashes
    counts: Places
    masks: Places
    earlier: tuple[tuple[int, int], ...]

    def key_of(self, hash_: np.uint64) -> int:
        """The key of one hash."""
        return int(_keys(np.array([hash_]), self.positions)[0])

    @property
    def seconds(self) -> float:
        """About how long its pairs take."""
        counts = self.counts.astype(np.float64)
        keys = np.arange(len(counts))
        pairs = sum(float(counts @ counts[keys ^ mask]) for mask in self.masks) / 2
        return pairs * 2 * _PAIR_SECONDS + len(self.masks) * _mask_seconds(len(self.hashes))

    def cells(self) -> tuple[Places, Places, Places]:
        """Key, first row and size of every cell, in order of key."""
        starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        pieces = -(-self.counts // _CELL)
        keys = np.repeat(np.arange(len(self.counts)), pieces)
        piece = np.arange(len(keys)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        sizes = np.minimum(_CELL, self.counts[keys] - piece * _CELL)
        return keys, starts[keys] + piece * _CELL, sizes


def _reaches(distance: int) -> list[int]:
    """By how much the keys of a pair may differ in each band that is needed."""
    return [reach for reach in reaches(distance, _BANDS) if reach >= 0]


def _bands(hashes: Hashes, distance: int, across: int = 0) -> list[_Band]:
    """The bands that together find every pair within `distance` bits, or of those the ones across two halves."""
    halves = [slice(0, across), slice(across, None)] if across else [slice(0, None)]
    other_half = (1 << _BAND_BITS) if across else 0
    bands: list[_Band] = []
    earlier: tuple[tuple[int, int], ...] = ()
    for number, reach in enumerate(_reaches(distance)):
        positions = SCATTER[number * _BAND_BITS : (number + 1) * _BAND_BITS]
        keys = _keys(hashes, positions)
        # Each half by itself: sixteen bits are sorted in a fraction of the time that more would take.
        order = np.concatenate([half.start + np.argsort(keys[half], kind="stable") for half in halves])
        bits = sum(1 << int(position) for position in positions)
        bands.append(
            _Band(
                positions,
                reach,
                order,
                hashes[order],
                np.concatenate([np.bincount(keys[half], minlength=1 << _BAND_BITS) for half in halves]),
                ball(_BAND_BITS, reach) | other_half,
                earlier,
            )
        )
        earlier = (*earlier, (bits, reach))
    return bands


def _keys(hashes: Hashes, positions: Hashes) -> NDArray[np.uint16]:
    keys = np.zeros(len(hashes), dtype=np.uint64)
    for place, position in enumerate(positions):
        keys |= ((hashes >> position) & np.uint64(1)) << np.uint64(place)
    return keys.astype(np.uint16)


def _banded_pairs(bands: Sequence[_Band], distance: int, turned: np.uint64 = _NONE) -> Iterator[Pairs]:
    """Compare the rows of cells that a mask connects; numpy leaves the interpreter's lock, so threads help."""
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for band in bands:
            cells = band.cells()
            of_key = np.searchsorted(cells[0], np.arange(len(band.counts) + 1))
            compare = partial(_mask_pairs, band, cells, of_key, distance, turned)
            for found in pool.map(compare, (band.masks ^ band.key_of(turned)).tolist()):
                yield from found


def _mask_pairs(
    band: _Band, cells: tuple[Places, Places, Places], of_key: Places, distance: int, turned: np.uint64, mask: int
) -> list[Pairs]:
    """The pairs of rows whose keys differ by exactly `mask`."""
    keys, starts, sizes = cells
    one, two = _connected(keys, sizes, of_key, mask)
    found: list[Pairs] = []
    shape = _roomy(sizes[one]) * (2 * _CELL) + _roomy(sizes[two])
    order = np.argsort(shape, kind="stable")
    edges = np.flatnonzero(np.diff(shape[order])) + 1
    for group in np.split(order, edges):
        if not len(group):
            continue
        tall, wide = divmod(int(shape[group[0]]), 2 * _CELL)
        step = max(1, _BLOCK // (tall * wide))
        for begin in range(0, len(group), step):
            some = group[begin : begin + step]
            a, b = one[some], two[some]
            pairs = _product(band, (starts[a], sizes[a], tall), (starts[b], sizes[b], wide), distance, turned)
            if pairs is not None:
                found.append(pairs)
    return found


def _connected(keys: Places, sizes: Places, of_key: Places, mask: int) -> tuple[Places, Places]:
    """Pairs of cells whose keys differ by `mask`, each once, the smaller first; where `mask` is 0 also each with itself."""
    other = keys ^ mask
    many = of_key[other + 1] - of_key[other]
    many[other < keys] = 0
    one = np.repeat(np.arange(len(keys)), many)
    two = np.arange(len(one)) + np.repeat(of_key[other] - (np.cumsum(many) - many), many)
    later = one <= two
    one, two = one[later], two[later]
    smaller = sizes[one] <= sizes[two]
    return np.where(smaller, one, two), np.where(smaller, two, one)


def _roomy(sizes: Places) -> Places:
    """Sizes rounded up to few different ones, by an eighth at most where they are large: cells of one shape go together."""
    grain = np.maximum(1, 2 ** np.maximum(0, np.ceil(np.log2(np.maximum(sizes, 1))).astype(np.int64) - 3))
    rounded: Places = -(-sizes // grain) * grain
    return rounded


def _product(
    band: _Band, one: tuple[Places, Places, int], two: tuple[Places, Places, int], distance: int, turned: np.uint64
) -> Pairs | None:
    """Compare every row of the first cells with every row of their partners.

    Cells are read up to the common size: what lies behind a cell's end is compared in vain and dropped.
    """
    (start_a, size_a, tall), (start_b, size_b, wide) = one, two
    # numpy is fast along the last axis only: that is the longest one.
    if len(start_a) > wide:
        left = band.hashes.take(np.arange(tall)[:, None] + start_a, mode="clip") ^ turned
        right = band.hashes.take(np.arange(wide)[:, None] + start_b, mode="clip")
        far = np.bitwise_count(left[:, None, :] ^ right[None, :, :])
    else:
        left = band.hashes.take(start_a[:, None] + np.arange(tall), mode="clip") ^ turned
        right = band.hashes.take(start_b[:, None] + np.arange(wide), mode="clip")
        far = np.bitwise_count(left[:, :, None] ^ right[:, None, :])
    hits = np.flatnonzero(far <= distance)
    if not len(hits):
        return None
    places = np.unravel_index(hits, far.shape)
    row, column, cell = places if len(start_a) > wide else (places[1], places[2], places[0])
    i, j = start_a[cell] + row, start_b[cell] + column
    real = (row < size_a[cell]) & (column < size_b[cell]) & (i != j) & ((start_a[cell] != start_b[cell]) | (i < j))
    i, j, bits = i[real], j[real], far.ravel()[hits[real]]
    differing = band.hashes[i] ^ band.hashes[j] ^ turned
    ours = np.ones(len(i), dtype=bool)
    for mask, reach in band.earlier:
        ours &= np.bitwise_count(differing & np.uint64(mask)) > reach
    a, b = band.order[i[ours]], band.order[j[ours]]
    return np.minimum(a, b), np.maximum(a, b), bits[ours]
