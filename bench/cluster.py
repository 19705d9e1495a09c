"""Heavy work on two workers of Dask, beside one process: `python -m bench cluster [--full]`.

The fingerprints of a folder's pictures, an import of it (which stores and compares them too), and the features of a whole
ResNet50 with drawn weights, which cost what others would. What Dask's start and end cost is measured by itself too. What comes
out has to be the same: the fingerprints, the digest of the dataset that is exported from either catalogue, and the features to
the last bit.

    python -m bench.cluster start                                                   # the parts that need a process of their own
    python -m bench.cluster fingerprints FOLDER [CLUSTER]
    python -m bench.cluster features DATASET WEIGHTS CACHE [CLUSTER]
"""

from __future__ import annotations

import hashlib
import json
import statistics
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from bench.predicting import DRAWN_WEIGHTS
from bench.tables import Way, in_turns, machine, table, versions, weigh, write_page

WORKERS = "local:2"
_CLASSES = ("0_saree", "1_trousers", "2_jeans")
_DATASET_CLI = "import sys; from stj_dataset.cli import main; sys.exit(main())"
# One processor, and no thread more than that: numpy's and ours ask how many there are.
_ONE = "import os; os.sched_setaffinity(0, {0}); os.cpu_count = lambda: 1; "


def cluster(rounds: int, full: bool, folder: Path) -> None:
    """An import and the features of a network on two workers, beside one process."""
    # Most of a small run is the start of processes: two rounds of it say no less than five.
    pictures, seen, rounds = (5_000, 1_000, rounds) if full else (300, 16, min(rounds, 2))
    with tempfile.TemporaryDirectory(prefix="stj-cluster-") as scratch:
        place = Path(scratch)
        fill(place / "garments", pictures)
        size = size_of(place / "garments")
        start = Way("Dask's start and end alone", _part("start"))
        prints = fingerprints_of(place)
        imports = imports_of(place)
        in_turns([*prints, *imports, start], rounds)
        digests = [export(place, way) for way in imports]
        features = features_of(place, seen)
        in_turns(features, rounds)
    same = {
        "the fingerprints are the same": _said_once(prints),
        "the datasets exported from the three catalogues have one digest": len(set(digests)) == 1,
        "the features are the same to the last bit": _said_once(features),
    }
    values = {"seconds": "s", "cpu": "CPU-s", "megabytes": "peak MB"}
    outcome = "; ".join(f"{what}: {'yes' if true else 'NO'}" for what, true in same.items())
    about = (
        f"`python -m bench cluster{' --full' if full else ''}`: {rounds} rounds in turns, each way in processes of its own, "
        f"start included. {machine()}; {versions(['distributed', 'pillow', 'numpy', 'tensorflow'])}. Medians, least to most."
    )
    parts = [
        about,
        f"Fingerprints of {pictures:,} drawn photographs of some {size}, by the function that an import gives to workers:",
        table([*prints, start], values),
        told("fingerprints", prints[0], prints[1], start, 0.70),
        f"A whole import of them with `--cluster {WORKERS}`, and without:",
        table(imports, values),
        told("an import", imports[0], imports[1], start),
        f"Features of {seen} pictures and their mirror images by a whole ResNet50, as `stj-model train` computes them:",
        table(features, values),
        told("features", features[0], features[1], start, 1.15),
        f"What came out: {outcome}.",
    ]
    text = "\n\n".join(parts)
    write_page("cluster", "Two workers of Dask beside one process", text, folder)
    if not all(same.values()):
        raise SystemExit("What workers brought is not what one process brings: see the page.")


def _said_once(ways: list[Way]) -> bool:
    """Whether all runs of all ways said the same."""
    return len({run.said.strip() for way in ways for run in way.runs}) == 1


def told(what: str, ours: Way, one: Way, start: Way, wanted: float | None = None) -> str:
    """The ratio of two ways, with Dask's start and without it."""
    mine, theirs, begun = (statistics.median(run.seconds for run in way.runs) for way in (ours, one, start))
    spent = statistics.median(run.cpu for run in ours.runs) / statistics.median(run.cpu for run in one.runs)
    return (
        f"Wall clock of {what}, two workers to one process: {mine / theirs:.2f} with Dask's start and end, "
        f"{(mine - begun) / theirs:.2f} without them{f' (wanted: at most {wanted:.2f})' if wanted else ''}; CPU {spent:.2f}."
    )


def fill(target: Path, pictures: int) -> None:
    """A folder of class folders with drawn photographs."""
    for name in _CLASSES:
        (target / name).mkdir(parents=True)
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(_draw, [(number, str(target)) for number in range(pictures)], chunksize=50))


def _draw(job: tuple[int, str]) -> None:
    from bench.__main__ import shop_photograph

    number, target = job
    (Path(target) / _CLASSES[number % 3] / f"{number:05d}.jpg").write_bytes(shop_photograph(number))


