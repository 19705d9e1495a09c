"""Is everything as it was promised: the image store as the catalogue says, a dataset's folder as its manifest says."""

from __future__ import annotations

import hashlib
import itertools
import tarfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from PIL import Image

from stj_catalog.catalog import Catalog
from stj_catalog.forget import forgotten_checksums
from stj_catalog.health import StoredFile, forgotten_paths, known_paths, row_faults, stored_files
from stj_core.fetched import as_it_lies
from stj_core.partitions import Partition, SetAside, Workers
from stj_core.problem import Problem
from stj_core.published import DATASET
from stj_dataset.digests import Digest, digests_by, file_digests_by, read_digest, shard_partition, unchecked
from stj_dataset.manifest import ManifestRow, file_digests, find_problems, read_manifest, read_settings
from stj_dataset.write import WORKERS
from stj_images.fingerprint import differs_from_imagehash
from stj_images.store import ImageStore

_CHUNK = 256


def verify_catalog(
    catalog: Catalog,
    store: ImageStore,
    tick: Callable[[int], None] = lambda _: None,
    workers: Workers | None = None,
) -> Iterator[Problem]:
    """Everything in the store and the catalogue that is not as it should be.

    Kinds: `missing` (a row names it, the store has no such file), `torn` (its bytes have another sha256), `leftover`
    (written aside and never finished), `orphan` (no row names it), `not_forgotten` (its picture was to be forgotten),
    `no_file`, `kept_duplicate`, `parted_group` (people put pictures together that are in two groups), `half_done_page`,
    `unsettled`, `database`, `unchecked` (workers failed on it three times, so that nobody knows), and `hash_reference` (this
    machine's perceptual hashes are not those of imagehash).

    Args:
        catalog: what should be.
        store: what is.
        tick: told how many files were read.
        workers: who reads the files again; by default threads of this process do.
    """
    yield from _file_problems(catalog, store, tick) if workers is None else _found_by(workers, catalog, store, tick)
    yield from _strangers(catalog, store)
    if difference := differs_from_imagehash(Image.linear_gradient("L").rotate(30)):
        yield Problem("hash_reference", "imagehash", f"{difference}: install the versions of constraints.txt")
    yield from row_faults(catalog)


def verify_dataset(dataset: Path, workers: Workers | None = None) -> Iterator[Problem]:
    """Everything in a dataset's folder that is not as its manifest says.

    Args:
        dataset: the folder.
        workers: who reads the files again; by default this process does.

    Raises:
        DatasetError: the folder is no dataset.
    """
    if read_settings(dataset).get("settings", {}).get("format") == "webdataset":
        yield from _shard_problems(dataset, workers)
    else:
        yield from find_problems(dataset, digests=file_digests if workers is None else file_digests_by(workers))


def verify_published(address: str, cache: Path, workers: Workers | None = None) -> Iterator[Problem]:
    """Everything at an address that is not as the dataset's manifest, and the list it was published with, say.

    All of it is read again, into a folder of the cache that is removed afterwards.

    Args:
        address: the dataset's.
        cache: STJ_CACHE.
        workers: who hashes what was read; by default this process does.

    Raises:
        DatasetError: there is no dataset at the address.
        AddressError: it cannot be used.
    """
    with as_it_lies(address, DATASET, cache) as (folder, odd):
        told: set[str] = set()
        for problem in verify_dataset(folder, workers):
            told.add(problem.path)
            yield problem
        for name, why in odd:
            if name not in told:
                kind = "missing" if not (folder / name).exists() else "changed"
                yield Problem(kind, name, f"it was published, and {why}" if kind == "missing" else f"it {why}")


def _file_problems(catalog: Catalog, store: ImageStore, tick: Callable[[int], None]) -> Iterator[Problem]:
    files = stored_files(catalog)
    with ThreadPoolExecutor(WORKERS, "verify") as pool:
        while chunk := list(islice(files, _CHUNK)):
            for problem in pool.map(lambda one: _file_problem(one, read_digest(store, one.path)), chunk):
                if problem is not None:
                    yield problem
            tick(len(chunk))


def _found_by(workers: Workers, catalog: Catalog, store: ImageStore, tick: Callable[[int], None]) -> Iterator[Problem]:
    for one, found in digests_by(workers, store, stored_files(catalog)):
        problem = _file_problem(one, found) if isinstance(found, Digest) else unchecked(one.path, found)
        if problem is not None:
            yield problem
        tick(1)


