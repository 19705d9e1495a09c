"""Run folders with a network so small that making one costs a second: the studio reads files, and cannot tell."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from stj_core.files import write_csv, write_json
from stj_dataset.manifest import read_manifest
from stj_model.backend import keras
from stj_model.calibration import CALIBRATION, NEIGHBOURS, Calibration, Neighbours
from stj_model.head import Normaliser
from stj_model.preprocess import Preprocessing, read_pixels
from stj_model.run_dir import (
    CONFIG,
    ENVIRONMENT,
    HISTORY,
    METRICS,
    MISTAKES,
    MODEL,
    OUT_OF_FOLD,
    PREDICTIONS,
    REPORT,
    point_latest,
    write_history,
)

SIZE = 64


def make_run(runs: Path, dataset: Path, number: int) -> Path:
    """Write the run folder `runs/2026-0<number>` over a dataset folder.

    Args:
        runs: where it lands.
        dataset: what it pretends to have learned from.
        number: decides its weights, history and figures.
    """
    keras().utils.set_random_seed(number)
    folder = runs / f"2026-0{number}"
    folder.mkdir(parents=True)
    rows = read_manifest(dataset)
    for name in ("labels.json", "manifest.csv"):
        shutil.copyfile(dataset / name, folder / name)
    model = _network()
    model.save(folder / MODEL)
    pixels = np.stack([read_pixels(dataset / row.file, Preprocessing(SIZE)) for row in rows]).astype(np.float32)
    pooled = keras().Model(model.inputs[0], model.get_layer("features").output)
    features = pooled.predict(pixels, verbose=0).mean(axis=(1, 2))
    chances = model.predict(pixels, verbose=0)
    normaliser = Normaliser(features.mean(axis=0), features.std(axis=0) + 1e-3)
    Neighbours(
        "features", normaliser, normaliser(features).astype(np.float32), np.array([row.sha256 for row in rows])
    ).save(folder / NEIGHBOURS)
    Calibration(abstain_below=0.34, out_of_scope_above=0.9).save(folder / CALIBRATION)
    _write_words(folder, dataset, rows, chances, number)
    point_latest(runs, folder)
    return folder


def _network() -> Any:
    k = keras()
    seen = k.Input((SIZE, SIZE, 3))
    x = k.layers.Rescaling(1 / 127.5, offset=-1)(seen)
    x = k.layers.Conv2D(8, 5, strides=4, activation="relu")(x)
    x = k.layers.Conv2D(12, 3, strides=2, activation="relu", name="features")(x)
    x = k.layers.GlobalAveragePooling2D()(x)
    return k.Model(seen, k.layers.Dense(3, activation="softmax")(x))


def _write_words(folder: Path, dataset: Path, rows: list[Any], chances: Any, number: int) -> None:
    """Everything of a run that is text."""
    config = {"recipe": "default", "weights": "random", "seed": number, "epochs": 5 * number, "assumptions": []}
    config["preprocessing"] = Preprocessing(SIZE).describe()
    write_json(
        {"dataset": str(dataset), "dataset_digest": "d" * 64, "config": config, "weights": {}, "fit": {}},
        folder / CONFIG,
    )
    write_json({"python": "3.11", "tensorflow": "2.21"}, folder / ENVIRONMENT)
    figures = {split: _figures(split, rows, chances) for split in ("test", "val")}
    write_json({"figures": figures, "cost": {}}, folder / METRICS)
    history = [
        {
            "epoch": e,
            "accuracy": 1 - 1 / (e + number),
            "loss": 1 / e,
            "val_accuracy": 1 - 2 / (e + 2),
            "val_loss": 1.2 / e,
        }
        for e in range(1, 4 + number)
    ]
    write_history(history, folder / HISTORY)
    p = [[f"{value:.6f}" for value in line] for line in chances]
    write_csv(
        ("sha256", "label", "group", "fold", "p0", "p1", "p2"),
        [[row.sha256, row.label, row.group, 0, *line] for row, line in zip(rows, p, strict=True)],
        folder / OUT_OF_FOLD,
    )
    tested = [(row, line) for row, line in zip(rows, p, strict=True) if row.split == "test"]
    write_csv(
        ("file", "sha256", "label", "p0", "p1", "p2", "answer", "out_of_scope"),
        [[row.file, row.sha256, row.label, *line, "saree", "0.1"] for row, line in tested],
        folder / PREDICTIONS,
    )
    wrong = [
        {
            "sha256": row.sha256,
            "true": row.label,
            "label": (row.label + 1) % 3,
            "asin": row.asin,
            "probabilities": dict(zip("012", map(float, line), strict=True)),
        }
        for row, line in tested[:3]
    ]
    (folder / MISTAKES).write_text(json.dumps(wrong), encoding="utf-8")
    (folder / REPORT).write_text(
        "<!doctype html><title>r</title><style>p{color:red}</style><p>The report</p>", encoding="utf-8"
    )


def _figures(split: str, rows: list[Any], chances: Any) -> dict[str, Any]:
    chosen = [place for place, row in enumerate(rows) if row.split == split]
    true = np.array([rows[place].label for place in chosen])
    found = chances[chosen].argmax(axis=1)
    confusion = [[int(((true == a) & (found == b)).sum()) for b in range(3)] for a in range(3)]
    correct = int((true == found).sum())
    each = {
        str(label): {"precision": 0.5, "recall": 0.5, "f1": 0.5, "n": int((true == label).sum())} for label in range(3)
    }
    share = correct / len(chosen)
    return {
        "split": split,
        "n": len(chosen),
        "correct": correct,
        "accuracy": share,
        "interval": [max(0.0, share - 0.2), min(1.0, share + 0.2)],
        "per_class": each,
        "confusion": confusion,
        "ece": 0.1,
        "per_source": {},
    }
