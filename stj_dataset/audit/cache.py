"""The odd pictures that the newest audit found, kept in the cache: looking at every picture again costs minutes."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from stj_core import __version__
from stj_core.errors import CatalogError, DatasetError
from stj_core.files import explained, write_text
from stj_dataset.audit.labels import OUT_OF_FOLD, Suspect, rank
from stj_dataset.manifest import MANIFEST

WORDS = {
    "blurred": "blurred",
    "dark": "dark",
    "blank": "nearly blank",
    "odd_shape": "odd shape",
    "unreadable": "cannot be read",
}
_FILE = "odd_pictures.json"


def keep_odd(cache: Path, found: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Remember what an audit found, in place of what the one before it did.

    Args:
        cache: `STJ_CACHE`.
        found: sha256 of the original bytes and the reasons (keys of WORDS), the gravest picture first.

    Raises:
        OSError: the cache cannot be written.
    """
    write_text(cache / _FILE, json.dumps([[sha256, list(reasons)] for sha256, reasons in found]))


def kept_odd(cache: Path) -> dict[str, Sequence[str]]:
    """The reasons by sha256, the gravest picture first; empty where no audit was made, or its list is broken."""
    try:
        found = json.loads((cache / _FILE).read_text(encoding="utf-8"))
        return {str(sha256): [one for one in reasons if one in WORDS] for sha256, reasons in found}
    except (OSError, ValueError, TypeError, RecursionError):
        return {}


@dataclass(frozen=True)
class Doubt:
    """A label that models doubt which had not seen the picture.

    Attributes:
        sha256: of the original bytes.
        given: the label it has.
        guess: the label they would give it.
        sure: the probability of their guess, 0 to 1.
        given_share: the probability of the given label, 0 to 1.
    """

    sha256: str
    given: int
    guess: int
    sure: float
    given_share: float


class Doubts:
    """What `stj-dataset audit` would show of a run, the most doubtful label first."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self._root = cache / "doubts"
        self._lock = threading.Lock()
        self._kept: tuple[str, Sequence[Doubt]] = ("", ())

    def of(self, folder: Path) -> Sequence[Doubt]:
        """The doubtful labels of a run, worst first.

        Raises:
            DatasetError: the run left no out-of-fold probabilities, or cleanlab is not installed.
        """
        with self._lock:
            name = _name(folder)
            if self._kept[0] != name:
                self._kept = (name, self._read(name) or self._rank(folder, name))
            return self._kept[1]

    def _read(self, name: str) -> Sequence[Doubt] | None:
        try:
            found = json.loads((self._root / f"{name}.json").read_text(encoding="utf-8"))
            return [Doubt(**one) for one in found]
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    def _rank(self, folder: Path, name: str) -> Sequence[Doubt]:
        """Ask the audit; importing what it needs takes seconds, so the answer is kept."""
        found = [_doubt(one) for one in rank(folder) if one.guess != one.given]
        text = json.dumps([asdict(one) for one in found])
        with explained(CatalogError, f"to {self._root}", "Set STJ_CACHE to another folder."):
            write_text(self._root / f"{name}.json", text)
        return found


def _doubt(one: Suspect) -> Doubt:
    sure, given = (round(one.probabilities[label], 6) for label in (one.guess, one.given))
    return Doubt(one.sha256, one.given, one.guess, sure, given)


def _name(folder: Path) -> str:
    """Changes with the probabilities, with the manifest that names the originals, and with STJ."""
    told = hashlib.sha256(__version__.encode())
    for path in (folder / OUT_OF_FOLD, folder / MANIFEST):
        try:
            told.update(path.read_bytes())
        except FileNotFoundError:
            if path.name == OUT_OF_FOLD:
                raise DatasetError(
                    f"The newest run left no {OUT_OF_FOLD}: train with a recipe that does (stj-model train)."
                ) from None
    return told.hexdigest()
