"""Begin with a folder of pictures: `0/ 1/ 2/` or named classes become catalogue rows, as if a shop had shown them.

Each class is a crawl of the spider `import`, each 200 files a page of it, each file a card. A picture's address is the folder's
name, its path and the beginning of its checksum: the same file again adds a sighting, another file under its name a picture.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from stj_catalog.catalog import Catalog, chunks
from stj_catalog.crawls import begin_crawl, end_crawl
from stj_catalog.frontier import Response, lease_page
from stj_catalog.incremental import Settler
from stj_catalog.intake import (
    CardSighting,
    FetchedPicture,
    NextPage,
    SeenPage,
    commit_page,
    known_pictures,
    record_pictures,
)
from stj_core.errors import PictureError, UsageError
from stj_core.labels import Category
from stj_core.vocabulary import CrawlState
from stj_images.fingerprint import fingerprint
from stj_images.store import ImageStore

SPIDER = "import"
_PER_PAGE = 200
_NOT_PICTURES = {".csv", ".txt", ".json", ".md", ".xml", ".html", ".db", ".ini", ".py"}
_SOURCE_COLUMNS = ("source", "repository", "host", "url")
_LEASE_SECONDS = 3600.0


@dataclass(frozen=True)
class Origin:
    """Where one picture of the folder came from, as the CSV says."""

    source: str | None = None
    title: str | None = None
    asin: str | None = None
    url: str | None = None


@dataclass
class ImportReport:
    """What an import brought.

    Attributes:
        labels: for each class how many files ended in which status.
        crawls: one for each class.
        known: files that were in the catalogue already.
        unnamed: files of which the CSV says nothing.
    """

    labels: dict[int, Counter[str]] = field(default_factory=dict)
    crawls: list[int] = field(default_factory=list)
    known: int = 0
    unnamed: int = 0


def class_folders(folder: Path, categories: Sequence[Category]) -> list[tuple[Category, Path]]:
    """The class folders inside a folder: `0`, `0_saree`, `saree` or `Sarees`, in order of label.

    Raises:
        UsageError: the folder is not there, holds no class folder, or one that is no class.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder} to import.")
    inside = sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    found = [(_category(one.name, categories), one) for one in inside]
    strangers = [one.name for category, one in found if category is None]
    if strangers or not found:
        known = ", ".join(f"{one.label} or {one.slug}" for one in categories)
        what = f"the folders {', '.join(strangers)} that name none" if strangers else "none"
        raise UsageError(f"{folder} should hold a folder for each class ({known}), and holds {what}.")
    return sorted(((one, path) for one, path in found if one), key=lambda pair: (pair[0].label, pair[1].name))


