"""A run's network for other programs: from pixels to calibrated probabilities and the distance to all that was learned."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stj_core.cli import counted
from stj_core.console import SILENT, Talk
from stj_core.errors import ModelError, PictureError, UsageError
from stj_core.files import atomic_path, explained, write_json
from stj_core.folders import beside, swapped, sweep
from stj_core.picture_types import FORMATS as PICTURE_FORMATS
from stj_core.vocabulary import SPLITS
from stj_dataset.manifest import find_dataset
from stj_images import pixels as pixels_source
from stj_images.decode import MAX_BYTES, MAX_PIXELS
from stj_model import standalone
from stj_model.backend import KerasModel, as_array, hushed, keras
from stj_model.formats import FORMATS, check_installed
from stj_model.head import NONE_MARGIN
from stj_model.predict import Predictor, load_model, pooled
from stj_model.run_dir import EXPORTS, MODEL, Run
from stj_model.standalone import OUT_OF_SCOPE, PROBABILITIES, Exported, Pixels

CHECKED_ON = 50
ALLOWED = 1e-3
"""The largest difference of a probability, or of a distance, between an export and Keras."""
WEIGHTS = "stjweights.hdf5"
ABOUT, SCRIPT, DECODER = "model.json", "predict.py", "pixels.py"


@dataclass(frozen=True)
class Export:
    """A finished export: its folder, and how far from Keras it was at most, on so many pictures."""

    format: str
    folder: Path
    pictures: int
    probabilities: float
    out_of_scope: float

    def as_json(self) -> dict[str, Any]:
        """The line in the document of `stj-model export`."""
        return {**asdict(self), "folder": str(self.folder)}


def export_run(
    run: Run,
    formats: Sequence[str],
    *,
    to: Path | None = None,
    dataset: Path | None = None,
    talk: Talk = SILENT,
) -> list[Export]:
    """Export a run's network, each format into a folder of its own, whole or not at all.

    In the folder lie the network, `model.json` (classes, thresholds, input and outputs, weights' source and licence, how it
    was checked) and `predict.py`, which asks it without STJ. Each is asked about fifty pictures through that very script and
    compared with Keras before it is renamed into place; an older export of the same format makes way.

    Args:
        run: a finished run.
        formats: of `saved_model`, `onnx`, `openvino` and `litert`.
        to: where the folders go; the run's `exports/`, if not given.
        dataset: where the pictures are; the dataset that the run was trained on, if not given.
        talk: where progress is told.

    Raises:
        UsageError: there is no such format.
        ModelError: a library is missing, an export differs from Keras, or the folder cannot be written.
    """
    names = list(dict.fromkeys(formats))
    unknown = [name for name in names if name not in FORMATS]
    if unknown:
        raise UsageError(f"--format cannot be {unknown[0]!r}: it is {', '.join(FORMATS)}.")
    check_installed(names)
    predictor = Predictor(run, fast=False)
    pixels = _pictures(predictor, dataset)
    scores = predictor.scores(pixels)
    distances = predictor.neighbours.distances(scores.features)[0]
    wanted = scores.chances, predictor.calibration.out_of_scope(distances, scores.margins)
    network, target = exportable(predictor), to or run.folder / EXPORTS
    done = []
    for name in names:
        talk.say(f"Exporting to {name}, and asking it about {counted(len(pixels), 'picture')} …")
        done.append(_export(name, network, predictor, pixels, wanted, target))
    return done


def save_weights(run: Run) -> Path:
    """Write the weights of a run's network in HDF5, as `model.load_weights` of the same network reads a file of that name.

    What Keras itself writes now must end in `.weights.h5`, and is laid out otherwise than what it expects of an `.hdf5`.

    Returns:
        `stjweights.hdf5` in the run's folder.

    Raises:
        ModelError: it cannot be written.
    """
    target = run.folder / WEIGHTS
    model = load_model(run.folder / MODEL)
    with (
        explained(ModelError, str(target), "Make the run's folder one that can be written."),
        atomic_path(target) as part,
    ):
        _write_hdf5(model, part)
    return target


def _write_hdf5(model: KerasModel, path: Path) -> None:
    """Write a network's weights layer by layer, each layer's in the order of its trainable and then its other ones."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", keras().__version__.encode()
        for layer in model.layers:
            group = file.create_group(layer.name)
            weights = [*layer.trainable_weights, *layer.non_trainable_weights]
            group.attrs["weight_names"] = [weight.path.encode() for weight in weights]
            for weight in weights:
                group.create_dataset(weight.path, data=as_array(weight))


