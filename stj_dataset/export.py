"""Make a dataset folder from the catalogue: plan, write aside, prove, describe, swap in."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stj_catalog.catalog import Catalog
from stj_catalog.exports import ExportedPicture, ExportRecord, recording
from stj_catalog.health import lost_store
from stj_catalog.selection import known_hashes, product_families, told_among
from stj_core.errors import DatasetError, LeakError
from stj_core.files import write_json
from stj_core.labels import NO_LABEL, Category
from stj_core.locations import Location
from stj_core.partitions import Workers
from stj_core.vocabulary import SPLITS, Withheld
from stj_dataset.balance import Balance, Families, measure
from stj_dataset.card import Origins, card, document
from stj_dataset.croissant import write_croissant
from stj_dataset.leaks import LeakReport, Pair, WrittenFile, check_leaks
from stj_dataset.manifest import CARD, LABELS, MANIFEST, SETTINGS, iter_manifest, write_labels, write_manifest
from stj_dataset.metadata import write_metadata
from stj_dataset.parquet import check_parquet, write_parquet
from stj_dataset.plan import Plan, make_plan
from stj_dataset.preview import write_preview
from stj_dataset.settings import ExportSettings
from stj_dataset.target import open_target
from stj_dataset.write import WORKERS, open_sink, write_pictures
from stj_images.fingerprint import HASH_RECIPE
from stj_images.likeness import Thresholds
from stj_images.store import ImageStore

Ints = NDArray[np.int64]
Progress = Callable[[str, int], Callable[[int], None]]
_FAMILY_CHUNK = 2_000
_MOST_ROUNDS = 5
_MOST_TOLD = 50


@dataclass(frozen=True)
class ExportResult:
    """What an export made.

    Attributes:
        out: the folder, or the address.
        digest: sha256 of its manifest.
        balance: its shape.
        proof: the leak check.
        nearest: files of the most alike pair across splits.
        seconds: how long each stage took.
    """

    out: Path | Location
    digest: str
    balance: Balance
    proof: LeakReport
    nearest: tuple[str, str] | None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def withheld(self) -> int:
        """Pictures that stayed out."""
        return sum(self.balance.withheld.values())

    def as_json(self) -> dict[str, Any]:
        """The answer of `stj-dataset export --json`."""
        return {
            "out": str(self.out),
            "digest": self.digest,
            "splits": self.balance.splits,
            "groups": self.balance.groups,
            "withheld": self.withheld,
            "leaks": self.proof.leaks,
            "shares": self.balance.shares,
            **({"none": dict(self.balance.others)} if self.balance.others else {}),
            **({"left_out": list(self.balance.left_out)} if self.balance.left_out else {}),
        }


def no_progress(what: str, total: int) -> Callable[[int], None]:  # noqa: ARG001 - nobody watches
    """A progress bar for nobody."""
    return lambda _: None


def export_dataset(
    catalog: Catalog,
    store: ImageStore,
    categories: Sequence[Category],
    settings: ExportSettings,
    *,
    thresholds: Thresholds,
    progress: Progress = no_progress,
    workers: Workers | None = None,
    cache: Path = Path("cache"),
) -> ExportResult:
    """Write a dataset; the same pictures, reviews and assignments give the same bytes.

    Args:
        catalog: which pictures there are; the export is recorded in it.
        store: their bytes.
        categories: every class that the dataset must have.
        settings: what is asked for.
        thresholds: what counts as the same and as related in the leak check.
        progress: makes a progress bar from a stage's name and its number of pictures.
        workers: who converts pictures and hashes files afresh; by default threads of this process do.
        cache: STJ_CACHE, where a dataset is written that goes to an address.

    Raises:
        UsageError: the settings cannot be right.
        DatasetError: a class is empty, the folder is not ours or cannot be written; nothing was changed.
        AddressError: the address cannot be used.
        LeakError: splits share something; nothing was changed.
    """
    target = open_target(settings.out, cache, store.local(""))
    if settings.parquet:
        check_parquet()
    clock = _Clock()
    with clock.stage("plan"):
        if lost := lost_store(catalog, store, str(getattr(store, "root", "images"))):
            raise DatasetError(lost)
        plan = make_plan(catalog, settings, categories)
    with target.aside() as root, _threads() as pool:
        decided: list[tuple[int, str]] = []
        draft = root / "dataset"
        for _ in range(_MOST_ROUNDS):
            job = _Job(catalog, store, settings, thresholds, plan, draft, pool, progress, clock, workers)
            result, pairs = job.write()
            late = _late_relatives(plan, pairs, draft / MANIFEST)
            if not late:
                break
            # Turned into JPEG, a picture came within reach of one in another split: it stays out, and keeps its split.
            decided += [(row, split) for row, split in _splits(plan) if row in late]
            plan = plan.without(late, Withheld.AFTER_WRITING)
            _remove(draft)
        else:
            raise LeakError(
                f"After {_MOST_ROUNDS} attempts pictures of different splits are still related once written as JPEG: "
                "run stj-dataset dedupe, then export again."
            )
        if result.proof.leaks:
            raise LeakError(_leak_sentence(result, draft))
        with clock.stage("publish"):
            target.stage(draft, progress("Publishing", result.balance.pictures))
        with clock.stage("record"):
            record = ExportRecord(str(settings.out), settings.scheme, settings.described, result.digest)
            rows = _exported(plan, draft / MANIFEST)
            with recording(catalog, record, rows, decided), target.put(draft):
                pass
    return result


@dataclass
class _Clock:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(WORKERS, "export")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass
class _Job:
    """One attempt at writing a plan."""

    catalog: Catalog
    store: ImageStore
    settings: ExportSettings
    thresholds: Thresholds
    plan: Plan
    root: Path
    pool: ThreadPoolExecutor
    progress: Progress
    clock: _Clock
    workers: Workers | None = None

    def write(self) -> tuple[ExportResult, list[Pair]]:
        self.root.mkdir()
        write_labels(self.plan.classes, self.root / LABELS)
        with self.clock.stage("write"):
            digest, origins = self._write_pictures()
            write_metadata(self.root, self.settings)
        with self.clock.stage("check"):
            families = self._families()
            proof = self._check(families)
        balance = measure(self.plan, families, self.settings)
        versions = {
            "slugs": {str(label): slug for label, slug in sorted(self.plan.slugs.items())},
            "hash_recipe": HASH_RECIPE,
            "thresholds": asdict(self.thresholds),
        }
        write_json(document(self.settings, balance, digest, versions), self.root / SETTINGS)
        text = card(self.settings, balance, origins, proof.sentence, digest)
        (self.root / CARD).write_text(text, encoding="utf-8", newline="\n")
        write_croissant(self.root, self.settings, balance, digest)
        if self.settings.parquet:
            write_parquet(self.root)
        nearest = self._nearest(proof)
        with self.clock.stage("preview"):
            write_preview(self.root, self.settings, balance, proof, nearest, self.pool)
        result = ExportResult(self.settings.out, digest, balance, proof, nearest, self.clock.seconds)
        return result, [*proof.duplicates, *proof.relatives]

    def _write_pictures(self) -> tuple[str, Origins]:
        """Write the pictures and the manifest; returns its digest and whence they came."""
        origins = Origins()
        labels: list[int | None] = [*sorted(self.plan.classes)]
        if (self.plan.pictures.labels == NO_LABEL).any():
            labels.append(None)
        sink = open_sink(self.root, self.settings, self.store, labels)
        tick = self.progress("Writing", len(self.plan.pictures))
        written = write_pictures(
            self.catalog, self.store, self.plan, sink, pool=self.pool, tick=tick, workers=self.workers
        )
        return write_manifest(map(origins.add, written), self.root / MANIFEST), origins

    def _families(self) -> tuple[Ints, Ints]:
        """Places in the manifest, and the product families that each was sighted with, as numbers."""
        families = Families()
        ids = self.plan.pictures.ids
        for start in range(0, len(ids), _FAMILY_CHUNK):
            some = ids[start : start + _FAMILY_CHUNK].tolist()
            place = {row: start + at for at, row in enumerate(some)}
            found = product_families(self.catalog, some)
            families.add(
                np.array([place[row] for row, _ in found], dtype=np.int64),
                np.array([_number(name) for _, name in found], dtype=np.int64),
            )
        return families.whole

    def _check(self, families: tuple[Ints, Ints]) -> LeakReport:
        tick = self.progress("Checking", len(self.plan.pictures))
        return check_leaks(
            self.root,
            self._written(),
            self.plan.splits,
            families,
            thresholds=self.thresholds,
            pool=self.pool,
            tick=tick,
            seed=self.settings.seed,
            told=self._told(),
            workers=self.workers,
        )

    def _told(self) -> dict[tuple[int, int], bool]:
        """What people told of pairs of the manifest's places: whether they belong together."""
        place = {row: at for at, row in enumerate(self.plan.pictures.ids.tolist())}
        pairs = told_among(self.catalog, place)
        return {
            (min(place[one], place[two]), max(place[one], place[two])): joined for (one, two), joined in pairs.items()
        }

    def _written(self) -> Iterator[WrittenFile]:
        """The files of the manifest, with the hashes that the catalogue holds of those that were copied."""
        rows = zip(self.plan.pictures.ids.tolist(), iter_manifest(self.root / MANIFEST), strict=True)
        while some := list(islice(rows, _FAMILY_CHUNK)):
            copied = (
                [] if self.settings.rehash else [row for row, one in some if one["sha256"] == one["original_sha256"]]
            )
            known = known_hashes(self.catalog, copied, HASH_RECIPE)
            for row, one in some:
                yield WrittenFile(one["file"], one["sha256"], known.get(row))

    def _nearest(self, proof: LeakReport) -> tuple[str, str] | None:
        if proof.nearest is None:
            return None
        files = files_at(self.root / MANIFEST, (proof.nearest.one, proof.nearest.two))
        return files[0], files[1]


