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
from pathlib import Path

from stj_catalog.catalog import Catalog
from stj_catalog.selection import PictureFacts, picture_facts
from stj_core.errors import DatasetError, PictureError
from stj_core.files import write_new_quickly
from stj_core.labels import NO_LABEL
from stj_core.vocabulary import SPLITS, Status
from stj_dataset.manifest import NONE as NONE_FOLDER
from stj_dataset.manifest import ManifestRow
from stj_dataset.plan import Plan
from stj_dataset.settings import ExportSettings
from stj_images.jpeg import as_jpeg, is_upright_rgb_jpeg
from stj_images.store import ImageStore

# At most so many pictures' bytes are in memory at once.
_CHUNK, _AHEAD = 256, 16
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
) -> Iterator[Written]:
    """Write every picture of the plan; yields them in its order.

    Raises:
        DatasetError: a picture's file is missing or broken.
        OSError: the folder cannot be written.
    """
    groups = plan.group_names
    for start in range(0, len(plan.pictures), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        facts = picture_facts(catalog, plan.pictures.ids[chunk].tolist())
        _check_unchanged(facts, plan.pictures.labels[chunk].tolist())
        splits = [SPLITS[one] for one in plan.splits[chunk].tolist()]
        files = [sink.place(split, one.label, one.sha256[:16]) for split, one in zip(splits, facts, strict=True)]

        pictures = list(_prepared(store, facts, pool))
        names = groups[chunk].tolist()
        for one, picture, file, split, group in zip(facts, pictures, files, splits, names, strict=True):
            sink.put(file, picture.data, one, copied=picture.copied)
            sha256 = one.sha256 if picture.copied else hashlib.sha256(picture.data).hexdigest()
            yield Written(_row(one, file, sha256, split, f"{group:016x}"), picture.copied)
        tick(len(facts))
    sink.close()


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
        raise DatasetError(
            f"The image store's file {facts.path} is broken: {error} stj-dataset verify lists what is wrong."
        ) from error


def _row(facts: PictureFacts, file: str, sha256: str, split: str, group: str) -> ManifestRow:
    """The picture's row of the manifest."""
    repeated = {name: getattr(facts, name) for name in _REPEATED}
    return ManifestRow(file=file, split=split, group=group, sha256=sha256, original_sha256=facts.sha256, **repeated)
