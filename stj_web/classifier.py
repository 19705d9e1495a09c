"""Uploaded pictures to answers: decoded in one bounded pool, judged by one thread that owns the model."""

from __future__ import annotations

import hashlib
import io
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from stj_core.errors import ModelError, PictureError
from stj_dataset.manifest import ManifestRow
from stj_images.decode import decode
from stj_web.metrics import Metrics
from stj_web.pool import BoundedPool
from stj_web.runs import Runs
from stj_web.settings import WebConfig

if TYPE_CHECKING:
    from stj_model.predict import Answer, Predictor

NEAREST, PREVIEW = 3, 640


@dataclass(frozen=True)
class Upload:
    """One uploaded file."""

    name: str
    data: bytes


@dataclass(frozen=True)
class NearestPicture:
    """A training picture near an upload."""

    sha256: str
    distance: float
    row: ManifestRow | None

    @property
    def checksums(self) -> set[str]:
        """By which the catalogue may know it: of the written file, and of the original."""
        return {self.sha256, *([self.row.original_sha256] if self.row and self.row.original_sha256 else ())}

    @property
    def page(self) -> str:
        """Where the studio says what it knows of the picture; empty where its original is not known."""
        return f"/why?q={self.row.original_sha256}" if self.row else ""

    def as_json(self, run: str) -> dict[str, Any]:
        """The neighbour in the REST interface."""
        row = self.row
        return {
            "sha256": self.sha256,
            "distance": round(self.distance, 6),
            "label": row.label if row else None,
            "title": row.title if row else "",
            "asin": row.asin if row else "",
            "product_url": row.product_url if row else "",
            "page": self.page,
            "thumbnail": f"/runs/{run}/pictures/{self.sha256}",
        }


@dataclass(frozen=True)
class JudgedUpload:
    """An upload with its answer, or with the reason why there is none."""

    answer: Answer
    reason: str | None
    nearest: list[NearestPicture]
    heat: bytes | None = None
    preview: bytes | None = None
    learned: ManifestRow | None = None
    """The picture of the run's dataset that these very bytes are: an answer about it proves little."""


@dataclass(frozen=True)
class ReadUpload:
    """An upload that was decoded.

    Attributes:
        pixels: uint8 of shape (size, size, 3), as the network takes them.
        preview: a JPEG of it, where one was asked for.
    """

    pixels: Any
    preview: bytes | None = None


