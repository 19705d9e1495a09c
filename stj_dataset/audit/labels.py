"""Which labels to doubt: out-of-fold probabilities of a training run, ranked by cleanlab."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stj_core.errors import DatasetError
from stj_core.fetched import tables
from stj_core.locations import Location
from stj_core.published import RUN
from stj_dataset.manifest import MANIFEST, iter_manifest

OUT_OF_FOLD = "out_of_fold.csv"


@dataclass(frozen=True)
class OutOfFold:
    """What models thought of pictures that they were not trained on.

    Attributes:
        checksums: sha256 of each written file.
        given: int64[n], the label it had.
        labels: the classes, in the order of the columns.
        probabilities: float64[n, classes].
    """

    checksums: Sequence[str]
    given: NDArray[np.int64]
    labels: Sequence[int]
    probabilities: NDArray[np.float64]


@dataclass(frozen=True)
class Suspect:
    """One picture and how far its label is to be trusted: 0 not at all, 1 fully."""

    sha256: str
    file_sha256: str
    given: int
    guess: int
    probabilities: dict[int, float]
    score: float
    title: str = ""
    product_url: str = ""
    source: str = ""
    split: str = ""

    def as_json(self) -> dict[str, Any]:
        """The suspect in `stj-dataset audit --json`."""
        return {
            "sha256": self.sha256,
            "given": self.given,
            "guess": self.guess,
            "probabilities": {str(label): round(p, 6) for label, p in self.probabilities.items()},
            "score": round(self.score, 6),
            "title": self.title,
            "product_url": self.product_url,
        }


def find_run(run: Path | None, runs: Path) -> Path:
    """The run's folder: the given one, or the newest.

    Raises:
        DatasetError: it left no out-of-fold probabilities.
    """
    folder = run or runs / "latest"
    if not (folder / OUT_OF_FOLD).is_file():
        raise DatasetError(
            f"There is no {OUT_OF_FOLD} in {folder}: train one (stj-model train; the paper recipe leaves none) and name the run."
        )
    return folder


def rank_run(run: Location | None, runs: Path) -> list[Suspect]:
    """As `rank`, for a run's folder, its address, or the newest run; of an address only two tables are read.

    Raises:
        DatasetError: it left no out-of-fold probabilities, or cleanlab is not installed.
        ModelError: there is no run at the address.
        AddressError: the address cannot be used.
    """
    if run is None or run.address is None:
        return rank(find_run(run.path if run else None, runs))
    with tables(run, RUN, (OUT_OF_FOLD, MANIFEST)) as folder:
        return rank(folder)


def read_out_of_fold(run: Path) -> OutOfFold:
    """Read `out_of_fold.csv` of a run.

    Raises:
        DatasetError: it is not what a training run writes.
    """
    path = run / OUT_OF_FOLD
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        columns = [name for name in (rows[0] if rows else {}) if name[:1] == "p" and name[1:].isdigit()]
        labels = [int(name[1:]) for name in columns]
        chances = np.array([[float(row[name]) for name in columns] for row in rows], dtype=np.float64)
        given = np.array([int(row["label"]) for row in rows], dtype=np.int64)
        checksums = [row["sha256"] for row in rows]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DatasetError(f"{path} cannot be read ({error}): train again.") from error
    if len(labels) < 2 or not set(given.tolist()) <= set(labels) or not np.isfinite(chances).all():
        raise DatasetError(f"{path} lacks probabilities for some label: train again.")
    return OutOfFold(checksums, given, labels, chances)


def label_quality(
    given: NDArray[np.int64], labels: Sequence[int], probabilities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Cleanlab's score for each label, float64[n]: 0 for surely wrong, 1 for surely right.

    It is the given label's probability, measured against how sure the models are of that class on the whole (confident learning:
    Northcutt, Jiang and Chuang 2021); without that it would be a plain sort by loss.

    Raises:
        DatasetError: cleanlab is not installed.
    """
    try:
        from cleanlab.rank import get_label_quality_scores
    except ImportError as error:
        raise DatasetError(
            f"The audit needs cleanlab ({error}): pip install 'stj[audit]', then run the same command again."
        ) from error
    places = np.searchsorted(np.asarray(labels), given)
    sums = probabilities.sum(axis=1, keepdims=True)
    even = probabilities / np.where(sums > 0, sums, 1)
    # How sure the models are of a class can only be told where every class was given to some picture.
    every = len(np.unique(places)) == len(labels)
    scores: NDArray[np.float64] = get_label_quality_scores(
        places, even, method="self_confidence", adjust_pred_probs=every
    )
    return scores


def rank(run: Path) -> list[Suspect]:
    """Every picture of a run with its label's score, worst first.

    Raises:
        DatasetError: the run left no out-of-fold probabilities, or cleanlab is not installed.
    """
    out = read_out_of_fold(run)
    scores = label_quality(out.given, out.labels, out.probabilities)
    told = _told(run / MANIFEST)
    suspects = []
    for place in np.lexsort((np.asarray(out.checksums), scores)).tolist():
        chances = dict(zip(out.labels, out.probabilities[place].tolist(), strict=True))
        file_sha256 = out.checksums[place]
        row = told.get(file_sha256, {})
        suspects.append(
            Suspect(
                sha256=row.get("original_sha256", file_sha256),
                file_sha256=file_sha256,
                given=int(out.given[place]),
                guess=max(chances, key=lambda label: chances[label]),
                probabilities=chances,
                score=float(scores[place]),
                title=row.get("title", ""),
                product_url=row.get("product_url", ""),
                source=row.get("source", ""),
                split=row.get("split", ""),
            )
        )
    return suspects


def _told(manifest: Path) -> dict[str, dict[str, str]]:
    """What the run's copy of the manifest says of each written file."""
    wanted = ("original_sha256", "title", "product_url", "source", "split")
    if not manifest.is_file():
        return {}
    return {row["sha256"]: {name: row[name] for name in wanted} for row in iter_manifest(manifest)}
