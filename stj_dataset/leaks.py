"""Check that nothing leaks between splits: read the written files again, and compare every pair across splits.

Every file is read and its sha256 compared with the manifest's. Where a file has the bytes whose perceptual hashes the catalogue
holds, those are its hashes; a converted file has none there and is decoded and hashed afresh, and so is a seeded sample of the
others, so that hashes which are not those of their pictures are found out.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stj_core.errors import DatasetError, PictureError
from stj_core.files import read_quickly
from stj_core.partitions import Partition, SetAside, Workers, content_name, spread
from stj_dataset.write import refuse_lost
from stj_images.batch import prints_of
from stj_images.fingerprint import Fingerprint, fingerprint
from stj_images.likeness import DUPLICATE, HASHES, KINDS, WAYS, Looks, Thresholds, compare, pairs_within

Ints = NDArray[np.int64]
NOTHING_TOLD: Mapping[tuple[int, int], bool] = {}
_CHUNK, _TASK = 256, 16
# So many files are a piece of work for workers.
_SENT = 25
# One of so many files is hashed afresh although the catalogue knows its hashes.
_SAMPLE = 100


@dataclass(frozen=True, slots=True)
class Pair:
    """Two written pictures of different splits, by their places in the manifest."""

    one: int
    two: int
    kind: str
    distance: int
    distance256: int
    way: str = "plain"


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One file to check.

    Attributes:
        file: relative to the dataset.
        sha256: of its bytes, as the manifest says.
        known: the hashes that the catalogue holds of these very bytes, in the order of `likeness.HASHES`; None for a converted
            file, and for one that was hashed by another version of the recipe.
    """

    file: str
    sha256: str
    known: tuple[str, ...] | None = None


@dataclass(frozen=True)
class LeakReport:
    """What the pairs across splits have in common.

    Attributes:
        files: pictures that were read again and compared, as counted.
        afresh: those of them that were decoded and hashed afresh, as counted.
        duplicates: pairs that are the same picture.
        relatives: pairs that are related, mirrored and bordered copies too.
        same_product: pairs of pictures of one product or product family that do not look alike, one per family and pair of
            splits.
        nearest: the most alike pair across splits, if any is within reach of the search.
        by_hand: pairs that people put together and that are neither of the above.
        apart: pairs that would be leaks and that people told apart, as counted: each was looked at by somebody.
    """

    files: int
    afresh: int
    duplicates: Sequence[Pair]
    relatives: Sequence[Pair]
    same_product: Sequence[Pair]
    nearest: Pair | None
    by_hand: Sequence[Pair] = ()
    apart: int = 0

    @property
    def pairs(self) -> list[Pair]:
        """The pairs that must not be, each once."""
        return [*self.duplicates, *self.relatives, *self.same_product, *self.by_hand]

    @property
    def leaks(self) -> int:
        """How many pairs must not be."""
        return len(self.pairs)

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
            f"Leak check, {self.files} written files read again, {self.afresh} of them hashed afresh: "
            f"{len(self.duplicates)} duplicate, {len(self.relatives)} related, "
            f"{len(self.same_product)} same-product pairs across splits; {near}.{self._by_people}"
        )

    @property
    def _by_people(self) -> str:
        """What people's words had to do with it; nothing where nobody said anything that counts."""
        parts = [f"put together by people and lie across splits: {len(self.by_hand)}"] if self.by_hand else []
        parts += [f"look alike across splits and were told apart by people: {self.apart}"] if self.apart else []
        return f" Pairs that {'; that '.join(parts)}." if parts else ""


