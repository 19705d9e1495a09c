"""Pictures that lie at an address as people or their tools put them there, brought into the cache."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from stj_core.cli import counted
from stj_core.errors import DatasetError
from stj_core.fetched import FETCHERS, FOLDER, MOST_BYTES, Tell, fetch, hold, make_room, put_copy, record_origin
from stj_core.folders import aside
from stj_core.locations import Location
from stj_core.published import DATASET, INVENTORY, is_inside
from stj_core.remote import Remote, RemoteFile


def pictures_here(place: Location, cache: Path, tell: Tell = lambda _: None) -> Path:
    """The folder with the files that a place means, whoever put them there: the folder itself, or a copy of an address.

    A dataset that was published there is checked against its list. Of other files the size is compared, and what the store
    says of their bytes; where it says nothing they are fetched anew each time. A copy is called by all of that, so that what
    was read before stays as it was.

    Args:
        place: folder or address.
        cache: STJ_CACHE.
        tell: is told what is fetched, in a sentence.

    Raises:
        DatasetError: nothing lies there, a file has a name that leads elsewhere, or another one lies there by now.
        AddressError: the address cannot be used.
        UsageError: it cannot be one.
    """
    if place.address is None:
        return place.path
    remote = Remote(place.address)
    if remote.read(INVENTORY) is not None:
        return fetch(place.address, DATASET, cache, tell)
    # Some tools leave an empty object for a folder.
    found = {name: one for name, one in remote.listing().items() if name and not (name.endswith("/") and not one.size)}
    if not found:
        raise DatasetError(f"There is nothing at {place.address}: name a folder or an address that holds pictures.")
    for name in found:
        if not is_inside(name):
            raise DatasetError(f"{place.address} holds {name!r}, a name that leads elsewhere: rename it there.")
    told = [f"{name} {one.size} {one.md5}" for name, one in sorted(found.items())]
    # The last part of the address is what the folder is called, and so what its pictures' source is.
    copy = cache / FOLDER / hashlib.sha256("\n".join(["pictures", *told]).encode()).hexdigest()[:20]
    folder = copy / place.name
    hold(copy, DATASET)
    record_origin(copy, place.address)
    if all(one.md5 for one in found.values()) and all(
        _has_size(folder / name, one.size) for name, one in found.items()
    ):
        os.utime(copy)
        return folder
    size = sum(one.size for one in found.values())
    make_room(copy.parent, size, MOST_BYTES)
    tell(f"Fetching {place.address}: {counted(len(found), 'file')}, {size / 1e6:,.1f} MB …")
    with aside(copy, f"the copy of {place.address} in", DatasetError) as root:
        draft = root / place.name
        _bring_pictures(remote, found, draft)
        put_copy(root, copy)
    return folder


def _bring_pictures(remote: Remote, found: Mapping[str, RemoteFile], folder: Path) -> None:
    """Fetch files into a new folder, and compare them with what the store says of them."""
    for parent in {(folder / name).parent for name in found}:
        parent.mkdir(parents=True, exist_ok=True)

    def one_file(name: str) -> None:
        target, listed = folder / name, found[name]
        md5 = hashlib.md5(usedforsecurity=False)
        if remote.bring(name, target):
            md5.update(target.read_bytes())
        if not _has_size(target, listed.size) or (listed.md5 and md5.hexdigest() != listed.md5):
            raise DatasetError(
                f"{remote.address}/{name} is not what was listed a moment ago: give the same command again when nobody "
                "writes there."
            )

    with ThreadPoolExecutor(FETCHERS, "address") as pool:
        for _ in pool.map(one_file, found):
            pass


def _has_size(file: Path, size: int) -> bool:
    with suppress(OSError):
        return file.stat().st_size == size
    return False