def files_at(path: Path, places: Sequence[int]) -> list[str]:
    """The files at some places of a manifest."""
    wanted = frozenset(places)
    found = {place: row["file"] for place, row in enumerate(iter_manifest(path)) if place in wanted}
    return [found[place] for place in places]


def _late_relatives(plan: Plan, pairs: Sequence[Pair], manifest: Path) -> set[int]:
    """Pictures to withhold because turning one into JPEG brought it near another group's: of each pair the one nearer to train.

    Where both are the shop's own bytes the catalogue's groups are not what they should be: that is a leak.
    """
    if not pairs:
        return set()
    wanted = {place for pair in pairs for place in (pair.one, pair.two)}
    converted = {
        place
        for place, row in enumerate(iter_manifest(manifest))
        if place in wanted and row["sha256"] != row["original_sha256"]
    }
    groups, splits, ids = plan.pictures.groups, plan.splits, plan.pictures.ids
    return {
        int(ids[pair.one if splits[pair.one] < splits[pair.two] else pair.two])
        for pair in pairs
        if groups[pair.one] != groups[pair.two] and converted & {pair.one, pair.two}
    }


def _splits(plan: Plan) -> Iterator[tuple[int, str]]:
    for row, split in zip(plan.pictures.ids.tolist(), plan.splits.tolist(), strict=True):
        yield row, SPLITS[split]


