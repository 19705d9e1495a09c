"""From pictures to answers, the same way for evaluation, command line and web."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stj_core.errors import ModelError, PictureError
from stj_core.picture_types import FORMATS
from stj_model.backend import KerasModel, keras, tensorflow
from stj_model.damage import PARSER_ERRORS, check_archive, reading, reason
from stj_model.fast import open_fast
from stj_model.features import BATCH, Extractor, compiled
from stj_model.head import NONE_MARGIN, Doubles
from stj_model.inputs import FileInput, Readable, printable
from stj_model.preprocess import Pixels, read_pixels
from stj_model.run_dir import MODEL, Run
from stj_model.standalone import word

FAILED = "workers failed on it three times"
"""How an answer begins that there is none of, although its picture could be read."""


@dataclass(frozen=True)
class Answer:
    """What the model says of one picture; where it could not be read, only `file` and `error` mean anything.

    `label` is the likeliest class, `answer` its short name or `unsure` or `none`; `probabilities` are by label;
    `out_of_scope` is higher the less a picture is like the classes: the probability (0 to 1) that it is something else, where
    that was learned, else the cosine distance (0 to 2) to the nearest training picture; `nearest` is that picture's sha256.
    """

    file: str
    label: int | None = None
    answer: str = ""
    probabilities: dict[int, float] | None = None
    out_of_scope: float | None = None
    nearest: str = ""
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The answer in the shape that the outside relies on."""
        chances = (
            None if self.probabilities is None else {str(label): round(p, 6) for label, p in self.probabilities.items()}
        )
        return {
            "file": self.file,
            "answer": self.answer or None,
            "label": self.label,
            "probabilities": chances,
            "out_of_scope": None if self.out_of_scope is None else round(self.out_of_scope, 6),
            "error": self.error,
        }


class Scores(NamedTuple):
    """What a network says of n pictures: probabilities (n, k), raw features (n, d), log-odds of `none` (n,) if it learned it."""

    chances: Doubles
    features: npt.NDArray[np.float32]
    margins: Doubles | None


