"""What workers are asked of a network: answers about pictures, and their features.

Pictures are read here and go over as bytes; the network goes to each worker once, by the name of its content. Batches are those
that one process would make, so that the answers are the same to the last bit.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from stj_core.console import Talk
from stj_core.errors import DatasetError, ModelError, PictureError
from stj_core.partitions import Partition, SetAside, Shared, Workers, content_name, spread
from stj_dataset.manifest import LABELS
from stj_model import fast
from stj_model.augment import VERSION, View
from stj_model.backend import make_deterministic
from stj_model.calibration import CALIBRATION, NEIGHBOURS
from stj_model.data import LabelledPicture
from stj_model.features import Answered, Asked, Elsewhere, Extractor, Floats, compiled, read_bytes, run_padded, seen
from stj_model.inputs import Readable
from stj_model.predict import FAILED, Answer, Predictor, load_model
from stj_model.preprocess import Pixels, Preprocessing
from stj_model.run_dir import CONFIG, MODEL, Run

T = TypeVar("T")

BATCHES = 4
"""So many of the network's batches are one partition."""
_ANSWERS = (CONFIG, LABELS, CALIBRATION, NEIGHBOURS, MODEL, fast.TRUNK, fast.HEAD, fast.ABOUT)
_RUN = "{run}"

_lock = threading.Lock()
_kept: dict[str, Any] = {}


@dataclass(frozen=True)
class SentPicture:
    """A picture that was read elsewhere, or the reason why it could not be."""

    data: bytes = b""
    why: str = ""

    def read(self) -> bytes:
        """Its bytes, as in `Readable`."""
        if self.why:
            raise PictureError(self.why)
        return self.data


def answers_by(
    workers: Workers,
    predictor: Predictor,
    pictures: Sequence[Readable],
    names: Sequence[str],
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[Answer]:
    """Answer pictures in order, as `Predictor.answer_inputs` does, by workers.

    Args:
        workers: who answers.
        predictor: of the run, opened here: what is wrong with the run was said.
        pictures: from files, archives or addresses; one that cannot be read becomes an answer with the reason, and so does one
            that workers failed on three times.
        names: what to call each.
        advance: told how many more are done.

    Raises:
        ModelError: the network's weights are damaged.
    """
    folder = predictor.run.folder
    with workers.share(folder, _ANSWERS) as shared:

        def ask(some: Sequence[tuple[str, SentPicture]]) -> Partition[Sequence[Answer | str]]:
            sent = [picture for _, picture in some]
            called = [name for name, _ in some]
            content = content_name(shared.name, str(predictor.batch), *(part for one in some for part in _parts(*one)))
            size = sum(len(one.data) for one in sent)
            return Partition(content, answers_of, (shared, predictor.batch, sent, called), size)

        sent = zip(names, map(_sent, pictures), strict=True)
        for (name, _), found in spread(workers, sent, BATCHES * predictor.batch, ask):
            if isinstance(found, SetAside):
                yield Answer(name, error=f"{FAILED} ({found.reason}): ask again")
            elif isinstance(found, str):
                raise ModelError(found.replace(_RUN, str(folder)))
            else:
                yield found
            advance(1)


def answers_of(
    shared: Shared, batch: int, pictures: Sequence[SentPicture], names: Sequence[str]
) -> Sequence[Answer | str]:
    """Answer pictures on a worker; a sentence for each, if the run cannot answer."""
    folder = shared.folder()
    try:
        predictor = kept(f"{shared.name} {batch}", lambda: Predictor(Run(folder), batch=batch))
        return list(predictor.answer_inputs(pictures, names))
    except ModelError as error:
        return [str(error).replace(str(folder), _RUN)] * len(names)


def feature_workers(cluster: str, talk: Talk) -> Elsewhere | None:
    """The workers that compute features, made ready when there are features to compute; None where none are named.

    Args:
        cluster: as STJ_CLUSTER names them.
        talk: told where they can be watched.
    """
    if not cluster:
        return None

    @contextmanager
    def ready(extractor: Extractor) -> Iterator[Callable[[Asked], Answered]]:
        from stj_core.cluster import NETWORKS, open_cluster

        with open_cluster(cluster, talk.say, NETWORKS) as workers:
            assert workers is not None
            yield partial(features_by, workers, extractor)

    return ready


def features_by(workers: Workers, extractor: Extractor, asked: Asked) -> Answered:
    """What the network says of each picture in a view, in order, by workers; or why they failed on it.

    Raises:
        DatasetError: a picture cannot be read, or is not the one that its manifest names.
    """
    how, batch = extractor.preprocessing, extractor.batch
    with tempfile.TemporaryDirectory(prefix="stj-network-") as folder:
        extractor.model.save(Path(folder) / MODEL)
        with workers.share(Path(folder), [MODEL]) as shared:

            def ask(some: Sequence[tuple[LabelledPicture, View, bytes]]) -> Partition[Sequence[Floats | str]]:
                # The key says everything that decides a feature but the view and the picture; the bytes are its sha256.
                names = [f"{picture.sha256} {view.name} {VERSION}" for picture, view, _ in some]
                sent = [(str(picture.path), view, data) for picture, view, data in some]
                size = sum(len(data) for _, _, data in sent)
                content = content_name(extractor.plain_key, *names)
                return Partition(content, features_of, (shared, extractor.plain_key, how, batch, sent), size)

            read = ((picture, view, read_bytes(picture)) for picture, view in asked)
            for (picture, _, _), found in spread(workers, read, BATCHES * batch, ask):
                if isinstance(found, str):
                    raise DatasetError(found)
                yield [picture], [found]


def features_of(
    shared: Shared, key: str, how: Preprocessing, batch: int, pictures: Sequence[tuple[str, View, bytes]]
) -> list[Floats | str]:
    """The feature of each picture on a worker, or a sentence for one that is no picture.

    Args:
        shared: the folder with the network.
        key: of everything that decides a feature but picture and view.
        how: the network's size and filter.
        batch: how many pictures it is asked at once.
        pictures: what each is called, how it is seen, and its bytes.
    """
    run = kept(f"{shared.name} {key}", lambda: _open_network(shared.folder() / MODEL))
    result: list[Floats | str] = []
    for start in range(0, len(pictures), batch):
        shown = [_seen(*one, how) for one in pictures[start : start + batch]]
        good = [one for one in shown if not isinstance(one, str)]
        rows = iter(run_padded(run, np.stack(good), batch) if good else ())
        result += [one if isinstance(one, str) else next(rows) for one in shown]
    return result


def _open_network(path: Path) -> Any:  # noqa: ANN401 - a tf.function
    make_deterministic(0)
    return compiled(load_model(path))


def _seen(called: str, view: View, data: bytes, how: Preprocessing) -> Pixels | str:
    try:
        return seen(data, called, how, view)
    except DatasetError as error:
        return str(error)


def kept(name: str, make: Callable[[], T]) -> T:
    """What was made under a name before, or is made now: one network at a time stays in a worker's memory."""
    with _lock:
        if name not in _kept:
            _kept.clear()
            _kept[name] = make()
        found: T = _kept[name]
        return found


def _sent(picture: Readable) -> SentPicture:
    try:
        return SentPicture(picture.read())
    except PictureError as error:
        return SentPicture(why=str(error))


def _parts(name: str, picture: SentPicture) -> tuple[str, str, bytes]:
    return name, picture.why, picture.data