def check_leaks(
    root: Path,
    written: Iterable[WrittenFile],
    splits: NDArray[np.int8],
    families: tuple[Ints, Ints],
    *,
    thresholds: Thresholds,
    pool: ThreadPoolExecutor,
    tick: Callable[[int], None],
    seed: int = 0,
    told: Mapping[tuple[int, int], bool] = NOTHING_TOLD,
    workers: Workers | None = None,
) -> LeakReport:
    """Compare all pairs across splits.

    Args:
        root: the dataset's folder.
        written: the files in the manifest's order.
        splits: int8[n], the split of each.
        families: places in the manifest, int64[k], and the product family that each was sighted with, int64[k].
        thresholds: what counts as the same and as related.
        pool: threads for reading and decoding.
        tick: told how many pictures were read.
        seed: draws the sample that is hashed afresh although its hashes are known.
        told: pairs of places, the smaller first, that people put together (true) or told apart (false).
        workers: who hashes afresh; by default the threads do.

    Raises:
        DatasetError: a file is not what the catalogue says, there are more or fewer of them than have a split, or workers failed
            on one three times.
    """
    sample = _sample(len(splits), seed)
    if workers is None:
        looks, afresh = _read_looks(root, written, sample, pool, tick)
    else:
        looks, afresh = _looks_by(workers, root, written, sample, tick)
    if len(looks) != len(splits):
        raise DatasetError(
            f"The leak check read {len(looks)} files where {len(splits)} should be written, so the dataset was not put in "
            "place: run the same command again."
        )
    across = list(_pairs(looks, splits, thresholds))
    leaking = [one for one in across if one.kind in (DUPLICATE, "related")]
    # Whoever told them apart saw two pictures: files of the same bytes are one, whatever was said of their originals.
    apart = {_key(one) for one in leaking if told.get(_key(one)) is False and not _same(looks, one)}
    duplicates = [one for one in leaking if one.kind == DUPLICATE and _key(one) not in apart]
    relatives = [one for one in leaking if one.kind == "related" and _key(one) not in apart]
    alike = {_key(one) for one in (*duplicates, *relatives)}
    products = [one for one in _same_product(splits, families) if _key(one) not in alike]
    alike |= {_key(one) for one in products}
    together = sorted(pair for pair, joined in told.items() if joined and splits[pair[0]] != splits[pair[1]])
    return LeakReport(
        files=len(looks),
        afresh=afresh,
        duplicates=duplicates,
        relatives=relatives,
        same_product=products,
        nearest=min(across, key=lambda one: (one.distance256, one.distance, one.one, one.two), default=None),
        by_hand=[Pair(*pair, "put together by a person", 0, 0) for pair in together if pair not in alike],
        apart=len(apart),
    )


def _key(pair: Pair) -> tuple[int, int]:
    return min(pair.one, pair.two), max(pair.one, pair.two)


def _same(looks: Looks, pair: Pair) -> bool:
    """Whether two written files have the same bytes."""
    return bool((looks.checksums[pair.one] == looks.checksums[pair.two]).all())


def read_files(root: Path, files: Sequence[str]) -> Iterator[bytes]:
    """The bytes of files of a dataset, also of those inside its shards (`train-000000.tar/name.jpg`)."""
    open_shard: tuple[str, tarfile.TarFile] | None = None
    try:
        for file in files:
            shard, _, inside = file.rpartition("/")
            if not _in_shard(file):
                yield read_quickly(f"{root}/{file}")
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


def _in_shard(file: str) -> bool:
    return file.rpartition("/")[0].endswith(".tar")


