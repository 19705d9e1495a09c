"""The odd pictures that the newest audit found, kept in the cache: looking at every picture again costs minutes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

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
    cache.mkdir(parents=True, exist_ok=True)
    aside = cache / f".{_FILE}-{os.getpid()}"
    aside.write_text(json.dumps([[sha256, list(reasons)] for sha256, reasons in found]), encoding="utf-8")
    aside.replace(cache / _FILE)


def kept_odd(cache: Path) -> dict[str, Sequence[str]]:
    """The reasons by sha256, the gravest picture first; empty where no audit was made, or its list is broken."""
    try:
        found = json.loads((cache / _FILE).read_text(encoding="utf-8"))
        return {str(sha256): [one for one in reasons if one in WORDS] for sha256, reasons in found}
    except (OSError, ValueError, TypeError):
        return {}
