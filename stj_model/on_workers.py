"""What workers are asked of a network: answers about pictures, and their features.

Pictures are read here and go over as bytes; the network goes to each worker once, by the name of its content. Batches are those
that one process would make, so that the answers are the same to the last bit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from stj_core.errors import ModelError, PictureError
from stj_core.partitions import Partition, SetAside, Shared, Workers, content_name, spread
from stj_dataset.manifest import LABELS
from stj_model import fast
from stj_model.calibration import CALIBRATION, NEIGHBOURS
from stj_model.inputs import Readable
from stj_model.predict import FAILED, Answer, Predictor
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