class Classifier:
    """The model behind the page: loaded by the first picture, the newest run's unless one is named."""

    def __init__(
        self,
        runs: Runs,
        decoders: BoundedPool,
        web: WebConfig,
        metrics: Metrics,
        forgotten: Callable[[set[str]], set[str]],
    ) -> None:
        self._forgotten = forgotten
        self._runs = runs
        self._decoders = decoders
        self._web = web
        self._metrics = metrics
        # TensorFlow uses every core for one picture: more callers at once only get into each other's way.
        self._model = BoundedPool("model", 1, web.waiting)
        self._lock = threading.Lock()
        self._loaded: tuple[str, Predictor] | None = None

    @property
    def loaded(self) -> str | None:
        """The run whose network is in memory, or None."""
        return self._loaded[0] if self._loaded else None

    def judge(
        self, uploads: Sequence[Upload], *, run: str | None = None, explain: bool = False, preview: bool = False
    ) -> tuple[str, list[JudgedUpload]]:
        """Answer some uploads, in order.

        Args:
            uploads: the files.
            run: a run's name; the newest if not given.
            explain: say where the network looked, too.
            preview: give each picture back, small.

        Returns:
            the run's name, and what it says of each.

        Raises:
            RefusalError: there is no run, or too much is waiting.
            ModelError: the run cannot be loaded.
        """
        name = self._runs.open(run).name
        predictor = self._predictor(name)
        jobs: list[Future[Any]] = []
        try:
            jobs.extend(self._decoders.submit(partial(_read, predictor, one, preview=preview)) for one in uploads)
            judging: list[Future[JudgedUpload] | JudgedUpload] = []
            for one, decoded in zip(uploads, list(jobs), strict=True):
                try:
                    read = decoded.result()
                except PictureError as error:
                    judging.append(_unread(one, error))
                    continue
                job = self._model.submit(partial(self._judge, name, predictor, one, read, explain=explain))
                jobs.append(job)
                judging.append(job)
            judged = [part.result() if isinstance(part, Future) else part for part in judging]
        except BaseException:
            # Nobody waits for the rest any more: it must not keep the next request out.
            for job in jobs:
                job.cancel()
            raise
        for each in judged:
            self._metrics.classified.labels(each.answer.answer or "error").inc()
        return name, judged

    def feature(self, run: str, data: bytes) -> Any:  # noqa: ANN401 - numpy stays in the model's room
        """A picture as the run's network sees it: float32 (d,), of length 1, as the run keeps those that it learned from.

        Raises:
            RefusalError: there is no such run, or too much is waiting.
            ModelError: the run cannot be loaded.
            PictureError: the bytes are no whole picture, or too much of one.
        """
        predictor = self._predictor(self._runs.open(run).name)
        read = self._decoders.run(partial(_read, predictor, Upload("", data), preview=False))
        raw = self._model.run(lambda: predictor.scores(read.pixels[None]).features)
        return predictor.neighbours.normaliser(raw)[0].astype("float32")

    def _predictor(self, name: str) -> Predictor:
        with self._lock:
            if self._loaded is None or self._loaded[0] != name:
                from stj_model.predict import Predictor

                self._loaded = None
                predictor = self._model.run(lambda: Predictor(self._runs.open(name)))
                self._loaded = (name, predictor)
            return self._loaded[1]

    def _judge(
        self, name: str, predictor: Predictor, upload: Upload, read: ReadUpload, *, explain: bool
    ) -> JudgedUpload:
        pixels = read.pixels
        began = time.perf_counter()
        scores = predictor.scores(pixels[None])
        answer = predictor.answers_of(scores, [upload.name])[0]
        self._metrics.model_seconds.observe(time.perf_counter() - began)
        nearest = self._nearest(name, predictor, scores.features)
        return JudgedUpload(
            answer,
            None,
            nearest,
            heat(predictor, pixels, answer.label) if explain and answer.label is not None else None,
            read.preview,
            self._learned(name, upload),
        )

    def _learned(self, name: str, upload: Upload) -> ManifestRow | None:
        row = self._runs.learned(name, hashlib.sha256(upload.data).hexdigest())
        return None if row is None or self._forgotten({row.sha256, row.original_sha256}) else row

    def _nearest(self, name: str, predictor: Predictor, features: Any) -> list[NearestPicture]:  # noqa: ANN401
        """The nearest training pictures that were not forgotten: as many more are looked at as it takes."""
        rows = self._runs.manifest(name)
        wanted, all_of_them = 4 * NEAREST, len(predictor.neighbours.names)
        while True:
            distances, places = predictor.neighbours.closest(features, wanted)
            found = [
                NearestPicture(sha256, float(distance), rows.get(sha256))
                for distance, sha256 in zip(distances[0], map(str, predictor.neighbours.names[places[0]]), strict=True)
            ]
            lost = self._forgotten({sha256 for one in found for sha256 in one.checksums})
            shown = [one for one in found if not lost & one.checksums]
            if len(shown) >= NEAREST or wanted >= all_of_them:
                return shown[:NEAREST]
            wanted *= 4


def _read(predictor: Predictor, upload: Upload, *, preview: bool) -> ReadUpload:
    """Decode an upload, once, for the network and for the eye.

    Raises:
        PictureError: the bytes are no whole picture, or too much of one.
    """
    from stj_model.preprocess import fit

    picture = decode(upload.data, 2 * predictor.preprocessing.size)
    pixels = fit(picture, predictor.preprocessing)
    if not preview:
        return ReadUpload(pixels)
    picture.thumbnail((PREVIEW, PREVIEW))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=80)
    return ReadUpload(pixels, stream.getvalue())


def _unread(upload: Upload, error: PictureError) -> JudgedUpload:
    from stj_model.predict import Answer

    return JudgedUpload(Answer(upload.name, error=str(error)), error.reason, [])


SIDE = 224


def heat(predictor: Predictor, pixels: Any, label: int) -> bytes | None:  # noqa: ANN401 - numpy stays in the model's room
    """Where the network looked for a class, as a transparent PNG to lay over the picture; None where it cannot be said.

    Args:
        predictor: the loaded network.
        pixels: uint8 of shape (size, size, 3).
        label: the class.
    """
    from stj_model.explain import grad_cam, tint

    try:
        layer = tint(grad_cam(predictor, pixels, label), (SIDE, SIDE))
    except ModelError:
        return None
    stream = io.BytesIO()
    layer.save(stream, "PNG", optimize=True)
    return stream.getvalue()
