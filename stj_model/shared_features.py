"""Features that several machines share: the shards of a store, at an address or in a folder that all of them reach.

A shard lies there as `<key>/<name>.npy`, and counts when `<key>/<name>.json` lies beside it with the names of its rows, its size
and its sha256. Whoever trains takes the shards that hold something new to it, and leaves those that it computed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from stj_core.cli import counted
from stj_core.console import SILENT, Talk
from stj_core.errors import StjError
from stj_core.files import atomic_path, file_sha256, write_text
from stj_core.locations import Location
from stj_core.remote import Remote


class Shards(Protocol):
    """What is asked of a store of features."""

    folder: Path

    def __contains__(self, name: str) -> bool:
        """Whether a picture's feature is there."""

    def open_shard(self, names: Path) -> None:
        """Make a shard's rows known."""


class SharedFeatures:
    """The place where they are."""

    def __init__(self, where: str, talk: Talk = SILENT) -> None:
        """Nothing is asked yet.

        Args:
            where: a folder or an address (STJ_FEATURES).
            talk: is told what was taken, and what could not be.

        Raises:
            UsageError: it cannot be an address.
            AddressError: the driver for it is not installed.
        """
        place = Location.of(where)
        self._where = place.address or f"file://{place.path.absolute()}"
        self._talk = talk
        self._of("")

    def bring(self, store: Shards, wanted: Iterable[str]) -> None:
        """Take what others computed of some pictures.

        Raises:
            AddressError: the place cannot be used.
        """
        missing = {name for name in wanted if name not in store}
        if not missing:
            return
        remote, taken = self._of(store.folder.name), 0
        for index in sorted(name for name in remote.listing() if name.endswith(".json")):
            stem = index.removesuffix(".json")
            if "/" in stem or (store.folder / f"{stem}.json").exists():
                continue
            names = self._take(store, remote, stem, missing)
            taken += len(missing & set(names))
            missing -= set(names)
        if taken:
            self._talk.say(f"Features of {counted(taken, 'picture')} taken from {self._where}.")

    def send(self, store: Shards) -> None:
        """Leave what this machine computed; where that cannot be, it is said: the features are here all the same."""
        try:
            remote = self._of(store.folder.name)
            there = remote.listing()
            for index in sorted(store.folder.glob("*.json")):
                array = index.with_suffix(".npy")
                if index.name in there or not array.is_file():
                    continue
                document = {
                    "names": json.loads(index.read_text(encoding="utf-8")),
                    "bytes": array.stat().st_size,
                    "sha256": file_sha256(array),
                }
                remote.send(array.name, array)
                remote.put(index.name, json.dumps(document).encode())
        except (StjError, OSError, ValueError, RecursionError) as error:
            self._talk.say(f"Features are not shared: {error}")

    def _take(self, store: Shards, remote: Remote, stem: str, missing: set[str]) -> list[str]:
        """Fetch a shard that holds something new; the names of its rows, or none where it is not what it says."""
        try:
            document = json.loads(remote.read(f"{stem}.json") or b"")
            names, size, sha256 = document["names"], document["bytes"], document["sha256"]
            if not isinstance(names, list) or not missing & set(names):
                return []
        except (ValueError, KeyError, TypeError, RecursionError):
            return self._left(remote, stem)
        target = store.folder / f"{stem}.npy"
        with atomic_path(target) as part:
            if not remote.bring(f"{stem}.npy", part):
                part.touch()
            whole = part.stat().st_size == size and file_sha256(part) == sha256
        if not whole:
            target.unlink()
            return self._left(remote, stem)
        index = target.with_suffix(".json")
        write_text(index, json.dumps(names))
        store.open_shard(index)
        return [str(name) for name in names]

    def _of(self, key: str) -> Remote:
        """The files of one store; of the whole place without a key."""
        return Remote(f"{self._where}/{key}".rstrip("/"))

    def _left(self, remote: Remote, stem: str) -> list[str]:
        self._talk.say(f"{remote.address}/{stem} is damaged: its features are computed anew.")
        return []


def shared_by(where: str, talk: Talk) -> SharedFeatures | None:
    """The place that STJ_FEATURES names; None where it names none."""
    return SharedFeatures(where, talk) if where else None
