"""What changed between two datasets, picture by picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stj_dataset.manifest import ManifestRow, read_manifest, read_settings


@dataclass(frozen=True)
class Diff:
    """The difference from one dataset to another, by the sha256 of the original bytes.

    Attributes:
        added: only in the second.
        removed: only in the first, and not withheld by the second.
        withheld: only in the first, with the reason why the second withheld it.
        relabelled: in both with different labels (before, after).
        moved: in both in different splits (before, after).
        same_scheme: whether both were split by one scheme: then nothing may move.
    """

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    withheld: dict[str, str] = field(default_factory=dict)
    relabelled: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)
    moved: dict[str, tuple[str, str]] = field(default_factory=dict)
    same_scheme: bool = True

    @property
    def broken(self) -> bool:
        """Whether the promise that nothing moves is broken."""
        return self.same_scheme and bool(self.moved)

    def as_json(self) -> dict[str, Any]:
        """The answer of `stj-dataset diff --json`."""
        return {
            "added": self.added,
            "removed": self.removed,
            "withheld": [{"sha256": sha, "reason": reason} for sha, reason in self.withheld.items()],
            "relabelled": [{"sha256": sha, "from": was, "to": now} for sha, (was, now) in self.relabelled.items()],
            "moved": [{"sha256": sha, "from": was, "to": now} for sha, (was, now) in self.moved.items()],
            "same_scheme": self.same_scheme,
        }


def compare(before: Path, after: Path, withheld: Mapping[str, str] | None = None) -> Diff:
    """Compare two datasets.

    Args:
        before: the older folder.
        after: the newer folder.
        withheld: reasons for which the newer one withheld pictures, by sha256 of the original bytes.

    Raises:
        DatasetError: one of them is no dataset.
    """
    same = read_settings(before).get("scheme") == read_settings(after).get("scheme")
    return compare_rows(read_manifest(before), read_manifest(after), withheld, same_scheme=same)


def compare_rows(
    before: Iterable[ManifestRow],
    after: Iterable[ManifestRow],
    withheld: Mapping[str, str] | None = None,
    *,
    same_scheme: bool,
) -> Diff:
    """Compare what two manifests list; the arguments are those of `compare`, and whether one scheme split both."""
    old, new = _by_original(before), _by_original(after)
    reasons = withheld or {}
    gone = [sha for sha in old if sha not in new]
    both = [sha for sha in old if sha in new]
    return Diff(
        added=[sha for sha in new if sha not in old],
        removed=[sha for sha in gone if sha not in reasons],
        withheld={sha: reasons[sha] for sha in gone if sha in reasons},
        relabelled={sha: (old[sha].label, new[sha].label) for sha in both if old[sha].label != new[sha].label},
        moved={sha: (old[sha].split, new[sha].split) for sha in both if old[sha].split != new[sha].split},
        same_scheme=same_scheme,
    )


def _by_original(rows: Iterable[ManifestRow]) -> dict[str, ManifestRow]:
    return dict(sorted({row.original_sha256: row for row in rows}.items()))
