"""Datasets at addresses, and copies of them in the cache, that hold pictures which are to be forgotten."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from stj_catalog import traces
from stj_core.errors import StjError
from stj_core.fetched import copies
from stj_core.locations import Location
from stj_core.published import DATASET, withdraw
from stj_core.remote import Remote
from stj_core.stale import STALE, stale_document

MANIFEST = "manifest.csv"


def copies_naming(cache: Path, words: Sequence[str]) -> list[Path]:
    """Copies in the cache, of datasets and runs at addresses, of which a CSV file names a picture."""
    return [one for one in copies(cache) if any(traces.mentions(file, words) for file in one.rglob("*.csv"))]


def remove_copies(folders: Iterable[Path]) -> None:
    """Remove such copies; what is needed again is fetched again."""
    for one in folders:
        shutil.rmtree(one, ignore_errors=True)


def datasets_naming(addresses: Iterable[str], words: Sequence[str], remaining: list[str]) -> list[str]:
    """Those of some addresses whose dataset names a picture now; a sentence for each that cannot be asked."""
    found: list[str] = []
    for address in addresses:
        try:
            data = Remote(address).read(MANIFEST)
        except StjError as error:
            remaining.append(f"The dataset {address} may hold it still: {error}")
            continue
        if data is not None and any(word.encode() in data for word in words):
            found.append(address)
    return found


def features_naming(where: str, words: Sequence[str], remaining: list[str]) -> list[str]:
    """Files at the place where machines share features (STJ_FEATURES) that list a picture, or belong to such a list."""
    if not where:
        return []
    try:
        remote = _shared(where)
        there = remote.listing()
        lists = [name for name in there if name.endswith(".json")]
        named = [one for one in lists if any(word.encode() in (remote.read(one) or b"") for word in words)]
    except StjError as error:
        remaining.append(f"The features at {where} may be of it still: {error}")
        return []
    return [one for name in named for one in (name, f"{name.removesuffix('.json')}.npy") if one in there]


def remove_features(where: str, names: Sequence[str], remaining: list[str]) -> None:
    """Remove such files; what is needed again is computed again."""
    try:
        if names:
            _shared(where).delete(names)
    except StjError as error:
        remaining.append(f"The features at {where} are of it still: {error}")


def _shared(where: str) -> Remote:
    place = Location.of(where)
    return Remote(place.address or f"file://{place.path.absolute()}")


def deal_with(addresses: Iterable[str], checksums: set[str], remaining: list[str], *, purge: bool) -> list[str]:
    """Withdraw datasets, or mark them as stale, so that nobody who fetches one learns from it; returns what was taken away."""
    purged: list[str] = []
    for address in addresses:
        try:
            if purge:
                withdraw(address, DATASET)
                purged.append(address)
            else:
                remote = Remote(address)
                document = stale_document(remote.read(STALE) or b"", checksums)
                remote.put(STALE, (json.dumps(document, indent=2) + "\n").encode())
        except StjError as error:
            remaining.append(f"The dataset {address} holds it still: {error}")
    return purged
