"""What the frozen part of a network says of each picture, computed once and kept.

A store is a folder named after everything that decides a feature (weights, architecture, preprocessing, where the graph is
cut); in it lie shards, each an array and the names of its rows. Shards are written aside and renamed, so that an
interrupted computation goes on from its last whole shard and two at once do no harm. It is always safe to delete.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stj_catalog.errors import DatasetError, ModelError
from stj_model.backend import KerasModel, tensorflow
from stj_model.data import Picture
from stj_model.preprocess import Pixels, Preprocessing, fit, open_picture, sha256_of
from stj_model.progress import SILENT, Talk
from stj_model.views import VERSION, View

Floats = npt.NDArray[np.float32]

BATCH = 8
"""Every batch has this size, the last one padded: one compiled graph, and a picture's feature never depends on company.

No larger, so that a few new pictures are not padded to many; more at once are no cheaper by the picture.
"""
SHARD_BYTES, SHARD_SECONDS = 64 << 20, 15.0
"""A shard is written when it has so many bytes, or when so much time would be lost to a kill -9."""


@dataclass(frozen=True)
class Extractor:
    """A network from pixels to a feature, how its pixels are read and seen, and a record of all that decides its output."""

    model: KerasModel
    preprocessing: Preprocessing
    record: dict[str, Any]
    view: View = field(default_factory=View)
    run: Any = None
    """The compiled network; extractors that differ in the view alone share it, since tracing it costs seconds."""

    def __post_init__(self) -> None:
        if self.run is None:
            object.__setattr__(self, "run", compiled(self.model))

    @property
    def key(self) -> str:
        """The store's folder name."""
        document = {**self.record, "preprocessing": self.preprocessing.describe()}
        if not self.view.is_plain:
            document["view"] = {"name": self.view.name, "version": VERSION}
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:20]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one picture's feature."""
        return tuple(int(side) for side in self.model.output_shape[1:])


class FeatureStore:
    """The shards of one extractor; rows are found by name and read from disk only when asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._where: dict[str, tuple[int, int]] = {}
        self._shards: list[Floats] = []
        if folder.is_dir():
            for names in sorted(folder.glob("*.json")):
                self._open(names)

    def __contains__(self, name: str) -> bool:
        return name in self._where

    def __len__(self) -> int:
        return len(self._where)

    def add(self, names: Sequence[str], rows: Floats) -> None:
        """Write a shard: the array first, then its names, which make it count."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stem = self.folder / uuid.uuid4().hex
        with stem.with_suffix(".part").open("wb") as stream:
            np.save(stream, np.ascontiguousarray(rows, dtype=np.float32))
        stem.with_suffix(".part").replace(stem.with_suffix(".npy"))
        stem.with_suffix(".part").write_text(json.dumps(list(names)), encoding="utf-8")
        stem.with_suffix(".part").replace(stem.with_suffix(".json"))
        self._open(stem.with_suffix(".json"))

    def rows(self, names: Sequence[str]) -> Floats:
        """The features of `names`, in their order: float32 of shape (n, …).

        Raises:
            KeyError: one was never added.
        """
        places = [self._where[name] for name in names]
        if not places:
            return np.empty((0,), dtype=np.float32)
        return np.stack([self._shards[shard][row] for shard, row in places])

    def _open(self, names: Path) -> None:
        try:
            array = np.load(names.with_suffix(".npy"), mmap_mode="r")
            listed = json.loads(names.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return  # half a shard, from a copy or a full disk: it is computed again
        if len(listed) != len(array):
            return
        self._shards.append(array)
        for row, name in enumerate(listed):
            self._where.setdefault(str(name), (len(self._shards) - 1, row))


def compute_features(
    pictures: Sequence[Picture], extractor: Extractor, cache: Path, talk: Talk = SILENT
) -> FeatureStore:
    """Make sure that every picture's feature is in the store; only what is new is computed.

    Args:
        pictures: which; rows are named by the picture's sha256.
        extractor: the frozen network.
        cache: STJ_CACHE; the store lies in `features/<key>` below it.
        talk: where progress is told.

    Raises:
        DatasetError: a picture cannot be read, or is not the one that its manifest names.
    """
    store = FeatureStore(cache / "features" / extractor.key)
    wanted = {picture.sha256: picture for picture in pictures if picture.sha256 not in store}
    if not wanted:
        return store
    per_shard = max(1, SHARD_BYTES // (4 * int(np.prod(extractor.shape)) * BATCH))
    names: list[str] = []
    rows: list[Floats] = []
    written = time.monotonic()
    try:
        seen = "" if extractor.view.is_plain else f", {extractor.view.name}"
        with talk.bar(f"Features of {len(wanted)} new pictures{seen}", len(wanted)) as advance:
            for batch, pixels in read_batches(list(wanted.values()), extractor.preprocessing, extractor.view):
                rows.append(run_padded(extractor.run, pixels, BATCH))
                names.extend(picture.sha256 for picture in batch)
                advance(len(batch))
                if len(rows) >= per_shard or time.monotonic() - written >= SHARD_SECONDS:
                    store.add(names, np.concatenate(rows))
                    names, rows, written = [], [], time.monotonic()
    except OSError as error:
        raise ModelError(
            f"Cannot write features to {store.folder} ({error.strerror}): set STJ_CACHE to a folder with room."
        ) from error
    finally:
        if rows and len(names) == sum(map(len, rows)):  # Ctrl-C included: what is computed is kept
            store.add(names, np.concatenate(rows))
    return store


def compiled(model: KerasModel) -> Any:  # noqa: ANN401 - a tf.function
    """The model's inference as one compiled graph: three times cheaper per call than the eager model."""
    return tensorflow().function(lambda pixels: model(pixels, training=False), autograph=False)


def run_padded(run: Any, pixels: npt.NDArray[Any], size: int) -> Floats:  # noqa: ANN401 - a tf.function of one output
    """Call a compiled network on at most `size` pictures, padded to that many; returns only the real rows."""
    padded = np.zeros((size, *pixels.shape[1:]), dtype=np.float32)
    padded[: len(pixels)] = pixels
    result: Floats = run(tensorflow().constant(padded)).numpy()[: len(pixels)]
    return result


def read_batches(
    pictures: Sequence[Picture], how: Preprocessing, view: View | None = None, together: int = BATCH
) -> Iterator[tuple[list[Picture], Pixels]]:
    """Decode pictures in threads, a batch ahead of whoever consumes them: uint8 of shape (≤ together, size, size, 3)."""
    batches = [list(pictures[start : start + together]) for start in range(0, len(pictures), together)]
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="decode") as threads:
        pending = [threads.submit(_read_checked, picture, how, view) for picture in (batches[0] if batches else [])]
        for number, batch in enumerate(batches):
            following = batches[number + 1] if number + 1 < len(batches) else []
            ahead = [threads.submit(_read_checked, picture, how, view) for picture in following]
            yield batch, np.stack([future.result() for future in pending])
            pending = ahead


def _read_checked(picture: Picture, how: Preprocessing, view: View | None) -> Pixels:
    try:
        data = picture.path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"Cannot read {picture.path} ({error.strerror}): stj-dataset verify lists what is missing."
        ) from error
    if sha256_of(data) != picture.sha256:
        raise DatasetError(f"{picture.path} is not the picture that the manifest names: export the dataset again.")
    opened = open_picture(data, 2 * how.size)
    return fit(opened if view is None else view(opened, picture.sha256), how)