def _sample(files: int, seed: int) -> frozenset[int]:
    """The places of one file in a hundred, and of one at least, that only the seed and the number of files decide."""
    if not files:
        return frozenset()
    return frozenset(np.random.default_rng(seed).choice(files, -(-files // _SAMPLE), replace=False).tolist())


def _read_looks(
    root: Path,
    written: Iterable[WrittenFile],
    sample: frozenset[int],
    pool: ThreadPoolExecutor,
    tick: Callable[[int], None],
) -> tuple[Looks, int]:
    """How every file looks, by its place in the manifest, and how many were hashed afresh."""
    parts = [Looks.from_hex([])]
    files = iter(written)
    start = afresh = 0
    while chunk := list(islice(files, _CHUNK)):
        shards = (
            list(read_files(root, [one.file for one in chunk])) if any(_in_shard(one.file) for one in chunk) else []
        )
        tasks = [range(at, min(at + _TASK, len(chunk))) for at in range(0, len(chunk), _TASK)]

        def work(
            places: range, shards: list[bytes] = shards, chunk: list[WrittenFile] = chunk, start: int = start
        ) -> list[_Look]:
            # A tar file is read from its beginning, by one thread; other files by whichever thread looks at them.
            data = (shards[place] if shards else read_quickly(f"{root}/{chunk[place].file}") for place in places)
            return [
                _look(one, chunk[place], sampled=start + place in sample)
                for one, place in zip(data, places, strict=True)
            ]

        looks = [one for done in pool.map(work, tasks) for one in done]
        parts.append(Looks.from_hex([(start + place, *one.words) for place, one in enumerate(looks)]))
        afresh += sum(one.afresh for one in looks)
        start += len(looks)
        tick(len(looks))
    return Looks.join(parts), afresh


@dataclass(frozen=True, slots=True)
class _Look:
    words: tuple[str, ...]
    afresh: bool


def _looks_by(
    workers: Workers,
    root: Path,
    written: Iterable[WrittenFile],
    sample: frozenset[int],
    tick: Callable[[int], None],
) -> tuple[Looks, int]:
    """As `_read_looks`, by workers: they are sent the files that are hashed afresh."""
    known: list[tuple[int, WrittenFile]] = []
    parts = [Looks.from_hex([])]
    lost: list[tuple[str, SetAside]] = []
    count = 0

    def keep(rows: Sequence[tuple[int, tuple[str, ...]]]) -> None:
        parts.append(Looks.from_hex([(place, *words) for place, words in rows]))

    def to_hash() -> Iterator[tuple[int, WrittenFile, bytes]]:
        for place, (one, data) in enumerate(_bytes_of(root, written)):
            _check_bytes(data, one)
            if one.known is None or place in sample:
                yield place, one, data
                continue
            known.append((place, one))
            if len(known) == _CHUNK:
                flush()

    def flush() -> None:
        keep([(place, (*(one.known or ()), one.sha256)) for place, one in known])
        tick(len(known))
        known.clear()

    for (place, one, _), found in spread(workers, to_hash(), _SENT, _ask_prints):
        if isinstance(found, SetAside):
            lost.append((one.file, found))
        elif isinstance(found, str):
            raise _undecodable(one, found)
        else:
            keep([(place, (*_hashes(found, one), one.sha256))])
            count += 1
        tick(1)
    flush()
    refuse_lost(lost, "hash")
    looks = Looks.join(parts)
    return looks.take(np.argsort(looks.ids, kind="stable")), count


def _ask_prints(files: Sequence[tuple[int, WrittenFile, bytes]]) -> Partition[Sequence[Fingerprint | str]]:
    data = [one for _, _, one in files]
    return Partition(content_name("prints", *data), prints_of, (data,), sum(map(len, data)))


def _bytes_of(root: Path, written: Iterable[WrittenFile]) -> Iterator[tuple[WrittenFile, bytes]]:
    """Files with their bytes, a chunk of them at a time."""
    files = iter(written)
    while chunk := list(islice(files, _CHUNK)):
        yield from zip(chunk, read_files(root, [one.file for one in chunk]), strict=True)


def _look(data: bytes, one: WrittenFile, *, sampled: bool) -> _Look:
    """The hashes and the sha256 of one file's bytes."""
    _check_bytes(data, one)
    if one.known is not None and not sampled:
        return _Look((*one.known, one.sha256), afresh=False)
    try:
        print_ = fingerprint(data)
    except PictureError as error:
        raise _undecodable(one, str(error)) from error
    return _Look((*_hashes(print_, one), one.sha256), afresh=True)


def _check_bytes(data: bytes, one: WrittenFile) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != one.sha256:
        raise DatasetError(
            f"The file {one.file} is not what the catalogue says: its sha256 is {found[:12]}…, not {one.sha256[:12]}…; "
            "stj-dataset verify lists what is wrong."
        )


def _undecodable(one: WrittenFile, why: str) -> DatasetError:
    return DatasetError(
        f"The file {one.file} is not what the catalogue says: {why} stj-dataset verify lists what is wrong."
    )


def _hashes(print_: Fingerprint, one: WrittenFile) -> tuple[str, ...]:
    """The hashes of a fingerprint, which are those that the catalogue holds, where it holds any."""
    hashes = tuple(str(getattr(print_, name)) for name in HASHES)
    if one.known is not None and one.known != hashes:
        raise DatasetError(
            f"The catalogue's perceptual hashes of {one.file} are not those of its bytes, so they prove nothing: "
            "run the same command with --rehash, which hashes every file afresh."
        )
    return hashes


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
