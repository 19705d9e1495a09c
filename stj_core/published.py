"""A dataset or a run at an address: put there whole, told from half of one, replaced without a moment in which it lies.

What lies there is what its list says (`inventory.json`: the size and sha256 of each file), and it lies there only while there is
the one file that makes it a dataset (`dataset.json`) or a run (`config.json`). Files with new names go up first, beside what is
there; then that one file goes, files that changed are replaced and those that no longer belong removed; everything is checked
against its digest; and the one file comes last. `publishing.json` says meanwhile which files are ours, so that the same command
finishes what was interrupted, and removes nothing that STJ did not put there.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from stj_core.cli import counted
from stj_core.errors import DatasetError, ModelError, StjError
from stj_core.remote import Remote, RemoteFile
from stj_core.stale import STALE

INVENTORY, MARKER = "inventory.json", "publishing.json"
OWN = frozenset({INVENTORY, MARKER})
MADE_BY = "stj"
SENDERS = 8
_BLOCK = 1 << 20
Tick = Callable[[int], None]


@dataclass(frozen=True)
class Kind:
    """What may lie at an address.

    Attributes:
        name: what it is called.
        last: the file that makes it one, put last.
        error: raised where it is none.
        made_by: the command that puts one there.
    """

    name: str
    last: str
    error: type[StjError]
    made_by: str


DATASET = Kind("dataset", "dataset.json", DatasetError, "stj-dataset export")
RUN = Kind("run", "config.json", ModelError, "stj-model train")


@dataclass(frozen=True, slots=True)
class Listed:
    """One file of an inventory: its name below the folder, with `/`; its size in bytes; the sha256 of its bytes."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Inventory:
    """The files of a published folder.

    Attributes:
        kind: `dataset` or `run`.
        files: sorted by name.
        md5: of each file, in hex; known only where the folder was read.
    """

    kind: str
    files: tuple[Listed, ...]
    md5: dict[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, folder: Path, kind: Kind) -> Inventory:
        """Of a folder of this machine; links count as what they lead to."""
        names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
        read = [(name, *_read(folder / name)) for name in names]
        return cls(
            kind.name,
            tuple(Listed(name, size, sha256) for name, size, sha256, _ in read),
            {name: md5 for name, _, _, md5 in read},
        )

    @property
    def data(self) -> bytes:
        """As it is kept."""
        files = [{"path": one.path, "bytes": one.size, "sha256": one.sha256} for one in self.files]
        document = {"made_by": MADE_BY, "kind": self.kind, "files": files}
        return (json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n").encode()

    @property
    def key(self) -> str:
        """A name for exactly these files."""
        return hashlib.sha256(self.data).hexdigest()[:20]

    @property
    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(one.size for one in self.files)


def read_inventory(remote: Remote, kind: Kind, data: bytes | None) -> Inventory | None:
    """What an `inventory.json` says; None where there is none.

    Raises:
        DatasetError, ModelError: it is not one, is of another kind, or names a file outside of the folder.
    """
    if data is None:
        return None
    document = _document(data)
    try:
        files = tuple(Listed(str(one["path"]), int(one["bytes"]), str(one["sha256"])) for one in document["files"])
        well = document["made_by"] == MADE_BY and all(is_inside(one.path) for one in files)
    except (KeyError, TypeError, ValueError):
        well, files = False, ()
    if not well or len({one.path for one in files}) < len(files):
        raise kind.error(f"{remote.address}/{INVENTORY} is not a list of files that STJ wrote: name another place.")
    if document["kind"] != kind.name:
        raise kind.error(f"{remote.address} holds a {document['kind']}, no {kind.name}: name another place.")
    return Inventory(kind.name, files)


class Publication:
    """One folder on its way to an address."""

    def __init__(self, address: str, kind: Kind, *, replaces: bool = True) -> None:
        """Nothing is asked yet.

        Args:
            address: where to.
            kind: what it is.
            replaces: whether another one of its kind that lies there makes way.

        Raises:
            UsageError: there is no such kind of address.
            AddressError: the driver for it is not installed.
        """
        self.remote, self.kind = Remote(address), kind
        self._replaces = replaces
        self.token = secrets.token_hex(8)
        self.strangers = 0
        self.inventory: Inventory | None = None
        self._unchanged = False
        self._last: Path | None = None

    def check(self) -> None:
        """See that the place is empty or ours, before there is anything to put there.

        Raises:
            DatasetError, ModelError: something else lies there.
            AddressError: it cannot be asked.
        """
        self._ours(self.remote.listing())

    def stage(self, folder: Path, tick: Tick = lambda _: None) -> Inventory:
        """Put everything there but the file that makes it one, and check every file that was put.

        Args:
            folder: what is to be published.
            tick: told how many files are there.

        Raises:
            DatasetError, ModelError: something else lies there, or other bytes arrived than were sent.
            AddressError: the place cannot be used.
        """
        there = self.remote.listing()
        before, ours = self._ours(there)
        inventory = self.inventory = Inventory.of(folder, self.kind)
        if before is not None and before != inventory and not self._replaces:
            raise self.kind.error(
                f"There is another {self.kind.name} at {self.remote.address} already: it is left alone."
            )
        paths = {one.path for one in inventory.files}
        self.strangers = len(there.keys() - ours - paths - OWN)
        self._last = folder / self.kind.last
        self._mark(ours | paths)
        wanted = [one for one in inventory.files if not self._is_same(one, there.get(one.path))]
        tick(len(paths) - len(wanted))
        gone = sorted((ours & there.keys()) - paths)
        self._unchanged = not wanted and not gone and before == inventory
        if self._unchanged:
            return inventory
        body = [one for one in wanted if one.path != self.kind.last]
        tick(len(wanted) - len(body))
        self._send(folder, [one for one in body if one.path not in there], tick)
        self.remote.delete([self.kind.last])
        self._send(folder, [one for one in body if one.path in there], tick)
        self.remote.delete(gone)
        self._verify([one for one in inventory.files if one.path != self.kind.last])
        return inventory

    def commit(self) -> None:
        """Put the list and the file that makes it one.

        Raises:
            DatasetError, ModelError: another process publishes there.
            AddressError: the place cannot be used.
        """
        assert self.inventory is not None
        assert self._last is not None
        if _document(self.remote.read(MARKER) or b"").get("token") != self.token:
            raise self.kind.error(
                f"Another process publishes to {self.remote.address}: wait for it, then give the same command again."
            )
        if not self._unchanged:
            self.remote.put(INVENTORY, self.inventory.data)
            self.remote.send(self.kind.last, self._last)
            self._verify([one for one in self.inventory.files if one.path == self.kind.last])
        self.remote.delete([MARKER])

    def _ours(self, there: dict[str, RemoteFile]) -> tuple[Inventory | None, set[str]]:
        """The list of what lies there, and all files there that STJ put.

        Raises:
            DatasetError, ModelError: something that STJ did not publish lies there.
        """
        before = read_inventory(self.remote, self.kind, self.remote.read(INVENTORY) if INVENTORY in there else None)
        marker = _document(self.remote.read(MARKER) or b"") if MARKER in there else {}
        begun = marker.get("made_by") == MADE_BY and marker.get("kind") == self.kind.name
        if there and before is None and not begun:
            raise self.kind.error(
                f"{self.remote.address} holds {counted(len(there), 'file')} that {self.kind.made_by} did not publish, so it is "
                "left alone: name another place, or move them away."
            )
        ours = {one.path for one in before.files} if before else set()
        ours |= {str(one) for one in marker.get("files", ()) if is_inside(str(one))} if begun else set()
        return before, {*ours, STALE}

    def _mark(self, ours: Iterable[str]) -> None:
        document = {"made_by": MADE_BY, "kind": self.kind.name, "token": self.token, "files": sorted(ours)}
        self.remote.put(MARKER, (json.dumps(document, ensure_ascii=False) + "\n").encode())

    def _is_same(self, one: Listed, there: RemoteFile | None) -> bool:
        """Whether a store says by itself that it has these bytes."""
        assert self.inventory is not None
        return there is not None and there.size == one.size and there.md5 == self.inventory.md5[one.path]

    def _send(self, folder: Path, files: Sequence[Listed], tick: Tick) -> None:
        for _ in _by_threads(lambda one: self.remote.send(one.path, folder / one.path), files):
            tick(1)

    def _verify(self, files: Sequence[Listed]) -> None:
        """Compare what arrived with what was sent: by the store's own checksum, else by reading it again."""
        there = self.remote.listing()
        unsure = [one for one in files if not self._is_same(one, there.get(one.path))]
        for one, found in zip(unsure, _by_threads(lambda one: self.remote.sha256(one.path), unsure), strict=True):
            if found != one.sha256:
                raise self.kind.error(
                    f"{self.remote.address}/{one.path} is not what was sent there: give the same command again."
                )


def withdraw(address: str, kind: Kind) -> int:
    """Remove what STJ published at an address, the file that makes it one first; returns how many files.

    Raises:
        DatasetError, ModelError: what lies there was not published by STJ.
        AddressError: the place cannot be used.
    """
    publication = Publication(address, kind)
    there = publication.remote.listing()
    _, ours = publication._ours(there)
    gone = sorted(ours & there.keys())
    publication._mark(gone)
    publication.remote.delete([kind.last])
    publication.remote.delete([*gone, INVENTORY, MARKER])
    return len(gone)


def _by_threads(function: Callable[[Listed], Any], files: Sequence[Listed]) -> Iterator[Any]:
    """What a function says of each file, in their order, several at a time; the first that fails ends it."""
    pool = ThreadPoolExecutor(SENDERS, "address")
    try:
        yield from pool.map(function, files)
    finally:
        pool.shutdown(cancel_futures=True)


def _read(file: Path) -> tuple[int, str, str]:
    """A file's size, sha256 and MD5."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            sha256.update(block)
            md5.update(block)
            size += len(block)
    return size, sha256.hexdigest(), md5.hexdigest()


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def is_inside(name: str) -> bool:
    """Whether a name stays below its folder, on every system."""
    inside = PurePosixPath(name)
    parts = name.split("/")
    return (
        bool(name)
        and not inside.is_absolute()
        and not {"..", ".", ""} & set(parts)
        and "\\" not in name
        and "\0" not in name
    )
