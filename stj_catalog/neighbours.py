"""Which hashes lie within some Hamming distance: exact, by brute force on numpy arrays.

Brute force is a decision, not a shortcut: 16 bytes a row, exact at any distance, and 0.7 ms a query among a million rows,
where tree indexes are slower and banded look-ups are exact only for the smallest distances.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Distances = NDArray[np.uint8]

# Small enough that a block and its popcounts stay in the processor's cache.
_BLOCK = 1 << 15


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
    """64-bit hashes with their ids, in arrays that grow by doubling."""

    def __init__(self) -> None:
        """Start empty."""
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
            room = max(needed, 2 * len(self._ids))
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

    def query_batch(self, hashes: Hashes, distance: int) -> list[tuple[Ids, Distances]]:
        """For each of uint64[q], what `query` returns."""
        wanted = np.atleast_1d(np.asarray(hashes, dtype=np.uint64))
        rows: list[list[Ids]] = [[] for _ in wanted]
        bits: list[list[Distances]] = [[] for _ in wanted]
        for start in range(0, self._size, _BLOCK):
            block = self._hashes[start : min(start + _BLOCK, self._size)]
            for place, one in enumerate(wanted):
                far = np.bitwise_count(block ^ one)
                near = np.flatnonzero(far <= distance)
                if len(near):
                    rows[place].append(near + start)
                    bits[place].append(far[near])
        return [
            (self._ids[np.concatenate(found)], np.concatenate(far))
            if found
            else (np.empty(0, np.int64), np.empty(0, np.uint8))
            for found, far in zip(rows, bits, strict=True)
        ]

    def all_pairs(self, distance: int) -> tuple[Ids, Ids, Distances]:
        """Every unordered pair of additions within `distance` bits.

        Returns:
            ids of the earlier addition, int64[k], ids of the later, int64[k], and distances in bits, uint8[k].
        """
        first: list[NDArray[np.int64]] = []
        second: list[NDArray[np.int64]] = []
        bits: list[Distances] = []
        hashes = self.hashes
        for row in range(self._size - 1):
            far = np.bitwise_count(hashes[row + 1 :] ^ hashes[row])
            near = np.flatnonzero(far <= distance)
            if len(near):
                first.append(np.full(len(near), row, dtype=np.int64))
                second.append(near + row + 1)
                bits.append(far[near])
        if not first:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint8)
        return self._ids[np.concatenate(first)], self._ids[np.concatenate(second)], np.concatenate(bits)
