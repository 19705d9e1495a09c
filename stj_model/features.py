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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stj_core.cli import counted
from stj_core.console import SILENT, Talk
from stj_core.errors import DatasetError, ModelError, PictureError, WeightsError
from stj_core.files import atomic_writer, sweep_unfinished, write_text
from stj_core.partitions import SetAside
from stj_model.augment import PLAIN, VERSION, View
from stj_model.backend import KerasModel, tensorflow
from stj_model.damage import PARSER_ERRORS, check_regular
from stj_model.data import LabelledPicture
from stj_model.preprocess import Pixels, Preprocessing, fit, open_picture, sha256_of
from stj_model.shared_features import shared_by

Floats = npt.NDArray[np.float32]

BATCH = 8
"""Every batch has one size, this one where no other is asked for, and the last one is padded to it: a feature is the same
whatever else is asked. Another size rounds otherwise, by some 1e-5, so that it is part of a feature's key.

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
    batch: int = BATCH

    def __post_init__(self) -> None:
        if self.run is None:
            object.__setattr__(self, "run", compiled(self.model))

    @property
    def key(self) -> str:
        """The store's folder name."""
        view = {} if self.view.is_plain else {"view": {"name": self.view.name, "version": VERSION}}
        return self._key(view)

    @property
    def plain_key(self) -> str:
        """Of all that decides a feature but the view."""
        return self._key({})

    def _key(self, view: dict[str, Any]) -> str:
        document = {
            **self.record,
            "preprocessing": self.preprocessing.describe(),
            "dtype": self.model.compute_dtype,
            "batch": self.batch,
            **view,
        }
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
            sweep_unfinished(folder)  # a training that was killed leaves hundreds of megabytes
            for names in sorted(folder.glob("*.json")):
                self.open_shard(names)

    def __contains__(self, name: str) -> bool:
        return name in self._where

    def __len__(self) -> int:
        return len(self._where)

    def add(self, names: Sequence[str], rows: Floats) -> None:
        """Write a shard: the array first, then its names, which make it count."""
        stem = self.folder / uuid.uuid4().hex
        with atomic_writer(stem.with_suffix(".npy")) as stream:
            np.save(stream, np.ascontiguousarray(rows, dtype=np.float32))
        write_text(stem.with_suffix(".json"), json.dumps(list(names)))
        self.open_shard(stem.with_suffix(".json"))

    def rows(self, names: Sequence[str]) -> Floats:
        """The features of `names`, in their order: float32 of shape (n, …).

        Raises:
            KeyError: one was never added.
        """
        places = [self._where[name] for name in names]
        if not places:
            return np.empty((0,), dtype=np.float32)
        return np.stack([self._shards[shard][row] for shard, row in places])

    def open_shard(self, names: Path) -> None:
        """Make a shard's rows known; one that is not whole is left out.

        Args:
            names: the file that names them, beside the array.
        """
        try:
            for part in (names, names.with_suffix(".npy")):
                check_regular(part)
            array = np.load(names.with_suffix(".npy"), mmap_mode="r")
            listed = json.loads(names.read_text(encoding="utf-8"))
        except PARSER_ERRORS:
            return  # half a shard, from a copy or a full disk: it is computed again
        if not isinstance(listed, list) or array.dtype != np.float32 or not array.ndim or len(listed) != len(array):
            return
        self._shards.append(array)
        for row, name in enumerate(listed):
            self._where.setdefault(str(name), (len(self._shards) - 1, row))


Asked = Sequence[tuple[LabelledPicture, View]]
Answered = Iterator[tuple[Sequence[LabelledPicture], Sequence[Floats | SetAside]]]
"""Some pictures at a time, and what the network says of each, in the order in which they were asked about."""
Elsewhere = Callable[[Extractor], AbstractContextManager[Callable[[Asked], Answered]]]
"""Makes workers ready that compute an extractor's features, for as long as a block lasts."""


def compute_features(
    pictures: Sequence[LabelledPicture],
    extractor: Extractor,
    cache: Path,
    talk: Talk = SILENT,
    elsewhere: Elsewhere | None = None,
    shared: str = "",
) -> FeatureStore:
    """Make sure that every picture's feature is in the store, as `compute_views` does for several views."""
    return compute_views(pictures, [extractor], cache, talk, elsewhere, shared)[0]


def compute_views(
    pictures: Sequence[LabelledPicture],
    extractors: Sequence[Extractor],
    cache: Path,
    talk: Talk = SILENT,
    elsewhere: Elsewhere | None = None,
    shared: str = "",
) -> list[FeatureStore]:
    """Make sure that every picture's feature is in every store; only what is new is computed.

    Views go through the network one after the other, and share the batch in which one ends: ten new pictures from two views
    are three batches, not four.

    Args:
        pictures: which; rows are named by the picture's sha256.
        extractors: the frozen network, once for each view; they differ in nothing else.
        cache: STJ_CACHE; each store lies in `features/<key>` below it.
        talk: where progress is told.
        elsewhere: the workers that are asked; this process, if there are none.
        shared: STJ_FEATURES: where machines share what they computed; nowhere, if empty.

    Raises:
        AddressError: `shared` cannot be used.
        DatasetError: a picture cannot be read, or is not the one that its manifest names.
        ModelError: workers failed on some pictures three times; what they did of the others is kept.
    """
    stores = [FeatureStore(cache / "features" / extractor.key) for extractor in extractors]
    others = shared_by(shared, talk)
    if others is not None:
        for store in stores:
            others.bring(store, [one.sha256 for one in pictures])
    wanted = [
        (picture, place)
        for place, store in enumerate(stores)
        for picture in {one.sha256: one for one in pictures if one.sha256 not in store}.values()
    ]
    if wanted:
        first = extractors[0]
        with elsewhere(first) if elsewhere else nullcontext(partial(_here, first)) as ask:
            _compute(wanted, extractors, stores, talk, ask)
    if others is not None:
        for store in stores:
            others.send(store)
    return stores


