"""Datasets and runs that lie at an address, brought into the cache: whole, checked, and once.

A copy is called by the digest of its list of files, so that another state of the address is another copy, and the same state is
fetched once. It is written aside and renamed when every file has the size and the sha256 that the list gives. The cache
holds so many bytes of copies at most; those that were not used for longest go first, and none that a process uses.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil

from stj_core.cli import counted
from stj_core.files import file_sha256, write_text
from stj_core.folders import aside
from stj_core.locations import Location
from stj_core.published import INVENTORY, MARKER, OWN, Inventory, Kind, Listed, read_inventory
from stj_core.remote import Remote
from stj_core.stale import STALE

FOLDER = "fetched"
"""Below STJ_CACHE; always safe to delete while no command runs."""
MOST_BYTES = 50 << 30
FETCHERS = 8
_held: dict[Path, IO[str]] = {}
"""Locks of the copies that this process uses, until it ends."""

Tell = Callable[[str], None]


def fetch(address: str, kind: Kind, cache: Path, tell: Tell = lambda _: None, most_bytes: int = MOST_BYTES) -> Path:
    """The folder of this machine with what lies at an address.

    Args:
        address: of a dataset or a run.
        kind: what it has to be.
        cache: STJ_CACHE.
        tell: is told what is fetched, in a sentence.
        most_bytes: so much may all copies take together.

    Raises:
        DatasetError, ModelError: there is none, or its files are not those of its list.
        AddressError: the address cannot be used.
        UsageError: it cannot be one.
    """
    remote = Remote(address)
    inventory = find_inventory(remote, kind)
    folder = cache / FOLDER / inventory.key
    hold(folder, kind)
    record_origin(folder, address)
    if not _is_whole(folder, inventory):
        make_room(folder.parent, inventory.size, most_bytes)
        tell(f"Fetching {address}: {counted(len(inventory.files), 'file')}, {inventory.size / 1e6:,.1f} MB …")
        with aside(folder, f"the copy of the {kind.name} {address} in", kind.error) as root:
            draft = root / kind.name
            bring(remote, kind, inventory, draft)
            put_copy(draft, folder)
    os.utime(folder)
    _tell_stale(remote, folder)
    return folder


def here(place: Location, kind: Kind, cache: Path, tell: Tell = lambda _: None) -> Path:
    """The folder that a place means: the folder itself, or the copy of what lies at an address, as `fetch` brings it."""
    return place.path if place.address is None else fetch(place.address, kind, cache, tell)


@contextmanager
def tables(place: Location, kind: Kind, names: Sequence[str]) -> Iterator[Path]:
    """A folder with some small files of a dataset or a run: the folder itself, or what was read from an address."""
    if place.address is None:
        yield place.path
        return
    with tempfile.TemporaryDirectory(prefix="stj-") as folder:
        for name in names:
            Path(folder, name).write_bytes(read_one(place.address, kind, name))
        yield Path(folder)


def find_inventory(remote: Remote, kind: Kind) -> Inventory:
    """The list of what lies at an address.

    Raises:
        DatasetError, ModelError: there is no such thing, or half of one.
        AddressError: the address cannot be used.
    """
    inventory = read_inventory(remote, kind, remote.read(INVENTORY))
    last = remote.read(kind.last)
    if inventory is not None and last is not None:
        return inventory
    if remote.read(MARKER) is not None:
        raise kind.error(
            f"The {kind.name} at {remote.address} is being published, or that was interrupted: wait for it, or give the same "
            f"{kind.made_by} again, which finishes it."
        )
    if last is not None:
        raise kind.error(
            f"{remote.address} has a {kind.last} and no {INVENTORY}, so {kind.made_by} did not publish it: fetch it with a tool "
            "that copies files, and give the folder."
        )
    raise kind.error(f"There is no {kind.name} at {remote.address}: {kind.made_by} publishes one.")


def bring(remote: Remote, kind: Kind, inventory: Inventory, folder: Path) -> None:
    """Fetch every file of a list into a new folder, and check it.

    Raises:
        DatasetError, ModelError: a file is missing, cut, or changed.
        AddressError: the address cannot be used.
    """
    for parent in {(folder / one.path).parent for one in inventory.files} | {folder}:
        parent.mkdir(parents=True, exist_ok=True)

    def one_file(one: Listed) -> None:
        if why := _bring_one(remote, one, folder / one.path):
            raise kind.error(
                f"The {kind.name} at {remote.address} is not what its {INVENTORY} says: {one.path} {why}. If it is being "
                f"published anew, give the same command again; else {kind.made_by} writes it anew."
            )

    pool = ThreadPoolExecutor(FETCHERS, "address")
    try:
        for _ in pool.map(one_file, inventory.files):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


def adopt(
    folder: Path, address: str, inventory: Inventory, kind: Kind, cache: Path, most_bytes: int = MOST_BYTES
) -> Path:
    """Keep a folder that was just published as the copy that a later command would fetch; returns where it is then."""
    target = cache / FOLDER / inventory.key
    hold(target, kind)
    record_origin(target, address)
    if _is_whole(target, inventory):
        shutil.rmtree(folder)
    else:
        make_room(target.parent, inventory.size, most_bytes)
        put_copy(folder, target)
    return target


@contextmanager
def as_it_lies(address: str, kind: Kind, cache: Path) -> Iterator[tuple[Path, list[tuple[str, str]]]]:
    """A copy of everything at an address as it lies there now, for whoever looks for faults; it is removed afterwards.

    Yields:
        the folder, and what does not match the list: name and what is wrong with it.

    Raises:
        DatasetError, ModelError: there is no such thing, or half of one.
        AddressError: the address cannot be used.
    """
    remote = Remote(address)
    inventory = find_inventory(remote, kind)
    listed = {one.path: one for one in inventory.files}
    there = sorted(remote.listing().keys() - OWN)
    with aside(cache / FOLDER / inventory.key, f"a copy of the {kind.name} {address} in", kind.error) as root:
        folder = root / kind.name
        names = [name for name in there if not {"..", ".", ""} & set(name.split("/"))]
        for parent in {(folder / name).parent for name in names} | {folder}:
            parent.mkdir(parents=True, exist_ok=True)

        def one_file(name: str) -> tuple[str, str]:
            one = listed.get(name)
            return name, _bring_one(remote, one, folder / name) if one else _bring_any(remote, name, folder / name)

        with ThreadPoolExecutor(FETCHERS, "address") as pool:
            found = list(pool.map(one_file, names))
        missing = [(name, "is not there") for name in listed if name not in set(names)]
        yield folder, [(name, why) for name, why in (*found, *missing) if why]


def read_one(address: str, kind: Kind, name: str) -> bytes:
    """One small file of what lies at an address, checked; all else stays there.

    Raises:
        DatasetError, ModelError: there is no such thing, or the file is not the one of its list.
        AddressError: the address cannot be used.
    """
    remote = Remote(address)
    inventory = find_inventory(remote, kind)
    one = next((one for one in inventory.files if one.path == name), None)
    data = remote.read(name) if one else None
    if one is None or data is None or hashlib.sha256(data).hexdigest() != one.sha256:
        raise kind.error(
            f"The {kind.name} at {address} has no {name}, or another than its {INVENTORY} says: publish it anew."
        )
    return data


@atexit.register
def let_go() -> None:
    """Let go of all copies that this process uses: they may make room for others."""
    while _held:
        _held.popitem()[1].close()


def origin_of(folder: Path) -> str | None:
    """The address that a copy was fetched from; None for any other folder."""
    folder = folder.resolve()
    if folder.parent.name != FOLDER:
        return None
    with suppress(OSError):
        return _origin(folder).read_text(encoding="utf-8")
    return None


def copies(cache: Path) -> list[Path]:
    """The folders of every copy in the cache."""
    place = cache / FOLDER
    return sorted(one for one in place.iterdir() if one.is_dir() and one.name[0] != ".") if place.is_dir() else []


def _bring_one(remote: Remote, one: Listed, target: Path) -> str:
    """Fetch a file; what is wrong with it, or nothing."""
    if not remote.bring(one.path, target):
        return "is not there"
    size = target.stat().st_size
    if size != one.size:
        return f"has {size:,} bytes where {one.size:,} were published"
    return "" if file_sha256(target) == one.sha256 else "holds other bytes than were published"


def _bring_any(remote: Remote, name: str, target: Path) -> str:
    remote.bring(name, target)
    return ""


def hold(folder: Path, kind: Kind) -> None:
    """Keep a copy from being removed while this process lives."""
    place = folder.absolute()
    if place in _held:
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name(f".{folder.name}.lock").open("a")
        fcntl.flock(lock, fcntl.LOCK_SH)
    except OSError as error:
        raise kind.error(
            f"Cannot write below {folder.parent} ({error.strerror}): set STJ_CACHE to a folder that can be written."
        ) from error
    _held[place] = lock


def _origin(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.address")


def record_origin(folder: Path, address: str) -> None:
    """Write down where a copy is from: the last address under which exactly these files were asked for."""
    write_text(_origin(folder), address)


def _is_whole(folder: Path, inventory: Inventory) -> bool:
    """Whether a copy still has every file at its size; whoever reads pictures compares their sha256 anyway."""
    with suppress(OSError):
        return all((folder / one.path).stat().st_size == one.size for one in inventory.files)
    return False


def put_copy(draft: Path, folder: Path) -> None:
    """Rename a whole copy into place; of two that come at once the last stays."""
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


def make_room(place: Path, needed: int, most_bytes: int) -> None:
    """Remove the copies that were not used for longest until what is needed fits beside the others."""
    for left in place.glob(".*.part-*[0-9]"):
        if not psutil.pid_exists(int(left.name.rpartition("-")[2])):
            shutil.rmtree(left, ignore_errors=True)
    found = sorted(copies(place.parent), key=lambda one: one.stat().st_mtime)
    sizes = {one: sum(file.stat().st_size for file in one.rglob("*") if file.is_file()) for one in found}
    for one in found:
        if sum(sizes.values()) + needed <= most_bytes:
            return
        with suppress(OSError), one.with_name(f".{one.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(one, ignore_errors=True)
            del sizes[one]


def _tell_stale(remote: Remote, folder: Path) -> None:
    """Take over the mark that says that pictures were forgotten since it was published, or that there is none."""
    mark = remote.read(STALE)
    if mark is None:
        (folder / STALE).unlink(missing_ok=True)
    else:
        (folder / STALE).write_bytes(mark)