class _KerasNetwork:
    """A run's network in Keras, compiled, and made sure to belong to the rest of the run."""

    def __init__(self, predictor: Predictor) -> None:
        self.run, self.calibration = predictor.run, predictor.calibration
        self.model = load_model(self.run.folder / MODEL)
        self._check(len(predictor.labels), predictor.preprocessing.size)
        self.raw = pooled(self.model, predictor.neighbours.layer)
        self.outputs = [self.model.outputs[0], *self._none_margin()]
        self.compiled = compiled(keras().Model(self.model.inputs[0], [*self.outputs, self.raw]))

    def call(self, pixels: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
        """Probabilities, the log-odds of `none` where it was learned, and raw features of float32 (n, size, size, 3)."""
        return [one.numpy() for one in self.compiled(tensorflow().constant(pixels))]

    def _check(self, count: int, size: int) -> None:
        """Make sure that the network, the labels and what was learned of `none` belong together.

        Raises:
            ModelError: they do not.
        """
        folder = self.run.folder
        found = self.model.outputs[0].shape[-1] if self.model.outputs else 0
        if found != count:
            raise ModelError(f"The network of {folder} has {found} classes, its labels.json {count}: train again.")
        taken = tuple(self.model.inputs[0].shape[1:])
        if taken != (size, size, 3):
            raise ModelError(
                f"The network of {folder} takes pictures of {taken}, its config.json says {size} × {size}: train again."
            )
        if self.calibration.none_learned and len(self.model.outputs) < 2:
            raise ModelError(
                f"The network of {folder} has not learned `none`, and its calibration.json says so: train again."
            )

    def _none_margin(self) -> list[Any]:
        if not self.calibration.none_learned:
            return []
        with reading(self.run.folder / MODEL):
            return [self.model.get_layer(NONE_MARGIN).output]


class Predictor:
    """A run's network, loaded once, with everything that turns its numbers into answers."""

    def __init__(self, run: Run, *, fast: bool = True, batch: int = BATCH) -> None:
        """Open a run.

        Args:
            run: the run.
            fast: answer through its ONNX file, where it has one and ONNX Runtime is installed: equal to Keras within 1e-4, and
                TensorFlow is imported only for what else is asked, such as where the network looked.
            batch: how many pictures the network is asked at once.

        Raises:
            ModelError: a file of it is missing or damaged.
        """
        self.run, self.batch = run, batch
        self.labels = run.labels()
        self.preprocessing = run.preprocessing()
        self.calibration = run.calibration()
        self.neighbours = run.neighbours()
        self.words = run.words()
        self.fast = open_fast(run.folder) if fast else None
        if self.fast is None:
            self._keras  # noqa: B018 - loaded now, so that what is wrong with it is said now

    @property
    def model(self) -> KerasModel:
        """The network in Keras."""
        return self._keras.model

    @cached_property
    def _keras(self) -> _KerasNetwork:
        return _KerasNetwork(self)

    def answer(self, pixels: Pixels, names: Sequence[str]) -> list[Answer]:
        """Answer pictures that are decoded already: uint8 of shape (n, size, size, 3), and what to call each."""
        return self.answers_of(self.scores(pixels), names)

    def answers_of(self, scores: Scores, names: Sequence[str]) -> list[Answer]:
        """Answers from what `scores` gave, and what to call each picture."""
        distances, nearest = self.neighbours.distances(scores.features)
        scope = self.calibration.out_of_scope(distances, scores.margins)
        return [
            self._answer(name, scores.chances[place], float(scope[place]), str(self.neighbours.names[nearest[place]]))
            for place, name in enumerate(names)
        ]

    def scores(self, pixels: Pixels) -> Scores:
        """What the network says of pixels (n, size, size, 3).

        One picture alone takes the short way; more go in batches of one fixed size.

        Raises:
            ModelError: the network's weights are damaged.
        """
        size = 1 if len(pixels) == 1 else self.batch
        parts = [self._batch(pixels[start : start + size], size) for start in range(0, len(pixels), size)]
        *outputs, features = (np.concatenate(column) for column in zip(*parts, strict=True))
        return self._scores(outputs, features)

    def scores_of(self, features: npt.NDArray[np.float32]) -> Scores:
        """What the network says of pictures whose raw features (n, d) are known already."""
        rest = compiled(keras().Model(self._keras.raw, self._keras.outputs))
        parts = []
        for start in range(0, len(features), self.batch):
            some = features[start : start + self.batch]
            padded = np.zeros((self.batch, *features.shape[1:]), dtype=np.float32)
            padded[: len(some)] = some
            parts.append([one.numpy()[: len(some)] for one in rest(tensorflow().constant(padded))])
        return self._scores([np.concatenate(column) for column in zip(*parts, strict=True)], features)

    def _scores(self, outputs: Sequence[npt.NDArray[np.float32]], features: npt.NDArray[np.float32]) -> Scores:
        if not all(np.isfinite(part).all() for part in (*outputs, features)):
            raise ModelError(
                f"The network of {self.run.folder} answers with what is no number: its weights are damaged; train again."
            )
        chances, *none = (part.astype(np.float64) for part in outputs)
        return Scores(chances, features, none[0].reshape(-1) if none else None)

    def extractor(self, frozen: dict[str, Any]) -> Extractor:
        """What gives the raw feature of a picture, to be kept under all that decides it."""
        network = keras().Model(self.model.inputs[0], self._keras.raw)
        return Extractor(network, self.preprocessing, frozen, batch=self.batch)

    def chances_once(self, pixels: Pixels) -> Doubles:
        """Probabilities (n, k) of pixels, layer by layer: dear for many pictures, cheap for one, as nothing is compiled."""
        found = self.model(pixels.astype(np.float32), training=False)
        result: Doubles = (found[0] if isinstance(found, list | tuple) else found).numpy().astype(np.float64)
        return result

    def read(self, data: bytes, formats: Sequence[str] = FORMATS) -> Pixels:
        """Bytes as this network's pixels: uint8 of shape (size, size, 3).

        Args:
            data: the picture's bytes.
            formats: Pillow's names of the only formats to try.

        Raises:
            PictureError: the bytes are no whole picture.
        """
        return read_pixels(data, self.preprocessing, formats)

    def answer_files(
        self,
        files: Sequence[str | os.PathLike[str]],
        names: Sequence[str] | None = None,
        advance: Callable[[int], None] = lambda _: None,
    ) -> Iterator[Answer]:
        """Answer files in order, batch by batch; one that cannot be read becomes an answer with the reason.

        Args:
            files: where the pictures are.
            names: what to call each in its answer; the path, if not given.
            advance: told how many more are done.
        """
        called = [str(file) for file in files] if names is None else list(names)
        return self.answer_inputs([FileInput(Path(file)) for file in files], called, advance)

    def answer_inputs(
        self, pictures: Sequence[Readable], names: Sequence[str], advance: Callable[[int], None] = lambda _: None
    ) -> Iterator[Answer]:
        """Answer pictures in order, batch by batch, the next batch decoded while one is computed.

        Args:
            pictures: from files or archives; one that cannot be read becomes an answer with the reason.
            names: what to call each.
            advance: told how many more are done.
        """
        with ThreadPoolExecutor(max_workers=2, thread_name_prefix="decode") as threads:
            size = self.batch
            batches = [pictures[start : start + size] for start in range(0, len(pictures), size)]
            ahead = [threads.submit(self._try, one) for one in batches[0]] if batches else []
            for number in range(len(batches)):
                read = [one.result() for one in ahead]
                ahead = [threads.submit(self._try, one) for batch in batches[number + 1 : number + 2] for one in batch]
                yield from self._answer_batch(read, names[number * size : number * size + len(read)])
                advance(len(read))

    def _answer_batch(self, read: Sequence[Pixels | str], names: Sequence[str]) -> Iterator[Answer]:
        good = [(pixels, name) for pixels, name in zip(read, names, strict=True) if not isinstance(pixels, str)]
        answers = iter(
            self.answer(np.stack([pixels for pixels, _ in good]), [name for _, name in good]) if good else ()
        )
        for pixels, name in zip(read, names, strict=True):
            yield Answer(name, error=pixels) if isinstance(pixels, str) else next(answers)

    def _try(self, picture: Readable) -> Pixels | str:
        try:
            return self.read(picture.read())
        except PictureError as error:
            return printable(str(error))

    def _batch(self, pixels: Pixels, size: int) -> list[npt.NDArray[np.float32]]:
        padded = np.zeros((size, *pixels.shape[1:]), dtype=np.float32)
        padded[: len(pixels)] = pixels
        found = self.fast(padded) if self.fast else self._keras.call(padded)
        return [one[: len(pixels)] for one in found]

    def _answer(self, name: str, chances: Doubles, out_of_scope: float, nearest: str) -> Answer:
        by_label = dict(zip(self.labels, map(float, chances), strict=True))
        label = max(by_label, key=lambda candidate: by_label[candidate])
        limits = self.calibration
        said = word(self.words[label], by_label[label], out_of_scope, limits.abstain_below, limits.out_of_scope_above)
        return Answer(name, label, said, by_label, out_of_scope, nearest)


def load_model(path: Path) -> KerasModel:
    """Load a `.keras` file in safe mode: no code from it is run.

    Raises:
        ModelError: it is no Keras model, or one that needs foreign code.
    """
    module = keras()
    try:
        check_archive(path)
        return module.models.load_model(path, compile=False, safe_mode=True)
    except PARSER_ERRORS as error:
        # Keras goes on to say how its safe mode can be left: nobody should, for a run that STJ did not write.
        first = reason(error).split(". ")[0].rstrip(".")
        raise ModelError(f"{path} cannot be loaded as a Keras model: {first}.") from error


def pooled(model: KerasModel, layer: str) -> Any:  # noqa: ANN401 - a Keras tensor
    """The raw feature of a layer: as it is, or the mean over its map."""
    try:
        output = model.get_layer(layer).output
    except ValueError as error:
        raise ModelError(
            f"The network has no layer {layer!r}, which its neighbours were taken from: train again."
        ) from error
    # A name of its own: one that Keras counts up may be in the file already.
    return keras().layers.GlobalAveragePooling2D(name="raw_feature")(output) if len(output.shape) == 4 else output