def exportable(predictor: Predictor) -> KerasModel:
    """The run's network with what `none` is judged by inside.

    From `pixels`, float32 of shape (n, size, size, 3), RGB 0 to 255, to a dict of `probabilities`, (n, k), and
    `out_of_scope`, (n,): the probability of something else, where that was learned, else the cosine distance (0 to 2) to the
    nearest training picture.
    """
    layers, neighbours = keras().layers, predictor.neighbours
    normaliser = neighbours.normaliser
    x = pooled(predictor.model, neighbours.layer)
    x = layers.Normalization(mean=normaliser.mean, variance=normaliser.scale**2, name="scope_centred")(x)
    x = layers.UnitNormalization(name="scope_embedding")(x)
    likeness = layers.Dense(len(neighbours.points), use_bias=False, name="scope_likeness")
    x = likeness(x)
    likeness.set_weights([neighbours.points.T.astype(np.float32)])
    x = keras().ops.max(x, axis=1)
    learned, limits = predictor.calibration.none_learned, predictor.calibration
    distance = layers.Rescaling(-1.0, offset=1.0, name="scope_distance" if learned else OUT_OF_SCOPE)(x)
    scope = distance
    if learned:
        margin = keras().ops.squeeze(predictor.model.get_layer(NONE_MARGIN).output, axis=1)
        margin = layers.Rescaling(limits.margin_weight, name="scope_margin")(margin)
        distance = layers.Rescaling(limits.distance_weight, offset=limits.offset, name="scope_offset")(distance)
        scope = layers.Activation("sigmoid", name=OUT_OF_SCOPE)(layers.Add(name="scope_sum")([margin, distance]))
    return keras().Model(predictor.model.inputs[0], {PROBABILITIES: predictor.model.outputs[0], OUT_OF_SCOPE: scope})


def _pictures(predictor: Predictor, dataset: Path | None) -> Pixels:
    """Fifty pictures of the dataset as pixels, the test split's first."""
    run = predictor.run
    folder = dataset or find_dataset(
        Path(str(run.document.get("dataset", "dataset"))), str(run.document.get("dataset_digest", ""))
    )
    rows = sorted(run.manifest(), key=lambda row: (-SPLITS.index(row.split), row.sha256))
    found: list[Pixels] = []
    for row in rows:
        if len(found) == CHECKED_ON:
            break
        try:
            found.append(predictor.read((folder / row.file).read_bytes()))
        except (OSError, PictureError):
            continue
    if not found:
        raise ModelError(
            f"No picture of {run.name} is in {folder} any more, so an export cannot be checked: give --dataset FOLDER."
        )
    return np.stack(found)


def _export(
    name: str, network: KerasModel, predictor: Predictor, pixels: Pixels, wanted: tuple[Any, Any], target: Path
) -> Export:
    form = FORMATS[name]
    with _aside(target, name) as part:
        write_json(_about(name, predictor), part / ABOUT)
        shutil.copyfile(standalone.__file__, part / SCRIPT)
        shutil.copyfile(pixels_source.__file__, part / DECODER)
        with hushed():
            form.write(network, part / form.file)
            got = Exported(part).ask(pixels.astype(np.float32))
        gaps = [float(np.abs(one - other).max()) for one, other in zip(got, wanted, strict=True)]
        if not np.max(gaps) <= ALLOWED:  # also where one of them is no number
            raise ModelError(
                f"The export to {name} differs from Keras by {np.max(gaps):.4f} on {len(pixels)} pictures, {ALLOWED} is allowed: "
                "nothing was kept; try the tested versions (pip install -c constraints.txt 'stj[export]')."
            )
        checked = {"pictures": len(pixels), PROBABILITIES: gaps[0], OUT_OF_SCOPE: gaps[1], "allowed": ALLOWED}
        write_json({**_about(name, predictor), "largest_difference_to_keras": checked}, part / ABOUT)
    return Export(name, target / name, len(pixels), *gaps)


def _about(name: str, predictor: Predictor) -> dict[str, Any]:
    """What `model.json` says."""
    run, labels, limits, how = predictor.run, predictor.labels, predictor.calibration, predictor.preprocessing
    return {
        "format": name,
        "file": FORMATS[name].file,
        "labels": {str(label): called for label, called in labels.items()},
        "answers": {str(label): said for label, said in predictor.words.items()},
        "input": {
            "name": "pixels",
            "shape": ["n" if name != "litert" else 1, how.size, how.size, 3],
            "type": "float32",
            "values": "RGB, 0 to 255",
            "size": how.size,
            "resample": how.resample,
            "max_bytes": MAX_BYTES,
            "max_pixels": MAX_PIXELS,
            "formats": [one for one in PICTURE_FORMATS if one != "HEIF"],
        },
        "outputs": {
            PROBABILITIES: "(n, k), calibrated",
            OUT_OF_SCOPE: "(n,), "
            + ("probability of something else" if limits.none_learned else "cosine distance to what it has learned"),
        },
        "abstain_below": limits.abstain_below,
        "out_of_scope_above": limits.out_of_scope_above,
        "run": run.name,
        "dataset_digest": run.document["dataset_digest"],
        "weights": {key: value for key, value in run.document["weights"].items() if key != "path"},
    }


@contextmanager
def _aside(target: Path, name: str) -> Iterator[Path]:
    """A folder beside `target/name` that takes its place when all went well, and is gone when it did not, Ctrl-C included.

    What an export that was killed has left goes first.
    """
    final, made = target / name, not target.exists()
    if final.exists() and not (final / ABOUT).is_file():
        raise ModelError(f"{final} is there and no export of ours: move it away, or name another folder with --to.")
    aside = beside(final)
    try:
        target.mkdir(parents=True, exist_ok=True)
        sweep(final)
        part = aside / name
        part.mkdir(parents=True)
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        yield part
        with swapped(part, final):
            pass
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        if made and not any(target.iterdir()):
            target.rmdir()


def _unwritable(target: Path, error: OSError) -> ModelError:
    return ModelError(f"Cannot write to {target} ({error.strerror or error}): name another folder with --to.")
