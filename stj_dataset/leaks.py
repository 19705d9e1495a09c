"""The proof: read the written files again, hash them afresh, and look at every pair across splits."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stj_catalog.errors import DatasetError, PictureError
from stj_catalog.fingerprint import Fingerprint, fingerprint
from stj_catalog.likeness import Thresholds
from stj_catalog.neighbours import NeighbourIndex, hashes_from_hex, wide_distance, wide_from_hex

Ints = NDArray[np.int64]
_CHUNK, _TASK = 256, 16


@dataclass(frozen=True, slots=True)
class Pair:
    """Two written pictures of different splits, by their places in the manifest."""

    one: int
    two: int
    kind: str
    distance: int
    distance256: int
    mirrored: bool = False


@dataclass(frozen=True)
class LeakReport:
    """What the pairs across splits have in common.

    Attributes:
        files: pictures that were read.
        duplicates: pairs that are the same picture.
        relatives: pairs that are related, mirrored copies too.
        same_product: pairs of pictures of one product or product family, one per family and pair of splits.
        nearest: the most alike pair across splits, if any is within reach of the search.
    """

    files: int
    duplicates: Sequence[Pair]
    relatives: Sequence[Pair]
    same_product: Sequence[Pair]
    nearest: Pair | None

    @property
    def leaks(self) -> int:
        """Pairs that must not be."""
        return len(self.duplicates) + len(self.relatives) + len(self.same_product)

    @property
    def sentence(self) -> str:
        """The proof in one sentence."""
        near = "no pair across splits looks alike"
        if self.nearest is not None:
            near = (
                f"the most alike pair across splits differs in {self.nearest.distance} of 64 "
                f"and {self.nearest.distance256} of 256 bits"
            )
        return (
            f"Leak check, {self.files} written files hashed afresh: {len(self.duplicates)} duplicate, "
            f"{len(self.relatives)} related, {len(self.same_product)} same-product pairs across splits; {near}."
        )


@dataclass
class _Prints:
    phash: NDArray[np.uint64]
    phash256: NDArray[np.uint64]
    phash_mirror: NDArray[np.uint64]
    phash256_mirror: NDArray[np.uint64]

    @classmethod
    def empty(cls, size: int) -> _Prints:
        return cls(*(np.zeros(shape, np.uint64) for shape in ((size,), (size, 4), (size,), (size, 4))))

    def fill(self, start: int, prints: Sequence[Fingerprint]) -> None:
        end = start + len(prints)
        self.phash[start:end] = hashes_from_hex([one.phash for one in prints])
        self.phash256[start:end] = wide_from_hex([one.phash256 for one in prints])
        self.phash_mirror[start:end] = hashes_from_hex([one.phash_mirror for one in prints])
        self.phash256_mirror[start:end] = wide_from_hex([one.phash256_mirror for one in prints])


def check_leaks(
    root: Path,
    written: Iterator[tuple[str, str]],
    splits: NDArray[np.int8],
    families: tuple[Ints, Ints],
    *,
    thresholds: Thresholds,
    pool: ThreadPoolExecutor,
    tick: Callable[[int], None],
) -> LeakReport:
    """Compare all pairs across splits.

    Args:
        root: the dataset's folder.
        written: file and sha256 of each picture, in the manifest's order.
        splits: int8[n], the split of each.
        families: places in the manifest, int64[k], and the product family that each was sighted with, int64[k].
        thresholds: what counts as the same and as related.
        pool: threads for decoding.
        tick: told how many pictures were read.

    Raises:
        DatasetError: a file is not what the catalogue says.
    """
    prints = _read_prints(root, written, len(splits), pool, tick)
    across = list(_pairs(prints, splits, thresholds))
    return LeakReport(
        files=len(splits),
        duplicates=[one for one in across if one.kind == "duplicate"],
        relatives=[one for one in across if one.kind == "related"],
        same_product=_same_product(splits, families),
        nearest=min(across, key=lambda one: (one.distance256, one.distance, one.one, one.two), default=None),
    )


def read_files(root: Path, files: Sequence[str]) -> Iterator[bytes]:
    """The bytes of files of a dataset, also of those inside its shards (`train-000000.tar/name.jpg`)."""
    open_shard: tuple[str, tarfile.TarFile] | None = None
    try:
        for file in files:
            shard, inside = file.split("/", 1)
            if not shard.endswith(".tar"):
                yield (root / file).read_bytes()
                continue
            if open_shard is None or open_shard[0] != shard:
                if open_shard:
                    open_shard[1].close()
                open_shard = shard, tarfile.open(root / shard)  # noqa: SIM115 - open across files
            member = open_shard[1].extractfile(inside)
            yield member.read() if member else b""
    finally:
        if open_shard:
            open_shard[1].close()


def _read_prints(
    root: Path,
    written: Iterator[tuple[str, str]],
    size: int,
    pool: ThreadPoolExecutor,
    tick: Callable[[int], None],
) -> _Prints:
    prints = _Prints.empty(size)
    start = 0
    while chunk := [one for one, _ in zip(written, range(_CHUNK), strict=False)]:
        data = list(read_files(root, [file for file, _ in chunk]))
        tasks = [range(at, min(at + _TASK, len(chunk))) for at in range(0, len(chunk), _TASK)]

        def work(places: range, data: list[bytes] = data, chunk: list[tuple[str, str]] = chunk) -> list[Fingerprint]:
            return [_print(data[place], *chunk[place]) for place in places]

        prints.fill(start, [one for done in pool.map(work, tasks) for one in done])
        start += len(chunk)
        tick(len(chunk))
    return prints


def _print(data: bytes, file: str, sha256: str) -> Fingerprint:
    wrong = f"The file {file} is not what the catalogue says"
    try:
        found = fingerprint(data)
    except PictureError as error:
        raise DatasetError(f"{wrong}: {error} stj-dataset verify lists what is wrong.") from error
    if found.sha256 != sha256:
        raise DatasetError(
            f"{wrong}: its sha256 is {found.sha256[:12]}…, not {sha256[:12]}…; stj-dataset verify lists what is wrong."
        )
    return found


def _pairs(prints: _Prints, splits: NDArray[np.int8], thresholds: Thresholds) -> Iterator[Pair]:
    """Pairs across splits within reach of pHash-64, upright or with one of them mirrored, whatever pHash-256 says."""
    size = len(splits)
    index = NeighbourIndex()
    index.add(np.arange(size, dtype=np.int64), prints.phash)
    # The mirrored pictures stand in the second half: a pair of a first and a second is a mirrored pair.
    index.add(np.arange(size, 2 * size, dtype=np.int64), prints.phash_mirror)
    one, two, distances = index.all_pairs(max(thresholds.related, thresholds.duplicate))
    mirrored = two >= size
    wanted = (one < size) & (splits[one % size] != splits[two % size])
    one, two, distances, mirrored = one[wanted], two[wanted] % size, distances[wanted], mirrored[wanted]
    other = np.where(mirrored[:, None], prints.phash256_mirror[two], prints.phash256[two])
    far = wide_distance(prints.phash256[one], other)
    for a, b, bits, bits256, turned in zip(
        *(each.tolist() for each in (one, two, distances, far, mirrored)), strict=True
    ):
        kind = thresholds.kind(bits, bits256, mirrored=turned) or "unlike"
        yield Pair(min(a, b), max(a, b), kind, bits, bits256, turned)


def _same_product(splits: NDArray[np.int8], families: tuple[Ints, Ints]) -> list[Pair]:
    places, names = families
    order = np.lexsort((places, names))
    places, names = places[order], names[order]
    found: list[Pair] = []
    same = np.flatnonzero((names[1:] == names[:-1]) & (splits[places[1:]] != splits[places[:-1]]))
    for at in same.tolist():
        a, b = sorted((int(places[at]), int(places[at + 1])))
        found.append(Pair(a, b, "product", 0, 0))
    return found
