"""Begin with a folder of pictures: `0/ 1/ 2/` or named classes become catalogue rows, as if a shop had shown them.

Each class is a crawl of the spider `import`, each 200 files a page of it, each file a card. A picture's address is the folder's
name, its path and the beginning of its checksum: the same file again adds a sighting, another file under its name a picture.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path, PurePosixPath

from stj_catalog.catalog import Catalog, chunks
from stj_catalog.crawls import begin_crawl, end_crawl
from stj_catalog.forget import remove_copies
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
from stj_catalog.moved import Moved, correct_moved, find_moved
from stj_catalog.origins import Origin
from stj_core.class_folders import (
    NONE_NAMES,
    PassedOver,
    find_class_folders,
    find_pictures,
    name_below,
    printable_name,
)
from stj_core.labels import CLASS, NONE, Category
from stj_core.partitions import Partition, SetAside, Workers, content_name, spread
from stj_core.vocabulary import CrawlState, Reason
from stj_images.batch import fingerprints, fingerprints_at
from stj_images.decode import MAX_BYTES
from stj_images.fingerprint import Fingerprint
from stj_images.store import ImageStore

SPIDER = "import"
_PER_PAGE = 200
_LEASE_SECONDS = 3600.0
# So many files are a worker's piece of work, and so many wait in memory for the store.
PARTITION_FILES, _STORED_AHEAD = 25, 8


@dataclass(frozen=True)
class Survey:
    """What lies in a folder of class folders.

    Attributes:
        root: the folder.
        classes: each class with its files, in order of label, then those of none of the classes; files that must not be
            opened are among them.
        closed: pipes, devices and links that lead nowhere, which must not be opened.
        passed_over: everything that is not imported, and why.
    """

    root: Path
    classes: tuple[tuple[Category, tuple[Path, ...]], ...]
    closed: frozenset[Path] = frozenset()
    passed_over: tuple[PassedOver, ...] = ()

    @property
    def files(self) -> int:
        """How many files will be read."""
        return sum(len(files) for _, files in self.classes)

    @property
    def names(self) -> list[str]:
        """The files as they are called below the folder."""
        return [name_below(self.root, one) for _, files in self.classes for one in files]


@dataclass
class ImportReport:
    """What an import brought.

    Attributes:
        labels: for each class how many files ended in which status; NO_LABEL stands for none of the classes.
        crawls: one for each class.
        known: files that were in the catalogue already.
        unnamed: files of which the CSV says nothing.
        passed_over: what lies in the folder and was not imported.
        moved: pictures that another class's folder held before: each is a decision now.
        set_aside: files that workers failed on three times, and why; the same import tries them again.
    """

    labels: dict[int, Counter[str]] = field(default_factory=dict)
    crawls: list[int] = field(default_factory=list)
    known: int = 0
    unnamed: int = 0
    passed_over: Sequence[PassedOver] = ()
    moved: list[Moved] = field(default_factory=list)
    set_aside: list[tuple[list[str], str]] = field(default_factory=list)


def survey(folder: Path, categories: Sequence[Category]) -> Survey:
    """See what an import of a folder would read, and what it would pass over.

    Raises:
        UsageError: the folder is not there, holds no class folder, one that is no class, or one whose number and name disagree.
    """
    by_label = {one.label: one for one in categories if one.role == CLASS}
    none = next((one for one in categories if one.role == NONE), None)
    found = find_class_folders(
        folder,
        {label: (one.slug, one.name) for label, one in by_label.items()},
        what="to import",
        none_names=(*NONE_NAMES, none.slug, none.name) if none else NONE_NAMES,
        fits={label: one.fits for label, one in by_label.items()},
    )
    passed_over = list(found.passed_over)
    if none is None:
        why = 'of none of the classes, and labels.toml has no category with role = "none"'
        passed_over += [PassedOver(name_below(folder, one), why) for one in found.none]
    classes: list[tuple[Category, tuple[Path, ...]]] = []
    closed: set[Path] = set()
    groups = [
        (by_label[label], [place for _, place in places])
        for label, places in groupby(found.classes, key=lambda pair: pair[0])
    ]
    groups += [(none, list(found.none))] if none and found.none else []
    for category, places in groups:
        files: set[Path] = set()
        for place in places:
            inside = find_pictures(place, folder)
            files |= {*inside.files, *inside.unreadable}
            closed |= set(inside.unreadable)
            rows = {name_below(folder, one) for one in inside.unreadable}
            passed_over += [one for one in inside.passed_over if one.name not in rows]
        classes.append((category, tuple(sorted(files))))
    return Survey(folder, tuple(classes), frozenset(closed), tuple(passed_over))


def import_folder(
    catalog: Catalog,
    store: ImageStore,
    settler: Settler,
    found: Survey,
    *,
    origins: Mapping[str, Origin] | None = None,
    tick: Callable[[int], None] = lambda _: None,
    cluster: Workers | None = None,
) -> ImportReport:
    """Bring every file of a folder's classes into the catalogue and the image store.

    Args:
        catalog: where rows go.
        store: where bytes go.
        settler: of the catalogue.
        found: what lies in the folder.
        origins: by path below the folder, with `/`, where each came from.
        tick: told how many files were read.
        cluster: workers that fingerprint the files' bytes; by default threads of this process do.
    """
    report = ImportReport(passed_over=found.passed_over)
    work = _Import(catalog, store, settler, found, origins or {}, report, tick, cluster)
    for category, files in found.classes:
        work.bring(category, files)
    remove_copies(catalog, store)
    store.tidy()  # what an import that died wrote aside, so that the same command again leaves nothing behind
    return report


@dataclass(frozen=True)
class _File:
    """A file and the address that it is known by."""

    place: Path
    name: str
    key: str
    reason: Reason | None = None


@dataclass(frozen=True)
class _Taken:
    """A page's files, those of them that are new, and what became of these."""

    files: list[_File]
    fresh: list[_File]
    pictures: list[FetchedPicture]


