"""What each recipe reaches and costs, on one dataset, in one run.

    python bench/recipes.py DATASET --weights FILE --elsewhere FOLDER [--none FOLDER] [--recipes default,thorough,paper]

Every training is a process of its own with an empty cache, so that its CPU-seconds are its own. The notebook's way (the whole
network, every picture decoded anew each epoch) is run for two epochs and scaled to 25. The `default` recipe is first trained
without ten of the training pictures, then with them: what a grown dataset costs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.training import part_of
from stj_dataset.manifest import read_manifest
from stj_model.out_of_scope import auroc

NEW = 10
EPOCHS, MEASURED = 25, 2


def cpu_of_children() -> float:
    """CPU-seconds of all processes that have been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def call(arguments: list[str], environment: dict[str, str]) -> tuple[str, float]:
    """Run a command; returns what it printed and its CPU-seconds."""
    before = cpu_of_children()
    done = subprocess.run(
        [sys.executable, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return done.stdout, cpu_of_children() - before


def stj_model(arguments: list[str], environment: dict[str, str]) -> tuple[Any, float]:
    """Run `stj-model … --json`; returns its document and its CPU-seconds."""
    out, spent = call(
        ["-c", "import sys; from stj_model.cli import main; sys.exit(main())", *arguments, "--json"], environment
    )
    return json.loads(out), spent


def without_some(dataset: Path, into: Path) -> Path:
    """The dataset without ten of its training pictures, hard-linked."""
    rows = read_manifest(dataset)
    train = [row.sha256 for row in rows if row.split == "train"]
    left_out = set(np.random.default_rng(0).choice(train, NEW, replace=False).tolist())
    kept = [row for row in rows if row.sha256 not in left_out]
    return part_of(dataset, into, kept)


def notebook(dataset: Path, weights: str) -> None:
    """Two epochs the notebook's way; prints the CPU-seconds of one."""
    from stj_model.backbones.registry import find_backbone
    from stj_model.backend import make_deterministic
    from stj_model.network import load_backbone
    from stj_model.preprocess import Preprocessing, read_pixels
    from stj_model.recipes.paper import build, compile_as_notebook, notebook_cut
    from stj_model.weights import find_weights

    make_deterministic(42)
    rows = read_manifest(dataset)
    how = Preprocessing(256, "nearest")
    found = find_weights(weights, None)
    where = notebook_cut(find_backbone(found.architecture))
    whole = build(load_backbone(found, how.size, "unit"), where, 3, 1e-4, 42).whole
    compile_as_notebook(whole, 1e-4)

    def batches(split: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        chosen = [row for row in rows if row.split == split]
        for start in range(0, len(chosen), 4):
            part = chosen[start : start + 4]
            pixels = np.stack([read_pixels(dataset / row.file, how) for row in part]).astype(np.float32)
            yield pixels, np.array([row.label for row in part])

    spent = []
    for _ in range(MEASURED):
        before = sum(os.times()[:2])
        for x, y in batches("train"):
            whole.train_on_batch(x, y)
        for x, y in batches("val"):
            whole.test_on_batch(x, y)
        spent.append(sum(os.times()[:2]) - before)
    print(json.dumps(spent))


def line(name: str, part: dict[str, Any]) -> str:
    """A figure with its size and interval."""
    low, high = part["interval"]
    recalls = " ".join(f"{label}:{one['recall']:.3f}" for label, one in part["per_class"].items())
    return (
        f"  {name:18s} {part['correct']} of {part['n']} = {part['accuracy']:.3f} [{low:.3f}, {high:.3f}]  "
        f"ECE {part['ece']:.3f}  recall {recalls}"
    )


def judge(run: str, given: argparse.Namespace, environment: dict[str, str]) -> None:
    """The run on other shops' pictures, and on what is no garment of the three."""
    if given.elsewhere:
        print(line("elsewhere", stj_model(["evaluate", run, "--on", str(given.elsewhere)], environment)[0]), flush=True)
    if given.elsewhere and given.none:
        answers = [
            stj_model(["predict", str(given.work / "runs" / run), str(folder)], environment)[0]
            for folder in (given.elsewhere, given.none)
        ]
        inside, outside = ([one["out_of_scope"] for one in some if one["error"] is None] for some in answers)
        refused = sum(one["answer"] in ("none", "unsure") for one in answers[1])
        kept = [one for one in answers[0] if one["answer"] not in ("none", "unsure")]
        print(
            f"  out of scope: AUROC {auroc(np.array(inside), np.array(outside)):.3f} ({len(inside)} in, {len(outside)} out); "
            f"refused or unsure {refused} of {len(outside)} others, {len(answers[0]) - len(kept)} of {len(answers[0])} garments",
            flush=True,
        )


def worst(part: dict[str, Any]) -> str:
    """The three shops with the most mistakes."""
    lines = sorted(part["per_source"].items(), key=lambda item: item[1]["correct"] - item[1]["n"])[:3]
    return "; ".join(f"{source} {one['correct']} of {one['n']}" for source, one in lines)


def main() -> None:
    """Measure, and print as it goes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--elsewhere", type=Path)
    parser.add_argument("--none", type=Path)
    parser.add_argument("--recipes", default="default,thorough,paper")
    parser.add_argument("--notebook", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.notebook:
        notebook(given.dataset, given.weights)
        return
    given.work = Path(tempfile.mkdtemp(prefix="stj-recipes-"))
    try:
        measure(given)
    finally:
        shutil.rmtree(given.work)


def measure(given: argparse.Namespace) -> None:
    """All recipes, each cold; then what grew; then the notebook."""
    environment = {"STJ_RUNS": str(given.work / "runs"), "STJ_CACHE": str(given.work / "cache")}
    spent: dict[str, float] = {}
    for recipe in given.recipes.split(","):
        shutil.rmtree(given.work / "cache", ignore_errors=True)
        train = ["train", "--weights", given.weights, "--recipe", recipe]
        if recipe == "default":
            smaller = without_some(given.dataset, given.work / "smaller")
            spent["first"] = stj_model([*train[:1], str(smaller), *train[1:]], environment)[1]
        document, used = stj_model([*train[:1], str(given.dataset), *train[1:]], environment)
        spent[recipe] = spent["first"] if recipe == "default" else used
        print(f"{recipe}: {spent[recipe]:.0f} CPU-s", flush=True)
        if recipe == "default":
            print(f"  with {NEW} new pictures: {used:.0f} CPU-s = 1/{spent['first'] / used:.1f} of the first")
        for name, part in document.items():
            if isinstance(part, dict):
                print(line(name, part), flush=True)
        if "leave_sources_out" in document:
            print("  most mistakes, shops held out:", worst(document["leave_sources_out"]))
        judge(document["run"], given, environment)
    here = [str(Path(__file__)), str(given.dataset), "--weights", given.weights, "--notebook"]
    epochs = json.loads(call(here, {})[0].splitlines()[-1])
    whole = float(np.mean(epochs)) * EPOCHS
    print(
        f"notebook's way: {', '.join(f'{one:.0f}' for one in epochs)} CPU-s an epoch, so {whole:.0f} for {EPOCHS} (scaled)"
    )
    for recipe in given.recipes.split(","):
        print(f"  {recipe} costs 1/{whole / spent[recipe]:.1f} of it")


if __name__ == "__main__":
    main()
