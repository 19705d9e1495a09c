"""Write a plan's pictures, in folders or in tar shards, and the manifest row of each."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path

from stj_catalog.catalog import Catalog
from stj_catalog.selection import PictureFacts, picture_facts
from stj_core.cli import counted
from stj_core.errors import DatasetError, PictureError
from stj_core.files import write_new_quickly
from stj_core.labels import NO_LABEL
from stj_core.partitions import Partition, SetAside, Workers, content_name
from stj_core.vocabulary import SPLITS, Status
from stj_dataset.manifest import NONE as NONE_FOLDER
from stj_dataset.manifest import ManifestRow
from stj_dataset.plan import Plan
from stj_dataset.settings import ExportSettings
from stj_images.batch import jpegs_of
from stj_images.jpeg import as_jpeg, is_upright_rgb_jpeg
from stj_images.store import ImageStore

# At most so many pictures' bytes are in memory at once.
_CHUNK, _AHEAD = 256, 16
# Of a piece of work for workers: so many pictures have to be converted, or so many bytes wait with them.
_CONVERTED, _HELD = 8, 8 << 20
WORKERS = min(4, os.cpu_count() or 1)
_SHARD_PICTURES = 1_000
# What the catalogue says of a picture and the manifest repeats; the rest of a row is the export's own.
_OWN = frozenset({"file", "split", "group", "sha256", "original_sha256"})
_REPEATED = tuple(column.name for column in fields(ManifestRow) if column.name not in _OWN)


@dataclass(frozen=True, slots=True)
class Written:
    """One picture as it was written: its row of the manifest, and whether the bytes are the shop's own."""

    row: ManifestRow
    copied: bool


@dataclass(frozen=True, slots=True)
class _Prepared:
    data: bytes
    copied: bool


class FolderSink:
    """One file per picture, below split and label."""

    def __init__(self, root: Path, settings: ExportSettings, store: ImageStore, labels: Sequence[int | None]) -> None:
        """Make the folders, empty ones too: every reader then finds every class."""
        self._root, self._store, self._settings = root, store, settings
        for split in SPLITS if settings.test else SPLITS[:2]:
            for label in labels:
                (root / self._folder(split, label)).mkdir(parents=True, exist_ok=True)

    def place(self, split: str, label: int | None, name: str) -> str:
        """`train/0/0123456789abcdef.jpg`, or the student's folders; `none/train/…` for what is none of the classes."""
        return f"{self._folder(split, label)}/{name}.jpg"

    def put(self, file: str, data: bytes, facts: PictureFacts, *, copied: bool) -> None:
        """Write the file, or link it to the store's where that was asked for."""
        original = self._store.local(facts.path) if copied and self._settings.link else None
        if original is None:
            write_new_quickly(f"{self._root}/{file}", data)
            return
        try:
            os.link(original, self._root / file)
        except OSError as error:
            raise DatasetError(
                f"Cannot link {original} into the dataset ({error.strerror}): export without --link, "
                "or to a folder on the same disk as the images."
            ) from error

    def close(self) -> None:
        """Nothing is open."""

    def _folder(self, split: str, label: int | None) -> str:
        if label is None:
            return f"{NONE_FOLDER}/{split}"
        if self._settings.layout == "student":
            return f"{'Test' if split == 'test' else 'Dataset'}/{label}"
        return f"{split}/{label}"


