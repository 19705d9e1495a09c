"""Heads, views and weights compared on whole shops held out, `none` included, in seconds a try once the features are known.

    python bench/held_out.py DATASET --weights FILE [--none FOLDER …] [--seeds 1,2,3] [TRY …]

A TRY is a recipe with changes, such as `default`, `default,balance=source`, `default,views=plain+mirror+closer` or
`thorough,l2=1e-4`.
For each seed every picture of the dataset, and every picture of something else, is judged by a head that saw nothing of its shop;
the thresholds are chosen on one draw of the folds and asked of another. Means over the seeds are printed. Nothing but the dataset
and the folders is read: pictures to judge by stay out of it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from stj_core.console import Talk
from stj_model.config import TrainConfig, resolve
from stj_model.data import Dataset, open_dataset, open_none_folder, with_none
from stj_model.out_of_scope import auroc
from stj_model.recipes import HeldOutPredictions, TrainingJob
from stj_model.recipes.frozen import FeatureTable, extract_table, fitter, source_folds
from stj_model.recipes.held_out import HeldOutHeads, calibrate
from stj_model.weights import find_weights

NUMBERS = {"l2": float, "epochs": int}


def config_of(text: str, weights: str) -> TrainConfig:
    """The config of a TRY."""
    recipe, *changes = text.split(",")
    given: dict[str, Any] = dict(change.split("=", 1) for change in changes)
    if "views" in given:
        given["views"] = tuple(given["views"].split("+"))
    return resolve(
        recipe, weights=weights, **{name: NUMBERS.get(name, lambda x: x)(value) for name, value in given.items()}
    )


def figures(found: HeldOutPredictions, table: FeatureTable, below: float, above: float) -> dict[str, float]:
    """What came out of one draw of the folds."""
    inside = table.of_classes()
    right = found.probabilities.argmax(axis=1) == inside.classes
    shops = np.array(inside.sources())
    answered = (found.out_of_scope <= above) & (found.probabilities.max(axis=1) >= below)
    told = {
        "right": right.mean(),
        "by shop": np.mean([right[shops == shop].mean() for shop in np.unique(shops)]),
        "answered": answered.mean(),
        "right of those": right[answered].mean(),
    }
    if len(found.others):
        told["AUROC"] = auroc(found.out_of_scope, found.others)
        told["refused"] = (found.others > above).mean()
        told["not answered"] = ((found.others > above) | (found.others_sure < below)).mean()
    return {name: float(value) for name, value in told.items()}


def measure(config: TrainConfig, dataset: Dataset, seeds: list[int], cache: Path) -> tuple[dict[str, float], float]:
    """The mean figures over the seeds, and the CPU-seconds of one."""
    with tempfile.TemporaryDirectory() as folder:
        job = TrainingJob(dataset, config, find_weights(config.weights), Path(folder), cache, Talk())
        seen = extract_table(job)
    heads = HeldOutHeads(fitter(job, standardise=False), standardise=False)
    lines, began = [], time.process_time()
    for seed in seeds:
        limits = calibrate(seen.table, heads, resolve(config.recipe, seed=seed + 1000, abstain=config.abstain))
        found = heads.predictions(seen.table, source_folds(seen.table, config.folds, seed), limits)
        lines.append(figures(found, seen.table, limits.abstain_below, limits.out_of_scope_above))
    mean = {name: float(np.mean([line[name] for line in lines])) for name in lines[0]}
    return mean, (time.process_time() - began) / len(seeds)


def main() -> None:
    """Measure, and print as it goes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("tries", nargs="*", default=["default"], metavar="TRY")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--none", type=Path, action="append", default=[])
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    given = parser.parse_args()
    dataset = open_dataset(given.dataset)
    for folder in given.none:
        dataset, _ = with_none(dataset, open_none_folder(folder)[0])
    print(f"{len(dataset.pictures)} pictures of the classes, {len(dataset.none)} of something else")
    for text in given.tries or ["default"]:
        seeds = [int(seed) for seed in given.seeds.split(",")]
        mean, spent = measure(config_of(text, given.weights), dataset, seeds, given.cache)
        print(
            f"{text:40s} {'  '.join(f'{name} {value:.3f}' for name, value in mean.items())}  {spent:.0f} CPU-s",
            flush=True,
        )


if __name__ == "__main__":
    main()