def _here(extractor: Extractor, asked: Asked) -> Answered:
    for batch, pixels in read_batches(asked, extractor.preprocessing, extractor.batch):
        yield batch, list(run_padded(extractor.run, pixels, extractor.batch))


def _compute(
    wanted: Sequence[tuple[LabelledPicture, int]],
    extractors: Sequence[Extractor],
    stores: Sequence[FeatureStore],
    talk: Talk,
    ask: Callable[[Asked], Answered],
) -> None:
    """Ask the network about pictures, each as the extractor of that place sees it, and add what it says to the stores."""
    first = extractors[0]
    per_shard = max(first.batch, SHARD_BYTES // (4 * int(np.prod(first.shape))))
    waiting: list[tuple[int, str, Floats]] = []
    lost: dict[str, SetAside] = {}
    written = time.monotonic()

    def keep() -> None:
        for place, store in enumerate(stores):
            rows = {name: row for at, name, row in waiting if at == place}
            if rows:
                store.add(list(rows), np.stack(list(rows.values())))
        waiting.clear()

    asked = [(picture, extractors[place].view) for picture, place in wanted]
    number = len({picture.sha256 for picture, _ in wanted})
    seen = list(dict.fromkeys(extractors[place].view.name for _, place in wanted))
    how = "" if seen == [PLAIN] else f", {', '.join(seen)}"
    try:
        with talk.bar(f"Features of {counted(number, 'new picture')}{how}", len(wanted)) as advance:
            places = iter(place for _, place in wanted)
            for batch, rows in ask(asked):
                for picture, row in zip(batch, rows, strict=True):
                    place = next(places)
                    if isinstance(row, SetAside):
                        lost[picture.name] = row
                    else:
                        _check_numbers(row, picture)
                        waiting.append((place, picture.sha256, row))
                advance(len(batch))
                if len(waiting) >= per_shard or time.monotonic() - written >= SHARD_SECONDS:
                    keep()
                    written = time.monotonic()
    except OSError as error:
        raise ModelError(
            f"Cannot write features to {stores[0].folder} ({error.strerror}): set STJ_CACHE to a folder with room."
        ) from error
    finally:
        keep()  # Ctrl-C included: what is computed is kept
    if lost:
        first_name, why = next(iter(lost.items()))
        raise ModelError(
            f"Workers failed three times on {counted(len(lost), 'picture')} ({first_name}{' …' if len(lost) > 1 else ''}: "
            f"{why.reason}). The features of all others are kept; the same command tries these again."
        )


def _check_numbers(row: Floats, picture: LabelledPicture) -> None:
    if not np.isfinite(row).all():
        raise WeightsError(
            f"The network answers {picture.name} with what is no number: its weights are damaged; give others with --weights."
        )


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
    asked: Sequence[tuple[LabelledPicture, View]], how: Preprocessing, together: int = BATCH
) -> Iterator[tuple[list[LabelledPicture], Pixels]]:
    """Decode pictures in threads, a batch ahead of whoever consumes them.

    Args:
        asked: each picture, and how it is seen.
        how: the network's size and filter.
        together: the size of a batch.

    Yields:
        Some pictures, and uint8 of shape (≤ together, size, size, 3).
    """
    batches = [list(asked[start : start + together]) for start in range(0, len(asked), together)]
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="decode") as threads:

        def begin(number: int) -> list[Future[Pixels]]:
            return [
                threads.submit(_read_checked, picture, how, view)
                for batch in batches[number : number + 1]
                for picture, view in batch
            ]

        pending = begin(0)
        for number, batch in enumerate(batches):
            ahead = begin(number + 1)
            yield [picture for picture, _ in batch], np.stack([future.result() for future in pending])
            pending = ahead


def _read_checked(picture: LabelledPicture, how: Preprocessing, view: View) -> Pixels:
    return seen(read_bytes(picture), str(picture.path), how, view)


def read_bytes(picture: LabelledPicture) -> bytes:
    """A picture's bytes, which are those that its manifest names.

    Raises:
        DatasetError: they are not, or cannot be read.
    """
    try:
        data = picture.path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"Cannot read {picture.path} ({error.strerror}): stj-dataset verify lists what is missing."
        ) from error
    if sha256_of(data) != picture.sha256:
        raise DatasetError(f"{picture.path} is not the picture that the manifest names: export the dataset again.")
    return data


def seen(data: bytes, called: str, how: Preprocessing, view: View) -> Pixels:
    """A picture's bytes as the network is shown them in a view: uint8 of shape (size, size, 3).

    Raises:
        DatasetError: they are no picture.
    """
    try:
        opened = open_picture(data, 2 * how.size)
    except PictureError as error:
        raise DatasetError(f"{called}: {error} Take it out of the dataset, or export it again.") from error
    return fit(view(opened), how)
