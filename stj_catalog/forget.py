"""Forget pictures for good, as a take-down request asks: their bytes, titles and addresses go, and what knows copies stays.

The pictures that are asked for go with every duplicate of theirs: those are the same pictures. A tombstone keeps their hashes
and keyed digests of their addresses, so that no crawl, import or replay brings them back. Datasets and runs that hold them are
marked as stale, or purged; what remains elsewhere (backups, web archives) is named.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, and_, func, or_, select, update

from stj_catalog import elsewhere, traces
from stj_catalog.archives import ArchiveError, archives_naming, names_in_pages, without
from stj_catalog.catalog import Catalog, chunks, open_catalog
from stj_catalog.decide import decide
from stj_catalog.locked import execute_patiently
from stj_catalog.schema import export_images, exports, images, products, sightings
from stj_catalog.tombstones import PREFIX, erase_words
from stj_core.locations import Location
from stj_core.stale import mark_stale
from stj_core.vocabulary import Reason, Status
from stj_images.likeness import Thresholds
from stj_images.store import ImageStore


@dataclass(frozen=True)
class Forgotten:
    """What was forgotten and what still holds it.

    Attributes:
        ids: rows of the pictures.
        sha256: of their bytes.
        files: of the image store that are gone.
        cached: files of the cache, and copies of datasets and runs there, that are gone.
        exports: folders and addresses of exports that hold one of them, with the export's number.
        runs: run folders whose manifest names one of them.
        backups: backups of the catalogue that hold one of them.
        archives: web archives of crawls that hold one of them.
        rewritten: web archives, each with how many records were taken out of it.
        purged: what was taken out of datasets and runs, or with them.
        remaining: sentences about what else may hold them.
    """

    ids: Sequence[int]
    sha256: Sequence[str]
    files: Sequence[str] = field(default_factory=tuple)
    cached: Sequence[str] = field(default_factory=tuple)
    exports: Sequence[str] = field(default_factory=tuple)
    runs: Sequence[str] = field(default_factory=tuple)
    backups: Sequence[str] = field(default_factory=tuple)
    archives: Sequence[str] = field(default_factory=tuple)
    rewritten: Mapping[str, int] = field(default_factory=dict)
    purged: Sequence[str] = field(default_factory=tuple)
    remaining: Sequence[str] = field(default_factory=tuple)


def forget(
    catalog: Catalog,
    store: ImageStore,
    ids: Sequence[int],
    thresholds: Thresholds,
    *,
    cache: Path,
    runs: Path,
    backups: Iterable[Path] = (),
    archives: Path | None = None,
    features: str = "",
    purge: bool = False,
    dry_run: bool = False,
) -> Forgotten:
    """Forget pictures: their bytes, words, and whatever the cache made of them; their rows stay as tombstones.

    Forgetting again goes on where an earlier call was cut short.

    Args:
        catalog: where their rows are.
        store: where their bytes are.
        ids: as `find_pictures` gives them.
        thresholds: by which what they leave behind is decided again.
        cache: folder of thumbnails and features.
        runs: folder of training runs.
        backups: files of the catalogue's backups.
        archives: folder of web archives of crawls.
        features: folder or address of features that machines share (STJ_FEATURES).
        purge: take them out of datasets and runs too, in place of marking those as stale.
        dry_run: only say what would go and what holds it.
    """
    with catalog.read() as connection:
        checksums = _checksums(connection, ids)
        words = sorted({*checksums, *_written(connection, ids)})
        held = _exports_with(connection, ids)
        addresses = _addresses(connection, ids)
        titles = _titles(connection, ids)
    folders = [Path(out) for _, out in held if Location.of(out).address is None]
    manifests = [*sorted(runs.glob("*/manifest.csv")), *(folder / "manifest.csv" for folder in folders)]
    words = sorted({*words, *traces.written_of(manifests, checksums)})
    copies = elsewhere.copies_naming(cache, words)
    cached = [one for one in traces.files_naming(cache, words) if not any(one.is_relative_to(copy) for copy in copies)]
    in_pages = names_in_pages([*words, *addresses], titles)
    archived = archives_naming(archives, in_pages)
    run_folders = traces.runs_naming(runs, words)
    datasets = sorted({folder for folder in folders if _is_dataset(folder, words)})
    files: list[str] = []
    purged: list[str] = []
    remaining: list[str] = []
    rewritten: dict[str, int] = {}
    addresses_held = sorted({address for _, out in held if (address := Location.of(out).address)})
    shared = elsewhere.features_naming(features, words, remaining)
    published = elsewhere.datasets_naming(addresses_held, words, remaining)
    if not dry_run:
        # Archives first: they are found by words that the catalogue is about to lose.
        rewritten = _without_records(archived, in_pages, remaining)
        with catalog.write(exclusive=True) as connection:
            bury(connection, ids, thresholds)
        files = remove_forgotten_bytes(catalog, store)
        for one in cached:
            one.unlink(missing_ok=True)
        elsewhere.remove_copies(copies)
        elsewhere.remove_features(features, shared, remaining)
        purged = _deal_with(datasets, run_folders, words, set(checksums), purge=purge)
        purged += elsewhere.deal_with(published, set(checksums), remaining, purge=purge)
        remaining += _scrub(catalog)
    return Forgotten(
        ids=ids,
        sha256=checksums,
        files=files,
        cached=[str(one) for one in (*cached, *copies, *(f"{features}/{name}" for name in shared))],
        exports=[] if purge and not dry_run else [f"{out} (export {number})" for number, out in held],
        runs=[str(one) for one in run_folders],
        backups=[str(one) for one in traces.backups_holding(backups, checksums)],
        archives=[str(one) for one in archived if str(one) not in rewritten],
        rewritten=rewritten,
        purged=purged,
        remaining=remaining,
    )


def forgotten_ids(catalog: Catalog) -> list[int]:
    """The rows of every tombstone."""
    with catalog.read() as connection:
        tombs = select(images.c.id).where(images.c.status == Status.FORGOTTEN).order_by(images.c.id)
        return list(connection.execute(tombs).scalars())


def bury(connection: Connection, ids: Sequence[int], thresholds: Thresholds) -> None:
    """Make tombstones of pictures, without their words, and decide again about those that they were bound to."""
    for some in chunks(ids):
        values = {"status": Status.FORGOTTEN.value, "reason": None, "duplicate_of": None, "duplicate_kind": None}
        connection.execute(update(images).where(images.c.id.in_(some)).values(**values, distance=None))
    decide(connection, ids, thresholds)
    erase_words(connection, ids)


def bury_checksums(file: Path, checksums: Sequence[str]) -> int:
    """Make tombstones in a catalogue's file of the pictures of some checksums; returns how many there were."""
    catalog = open_catalog(str(file), copy=False, check=False)
    try:
        with catalog.write(exclusive=True) as connection:
            ids: list[int] = []
            for some in chunks(sorted(checksums)):
                same = images.c.sha256.in_(some), images.c.status != Status.FORGOTTEN
                ids += connection.execute(select(images.c.id).where(*same)).scalars().all()
            bury(connection, ids, Thresholds())
            return len(ids)
    finally:
        catalog.close()