def read_origins(file: Path) -> dict[str, Origin]:
    """Read where pictures came from: a CSV with columns `file` and `source` (or `repository`), perhaps `title`, `asin`, `url`.

    Raises:
        UsageError: it cannot be read, or has no such columns.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            columns = rows.fieldnames or []
            source = next((name for name in _SOURCE_COLUMNS if name in columns), None)
            if "file" not in columns or source is None:
                raise UsageError(
                    f"{file} needs the columns file and source (or repository), and has {', '.join(columns) or 'none'}."
                )
            return {
                PurePosixPath(row["file"].replace("\\", "/")).as_posix(): Origin(
                    source=row[source] or None,
                    title=row.get("title") or None,
                    asin=row.get("asin") or None,
                    url=row.get("url") or None,
                )
                for row in rows
                if row["file"]
            }
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"Cannot read {file}: {getattr(error, 'strerror', None) or error}.") from error


def import_folder(
    catalog: Catalog,
    store: ImageStore,
    settler: Settler,
    folder: Path,
    categories: Sequence[Category],
    *,
    origins: Mapping[str, Origin] | None = None,
    tick: Callable[[int], None] = lambda _: None,
) -> ImportReport:
    """Bring every file of a folder's classes into the catalogue and the image store.

    Args:
        catalog: where rows go.
        store: where bytes go.
        settler: of the catalogue.
        folder: with a folder for each class.
        categories: the classes.
        origins: by path below the folder, with `/`, where each came from.
        tick: told how many files were read.

    Raises:
        UsageError: the folder is not as it should be.
    """
    report = ImportReport()
    for category, place in class_folders(folder, categories):
        work = _Import(catalog, store, settler, folder, origins or {}, report, tick)
        work.bring(category, _files(place))
    return report


def count_files(folder: Path, categories: Sequence[Category]) -> int:
    """How many files `import_folder` will read."""
    return sum(len(_files(place)) for _, place in class_folders(folder, categories))


@dataclass(frozen=True)
class _Import:
    catalog: Catalog
    store: ImageStore
    settler: Settler
    folder: Path
    origins: Mapping[str, Origin]
    report: ImportReport
    tick: Callable[[int], None]

    def bring(self, category: Category, files: Sequence[Path]) -> None:
        """One class: a crawl with a page for each 200 files."""
        name = self.folder.resolve().name
        address = f"import:{name}/{category.slug}"
        crawl = begin_crawl(
            self.catalog,
            spider=SPIDER,
            category=category,
            origin=name,
            settings={"files": len(files), "sources": bool(self.origins)},
            first_url=f"{address}#1",
            fresh=True,
        )
        self.report.crawls.append(crawl.id)
        tally = self.report.labels.setdefault(category.label, Counter())
        ended = CrawlState.INTERRUPTED
        try:
            parts = list(chunks(files, _PER_PAGE)) or [[]]
            for number, part in enumerate(parts, 1):
                page = lease_page(self.catalog, crawl.id, _LEASE_SECONDS, max_listing=len(parts))
                assert page is not None
                cards = self._cards(crawl.id, part)
                more = [NextPage("listing", number + 1, f"{address}#{number + 1}")] if number < len(parts) else []
                response = Response(200, "ok" if cards else "empty", 0, len(cards))
                seen = SeenPage(page.id, crawl.id, crawl.category_id, response, cards, more)
                tally.update(commit_page(self.catalog, self.settler, seen))
            ended = CrawlState.FINISHED
        finally:
            end_crawl(self.catalog, crawl.id, ended)

    def _cards(self, crawl_id: int, files: Sequence[Path]) -> list[CardSighting]:
        """Read files, write the pictures that are new, and give a card for each."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            keys = list(pool.map(self._key, files))
            known = known_pictures(self.catalog, keys, crawl_id)
            fresh = [(key, file) for key, file in zip(keys, files, strict=True) if key not in known]
            record_pictures(self.catalog, list(pool.map(lambda one: self._take_in(crawl_id, *one), fresh)))
        self.report.known += len(files) - len(fresh)
        self.tick(len(files))
        return [self._card(place, key, file) for place, (key, file) in enumerate(zip(keys, files, strict=True), 1)]

    def _key(self, file: Path) -> str:
        with file.open("rb") as stream:
            checksum = hashlib.file_digest(stream, "sha256").hexdigest()
        return f"import:{self.folder.resolve().name}/{self._name(file)}#{checksum[:16]}"

    def _take_in(self, crawl_id: int, key: str, file: Path) -> FetchedPicture:
        data = file.read_bytes()
        origin = self.origins.get(self._name(file), Origin())
        try:
            found = fingerprint(data)
        except PictureError as error:
            return FetchedPicture(key, origin.url or key, crawl_id, reason=error.reason, source=origin.source)
        path = self.store.put(found.sha256, found.extension, data)
        return FetchedPicture(key, origin.url or key, crawl_id, found, path, source=origin.source)

    def _card(self, position: int, key: str, file: Path) -> CardSighting:
        name = self._name(file)
        origin = self.origins.get(name)
        self.report.unnamed += origin is None
        origin = origin or Origin()
        return CardSighting(position, key, origin.url or key, asin=origin.asin, title=origin.title or file.stem)

    def _name(self, file: Path) -> str:
        return file.relative_to(self.folder).as_posix()


def _files(folder: Path) -> list[Path]:
    """Every file that may be a picture, sorted; hidden ones and notes are passed over."""
    return sorted(
        one
        for one in folder.rglob("*")
        if one.is_file()
        and one.suffix.lower() not in _NOT_PICTURES
        and not any(part.startswith(".") for part in one.relative_to(folder).parts)
    )


def _category(name: str, categories: Sequence[Category]) -> Category | None:
    """The class that a folder's name means."""
    number = re.match(r"(\d+)(?:[_\W].*)?$", name)
    plain = name.casefold().replace(" ", "-").replace("_", "-")
    for one in categories:
        words = {one.slug, one.name.casefold().replace(" ", "-")}
        if plain in words | {f"{word}s" for word in words} or (number and int(number[1]) == one.label):
            return one
    return None
