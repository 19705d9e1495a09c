"""Which pictures there are: of a dataset folder, or of any folder with one subfolder per class."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from stj_core.class_folders import (
    SOURCES,
    PassedOver,
    find_class_folders,
    find_pictures,
    name_below,
)
from stj_core.errors import DatasetError, UsageError
from stj_core.files import file_sha256
from stj_core.vocabulary import SPLITS
from stj_dataset.manifest import ManifestRow, check_files, read_labels, read_settings
from stj_model.damage import PARSER_ERRORS, reason
from stj_model.standalone import short_names, slug

NONE = -1
"""The label, inside this room, of a picture that is none of the classes; its line in a manifest has an empty label."""


@dataclass(frozen=True)
class LabelledPicture:
    """One picture on disk and what is known of it; `name` is its path as the person knows it."""

    path: Path
    name: str
    sha256: str
    label: int
    split: str = ""
    group: str = ""
    source: str = ""
    title: str = ""
    asin: str = ""
    product_url: str = ""
    original_sha256: str = ""
    page_url: str = ""
    page_number: int | None = None
    seen_at: str = ""


@dataclass(frozen=True)
class Dataset:
    """A dataset folder.

    Attributes:
        folder: where it is.
        pictures: those of the classes, in the manifest's order.
        labels: the classes' names by label.
        digest: the sha256 of its manifest.
        none: its pictures of something else, from which the answer `none` is learned.
        slugs: the classes' short names by label, as its labels.toml had them; empty where the export did not say.
    """

    folder: Path
    pictures: tuple[LabelledPicture, ...]
    labels: Mapping[int, str]
    digest: str
    none: tuple[LabelledPicture, ...] = ()
    slugs: Mapping[str, object] = field(default_factory=dict)

    def answers(self) -> dict[int, str]:
        """The word that a run answers for each class: none twice, none empty, none that means something else."""
        return short_names(self.labels, self.slugs)

    def split(self, name: str) -> list[LabelledPicture]:
        """The pictures of the classes in one split."""
        return [picture for picture in self.pictures if picture.split == name]


def open_dataset(folder: Path) -> Dataset:
    """Open a dataset folder, in either layout.

    Raises:
        DatasetError: it is none, or does not match its manifest.
    """
    pictures = [picture_of(row, folder) for row in check_files(folder)]
    settings = read_settings(folder)
    slugs = settings.get("slugs")
    return Dataset(
        folder,
        tuple(picture for picture in pictures if picture.label != NONE),
        read_labels(folder),
        str(settings["digest"]),
        tuple(picture for picture in pictures if picture.label == NONE),
        slugs if isinstance(slugs, dict) else {},
    )


def picture_of(row: ManifestRow, folder: Path) -> LabelledPicture:
    """A line of a manifest as a picture in the dataset's folder."""
    held = {item.name: getattr(row, item.name) for item in fields(LabelledPicture) if hasattr(row, item.name)}
    label = NONE if row.label is None else row.label
    return LabelledPicture(**{**held, "path": folder / row.file, "name": row.file, "label": label})


def check_trainable(dataset: Dataset, recipe: str) -> list[str]:
    """Make sure that there is something to learn in every class, and say what cannot be measured.

    Returns:
        A sentence for each class of which nothing can be held out, because its pictures are one, or one group.

    Raises:
        DatasetError: a class has no training picture, or no class has enough to hold some out.
    """
    train = Counter(picture.label for picture in dataset.split("train"))
    for label, name in dataset.labels.items():
        if not train[label]:
            raise DatasetError(
                f"The dataset {dataset.folder} has no training picture of {label} ({name}): crawl that category "
                "or import more of it, then export again."
            )
    if len(dataset.labels) < 2:
        raise DatasetError(f"The dataset {dataset.folder} has one class only: a classifier needs two or more.")
    if not dataset.split("val"):
        raise DatasetError(f"The dataset {dataset.folder} has no validation picture: export it with a larger --split.")
    if recipe == "paper":
        return []
    unmeasured = list(_unmeasured(dataset))
    if len(unmeasured) == len(dataset.labels):
        raise DatasetError(
            f"The dataset {dataset.folder} holds one picture of each class, or relatives of one alone, so none can be held out: "
            "crawl or import more of them."
        )
    return unmeasured


def _unmeasured(dataset: Dataset) -> Iterator[str]:
    """A sentence for each class that is one picture, or one group."""
    for label, name in dataset.labels.items():
        mine = [picture for picture in dataset.pictures if picture.label == label]
        if len({picture.group for picture in mine}) > 1:
            continue
        why = "There is one picture" if len(mine) == 1 else f"All {len(mine)} pictures are relatives of each other"
        yield (
            f"{why} of {label} ({name}): it is learned, and cannot be held out, so no figure says how well it is known; "
            "crawl or import more of them."
        )


@dataclass(frozen=True)
class LabelledFolder:
    """A folder with one subfolder per class.

    Attributes:
        pictures: those of the classes, by label and name.
        none: those in a folder `none`: pictures of something else.
        passed_over: whatever else lies in it, with the reason.
    """

    pictures: tuple[LabelledPicture, ...]
    none: tuple[LabelledPicture, ...]
    passed_over: tuple[PassedOver, ...]


