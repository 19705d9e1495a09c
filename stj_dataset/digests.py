"""Which bytes files hold, told by workers: by name where they reach the file, else the bytes go to them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stj_catalog.health import StoredFile
from stj_core.files import file_sha256
from stj_core.partitions import Partition, SetAside, Workers, content_name, spread
from stj_core.problem import Problem
from stj_dataset.manifest import ManifestRow
from stj_images.store import ImageStore, open_store

# So many files are a piece of work where a worker reads them, and so many where their bytes go to it.
_NAMED, _SENT = 64, 25


@dataclass(frozen=True, slots=True)
class Digest:
    """What a file's bytes are.

    Attributes:
        sha256: of all of them; empty where they cannot be read.
        size: in bytes.
        is_missing: whether there is no such file.
        why: it cannot be read.
    """

    sha256: str = ""
    size: int = 0
    is_missing: bool = False
    why: str = ""


def read_digest(store: ImageStore, path: str) -> Digest:
    """Read a file of the store again."""
    data = _read(store, path)
    return data if isinstance(data, Digest) else digest_of(data)


def digest_of(data: bytes) -> Digest:
    """What these bytes are."""
    return Digest(hashlib.sha256(data).hexdigest(), len(data))


def stored_digests(address: str, paths: Sequence[str]) -> list[Digest]:
    """What files of a store hold, read where this is called."""
    store = open_store(address)
    return [read_digest(store, path) for path in paths]


def digests_of(pictures: Sequence[bytes]) -> list[Digest]:
    """What some bytes are. Pure."""
    return [digest_of(data) for data in pictures]


def digests_at(paths: Sequence[str]) -> list[str]:
    """The sha256 of files, read where this is called."""
    return [file_sha256(Path(path)) for path in paths]


def digests_by(
    workers: Workers, store: ImageStore, files: Iterable[StoredFile]
) -> Iterator[tuple[StoredFile, Digest | SetAside]]:
    """What the files of a store hold, in their order.

    Workers read them where they reach the store: all of them one that has an address, those of this machine a folder too. To
    others the bytes go over.
    """
    if workers.here or store.elsewhere:
        yield from spread(workers, files, _NAMED, lambda some: _by_name(store.address, some))
        return
    read = ((one, _read(store, one.path)) for one in files)
    for (one, data), found in spread(workers, read, _SENT, lambda some: _by_bytes([data for _, data in some])):
        yield one, (data if isinstance(data, Digest) else found)


def file_digests_by(workers: Workers) -> Callable[[Sequence[Path]], Iterator[str | SetAside]]:
    """What gives the sha256 of files of this machine, in their order."""

    def digests(paths: Sequence[Path]) -> Iterator[str | SetAside]:
        if workers.here:
            yield from (found for _, found in spread(workers, paths, _NAMED, _of_files))
            return
        sent = (path.read_bytes() for path in paths)
        for _, found in spread(workers, sent, _SENT, _by_bytes):
            yield found if isinstance(found, SetAside) else found.sha256

    return digests


def unchecked(path: str, why: SetAside) -> Problem:
    """Of this file nobody knows."""
    return Problem("unchecked", path, f"workers failed on it three times ({why.reason}): the same command tries again")


def shard_partition(
    function: Callable[[Path, str, Sequence[ManifestRow]], list[Problem]],
    dataset: Path,
    shard: str,
    rows: Sequence[ManifestRow],
) -> Partition[list[Problem]]:
    """The problems of the pictures in one tar file, as a piece of work."""
    place = dataset.resolve()
    name = content_name("shard", str(place / shard), *(f"{row.file} {row.sha256}" for row in rows))
    return Partition(name, function, (place, shard, list(rows)))


def _read(store: ImageStore, path: str) -> bytes | Digest:
    try:
        return store.read(path)
    except FileNotFoundError:
        return Digest(is_missing=True)
    except OSError as error:
        return Digest(why=error.strerror or str(error))


def _by_name(address: str, files: Sequence[StoredFile]) -> Partition[Sequence[Digest]]:
    name = content_name("stored digests", address, *(f"{one.path} {one.sha256}" for one in files))
    return Partition(name, stored_digests, (address, [one.path for one in files]))


def _of_files(paths: Sequence[Path]) -> Partition[Sequence[str]]:
    names = [str(path.resolve()) for path in paths]
    return Partition(content_name("files", *names), digests_at, (names,))


def _by_bytes(given: Sequence[bytes | Digest]) -> Partition[Sequence[Digest]]:
    """Those that could not be read take no part, and keep their place."""
    data = [one if isinstance(one, bytes) else b"" for one in given]
    return Partition(content_name("digests", *data), digests_of, (data,), sum(map(len, data)))