@dataclass(frozen=True)
class _Import:
    catalog: Catalog
    store: ImageStore
    settler: Settler
    found: Survey
    origins: Mapping[str, Origin]
    report: ImportReport
    tick: Callable[[int], None]
    cluster: Workers | None = None

    @cached_property
    def name(self) -> str:
        """What the folder is called."""
        return printable_name(self.found.root.resolve().name)

    def bring(self, category: Category, files: Sequence[Path]) -> None:
        """One class: a crawl with a page for each 200 files."""
        address = f"import:{self.name}/{category.slug}"
        crawl = begin_crawl(
            self.catalog,
            spider=SPIDER,
            category=category,
            origin=self.name,
            settings={"files": len(files), "sources": bool(self.origins)},
            first_url=f"{address}#1",
            fresh=True,
        )
        self.report.crawls.append(crawl.id)
        tally = self.report.labels.setdefault(category.label, Counter())
        ended = CrawlState.INTERRUPTED
        try:
            parts = list(chunks(files, _PER_PAGE)) or [[]]
            with closing(self._ahead(crawl.id, parts)) as pages:
                for number, (part, taken) in enumerate(pages, 1):
                    page = lease_page(self.catalog, crawl.id, _LEASE_SECONDS, max_listing=len(parts))
                    assert page is not None
                    cards = self._cards(taken)
                    self.tick(len(part))
                    self._correct(category, cards)
                    more = [NextPage("listing", number + 1, f"{address}#{number + 1}")] if number < len(parts) else []
                    response = Response(200, "ok" if cards else "empty", 0, len(cards))
                    seen = SeenPage(page.id, crawl.id, crawl.category_id, response, cards, more, token=page.token)
                    tally.update(commit_page(self.catalog, self.settler, seen))
            ended = CrawlState.FINISHED
        finally:
            end_crawl(self.catalog, crawl.id, ended)

    def _ahead(self, crawl_id: int, parts: Sequence[Sequence[Path]]) -> Generator[tuple[Sequence[Path], _Taken]]:
        """Read the files of each page, those of the next one while a page is written: neither waits for the other."""
        with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(os.cpu_count()) as pool:
            following = reader.submit(self._take, pool, crawl_id, parts[0])
            for number, part in enumerate(parts, 1):
                taken = following.result()
                if number < len(parts):
                    following = reader.submit(self._take, pool, crawl_id, parts[number])
                yield part, taken

    def _take(self, pool: ThreadPoolExecutor, crawl_id: int, places: Sequence[Path]) -> _Taken:
        """Read a page's files, and put the pictures that are new into the store."""
        files = list(pool.map(self._named, places))
        known = known_pictures(self.catalog, [one.key for one in files], crawl_id)
        fresh = [one for one in files if one.key not in known]
        if self.cluster is None:
            return _Taken(files, fresh, list(pool.map(lambda one: self._take_in(crawl_id, one), fresh)))
        return _Taken(files, fresh, self._taken_elsewhere(pool, self.cluster, crawl_id, fresh))

    def _cards(self, taken: _Taken) -> list[CardSighting]:
        """Write the pictures that are new, and give a card for each file."""
        record_pictures(self.catalog, taken.pictures)
        self.report.known += len(taken.files) - len(taken.fresh)
        left_out = {one.key for one in taken.fresh} - {one.image_key for one in taken.pictures}
        there = (one for one in taken.files if one.key not in left_out)
        return [self._card(place, one) for place, one in enumerate(there, 1)]

    def _taken_elsewhere(
        self, pool: ThreadPoolExecutor, cluster: Workers, crawl_id: int, files: Sequence[_File]
    ) -> list[FetchedPicture]:
        """As `_take_in` for many files, which workers fingerprint; those of a partition that was set aside are left out.

        Workers of this machine read the files themselves: to hand the bytes over costs about what a fingerprint does.
        """
        taken = [self._row(crawl_id, one, one.reason) for one in files if one.reason is not None]
        read = ((one, b"" if cluster.here else self._bytes(one)) for one in files if one.reason is None)
        set_aside: dict[str, list[str]] = {}
        storing: deque[Future[FetchedPicture]] = deque()
        for (file, data), printed in spread(cluster, read, PARTITION_FILES, _at if cluster.here else _partition):
            if isinstance(printed, SetAside):
                set_aside.setdefault(printed.reason, []).append(file.name)
                continue
            storing.append(pool.submit(self._stored, crawl_id, file, data, printed))
            if len(storing) > _STORED_AHEAD:
                taken.append(storing.popleft().result())
        self.report.set_aside += [(names, reason) for reason, names in set_aside.items()]
        return taken + [one.result() for one in storing]

    def _stored(self, crawl_id: int, file: _File, data: bytes | str, printed: Fingerprint | str) -> FetchedPicture:
        """What becomes of a file that a worker fingerprinted."""
        if isinstance(data, str) or isinstance(printed, str):
            return self._row(crawl_id, file, data if isinstance(data, str) else printed)
        data = data or self._bytes(file)
        if isinstance(data, str) or hashlib.sha256(data).hexdigest() != printed.sha256:
            return self._take_in(crawl_id, file)  # it changed meanwhile
        return self._row(crawl_id, file, printed, data)

    def _correct(self, category: Category, cards: Sequence[CardSighting]) -> None:
        """Record what a person said by moving files here, before the page that shows them: a crash between loses nothing."""
        names = {one.image_key: self._below(one.image_key) for one in cards if one.image_key}
        moved = find_moved(self.catalog, self._prefix, names, category, self._lies_there)
        correct_moved(self.catalog, moved, category, self.settler.thresholds)
        self.report.moved += moved

    @property
    def _prefix(self) -> str:
        return f"import:{self.name}/"

    def _below(self, key: str) -> str:
        return key.removeprefix(self._prefix).rsplit("#", 1)[0]

    def _lies_there(self, key: str) -> bool:
        """Whether the file of an address still lies where it did, with the same bytes."""
        place = self._places.get(self._below(key))
        return place is not None and self._named(place).key == key

    @cached_property
    def _places(self) -> dict[str, Path]:
        return {name_below(self.found.root, one): one for _, files in self.found.classes for one in files}

    def _named(self, place: Path) -> _File:
        """A file with its address; one that is too large, or cannot be read, is never read whole."""
        name = name_below(self.found.root, place)
        reason = None
        try:
            checksum = hashlib.sha256(self._read(place)).hexdigest()[:16]
        except _UnusableError as error:
            checksum = reason = error.reason
        return _File(place, name, f"{self._prefix}{name}#{checksum}", reason)

    def _read(self, place: Path) -> bytes:
        if place in self.found.closed:
            raise _UnusableError(Reason.UNREADABLE)
        try:
            if place.stat().st_size > MAX_BYTES:
                raise _UnusableError(Reason.TOO_LARGE)
            with place.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise _UnusableError(Reason.UNREADABLE) from error
        if len(data) > MAX_BYTES:
            raise _UnusableError(Reason.TOO_LARGE)
        return data

    def _take_in(self, crawl_id: int, file: _File) -> FetchedPicture:
        data = self._bytes(file)
        if not isinstance(data, bytes):
            return self._row(crawl_id, file, data)
        return self._row(crawl_id, file, fingerprints([data])[0], data)

    def _bytes(self, file: _File) -> bytes | str:
        """A file's bytes, or the word for why they are not read."""
        try:
            return file.reason if file.reason is not None else self._read(file.place)
        except _UnusableError as error:
            return error.reason

    def _row(self, crawl_id: int, file: _File, found: Fingerprint | str, data: bytes = b"") -> FetchedPicture:
        """What becomes of a file: a picture in the store, or the word for why it is none."""
        origin = self.origins.get(file.name, Origin())
        url = origin.url or file.key
        if isinstance(found, str):
            return FetchedPicture(file.key, url, crawl_id, reason=found, source=origin.source)
        path = self.store.put(found.sha256, found.extension, data)
        return FetchedPicture(file.key, url, crawl_id, found, path, source=origin.source)

    def _card(self, position: int, file: _File) -> CardSighting:
        origin = self.origins.get(file.name)
        self.report.unnamed += origin is None
        origin = origin or Origin()
        title = origin.title or PurePosixPath(file.name).stem
        return CardSighting(position, file.key, origin.url or file.key, asin=origin.asin, title=title)


def _partition(pictures: Sequence[tuple[_File, bytes | str]]) -> Partition[Sequence[Fingerprint | str]]:
    """What files that are sent over are asked; those that could not be read are nothing."""
    sent = [data if isinstance(data, bytes) else b"" for _, data in pictures]
    return Partition(content_name("fingerprints", *sent), fingerprints, (sent,), sum(map(len, sent)))


def _at(pictures: Sequence[tuple[_File, bytes | str]]) -> Partition[Sequence[Fingerprint | str]]:
    """What files of this machine are asked."""
    paths = [str(file.place.resolve()) for file, _ in pictures]
    return Partition(content_name("fingerprints at", *(file.key for file, _ in pictures)), fingerprints_at, (paths,))


class _UnusableError(Exception):
    """A file that is not read, and the word for why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason
