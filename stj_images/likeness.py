"""When two pictures are the same, related, or only resemble each other.

pHash-64 alone is blind to pose and colour: at 8 bits it finds every resized, recompressed or watermarked copy among 599 shop
photographs, and 437 false pairs. Confirmed by pHash-256 the recall stays and the false pairs go. A pair is looked at in three
ways: as it is, with one of the two mirrored, and without uniform borders. What comes out depends on the two pictures only, never
on which of them came first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stj_core.config import Config
from stj_images.fingerprint import Fingerprint
from stj_images.neighbours import Hashes, Ids, NeighbourIndex, hashes_from_hex, wide_distance, wide_from_hex

KINDS = ("duplicate", "related", "weak", "unlike")
DUPLICATE = KINDS[0]
WAYS = ("plain", "mirrored", "trimmed")
# The hashes that pictures are compared by, by their names in fingerprints and in the catalogue, in the order of Looks.from_hex.
HASHES = ("phash", "phash_trim", "phash256", "phash256_mirror", "phash256_trim")
_DUPLICATE, _RELATED, _WEAK, _UNLIKE = range(4)
# A mirrored picture's pHash-64 has the odd columns of its 8 x 8 bits turned round, but for coefficients near the median.
MIRROR = 0x5555_5555_5555_5555


@dataclass(frozen=True)
class Thresholds:
    """Hamming distances in bits, inclusive: pHash-64 and pHash-256 must both hold."""

    duplicate: int = 8
    duplicate256: int = 22
    related: int = 10
    related256: int = 32
    weak256: int = 48
    crop: int = 8
    crop256: int = 16

    @property
    def rule(self) -> str:
        """The thresholds as each decision records them."""
        return f"duplicate {self.duplicate}/{self.duplicate256}, related {self.related}/{self.related256}"

    @property
    def crop_rule(self) -> str:
        """How near the common parts of a crop and its picture are, as each such pair records it."""
        return f"crop {self.crop}/{self.crop256}"

    @property
    def reach(self) -> int:
        """The pHash-64 distance within which a pair can count at all."""
        return max(self.duplicate, self.related)

    def kinds(self, distance: NDArray[Any], distance256: NDArray[Any], way: str) -> NDArray[np.int8]:
        """Places in KINDS, int8[n]; a mirrored or bordered copy is a relative, never a duplicate."""
        near = np.full(len(distance), _UNLIKE, dtype=np.int8)
        near[(distance <= self.related) & (distance256 <= max(self.weak256, self.related256))] = _WEAK
        near[(distance <= self.related) & (distance256 <= self.related256)] = _RELATED
        if way == "plain":
            near[(distance <= self.duplicate) & (distance256 <= self.duplicate256)] = _DUPLICATE
        return near


@dataclass(frozen=True)
class Looks:
    """How n pictures look, in arrays of one length.

    Attributes:
        ids: int64[n].
        plain: pHash-64, uint64[n].
        trimmed: pHash-64 without uniform borders, uint64[n].
        wide: pHash-256, uint64[n, 4].
        wide_mirror: pHash-256 of the mirrored picture, uint64[n, 4].
        wide_trimmed: pHash-256 without uniform borders, uint64[n, 4].
        checksums: sha256, uint64[n, 4].
    """

    ids: Ids
    plain: Hashes
    trimmed: Hashes
    wide: Hashes
    wide_mirror: Hashes
    wide_trimmed: Hashes
    checksums: Hashes

    @classmethod
    def from_hex(cls, rows: Sequence[Sequence[Any]]) -> Looks:
        """From rows of id, the HASHES and sha256 in hex."""
        ids, plain, trimmed, *wide = zip(*rows, strict=True) if rows else ((),) * 7
        return cls(
            np.array(ids, dtype=np.int64),
            hashes_from_hex(plain),
            hashes_from_hex(trimmed),
            *(wide_from_hex(words) for words in wide),
        )

    @classmethod
    def of_prints(cls, prints: Sequence[Fingerprint], first: int = 0) -> Looks:
        """Of fingerprints, numbered from `first`."""
        rows = [
            (first + place, *(getattr(one, word) for word in (*HASHES, "sha256"))) for place, one in enumerate(prints)
        ]
        return cls.from_hex(rows)

    @classmethod
    def join(cls, parts: Sequence[Looks]) -> Looks:
        """All pictures of several."""
        return cls(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(cls)))

    def __len__(self) -> int:
        """How many pictures there are."""
        return len(self.ids)

    def take(self, places: NDArray[Any]) -> Looks:
        """Those at the given places, or where a mask is true."""
        return Looks(*(getattr(self, one.name)[places] for one in fields(self)))


@dataclass(frozen=True)
class Comparison:
    """What n pairs of pictures have in common, in arrays of one length.

    Attributes:
        kind: place in KINDS, int8[n].
        way: place in WAYS: the way in which they are most alike, int8[n].
        distance: bits of pHash-64 in that way, int64[n].
        distance256: bits of pHash-256 in that way, int64[n].
        exact: whether the bytes are the same, bool[n].
    """

    kind: NDArray[np.int8]
    way: NDArray[np.int8]
    distance: NDArray[np.int64]
    distance256: NDArray[np.int64]
    exact: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a pair of pictures has in common; `a` is the smaller id."""

    a: int
    b: int
    kind: str
    way: str
    exact: bool
    distance: int
    distance256: int


def compare(one: Looks, two: Looks, thresholds: Thresholds) -> Comparison:
    """Compare each picture of one with the picture at the same place of the other.

    Of the ways in which a pair is equally alike in kind the first of WAYS counts.
    """
    ways = [(way, *_distances(one, two, way)) for way in WAYS]
    kinds = np.stack([thresholds.kinds(near, far, way) for way, near, far in ways])
    way = kinds.argmin(axis=0)
    place = np.arange(len(one))
    kind = kinds[way, place]
    near, far = (np.stack([each[column] for each in ways])[way, place] for column in (1, 2))
    exact = (one.checksums == two.checksums).all(axis=-1)
    return Comparison(kind, way.astype(np.int8), near, far, exact)


def _distances(one: Looks, two: Looks, way: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if way == "trimmed":
        near, far = one.trimmed ^ two.trimmed, wide_distance(one.wide_trimmed, two.wide_trimmed)
    elif way == "mirrored":
        near = one.plain ^ two.plain ^ np.uint64(MIRROR)
        # A mirrored picture's hash is not quite the mirrored hash: the better direction counts, whoever came first.
        far = np.minimum(wide_distance(one.wide_mirror, two.wide), wide_distance(one.wide, two.wide_mirror))
    else:
        near, far = one.plain ^ two.plain, wide_distance(one.wide, two.wide)
    return np.bitwise_count(near).astype(np.int64), far


class LooksIndex:
    """Every picture's pHash-64 as it is and without borders: what newcomers are compared with."""

    def __init__(self) -> None:
        """Start empty."""
        self.plain = NeighbourIndex()
        self.trimmed = NeighbourIndex()

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self.plain)

    def add(self, ids: Ids, plain: Hashes, trimmed: Hashes) -> None:
        """Add pictures: int64[n], uint64[n], uint64[n]."""
        self.plain.add(ids, plain)
        self.trimmed.add(ids, trimmed)

    def candidates(self, newcomers: Looks, reach: int, *, since: int = 0) -> list[tuple[int, int]]:
        """Pairs of a newcomer's place and a picture's id that are within reach in some way.

        Args:
            newcomers: whom they are looked for.
            reach: in bits of pHash-64.
            since: only among the pictures that were added after the first `since`.
        """
        asked = np.concatenate([newcomers.plain, newcomers.plain ^ np.uint64(MIRROR)])
        answers = self.plain.query_batch(asked, reach, since=since)
        answers += self.trimmed.query_batch(newcomers.trimmed, reach, since=since)
        found = {(number % len(newcomers), other) for number, (ids, _) in enumerate(answers) for other in ids.tolist()}
        return sorted(found)


def pairs_within(
    looks: Looks, thresholds: Thresholds, across: int = 0
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Blocks of places of the pairs that are within reach of pHash-64 in some way; a pair comes once for each way.

    Args:
        looks: the pictures.
        thresholds: give the reach.
        across: only pairs of one of the first so many pictures with one of the others; all pairs, if 0.
    """
    places = np.arange(len(looks), dtype=np.int64)
    for hashes, turned in ((looks.plain, 0), (looks.plain, MIRROR), (looks.trimmed, 0)):
        index = NeighbourIndex()
        index.add(places, hashes)
        for one, two, _ in index.pair_blocks(thresholds.reach, turned=turned, across=across):
            yield one, two


def likenesses_among(looks: Looks, thresholds: Thresholds, across: int = 0) -> Iterator[Likeness]:
    """Every pair of pictures that is at least weakly alike, once; `across` as in `pairs_within`."""
    seen: set[tuple[int, int]] = set()
    for one, two in pairs_within(looks, thresholds, across):
        for likeness in likenesses_of(looks.take(one), looks.take(two), thresholds):
            if (likeness.a, likeness.b) not in seen:
                seen.add((likeness.a, likeness.b))
                yield likeness


def likenesses_of(one: Looks, two: Looks, thresholds: Thresholds) -> Iterator[Likeness]:
    """The likenesses of aligned pairs, those that are not unlike."""
    found = compare(one, two, thresholds)
    for place in np.flatnonzero(found.kind < _UNLIKE).tolist():
        a, b = sorted((int(one.ids[place]), int(two.ids[place])))
        yield Likeness(
            a,
            b,
            KINDS[found.kind[place]],
            WAYS[found.way[place]],
            bool(found.exact[place]),
            int(found.distance[place]),
            int(found.distance256[place]),
        )


def thresholds_of(config: Config) -> Thresholds:
    """The distances that the configuration gives."""
    return Thresholds(config.duplicate_bits, config.duplicate_bits256, config.related_bits, config.related_bits256)
