"""The proof: read the written files again, hash them afresh, and look at every pair across splits."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stj_core.errors import DatasetError, PictureError
from stj_images.fingerprint import Fingerprint, fingerprint
from stj_images.likeness import KINDS, WAYS, Looks, Thresholds, compare, pairs_within

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
    way: str = "plain"


@dataclass(frozen=True)
class LeakReport:
    """What the pairs across splits have in common.

    Attributes:
        files: pictures that were read.
        duplicates: pairs that are the same picture.
        relatives: pairs that are related, mirrored and bordered copies too.
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
    looks = _read_looks(root, written, pool, tick)
    across = list(_pairs(looks, splits, thresholds))
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


def _read_looks(
    root: Path, written: Iterator[tuple[str, str]], pool: ThreadPoolExecutor, tick: Callable[[int], None]
) -> Looks:
    """Hash every file afresh; the ids are places in the manifest."""
    parts = [Looks.from_hex([])]
    start = 0
    while chunk := [one for one, _ in zip(written, range(_CHUNK), strict=False)]:
        data = list(read_files(root, [file for file, _ in chunk]))
        tasks = [range(at, min(at + _TASK, len(chunk))) for at in range(0, len(chunk), _TASK)]

        def work(places: range, data: list[bytes] = data, chunk: list[tuple[str, str]] = chunk) -> list[Fingerprint]:
            return [_print(data[place], *chunk[place]) for place in places]

        prints = [one for done in pool.map(work, tasks) for one in done]
        parts.append(Looks.of_prints(prints, start))
        start += len(chunk)
        tick(len(chunk))
    return Looks.join(parts)


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


def _pairs(looks: Looks, splits: NDArray[np.int8], thresholds: Thresholds) -> Iterator[Pair]:
    """Pairs across splits within reach of pHash-64 in some way, whatever pHash-256 says, each once."""
    seen: set[tuple[int, int]] = set()
    for one, two in pairs_within(looks, thresholds):
        across = splits[one] != splits[two]
        first, second = one[across], two[across]
        found = compare(looks.take(first), looks.take(second), thresholds)
        columns = (first, second, found.kind, found.way, found.distance, found.distance256)
        for a, b, kind, way, bits, bits256 in zip(*(each.tolist() for each in columns), strict=True):
            if (a, b) not in seen:
                seen.add((a, b))
                yield Pair(a, b, KINDS[kind], bits, bits256, WAYS[way])


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
