"""Which pictures there are: of a dataset folder, or of any folder with one subfolder per class."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stj_core.errors import DatasetError
from stj_core.files import file_sha256
from stj_core.vocabulary import SPLITS
from stj_dataset.manifest import ManifestRow, check_files, read_labels, read_settings

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".avif", ".tif", ".tiff"})
SOURCES = "SOURCES.csv"
_CLASS_FOLDER = re.compile(r"(\d+)(?:[_-].*)?")

NONE = -1


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
    """A dataset folder: its pictures in the manifest's order, the classes by label, and its digest."""

    folder: Path
    pictures: tuple[LabelledPicture, ...]
    labels: Mapping[int, str]
    digest: str

    def split(self, name: str) -> list[LabelledPicture]:
        """The pictures of one split."""
        return [picture for picture in self.pictures if picture.split == name]


def open_dataset(folder: Path) -> Dataset:
    """Open a dataset folder, in either layout.

    Raises:
        DatasetError: it is none, or does not match its manifest.
    """
    rows = check_files(folder)
    # Pictures of something that is none of the classes have no label.
    pictures = tuple(picture_of(row, folder) for row in rows if row.label is not None)
    return Dataset(folder, pictures, read_labels(folder), str(read_settings(folder)["digest"]))


def picture_of(row: ManifestRow, folder: Path) -> LabelledPicture:
    """A line of a manifest as a picture in the dataset's folder."""
    return LabelledPicture(
        folder / row.file,
        row.file,
        row.sha256,
        NONE if row.label is None else row.label,
        row.split,
        row.group,
        row.source,
        row.title,
        row.asin,
        row.product_url,
        row.original_sha256,
        row.page_url,
        row.page_number,
        row.seen_at,
    )


def check_trainable(dataset: Dataset, recipe: str) -> None:
    """Make sure that there is something to learn in every class.

    Raises:
        DatasetError: a class has no training picture, or too few to hold some out.
    """
    train = Counter(picture.label for picture in dataset.split("train"))
    for label, name in dataset.labels.items():
        if not train[label]:
            raise DatasetError(
                f"The dataset {dataset.folder} has no training picture of {label} ({name}): crawl that category, export again."
            )
        groups = {picture.group for picture in dataset.pictures if picture.label == label}
        if recipe != "paper" and len(groups) < 2:
            raise DatasetError(
                f"All pictures of {label} ({name}) in {dataset.folder} are relatives of each other, "
                "so none can be held out: crawl more of them."
            )
    if len(dataset.labels) < 2:
        raise DatasetError(f"The dataset {dataset.folder} has one class only: a classifier needs two or more.")
    if not dataset.split("val"):
        raise DatasetError(f"The dataset {dataset.folder} has no validation picture: export it with a larger --split.")


def open_labelled_folder(folder: Path, labels: Mapping[int, str]) -> list[LabelledPicture]:
    """Read a folder of `0/ 1/ 2/` or `0_…/ 1_…/ 2_…/`; a `SOURCES.csv` in it names each file's source.

    Raises:
        DatasetError: there is no such folder, no class folder, no picture, or a class that the run does not know.
    """
    if not folder.is_dir():
        raise DatasetError(f"There is no folder {folder}: give one with a subfolder per class, such as 0_saree.")
    found = {
        path: match
        for path in sorted(folder.iterdir())
        if path.is_dir() and (match := _CLASS_FOLDER.fullmatch(path.name))
    }
    unknown = [path.name for path, match in found.items() if int(match[1]) not in labels]
    if not found or unknown:
        names = ", ".join(f"{label}_{name.lower()}" for label, name in labels.items())
        what = f"the class folders {', '.join(unknown)}, which this run does not know" if unknown else "no class folder"
        raise DatasetError(f"{folder} has {what}: name its subfolders like {names}.")
    sources = _read_sources(folder)
    pictures = [
        LabelledPicture(
            path,
            name := path.relative_to(folder).as_posix(),
            file_sha256(path),
            int(match[1]),
            "",
            "",
            sources.get(name, folder.name),
        )
        for inside, match in found.items()
        for path in list_pictures(inside)
    ]
    if not pictures:
        raise DatasetError(f"{folder} holds no picture: put some into its class folders.")
    return pictures


def list_pictures(folder: Path) -> list[Path]:
    """Every file below `folder` that is named like a picture, in order."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())


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


def _read_sources(folder: Path) -> dict[str, str]:
    path = folder / SOURCES
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as stream:
        return {
            row["file"]: row.get("repository") or row.get("source") or ""
            for row in csv.DictReader(stream)
            if row.get("file")
        }