class ShardSink:
    """WebDataset: tar files of a thousand pictures, each with its class and its facts."""

    def __init__(self, root: Path) -> None:
        """Begin with no shard."""
        self._root = root
        self._planned: dict[str, int] = {}
        self._open: tuple[str, tarfile.TarFile] | None = None

    def place(self, split: str, label: int | None, name: str) -> str:
        """`train-000000.tar/0123456789abcdef.jpg`; `none/train-000000.tar/…` for what is none of the classes."""
        kind = split if label is not None else f"{NONE_FOLDER}/{split}"
        number = self._planned.get(kind, 0)
        self._planned[kind] = number + 1
        return f"{kind}-{number // _SHARD_PICTURES:06d}.tar/{name}.jpg"

    def put(self, file: str, data: bytes, facts: PictureFacts, *, copied: bool) -> None:  # noqa: ARG002 - never linked
        """Append the picture to its shard."""
        shard, name = file.rsplit("/", 1)
        if self._open is None or self._open[0] != shard:
            self.close()
            (self._root / shard).parent.mkdir(exist_ok=True)
            self._open = shard, tarfile.open(self._root / shard, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - open across calls
        stem = name.removesuffix(".jpg")
        told = {"label": facts.label, "asin": facts.asin, "title": facts.title, "sha256": facts.sha256}
        self._append(name, data)
        if facts.label is not None:
            self._append(f"{stem}.cls", str(facts.label).encode())
        self._append(f"{stem}.json", json.dumps(told, ensure_ascii=False).encode())

    def close(self) -> None:
        """Finish the open shard."""
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def _append(self, name: str, data: bytes) -> None:
        assert self._open is not None
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(data), 0o644
        self._open[1].addfile(entry, io.BytesIO(data))


def open_sink(
    root: Path, settings: ExportSettings, store: ImageStore, labels: Sequence[int | None]
) -> FolderSink | ShardSink:
    """Where the settings want the pictures."""
    return ShardSink(root) if settings.format == "webdataset" else FolderSink(root, settings, store, labels)


def write_pictures(
    catalog: Catalog,
    store: ImageStore,
    plan: Plan,
    sink: FolderSink | ShardSink,
    *,
    pool: ThreadPoolExecutor,
    tick: Callable[[int], None],
    workers: Workers | None = None,
) -> Iterator[Written]:
    """Write every picture of the plan; yields them in its order.

    Args:
        catalog: what is known of them.
        store: their bytes.
        plan: which, and into which split.
        sink: where to.
        pool: threads for reading and converting.
        tick: told how many were written.
        workers: who converts; by default the threads do.

    Raises:
        DatasetError: a picture's file is missing or broken, or workers failed on one three times.
        OSError: the folder cannot be written.
    """
    lost: list[tuple[str, SetAside]] = []
    planned = _planned(catalog, plan, sink)
    prepared = _prepared_here(store, planned, pool) if workers is None else _prepared_by(workers, store, planned)
    done = 0
    for one, picture in prepared:
        if isinstance(picture, SetAside):
            lost.append((one.facts.path, picture))
            continue
        sink.put(one.file, picture.data, one.facts, copied=picture.copied)
        sha256 = one.facts.sha256 if picture.copied else hashlib.sha256(picture.data).hexdigest()
        yield Written(_row(one.facts, one.file, sha256, one.split, one.group), picture.copied)
        done += 1
        if done % _CHUNK == 0:
            tick(_CHUNK)
    tick(done % _CHUNK)
    sink.close()
    refuse_lost(lost, "convert")


@dataclass(frozen=True, slots=True)
class _Planned:
    facts: PictureFacts
    file: str
    split: str
    group: str


def refuse_lost(lost: Sequence[tuple[str, SetAside]], what: str) -> None:
    """Everything else was done; without these it is not the dataset that was asked for.

    Raises:
        DatasetError: workers failed on some.
    """
    if lost:
        raise DatasetError(
            f"Workers failed three times to {what} {counted(len(lost), 'picture')} "
            f"({lost[0][0]}{' …' if len(lost) > 1 else ''}: {lost[0][1].reason}), so the dataset was not put in place: the "
            "same command tries again, and without --cluster it needs no worker."
        )


def _planned(catalog: Catalog, plan: Plan, sink: FolderSink | ShardSink) -> Iterator[_Planned]:
    """The pictures of a plan in its order, with where each goes."""
    groups = plan.group_names
    for start in range(0, len(plan.pictures), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        facts = picture_facts(catalog, plan.pictures.ids[chunk].tolist())
        _check_unchanged(facts, plan.pictures.labels[chunk].tolist())
        splits = [SPLITS[one] for one in plan.splits[chunk].tolist()]
        for one, split, group in zip(facts, splits, groups[chunk].tolist(), strict=True):
            yield _Planned(one, sink.place(split, one.label, one.sha256[:16]), split, f"{group:016x}")


def _prepared_here(
    store: ImageStore, planned: Iterator[_Planned], pool: ThreadPoolExecutor
) -> Iterator[tuple[_Planned, _Prepared]]:
    while some := list(islice(planned, _CHUNK)):
        pictures = list(_prepared(store, [one.facts for one in some], pool))
        yield from zip(some, pictures, strict=True)


def _prepared_by(
    workers: Workers, store: ImageStore, planned: Iterator[_Planned]
) -> Iterator[tuple[_Planned, _Prepared | SetAside]]:
    """As `_prepared_here`, by workers: they are sent what has to be converted, a few pictures at a time."""
    waiting: deque[list[tuple[_Planned, bytes, bool]]] = deque()

    def partitions() -> Iterator[Partition[list[bytes | str]]]:
        for some in _parts(store, planned):
            waiting.append(some)
            data = [one for _, one, copied in some if not copied]
            held = sum(len(one) for _, one, _ in some)
            yield Partition(content_name("jpegs", *data), jpegs_of, (data,), held)

    for made in workers.stream(partitions()):
        some = waiting.popleft()
        converted = iter([made] * len(some) if isinstance(made, SetAside) else made)
        for one, data, copied in some:
            yield one, (_Prepared(data, copied=True) if copied else _converted(next(converted), one.facts))


def _parts(store: ImageStore, planned: Iterator[_Planned]) -> Iterator[list[tuple[_Planned, bytes, bool]]]:
    """Pictures with their bytes and whether those stay as they are; so many that a few have to be converted."""
    some: list[tuple[_Planned, bytes, bool]] = []
    converted = held = 0
    for one in planned:
        data = _read(store, one.facts)
        some.append((one, data, is_upright_rgb_jpeg(data)))
        converted += not some[-1][2]
        held += len(data)
        if converted == _CONVERTED or held >= _HELD:
            yield some
            some, converted, held = [], 0, 0
    if some:
        yield some


def _converted(made: bytes | str | SetAside, facts: PictureFacts) -> _Prepared | SetAside:
    if isinstance(made, str):
        raise _broken(facts, made)
    return made if isinstance(made, SetAside) else _Prepared(made, copied=False)


def _prepared(store: ImageStore, facts: Sequence[PictureFacts], pool: ThreadPoolExecutor) -> Iterator[_Prepared]:
    """What is written of some pictures, in their order.

    A folder's files are read one after another: more threads wait for each other, and cost half as much again. Pictures that are
    made into JPEG are made side by side, and so are those fetched that a store elsewhere holds.
    """
    if not facts:
        return
    if store.local(facts[0].path) is None:
        yield from pool.map(lambda one: _prepare(store, one), facts)
        return
    made: deque[_Prepared | Future[_Prepared]] = deque()
    for one in facts:
        data = _read(store, one)
        made.append(_Prepared(data, copied=True) if is_upright_rgb_jpeg(data) else pool.submit(_convert, data, one))
        while made and (isinstance(made[0], _Prepared) or len(made) > _AHEAD):
            first = made.popleft()
            yield first if isinstance(first, _Prepared) else first.result()
    for last in made:
        yield last if isinstance(last, _Prepared) else last.result()


def _check_unchanged(facts: Sequence[PictureFacts], labels: Sequence[int]) -> None:
    """A crawl or a reviewer may change the catalogue meanwhile: better none than half of each state."""
    for one, label in zip(facts, labels, strict=True):
        if one.status != Status.KEPT or (NO_LABEL if one.label is None else one.label) != label:
            raise DatasetError(
                f"Picture {one.sha256[:12]} became {one.status} with label {one.label} while the export was reading: "
                "run the same command again."
            )


def _prepare(store: ImageStore, facts: PictureFacts) -> _Prepared:
    data = _read(store, facts)
    return _Prepared(data, copied=True) if is_upright_rgb_jpeg(data) else _convert(data, facts)


def _read(store: ImageStore, facts: PictureFacts) -> bytes:
    try:
        return store.read(facts.path)
    except FileNotFoundError as error:
        raise DatasetError(
            f"The image store has no file {facts.path}, which the catalogue names: stj-dataset verify lists what is wrong."
        ) from error
    except OSError as error:
        raise DatasetError(
            f"The image store's file {facts.path} cannot be read ({error.strerror or error}): nothing was changed."
        ) from error


def _convert(data: bytes, facts: PictureFacts) -> _Prepared:
    try:
        return _Prepared(as_jpeg(data), copied=False)
    except PictureError as error:
        raise _broken(facts, str(error)) from error


def _broken(facts: PictureFacts, why: str) -> DatasetError:
    return DatasetError(f"The image store's file {facts.path} is broken: {why} stj-dataset verify lists what is wrong.")


def _row(facts: PictureFacts, file: str, sha256: str, split: str, group: str) -> ManifestRow:
    """The picture's row of the manifest."""
    repeated = {name: getattr(facts, name) for name in _REPEATED}
    return ManifestRow(file=file, split=split, group=group, sha256=sha256, original_sha256=facts.sha256, **repeated)