def size_of(folder: Path) -> str:
    """The mean size of a folder's pictures, as people say it."""
    return f"{np.mean([one.stat().st_size for one in folder.rglob('*.jpg')]) / 1000:.0f} kB"


def fingerprints_of(place: Path) -> list[Way]:
    """The fingerprints of a folder on workers, and in a process of one thread."""
    here = ["fingerprints", str(place / "garments")]
    return [
        Way("two workers", _part(*here, WORKERS)),
        Way(
            "one process of one thread", [sys.executable, "-c", f"{_ONE}from bench.cluster import main; main()", *here]
        ),
    ]


def imports_of(place: Path) -> list[Way]:
    """An import on workers, in a process of one thread, and in one that uses all processors."""

    def way(name: str, code: str, *options: str) -> Way:
        out = place / f"catalogue{len(options)}{len(code)}"
        into = ["--catalog", str(out / "catalog.sqlite"), "--images", str(out / "images")]
        command = [sys.executable, "-c", _MAKE + code, str(out), "import", str(place / "garments"), *into, "--json"]
        return Way(name, [*command, *options], out=out)

    return [
        way("two workers", _DATASET_CLI, "--cluster", WORKERS),
        way("one process of one thread", _ONE + _DATASET_CLI),
        way("one process, both cores", _DATASET_CLI),
    ]


_MAKE = "import os, sys; os.makedirs(sys.argv.pop(1)); "


def export(place: Path, way: Way) -> str:
    """The digest of the dataset that the catalogue of an import gives."""
    assert way.out is not None
    command = [sys.executable, "-c", _DATASET_CLI, "export", str(place / f"dataset-{way.out.name}"), "--json", "--link"]
    command += ["--catalog", str(way.out / "catalog.sqlite"), "--images", str(way.out / "images")]
    return str(json.loads(weigh(command).said)["digest"])


def features_of(place: Path, seen: int) -> list[Way]:
    """The features of some pictures on workers, and in one process that uses all processors."""
    fill(place / "few", seen)
    into = ["--catalog", str(place / "few.sqlite"), "--images", str(place / "few-images")]
    weigh([sys.executable, "-c", _DATASET_CLI, "import", str(place / "few"), *into])
    weigh([sys.executable, "-c", _DATASET_CLI, "export", str(place / "dataset"), *into])
    weights = place / "drawn.weights.h5"
    weigh([sys.executable, "-c", DRAWN_WEIGHTS, str(weights)])

    def way(name: str, *words: str) -> Way:
        cache = place / f"cache{len(words)}"
        return Way(name, _part("features", str(place / "dataset"), str(weights), str(cache), *words), out=cache)

    return [way("two workers", WORKERS), way("one process, both cores")]


def _part(*words: str) -> list[str]:
    return [sys.executable, "-m", "bench.cluster", *words]


def start() -> None:
    """Start workers as the commands do, and end them."""
    from stj_core.cluster import open_cluster

    with open_cluster(WORKERS) as workers:
        assert workers is not None


def fingerprints(folder: Path, where: str = "") -> str:
    """Fingerprint a folder's pictures by workers, or one after another here; a digest of what came out."""
    from stj_catalog.importing import PARTITION_FILES
    from stj_core.cluster import open_cluster
    from stj_core.partitions import Partition, content_name, spread
    from stj_images.batch import fingerprints_at

    paths = [str(path) for path in sorted(folder.rglob("*.jpg"))]
    with open_cluster(where) as workers:
        if workers is None:
            found = fingerprints_at(paths)
        else:
            parts = spread(
                workers, paths, PARTITION_FILES, lambda some: Partition(content_name(*some), fingerprints_at, (some,))
            )
            found = [one for _, one in parts]
    return hashlib.sha256(repr(found).encode()).hexdigest()


def features(dataset: Path, weights: Path, cache: Path, where: str = "") -> str:
    """Compute what a training computes first, each picture as it is and mirrored; a digest of it."""
    from stj_core.console import SILENT
    from stj_model.config import resolve
    from stj_model.data import open_dataset
    from stj_model.recipes import TrainingJob
    from stj_model.recipes.frozen import extract_table
    from stj_model.weights import find_weights

    config = resolve("default", weights=str(weights), architecture="resnet50")
    with tempfile.TemporaryDirectory() as folder:
        found = find_weights(config.weights, config.architecture)
        job = TrainingJob(open_dataset(dataset), config, found, Path(folder), cache, SILENT, where)
        return hashlib.sha256(extract_table(job).raw.views.tobytes()).hexdigest()


def main() -> None:
    """One of the parts."""
    what, *words = sys.argv[1:]
    if what == "start":
        start()
    elif what == "fingerprints":
        print(fingerprints(Path(words[0]), *words[1:]))
    else:
        dataset, weights, cache, *where = words
        print(features(Path(dataset), Path(weights), Path(cache), *where))


if __name__ == "__main__":
    main()
