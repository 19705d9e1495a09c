"""Where an export goes: a folder of this machine, or an address; and whether it may."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from stj_core.errors import DatasetError
from stj_core.fetched import FOLDER, adopt
from stj_core.folders import aside, before_of, swapped
from stj_core.locations import Location
from stj_core.published import DATASET, Publication
from stj_dataset.manifest import SETTINGS

MADE_BY = "stj-dataset"


class Target(Protocol):
    """What an export needs of the place it goes to."""

    def aside(self) -> AbstractContextManager[Path]:
        """A folder of this machine to write into."""

    def stage(self, draft: Path, tick: Callable[[int], None]) -> None:
        """Do all that takes long and changes nothing yet for those who look there."""

    def put(self, draft: Path) -> AbstractContextManager[None]:
        """Make the draft the dataset there, unless what is done inside fails."""


def open_target(out: Path | Location, cache: Path, store: Path | None = None) -> Target:
    """The place that `out` means, if it may be written.

    Args:
        out: a folder or an address.
        cache: STJ_CACHE, where a dataset is written that goes to an address.
        store: the folder of the image store, if it is one of this machine.

    Raises:
        DatasetError: what is there was not made by an export.
        AddressError: the address cannot be used.
        UsageError: it cannot be one.
    """
    place = Location.of(out)
    return FolderTarget(place.path, store) if place.address is None else AddressTarget(place.address, cache)


class FolderTarget:
    """A folder of this machine: written aside, swapped in."""

    def __init__(self, out: Path, store: Path | None = None) -> None:
        self._target = check_target(out, store)

    def aside(self) -> AbstractContextManager[Path]:
        """A folder beside it."""
        return aside(self._target, "the dataset", DatasetError)

    def stage(self, draft: Path, tick: Callable[[int], None]) -> None:
        """Nothing takes long."""

    def put(self, draft: Path) -> AbstractContextManager[None]:
        """Swap it in."""
        return swapped(draft, self._target)


class AddressTarget:
    """An address: written in the cache, published, and kept there as the copy that a training would fetch."""

    def __init__(self, address: str, cache: Path) -> None:
        self._publication = Publication(address, DATASET)
        self._publication.check()
        self._cache = cache
        self._draft = cache / FOLDER / f"export-{hashlib.sha256(address.encode()).hexdigest()[:12]}"

    def aside(self) -> AbstractContextManager[Path]:
        """A folder of the cache."""
        return aside(self._draft, "the dataset in", DatasetError)

    def stage(self, draft: Path, tick: Callable[[int], None]) -> None:
        """Publish all but the file that makes it a dataset."""
        self._publication.stage(draft, tick)

    @contextmanager
    def put(self, draft: Path) -> Iterator[None]:
        """Publish that file."""
        yield
        self._publication.commit()
        assert self._publication.inventory is not None
        adopt(draft, self._publication.remote.address, self._publication.inventory, DATASET, self._cache)


def check_target(out: Path, store: Path | None = None) -> Path:
    """The folder that `out` means, if it may be written.

    Args:
        out: as it was named.
        store: the folder of the image store, if it is one of this machine.

    Raises:
        DatasetError: it is a file, a folder that no export made, or lies in another dataset or in the image store.
    """
    target = out.resolve()
    for parent in target.parents:
        if is_dataset(parent):
            raise DatasetError(
                f"{out} lies in the dataset {parent}, whose next export would remove it: name another folder."
            )
        if store is not None and parent == store.resolve():
            raise DatasetError(
                f"{out} lies in the image store {store}, which holds pictures alone: name another folder."
            )
    if not target.name:
        raise DatasetError(f"{out} is no folder that a dataset could take the place of: name another one.")
    _restore(target)
    if target.exists() and not _ours(target):
        kind = "folder that stj-dataset did not make" if target.is_dir() else "file"
        raise DatasetError(f"{out} is a {kind}, so it is left alone: name another folder, or move it away.")
    return target


def is_dataset(folder: Path) -> bool:
    """Whether an export made this folder."""
    try:
        document = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("made_by") == MADE_BY


def _ours(target: Path) -> bool:
    return target.is_dir() and (is_dataset(target) or not any(target.iterdir()))


def _restore(target: Path) -> None:
    """Bring back the folder of an export that died between its two renames."""
    before = before_of(target)
    if before.exists() and is_dataset(before):
        if target.exists():
            shutil.rmtree(before, ignore_errors=True)
        else:
            before.rename(target)