def _exported(plan: Plan, manifest: Path) -> Iterator[ExportedPicture]:
    for row_id, row in zip(plan.pictures.ids.tolist(), iter_manifest(manifest), strict=True):
        label = int(row["label"]) if row["label"] else None
        yield ExportedPicture(row_id, label, row["split"], row["file"], row["sha256"])
    for row_id, number, reason in plan.withheld:
        yield ExportedPicture(row_id, None if number == NO_LABEL else number, reason=reason)


def _leak_sentence(result: ExportResult, root: Path) -> str:
    proof = result.proof
    told = proof.pairs[:_MOST_TOLD]
    places = sorted({place for pair in told for place in (pair.one, pair.two)})
    files = dict(zip(places, files_at(root / MANIFEST, places), strict=True))
    pairs = ", ".join(f"{files[pair.one]} and {files[pair.two]} ({pair.kind})" for pair in told)
    noun = "pair" if proof.leaks == 1 else "pairs"
    more = f" and {proof.leaks - len(told)} more" if proof.leaks > len(told) else ""
    return (
        f"The export leaks, so it was not put in place: {proof.leaks} {noun} across splits: {pairs}{more}; "
        "run stj-dataset dedupe, then export again."
    )


def _number(family: str) -> int:
    return int.from_bytes(hashlib.blake2b(family.encode(), digest_size=8).digest(), signed=True)


def _remove(folder: Path) -> None:
    import shutil

    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise DatasetError(f"Cannot remove {folder} ({error.strerror}): nothing was changed.") from error
