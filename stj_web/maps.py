"""A run's pictures on a plane: computed once for each run, aside, and kept in the cache without a name of what was forgotten.

What is kept lists its pictures by checksum in a JSON file, by which forgetting finds and deletes it; who reads it asks the
catalogue anew which of them may be shown.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stj_core import __version__
from stj_core.cli import counted
from stj_core.errors import CatalogError, ModelError, PictureError, StjError
from stj_core.extras import missing_extra
from stj_core.files import atomic_writer, explained, sweep_unfinished, write_text
from stj_dataset.manifest import ManifestRow
from stj_model.calibration import NEIGHBOURS
from stj_model.damage import PARSER_ERRORS
from stj_model.embedding import (
    NEAREST,
    NEAREST_MOST,
    TSNE_MOST,
    Components,
    Floats,
    Places,
    drawn,
    has_tsne,
    nearest_neighbours,
    principal_components,
    tsne,
    unit,
)
from stj_web.forgetting import forgotten_rows
from stj_web.studio import Studio
from stj_web.training_files import training_bytes

WAYS = ("pca", "tsne")
MOST = 100_000
"""So many pictures are placed; of more, so many are drawn at random."""
OTHERS_MOST = 2_000
"""So many pictures that the run did not learn from are shown to its network, one after the other."""
_VERSION = 1
_KEPT = 2


@dataclass(frozen=True)
class RunMap:
    """A run's pictures on a plane.

    Attributes:
        names: sha256 of the written files, as the run's manifest has them.
        plane: (n, 2), where each is.
        small: (n, k), what stands for each picture's feature, of length 1.
        components: how another picture's feature becomes such a row.
        near: (m, NEAREST) places of the nearest others of the first m pictures of `compared`, and how far each is, 0 to 2.
        far: their cosine distances.
        compared: (m,) the places that were compared with one another.
        notes: what a reader must know.
    """

    names: Sequence[str]
    plane: Floats
    small: Floats
    components: Components
    near: Places
    far: Floats
    compared: npt.NDArray[np.int64]
    notes: Sequence[str] = ()

    @property
    def digest(self) -> str:
        """Changes with what is on the map."""
        return hashlib.sha256("\n".join(self.names).encode()).hexdigest()

    def nearest(self, feature: Floats, count: int) -> list[tuple[str, float]]:
        """The pictures nearest to a feature (k,), of length 1: their names and cosine distances, nearest first."""
        likeness = self.small @ feature
        order = np.argsort(-likeness, kind="stable")[:count]
        return [(self.names[place], float(1 - likeness[place])) for place in order.tolist()]


@dataclass(frozen=True)
class TsneMap:
    """Some of a map's pictures as t-SNE places them: `places` in the map, `plane` (n, 2)."""

    places: npt.NDArray[np.int64]
    plane: Floats


@dataclass
class Work:
    """A map that is being computed: how far, and why it failed if it did."""

    done: int = 0
    total: int = 0
    error: StjError | None = None
    thread: threading.Thread | None = field(default=None, repr=False)