def remove_forgotten_bytes(catalog: Catalog, store: ImageStore) -> list[str]:
    """Delete the files of forgotten pictures, of copies that came later, and such as no row names any more."""
    return sorted({*remove_copies(catalog, store), *_remove_strays(catalog, store)})


def remove_copies(catalog: Catalog, store: ImageStore) -> list[str]:
    """Delete the files that rows of forgotten pictures, and of copies that came later, name; then they name none.

    A copy that came later, under another address, says the same of the picture as the one that was forgotten: its title and
    addresses go too.
    """
    gone = or_(images.c.status == Status.FORGOTTEN, images.c.reason == Reason.FORGOTTEN_COPY)
    told = and_(images.c.reason == Reason.FORGOTTEN_COPY, ~images.c.image_key.startswith(PREFIX))
    with catalog.read() as connection:
        left = select(images.c.id).where(or_(and_(gone, images.c.path.is_not(None)), told)).limit(1)
        if connection.execute(left).first() is None:
            return []
    with catalog.write(exclusive=True) as connection:
        paths = set(connection.execute(select(images.c.path).where(gone, images.c.path.is_not(None))).scalars())
        for some in chunks(sorted(paths)):
            needed = select(images.c.path).where(images.c.path.in_(some), ~func.coalesce(gone, False))
            paths -= set(connection.execute(needed).scalars())
        # The file goes first: a row that names no file would hide one that stayed.
        for path in sorted(paths):
            store.delete(path)
        connection.execute(update(images).where(gone).values(path=None))
        erase_words(connection, connection.execute(select(images.c.id).where(told)).scalars().all())
    return sorted(paths)


def forgotten_checksums(catalog: Catalog, checksums: Sequence[str]) -> set[str]:
    """Those of some checksums whose bytes were forgotten, and that no other picture needs."""
    gone = or_(images.c.status == Status.FORGOTTEN, func.coalesce(images.c.reason, "") == Reason.FORGOTTEN_COPY)
    found: set[str] = set()
    with catalog.read() as connection:
        for some in chunks(list(checksums)):
            mine = images.c.sha256.in_(some)
            found |= set(connection.execute(select(images.c.sha256).where(mine, gone)).scalars())
            found -= set(connection.execute(select(images.c.sha256).where(mine, ~gone)).scalars())
    return found