def open_labelled_folder(folder: Path, labels: Mapping[int, str]) -> LabelledFolder:
    """Read a folder of `0/ 1/ 2/`, `0_…/ 1_…/ 2_…/` or the classes' names; a `SOURCES.csv` in it names each file's source.

    Raises:
        DatasetError: there is no such folder, no class folder, no picture, or a class that the run does not know.
    """
    try:
        found = find_class_folders(folder, {label: [slug(name), name] for label, name in labels.items()})
    except (UsageError, OSError) as error:
        raise DatasetError(str(error)) from error
    sources, passed_over = read_sources(folder), list(found.passed_over)

    def inside(label: int, place: Path) -> Iterator[LabelledPicture]:
        listed = find_pictures(place, folder)
        passed_over.extend(listed.passed_over)
        for path in listed.files:
            yield _unlisted(path, folder, label, sources)

    pictures = tuple(picture for label, place in found.classes for picture in inside(label, place))
    none = tuple(picture for place in found.none for picture in inside(NONE, place))
    if not pictures:
        raise DatasetError(f"{folder} holds no picture: put some into its class folders.")
    return LabelledFolder(pictures, none, tuple(passed_over))


def open_none_folder(folder: Path) -> tuple[list[LabelledPicture], tuple[PassedOver, ...]]:
    """Read a folder of pictures that are none of the classes, however they lie in it, and what else lies there.

    A picture's source is what `SOURCES.csv` says; else the folder below this one that it lies in; else this folder.

    Raises:
        DatasetError: there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise DatasetError(f"There is no folder {folder}: --none takes a folder of pictures of something else.")
    listed, sources = find_pictures(folder), read_sources(folder, folder.parent)
    if not listed.files:
        raise DatasetError(f"There is no picture in {folder}: --none takes a folder of pictures of something else.")
    passed_over = tuple(one for one in listed.passed_over if one.name != SOURCES)
    return [_unlisted(path, folder, NONE, sources) for path in listed.files], passed_over


def with_none(dataset: Dataset, others: Iterable[LabelledPicture]) -> tuple[Dataset, int]:
    """A dataset with further pictures of something else to learn from, and how many were left out.

    Left out is what cannot be read, what is there twice, and what the dataset itself holds, whatever it holds it as.
    """
    known = {name for one in (*dataset.pictures, *dataset.none) for name in (one.sha256, one.original_sha256) if name}
    added: dict[str, LabelledPicture] = {}
    count = 0
    for one in others:
        count += 1
        if one.sha256 and one.sha256 not in known:
            added.setdefault(one.sha256, replace(one, split="train", group=one.sha256, original_sha256=one.sha256))
    return replace(dataset, none=(*dataset.none, *added.values())), count - len(added)


def _unlisted(path: Path, folder: Path, label: int, sources: Mapping[str, str]) -> LabelledPicture:
    """A picture that no manifest names."""
    below = path.relative_to(folder)
    name = below.as_posix()
    source = sources.get(name) or (below.parts[0] if label == NONE and len(below.parts) > 1 else folder.name)
    try:
        sha256 = file_sha256(path)
    except OSError:  # whoever reads the picture says so
        sha256 = ""
    return LabelledPicture(path, name_below(folder, path), sha256, label, source=source)


def read_sources(folder: Path, above: Path | None = None) -> dict[str, str]:
    """What `SOURCES.csv` of a folder, or else of the one above it, says of where each file came from.

    Names in the file above begin with the folder's own name. Columns are `file`, and `repository` or `source`.

    Raises:
        DatasetError: the file is damaged.
    """
    for place, prefix in ((folder, ""), (above, f"{folder.name}/")):
        path = place / SOURCES if place else None
        if path is None or not path.is_file():
            continue
        try:
            with path.open(encoding="utf-8-sig", newline="") as stream:
                return {
                    row["file"].removeprefix(prefix): row.get("repository") or row.get("source") or ""
                    for row in csv.DictReader(stream)
                    if (row.get("file") or "").startswith(prefix)
                }
        except PARSER_ERRORS as error:
            raise DatasetError(f"Cannot read {path} ({reason(error)}): mend it, or take it away.") from error
    return {}


def list_pictures(folder: Path) -> list[Path]:
    """Every picture below `folder`, by its ending or its first bytes, in order."""
    return list(find_pictures(folder).files)


def trained_on(
    manifest: Iterable[ManifestRow], pictures: Iterable[LabelledPicture], learned: Sequence[str] = SPLITS[:2]
) -> list[LabelledPicture]:
    """Those of `pictures` that a run has learned from, or whose relatives it has.

    A picture is known again by its bytes, by the bytes that the shop sent (another export may have written them anew), or
    by its group, which is named after a picture in it.

    Args:
        manifest: the run's own copy.
        pictures: what is to be judged.
        learned: the splits that count.
    """
    rows = [row for row in manifest if row.split in learned]
    known = {sha256 for row in rows for sha256 in (row.sha256, row.original_sha256) if sha256}
    groups = {row.group for row in rows if row.group}
    return [
        picture
        for picture in pictures
        if picture.sha256 in known or picture.original_sha256 in known or picture.group in groups
    ]