class Maps:
    """The maps of the studio's runs."""

    def __init__(self, here: Studio) -> None:
        self._here = here
        self._root = here.config.cache / "maps"
        self._lock = threading.Lock()
        self._computing = threading.Lock()
        self._kept: dict[str, RunMap] = {}
        self._working: dict[str, Work] = {}

    def soon(self, name: str) -> RunMap | Work:
        """A run's map, or how far its computation is; the first who asks begins it.

        Raises:
            RefusalError: there is no such run, or it is broken.
            ModelError: it could not be computed; the next who asks begins anew.
        """
        key = self._key(name)
        with self._lock:
            if (found := self._there(key)) is not None:
                return found
            return self._begin(key, lambda work: self._compute(name, key, work))

    def soon_tsne(self, name: str, base: RunMap) -> TsneMap | Work:
        """The same for t-SNE, over a map that is there.

        Raises:
            ModelError: scikit-learn is not installed, or it failed.
        """
        if not has_tsne():
            raise ModelError("t-SNE needs scikit-learn, which is not installed: pip install 'stj[map]'.")
        key = f"{self._key(name)}-tsne"
        with self._lock:
            if (found := _read_tsne(self._root / key, base)) is not None:
                return found
            return self._begin(key, lambda _: self._place(base, key))

    def _key(self, name: str) -> str:
        """Changes with what the run has learned, and with STJ."""
        path = self._here.runs.open(name).folder / NEIGHBOURS
        try:
            told = path.stat()
        except OSError as error:
            raise ModelError(f"The run's {path} cannot be read ({error.strerror}): train again.") from error
        words = f"{__version__} {_VERSION} {name} {told.st_mtime_ns} {told.st_size}"
        return hashlib.sha256(words.encode()).hexdigest()[:20]

    def _there(self, key: str) -> RunMap | None:
        """The map in memory, or in the cache; who deleted the file has deleted the map."""
        if not (self._root / f"{key}.json").is_file():
            self._kept.pop(key, None)
            return None
        if key not in self._kept:
            found = _read(self._root / key)
            if found is None:
                return None
            self._kept = {key: found, **dict(list(self._kept.items())[: _KEPT - 1])}
        return self._kept[key]

    def _begin(self, key: str, work: Any) -> Work:  # noqa: ANN401 - what a thread does
        job = self._working.get(key)
        if job is not None and job.error is not None:
            del self._working[key]
            raise job.error
        if job is None:
            job = self._working[key] = Work()
            job.thread = threading.Thread(target=self._run, args=(key, job, work), name="map", daemon=True)
            job.thread.start()
        return job

    def _run(self, key: str, job: Work, work: Any) -> None:  # noqa: ANN401 - what a thread does
        try:
            # One at a time: each uses every core.
            with self._computing:
                work(job)
        except StjError as error:
            job.error = error
        except (ImportError, OSError, MemoryError, ArithmeticError, *PARSER_ERRORS) as error:
            said = missing_extra(error) if isinstance(error, ImportError) else None
            job.error = ModelError(
                said or f"The map cannot be computed ({type(error).__name__}: {error}): train again."
            )
        if job.error is None:
            self._working.pop(key, None)

    def _compute(self, name: str, key: str, job: Work) -> None:
        here = self._here
        kept = here.runs.open(name).neighbours()
        rows = here.runs.manifest(name)
        lost = forgotten_rows(here, rows.values())
        names = [str(one) for one in kept.names]
        places = [place for place, one in enumerate(names) if one in rows and one not in lost]
        notes: list[str] = []
        if len(places) > MOST:
            notes.append(f"{MOST:,} of {len(places):,} pictures are shown, drawn at random.")
            places = [places[at] for at in drawn(len(places), MOST).tolist()]
        points, names = kept.points[places], [names[place] for place in places]
        known = set(names)
        others = [row for row in rows.values() if row.sha256 not in known | lost][: MOST - len(names)]
        more = self._others(name, others, job, notes)
        if more:
            points = np.concatenate([points, np.stack([feature for _, feature in more])])
            names += [one for one, _ in more]
        components = principal_components(points)
        coordinates = components(points)
        compared = drawn(len(points), NEAREST_MOST)
        if len(compared) < len(points):
            notes.append(f"Neighbours are looked for among {len(compared):,} pictures, drawn at random.")
        near, far = nearest_neighbours(unit(points[compared]), NEAREST)
        plane = np.zeros((len(points), 2), np.float32)
        plane[:, : coordinates.shape[1]] = coordinates[:, :2]
        arrays: dict[str, npt.NDArray[Any]] = {
            "plane": plane, "small": unit(coordinates), "near": near, "far": far, "compared": compared,
            "mean": components.mean, "basis": components.basis, "shares": components.shares,
        }  # fmt: skip
        _write(self._root / key, {"names": names, "notes": notes}, arrays)

    def _others(self, name: str, rows: Sequence[ManifestRow], job: Work, notes: list[str]) -> list[tuple[str, Floats]]:
        """What the network says of pictures that the run did not learn from; what cannot be read is counted in the notes."""
        some = rows[:OTHERS_MOST]
        job.total = len(some)
        found: list[tuple[str, Floats]] = []
        unread = 0
        for row in some:
            try:
                found.append((row.sha256, self._here.classifier.feature(name, training_bytes(self._here, name, row))))
            except (FileNotFoundError, PictureError):
                unread += 1
            except (ImportError, ModelError) as error:
                said = missing_extra(error) if isinstance(error, ImportError) else str(error)
                notes.append(
                    f"{counted(len(rows), 'picture')} that the run did not learn from cannot be placed: {said}"
                )
                return []
            job.done += 1
        if unread:
            notes.append(
                f"{counted(unread, 'picture')} of the run's dataset cannot be read any more and cannot be placed."
            )
        if len(rows) > len(some):
            notes.append(f"Of {len(rows):,} pictures that the run did not learn from, {len(some):,} are placed.")
        return found

    def _place(self, base: RunMap, key: str) -> None:
        places = drawn(len(base.names), TSNE_MOST)
        placed = tsne(base.small[places])
        _write(self._root / key, {"names": [], "notes": [], "base": base.digest}, {"places": places, "plane": placed})


def _write(stem: Path, told: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> None:
    """The arrays first, then the list, which makes them count."""
    with explained(CatalogError, f"to {stem.parent}", "Set STJ_CACHE to another folder."):
        sweep_unfinished(stem.parent)
        data = stem.with_name(f"{stem.name}.npz")
        with atomic_writer(data) as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]  # numpy's stubs take the keywords for its own options
        write_text(stem.with_name(f"{stem.name}.json"), json.dumps(told, ensure_ascii=False))


def _load(stem: Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]] | None:
    """What was written, or None for what is not there or is no whole map."""
    try:
        told = json.loads(stem.with_name(f"{stem.name}.json").read_text(encoding="utf-8"))
        # Opened here: numpy leaves a file open that is no archive.
        with stem.with_name(f"{stem.name}.npz").open("rb") as stream, np.load(stream, allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
    except (OSError, *PARSER_ERRORS):
        return None
    return (told, arrays) if isinstance(told, dict) else None


def _read(stem: Path) -> RunMap | None:
    found = _load(stem)
    if found is None:
        return None
    told, arrays = found
    try:
        names, n = [str(one) for one in told["names"]], len(told["names"])
        made = RunMap(
            names,
            arrays["plane"],
            arrays["small"],
            Components(arrays["mean"], arrays["basis"], arrays["shares"]),
            arrays["near"],
            arrays["far"],
            arrays["compared"],
            tuple(str(one) for one in told["notes"]),
        )
        fits = made.plane.shape == (n, 2) and len(made.small) == n and made.near.shape == made.far.shape
        whole = fits and len(made.near) == len(made.compared) <= n and np.isfinite(made.plane).all()
    except (KeyError, TypeError, IndexError):
        return None
    return made if whole else None


def _read_tsne(stem: Path, base: RunMap) -> TsneMap | None:
    found = _load(stem)
    if found is None or found[0].get("base") != base.digest:
        return None
    places, plane = found[1].get("places"), found[1].get("plane")
    if places is None or plane is None or plane.shape != (len(places), 2) or not np.isfinite(plane).all():
        return None
    return TsneMap(places, plane)
