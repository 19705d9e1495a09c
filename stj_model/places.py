"""Runs and datasets that may lie at an address: brought here to be read, published when they are made."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from stj_core.console import SILENT, Talk
from stj_core.errors import AddressError, ModelError, StjError
from stj_core.fetched import adopt, copies, fetch, here, origin_of, read_one
from stj_core.locations import Location
from stj_core.published import DATASET, INVENTORY, MARKER, RUN, Publication
from stj_core.remote import Remote
from stj_dataset.manifest import read_settings
from stj_model.run_dir import LATEST, METRICS, Run, drop_scratch, free_name, open_run
from stj_model.runs import RunEntry, read_published_run

POINTER = f"{LATEST}.json"
"""Beside the runs at an address: which of them is the newest."""
_TRAINING = "training"
_READERS = 8
_MOMENT = "%Y%m%d-%H%M%S"


def find_run(run: Location | None, runs: Location, cache: Path, talk: Talk = SILENT) -> Run:
    """Open a run: by folder or address, by its name below `runs`, or the newest there.

    Args:
        run: what was named; None for the newest.
        runs: folder or address of runs.
        cache: STJ_CACHE, into which a run at an address is fetched.
        talk: is told what is fetched.

    Raises:
        ModelError: there is none, or a file of it is missing.
        AddressError: an address cannot be used.
    """
    if run is not None and run.address is None and (runs.address is None or run.path.is_dir()):
        return open_run(run.path, runs.path)
    if run is None and runs.address is None:
        return open_run(None, runs.path)
    place = runs / LATEST if run is None else run if run.address else runs / str(run)
    address = str(place)
    if place.name == LATEST:
        address = _newest(address.removesuffix(f"/{LATEST}"))
    folder = fetch(address, RUN, cache, talk.say)
    return open_run(folder, folder.parent)


def dataset_here(dataset: Location, cache: Path, talk: Talk = SILENT) -> Path:
    """The folder that a dataset means, fetched where it lies at an address.

    Raises:
        DatasetError: there is none at the address, or its files are not as they were published.
        AddressError: the address cannot be used.
    """
    return here(dataset, DATASET, cache, talk.say)


def dataset_of(run: Run, dataset: Location | None, cache: Path, talk: Talk = SILENT) -> Path | None:
    """The folder of the dataset to judge a run on; None where the run itself knows a folder of this machine.

    Args:
        run: which records where its dataset lay, and its digest.
        dataset: what was named in its place.
        cache: STJ_CACHE.
        talk: is told what is fetched.

    Raises:
        DatasetError: there is none at the address, and no copy of it in the cache.
        AddressError: the address cannot be used, and there is no copy in the cache.
    """
    if dataset is not None:
        return dataset_here(dataset, cache, talk)
    address = Location.of(str(run.document["dataset"])).address
    if address is None:
        return None
    digest = str(run.document["dataset_digest"])
    try:
        folder = fetch(address, DATASET, cache, talk.say)
    except StjError:
        if copy := _copy_of(digest, cache):
            return copy
        raise
    return folder if _digest(folder) == digest else _copy_of(digest, cache) or folder


def own_copy(run: Run, cache: Path) -> Path | None:
    """A copy in the cache of the dataset that a run learned from; nothing is fetched."""
    return _copy_of(str(run.document["dataset_digest"]), cache)


def list_runs_at(runs: str) -> list[RunEntry]:
    """Every run that is published below an address, the newest first; of each two small files are read, and checked.

    What is wrong with one, or is being published, is an entry with the reason, as in a folder.

    Raises:
        ModelError: there is none.
        AddressError: the address cannot be used.
    """
    remote = Remote(runs)
    places = sorted({name.partition("/")[0] for name in remote.listing() if name.count("/")})

    def entry(name: str) -> RunEntry | None:
        address = f"{runs}/{name}"
        try:
            if Remote(address).read(INVENTORY) is None and Remote(address).read(MARKER) is None:
                return None  # somebody else's
            config, metrics = (read_one(address, RUN, file) for file in (RUN.last, METRICS))
            return read_published_run(name, config, metrics, _made_at(name))
        except AddressError:
            raise
        except StjError as error:
            return RunEntry(name, "broken", reason=str(error), changed=_made_at(name))

    with ThreadPoolExecutor(_READERS, "address") as pool:
        found = [one for one in pool.map(entry, places) if one is not None]
    if not found:
        raise _no_run(runs)
    return sorted(found, key=lambda one: (-one.changed, one.name))


def _made_at(name: str) -> float:
    """When a run was made, in seconds since 1970: its name begins with the moment; 0.0 where it has another."""
    with suppress(ValueError, OverflowError):
        return time.mktime(time.strptime("-".join(name.split("-")[:2]), _MOMENT))
    return 0.0


class RunsAt:
    """Runs that are trained in the cache and published at an address.

    Attributes:
        home: folder of this machine in which they are trained; the same address has the same.
    """

    def __init__(self, address: str, cache: Path, talk: Talk = SILENT) -> None:
        """Ask the address, before anything is trained.

        Raises:
            AddressError: it cannot be used.
            UsageError: it cannot be one.
        """
        Remote(address).read(POINTER)
        self._address, self._cache, self._talk = address, cache, talk
        self.home = cache / _TRAINING / hashlib.sha256(address.encode()).hexdigest()[:12]

    def name(self, recipe: str) -> str:
        """A name that no training on another host has too."""
        return f"{free_name(self.home, recipe)}-{secrets.token_hex(3)}"

    def publish(self, folder: Path, name: str) -> Run:
        """Publish a finished run, point to it as the newest, and keep it as the copy that a later command would fetch.

        Raises:
            ModelError: something else lies there.
            AddressError: the address cannot be used; the same training publishes it.
        """
        address = f"{self._address}/{name}"
        drop_scratch(folder)
        publication = Publication(address, RUN, replaces=False)
        self._talk.say(f"Publishing {address} …")
        inventory = publication.stage(folder)
        publication.commit()
        pointer = {"made_by": "stj", "run": name}
        Remote(self._address).put(POINTER, (json.dumps(pointer) + "\n").encode())
        return Run(adopt(folder, address, inventory, RUN, self._cache))


def shown(run: Run, *names: str) -> str:
    """Where a person finds a run, or a file of it: its address where it has one."""
    address = origin_of(run.folder)
    return "/".join((address, *names)) if address else str(run.folder.joinpath(*names))


def keep_beside(run: Run, place: Path, talk: Talk = SILENT) -> None:
    """Put what was made of a run at an address beside that run too; where that cannot be, it is said where it is.

    Args:
        run: the run.
        place: a file or a folder in the run's folder.
        talk: is told.
    """
    address = origin_of(run.folder)
    if address is None:
        return
    files = sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]
    try:
        remote = Remote(address)
        for file in files:
            remote.send(file.relative_to(run.folder).as_posix(), file)
    except StjError as error:
        talk.say(f"{error} What was made is in {place} only.")


def _newest(runs: str) -> str:
    """The address of the newest run."""
    data = Remote(runs).read(POINTER)
    try:
        name = str(json.loads(data)["run"]) if data is not None else ""
    except (ValueError, KeyError, TypeError, RecursionError):
        name = ""
    if not name or "/" in name or name in {".", ".."}:
        raise _no_run(runs)
    return f"{runs}/{name}"


def _no_run(runs: str) -> ModelError:
    return ModelError(f"There is no run at {runs} yet: stj-model train --runs {runs} makes one.")


def _copy_of(digest: str, cache: Path) -> Path | None:
    """A copy in the cache of a dataset with a digest."""
    return next((one for one in copies(cache) if (one / DATASET.last).is_file() and _digest(one) == digest), None)


def _digest(folder: Path) -> str:
    return str(read_settings(folder).get("digest", ""))
