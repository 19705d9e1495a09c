"""Something that is not as it was promised: a word for its kind, what it is about, and a sentence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a catalogue, its image store, or a dataset's folder.

    Attributes:
        kind: a word; those who find problems list theirs.
        path: the file, row or address that it is about.
        detail: what is wrong, in a few words.
    """

    kind: str
    path: str
    detail: str
