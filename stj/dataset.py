"""A dataset folder for a notebook: look at it, and train on it."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stj.tables import html_table, table
from stj_core.cli import counted
from stj_core.vocabulary import SPLITS

if TYPE_CHECKING:
    from stj.figures import Figure
    from stj_dataset.manifest import ManifestRow


def open_dataset(folder: str | os.PathLike[str] = "dataset") -> Dataset:
    """Open a folder that `stj-dataset export` made, or fetch one from an address such as `s3://bucket/dataset`.

    Raises:
        StjError: it is none.
    """
    from stj_core.config import read_config
    from stj_core.fetched import here
    from stj_core.locations import Location
    from stj_core.published import DATASET

    dataset = Dataset(here(Location.of(os.fspath(folder)), DATASET, read_config().cache))
    dataset.rows()
    return dataset


@dataclass(frozen=True)
class Dataset:
    """A dataset folder."""

    folder: Path

    def rows(self) -> list[ManifestRow]:
        """The lines of its manifest.

        Raises:
            StjError: there is no manifest, or it is damaged.
        """
        from stj_dataset.manifest import read_manifest

        return read_manifest(self.folder)

    def names(self) -> dict[int, str]:
        """The classes' names by label."""
        from stj_dataset.manifest import read_labels

        return read_labels(self.folder)

    def table(self) -> Any:  # noqa: ANN401 - a DataFrame, which not everybody has
        """The manifest: a DataFrame with a row for each picture, or a list of dicts without pandas."""
        return table([asdict(row) for row in self.rows()])

    def show_samples(self, split: str = "train", each: int = 6) -> Figure:
        """Some pictures of every class, a row for each.

        Args:
            split: `train`, `val` or `test`.
            each: pictures of a class.

        Raises:
            StjError: there is no such split.
        """
        from stj.figures import Shown, pictures, spread
        from stj_core.errors import UsageError

        rows = [row for row in self.rows() if row.split == split and row.label is not None]
        if not rows:
            raise UsageError(f"{self.folder} has no split {split!r} with pictures: it is one of {', '.join(SPLITS)}.")
        shown = []
        for label, name in self.names().items():
            some = spread([row for row in rows if row.label == label], each)
            shown += [Shown(self.folder / row.file, f"{label} {name}") for row in some]
        return pictures(shown, f"{self.folder}: {split}", columns=each)

    def _repr_html_(self) -> str:
        rows, names = self.rows(), self.names()
        counts = Counter((row.split, row.label) for row in rows)
        lines = [
            {"label": label, "class": name, **{split: counts[split, label] for split in SPLITS}}
            for label, name in names.items()
        ]
        return html_table(f"Dataset {self.folder}: {counted(len(rows), 'picture')}", lines)