def _remove_strays(catalog: Catalog, store: ImageStore) -> set[str]:
    """Delete forgotten bytes that no row names: those that were set aside, or written by a process that died."""
    lost = {name[:64]: place for name, place in store.lost().items() if len(name) >= 64}
    strays = {place.rsplit("/", 1)[-1].split(".", 1)[0]: place for place in store.paths()}
    found: set[str] = set()
    for places in (lost, strays):
        for checksum in forgotten_checksums(catalog, sorted(one for one in places if len(one) == 64)):
            store.delete(places[checksum])
            found.add(places[checksum])
    return found


def _checksums(connection: Connection, ids: Sequence[int]) -> list[str]:
    found: set[str] = set()
    for some in chunks(ids):
        wanted = select(images.c.sha256).where(images.c.id.in_(some), images.c.sha256.is_not(None))
        found |= set(connection.execute(wanted).scalars())
    return sorted(found)


def _written(connection: Connection, ids: Sequence[int]) -> set[str]:
    """The checksums of files that exports wrote of pictures: a converted one has another than its original."""
    found: set[str] = set()
    for some in chunks(ids):
        wanted = select(export_images.c.sha256).where(export_images.c.image_id.in_(some))
        found |= set(connection.execute(wanted.where(export_images.c.sha256.is_not(None))).scalars())
    return found


def _addresses(connection: Connection, ids: Sequence[int]) -> list[str]:
    """The addresses that pictures were shown and fetched under, and their products: what a kept page names them by."""
    found: set[str | None] = set()
    for some in chunks(ids):
        mine = images.c.id.in_(some)
        for row in connection.execute(select(images.c.url, images.c.image_key).where(mine)):
            found |= {one for one in row if "://" in one}
        shown = select(sightings.c.image_url, products.c.asin).join_from(sightings, products, isouter=True)
        for row in connection.execute(shown.where(sightings.c.image_id.in_(some)).distinct()):
            found |= set(row)
    return sorted(one for one in found if one)


def _titles(connection: Connection, ids: Sequence[int]) -> set[str]:
    """The titles that pictures were shown with."""
    found: set[str] = set()
    for some in chunks(ids):
        shown = select(sightings.c.title).where(sightings.c.image_id.in_(some), sightings.c.title.is_not(None))
        found |= set(connection.execute(shown.distinct()).scalars())
    return found


def _without_records(archived: Sequence[Path], words: Sequence[str], remaining: list[str]) -> dict[str, int]:
    """Take the records out of web archives that hold one of some words; a sentence for each that cannot be rewritten."""
    rewritten: dict[str, int] = {}
    for one in archived:
        try:
            if number := without(one, words):
                rewritten[str(one)] = number
            else:
                remaining.append(f"The web archive {one} names it still, outside of its pages.")
        except ArchiveError as error:
            remaining.append(f"The web archive {one} holds it still and could not be rewritten: {error}.")
    return rewritten


def _exports_with(connection: Connection, ids: Sequence[int]) -> list[tuple[int, str]]:
    """The exports that hold one of some pictures: number and folder."""
    found: set[tuple[int, str]] = set()
    for some in chunks(ids):
        wanted = select(exports.c.id, exports.c.out).join_from(export_images, exports)
        held = wanted.where(export_images.c.image_id.in_(some), export_images.c.split.is_not(None)).distinct()
        found |= {(number, out) for number, out in connection.execute(held)}
    return sorted(found)


def _is_dataset(folder: Path, words: Sequence[str]) -> bool:
    """Whether a folder is a dataset that holds one of some pictures now, or what was left of one that was being removed."""
    manifest = folder / "manifest.csv"
    return (folder / "dataset.json").is_file() and (not manifest.exists() or traces.mentions(manifest, words))


def _deal_with(
    datasets: Sequence[Path], runs: Sequence[Path], words: Sequence[str], checksums: set[str], *, purge: bool
) -> list[str]:
    """Purge datasets and runs, or mark them as stale; returns what was taken away."""
    purged: list[str] = []
    for folder in datasets:
        if purge:
            traces.purge_dataset(folder)
            purged.append(str(folder))
        else:
            mark_stale(folder, checksums)
    for folder in runs:
        if purge:
            purged += [str(folder / one) for one in traces.purge_run(folder, words)]
        else:
            mark_stale(folder, checksums)
    return purged


def _scrub(catalog: Catalog) -> list[str]:
    """Write the catalogue's file anew, so that no page of it holds words that were erased; sentences where that failed."""
    if catalog.place is None:
        return [
            "The database may keep old rows in its own files until it is vacuumed, and dumps of it (pg_dump) hold them."
        ]
    try:
        with closing(sqlite3.connect(catalog.place, isolation_level=None)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            execute_patiently(connection, "VACUUM")
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        return [_in_use(catalog, str(error))]
    return [_in_use(catalog, "others read it")] if busy else []


def _in_use(catalog: Catalog, why: str) -> str:
    return (
        f"The catalogue's file {catalog.place} could not be written anew ({why}) and may hold erased words: "
        "stop what uses it, then run stj-dataset forget --purge."
    )