def _file_problem(one: StoredFile, found: Digest) -> Problem | None:
    if found.is_missing:
        return Problem(
            "missing", one.path, f"picture {one.image_id} ({one.status}) names it, the store has no such file"
        )
    if found.why:
        return Problem("unreadable", one.path, f"it cannot be read: {found.why}")
    if found.sha256 != one.sha256:
        size = (
            f"{found.size} bytes where {one.size} were stored"
            if found.size != one.size
            else "other bytes than were stored"
        )
        return Problem("torn", one.path, f"picture {one.image_id} ({one.status}): {size}, sha256 {found.sha256[:12]}…")
    return None


def _strangers(catalog: Catalog, store: ImageStore) -> Iterator[Problem]:
    """Files of the store that no row names, and those that should be gone."""
    forgotten = forgotten_paths(catalog)
    paths = store.paths()
    while chunk := list(islice(paths, _CHUNK)):
        known = known_paths(catalog, chunk)
        strangers = [path for path in chunk if path not in known]
        forgotten |= _forgotten_strays(catalog, strangers)
        for path in chunk:
            if store.is_unfinished(path) and not store.is_leftover(path):
                continue  # a process that lives is writing it
            if store.is_leftover(path):
                yield Problem("leftover", path, "it was written aside and never finished")
            elif path in forgotten:
                yield Problem("not_forgotten", path, "its picture was to be forgotten, and its bytes are still here")
            elif path not in known:
                yield Problem("orphan", path, "no picture of the catalogue names it")


def _forgotten_strays(catalog: Catalog, paths: list[str]) -> set[str]:
    """Those of some files that hold the bytes of a forgotten picture."""
    names = {path.rsplit("/", 1)[-1].split(".", 1)[0]: path for path in paths}
    return {names[checksum] for checksum in forgotten_checksums(catalog, sorted(names))}


def _shard_problems(dataset: Path, workers: Workers | None) -> Iterator[Problem]:
    """The problems of a dataset in tar shards; the pictures' names stand for paths."""
    pictures = read_manifest(dataset)
    shards = {row.file.rpartition("/")[0] for row in pictures}
    for problem in find_problems(dataset, hashes=False):
        inside = problem.kind == "missing" and ".tar/" in problem.path
        if not inside and not (problem.kind == "unlisted" and problem.path in shards):
            yield problem
    parts = [
        (shard, list(rows)) for shard, rows in itertools.groupby(pictures, lambda row: row.file.rpartition("/")[0])
    ]
    if workers is None or not workers.here:  # a tar file is read whole, and workers elsewhere do not have it
        for shard, rows in parts:
            yield from shard_file_problems(dataset, shard, rows)
        return
    asked: Iterator[Partition[list[Problem]]] = (
        shard_partition(listed_shard_problems, dataset, shard, rows) for shard, rows in parts
    )
    brought = workers.stream(asked)
    for (shard, _), found in zip(parts, brought, strict=True):
        yield from [unchecked(shard, found)] if isinstance(found, SetAside) else found


def listed_shard_problems(dataset: Path, shard: str, rows: Sequence[ManifestRow]) -> list[Problem]:
    """`shard_file_problems`, as a worker is asked for it."""
    return list(shard_file_problems(dataset, shard, rows))


def shard_file_problems(dataset: Path, shard: str, rows: Sequence[ManifestRow]) -> Iterator[Problem]:
    """The problems of the pictures inside one tar file."""
    try:
        with tarfile.open(dataset / shard) as opened:
            found = {member.name: member for member in opened.getmembers() if member.isfile()}
            for row in rows:
                member = found.get(row.file.rpartition("/")[2])
                data = opened.extractfile(member) if member else None
                if data is None:
                    yield Problem("missing", row.file, "the manifest names it, its shard has no such file")
                elif hashlib.sha256(data.read()).hexdigest() != row.sha256:
                    yield Problem("changed", row.file, f"its bytes no longer have the sha256 {row.sha256[:12]}…")
    except (OSError, tarfile.TarError, EOFError) as error:
        if (dataset / shard).exists():
            yield Problem(
                "changed", shard, f"it should hold {len(rows)} pictures and cannot be read as a tar file: {error}"
            )
        else:
            yield Problem(
                "missing", shard, f"the manifest names {len(rows)} pictures in it, the folder has no such file"
            )
