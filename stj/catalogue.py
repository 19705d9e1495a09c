"""The catalogue for a notebook: import a folder, look, decide, export."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from stj.tables import html_table, table
from stj_core.cli import counted

if TYPE_CHECKING:
    from stj.dataset import Dataset
    from stj_catalog.catalog import Catalog
    from stj_catalog.importing import ImportReport
    from stj_core.config import Config

PathLike = str | os.PathLike[str]


def open_catalogue(
    catalog: PathLike | None = None, images: PathLike | None = None, *, create: bool = True
) -> Catalogue:
    """Open a catalogue and its image store.

    Args:
        catalog: SQLite file or SQLAlchemy URL; STJ_CATALOG, else `catalog.sqlite`, if not given.
        images: folder or fsspec URL of the image store; STJ_IMAGES, else `images`, if not given.
        create: make the catalogue where there is none yet.

    Raises:
        StjError: it is no catalogue, or a setting cannot be right.
    """
    from stj_catalog.catalog import open_catalog
    from stj_core.config import read_config

    config = read_config(
        catalog=None if catalog is None else os.fspath(catalog), images=None if images is None else os.fspath(images)
    )
    return Catalogue(open_catalog(config.catalog_url, create=create, images=config.images), config)


class Catalogue:
    """An open catalogue; a context manager, which closes it."""

    def __init__(self, catalog: Catalog, config: Config) -> None:
        self._catalog, self._config = catalog, config

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back every connection."""
        self._catalog.close()

    def import_folder(self, folder: PathLike, sources: PathLike | None = None) -> ImportReport:
        """Bring a folder of labelled pictures in, as `stj-dataset import` does; importing again adds only what is new.

        Args:
            folder: it holds a folder for each class: `0`, `0_saree` or `saree`.
            sources: a CSV that says where each came from; by default the folder's own SOURCES.csv, if there is one.

        Returns:
            `labels` (for each class how many files ended in which status), `known` (were there before), `passed_over` (what lies
            in the folder and was not imported, and why).

        Raises:
            StjError: the folder holds no class, or a class folder that is not understood.
        """
        from stj.cells import progress
        from stj_catalog.importing import import_folder, survey
        from stj_catalog.incremental import Settler
        from stj_catalog.origins import find_origins
        from stj_core.labels import load_categories
        from stj_images.likeness import thresholds_of
        from stj_images.store import open_store

        lying = survey(Path(folder), load_categories(self._config.labels))
        return import_folder(
            self._catalog,
            open_store(self._config.images),
            Settler.for_catalog(self._catalog, thresholds_of(self._config)),
            lying,
            origins=find_origins(Path(folder), Path(sources) if sources is not None else None)[0],
            tick=progress()("Importing", lying.files),
        )

    def counts(self) -> dict[str, Any]:
        """How many pictures there are by status and label, groups, sightings and crawls: `stj-dataset stats --json`."""
        from stj_catalog.stats import count_all
        from stj_core.labels import load_labels
        from stj_dataset.cli.stats import as_document

        return as_document(count_all(self._catalog), load_labels(self._config.labels))

    def table(self) -> Any:  # noqa: ANN401 - a DataFrame, which not everybody has
        """A row for each class with how many pictures have which status: a DataFrame, or a list of dicts without pandas."""
        return table(self._rows())

    def label(
        self,
        picture: str,
        label: int | None = None,
        *,
        reject: str | None = None,
        keep: bool = False,
        reason: str | None = None,
        by: str | None = None,
    ) -> str:
        """Decide about a picture; who, when and why is kept for good, and every later export follows it.

        Args:
            picture: its sha256 (six digits or more), an exported file's name, or its address.
            label: it is of this class.
            reject: leave it out, for this reason.
            keep: it is right as it is.
            reason: why, for the record.
            by: who decides; you, if not given.

        Returns:
            The status that it has now.

        Raises:
            StjError: there is no such picture or class, or not exactly one of `label`, `reject` and `keep` was given.
        """
        from stj_catalog.lookup import find_picture
        from stj_catalog.reviews import record_review, user_name
        from stj_core.errors import UsageError
        from stj_core.labels import load_labels
        from stj_images.likeness import thresholds_of

        chosen = {"label": label is not None, "reject": reject is not None, "keep": keep}
        if sum(chosen.values()) != 1:
            raise UsageError(f"Give one of label, reject and keep, got {sum(chosen.values())} of them.")
        known = {one.label for one in load_labels(self._config.labels)}
        if label is not None and label not in known:
            raise UsageError(f"There is no class {label}: labels.toml knows {sorted(known)}.")
        word = picture if "://" in picture else Path(picture).name.partition(".")[0].lower()
        decided = record_review(
            self._catalog,
            find_picture(self._catalog, word).id,
            next(action for action, given in chosen.items() if given),
            label=label,
            reason=reject or reason,
            reviewer=by or user_name() or "unknown",
            thresholds=thresholds_of(self._config),
        )
        return str(decided.status)

    def export(
        self,
        out: PathLike = "dataset",
        *,
        split: float | None = None,
        test: float | None = None,
        seed: int = 42,
        layout: Literal["stj", "student"] = "stj",
        by: Literal["group", "source"] = "group",
    ) -> Dataset:
        """Write a dataset folder, as `stj-dataset export` does: split by group, proven free of leaks.

        Args:
            out: the folder, or an address such as `s3://bucket/dataset`; an earlier dataset there is replaced whole.
            split: val as a share of what is not test; the command's own, if not given.
            test: test as a share of all; the command's own, if not given.
            seed: decides every split that is not decided yet.
            layout: `train/ val/ test/`, or the student's `Dataset/ Test/`.
            by: what must stay together: groups, or whole sources.

        Raises:
            StjError: the shares cannot be had, a class has no picture, or the folder is not ours to replace.
        """
        from stj.cells import progress
        from stj.dataset import Dataset
        from stj_core.fetched import here
        from stj_core.labels import load_labels
        from stj_core.locations import Location
        from stj_core.published import DATASET
        from stj_dataset.export import export_dataset
        from stj_dataset.settings import ExportSettings
        from stj_dataset.shares import SHARES
        from stj_images.likeness import thresholds_of
        from stj_images.store import open_store

        split, test = SHARES.split if split is None else split, SHARES.test if test is None else test
        made = export_dataset(
            self._catalog,
            open_store(self._config.images),
            load_labels(self._config.labels),
            ExportSettings(Location.of(os.fspath(out)), split=split, test=test, seed=seed, layout=layout, by=by),
            thresholds=thresholds_of(self._config),
            progress=progress(),
            cache=self._config.cache,
        )
        return Dataset(here(Location.of(made.out), DATASET, self._config.cache))

    def _rows(self) -> list[Mapping[str, Any]]:
        from stj_core.labels import load_labels

        names = {str(one.label): one.name for one in load_labels(self._config.labels)}
        document = self.counts()
        return [
            {
                "label": label,
                "name": names.get(label, ""),
                **{status: by.get(status, 0) for status in document["images"]},
            }
            for label, by in document["labels"].items()
        ]

    def _repr_html_(self) -> str:
        counts = self.counts()
        return html_table(
            f"Catalogue {self._config.catalog}: {counted(sum(counts['images'].values()), 'picture')}, "
            f"{counted(counts['groups'], 'group')}",
            self._rows(),
        )
