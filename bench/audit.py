"""How well the audit finds wrong labels: flip some at random, train, rank, and count.

    python bench/audit.py DATASET --weights resnet50.weights.h5 --share 0.1 --seeds 1 2 3

The flipped copy of the dataset shares its pictures by hard links. Training caches features, so that only the first seed is slow.
Beside the audit's order stand a plain sort by loss and cleanlab's other scores. Options that are not listed here (`--balance
class`) are handed to `stj-model train`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from stj_core.files import write_json
from stj_dataset.audit.labels import Suspect, rank, read_out_of_fold
from stj_dataset.manifest import SETTINGS, read_manifest, read_settings, write_manifest

FIRST, TOP = 0.15, 0.05


def flip(dataset: Path, target: Path, share: float, seed: int) -> set[str]:
    """A copy of a dataset with some labels changed to another class; returns the checksums of those files."""
    shutil.copytree(dataset, target, copy_function=os.link)
    rows = read_manifest(dataset)
    rng = np.random.default_rng(seed)
    labels = sorted({row.label for row in rows})
    chosen = set(rng.choice(len(rows), round(share * len(rows)), replace=False).tolist())
    changed = [
        replace(row, label=int(rng.choice([label for label in labels if label != row.label]))) if at in chosen else row
        for at, row in enumerate(rows)
    ]
    settings = read_settings(dataset)
    for name in ("manifest.csv", SETTINGS):
        (target / name).unlink()  # a hard link: writing into it would change the original
    digest = write_manifest(changed, target / "manifest.csv")
    write_json({**settings, "digest": digest}, target / SETTINGS)
    return {rows[at].sha256 for at in chosen}


def train(dataset: Path, runs: Path, weights: str, cache: Path, options: Sequence[str]) -> Path:
    """A training run of the default recipe, with some options of `stj-model train` or none."""
    environment = os.environ | {"STJ_RUNS": str(runs), "STJ_CACHE": str(cache), "STJ_WEIGHTS": weights}
    command = [sys.executable, "-c", "from stj_model.cli import main; main()", "train", str(dataset), *options]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return runs / "latest"


def by_loss(run: Path) -> list[str]:
    """The files of a run by the loss of their given label, worst first."""
    out = read_out_of_fold(run)
    places = np.searchsorted(out.labels, out.given)
    loss = -np.log(np.clip(out.probabilities[np.arange(len(places)), places], 1e-12, 1))
    return [out.checksums[at] for at in np.argsort(-loss, kind="stable")]


def by_cleanlab(run: Path) -> dict[str, list[str]]:
    """The files of a run by each of cleanlab's scores, with and without its correction for confident classes."""
    from cleanlab.rank import get_label_quality_scores

    out = read_out_of_fold(run)
    places = np.searchsorted(out.labels, out.given)
    even = out.probabilities / out.probabilities.sum(axis=1, keepdims=True)
    orders = {}
    for method in ("self_confidence", "normalized_margin", "confidence_weighted_entropy"):
        for adjust in (False, True):
            if method == "confidence_weighted_entropy" and adjust:
                continue  # cleanlab refuses that pair
            scores = get_label_quality_scores(places, even, method=method, adjust_pred_probs=adjust)
            name = f"cleanlab {method}{' adjusted' if adjust else ''}"
            orders[name] = [out.checksums[at] for at in np.argsort(scores, kind="stable")]
    return orders


def recall_and_precision(order: list[str], wrong: set[str]) -> tuple[float, float]:
    """Share of the wrong labels in the first 15 %, and share of wrong labels among the first 5 %."""
    first, top = order[: round(FIRST * len(order))], order[: round(TOP * len(order))]
    return len(wrong & set(first)) / len(wrong), len(wrong & set(top)) / len(top)


def main() -> None:
    """Print a line for each seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    options, training = parser.parse_known_args()
    print(
        "| seed | flipped | order | recall in the first 15 % | precision in the first 5 % |\n| --- | --- | --- | --- | --- |"
    )
    for seed in options.seeds:
        # Beside the dataset, because hard links stay on one disk.
        with tempfile.TemporaryDirectory(dir=options.dataset.resolve().parent) as scratch:
            flipped = Path(scratch) / "dataset"
            wrong = flip(options.dataset, flipped, options.share, seed)
            run = train(flipped, Path(scratch) / "runs", options.weights, options.cache, training)
            ranked: list[Suspect] = rank(run)
            orders = {"the audit": [one.file_sha256 for one in ranked], "loss": by_loss(run), **by_cleanlab(run)}
            for name, order in orders.items():
                recall, precision = recall_and_precision(order, wrong)
                print(
                    f"| {seed} | {len(wrong)} of {len(order)} | {name} | {recall:.3f} | {precision:.3f} |", flush=True
                )


if __name__ == "__main__":
    main()
