"""Find what is wrong in a catalogue: files that its image store should hold, and rows that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, text

from stj_catalog.catalog import Catalog, chunks
from stj_catalog.schema import crawls, images, likenesses, pages, sightings
from stj_catalog.ties import TOGETHER, told_pairs
from stj_core.problem import Problem
from stj_core.vocabulary import CrawlState, PageState, Reason, Status
from stj_images.likeness import DUPLICATE
from stj_images.store import ImageStore

_BATCH = 5_000


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that the catalogue names."""

    image_id: int
    path: str
    sha256: str
    size: int | None
    status: str


def stored_files(catalog: Catalog) -> Iterator[StoredFile]:
    """Every file that should be in the image store, by path; the bytes of forgotten pictures should not."""
    last = ("", 0)
    columns = (images.c.id, images.c.path, images.c.sha256, images.c.bytes, images.c.status)
    while True:
        # One short transaction for each batch: re-hashing a store takes long, and a crawl must go on meanwhile.
        after = or_(images.c.path > last[0], and_(images.c.path == last[0], images.c.id > last[1]))
        wanted = select(*columns).where(images.c.path.is_not(None), images.c.status != Status.FORGOTTEN, after)
        with catalog.read() as connection:
            rows = connection.execute(wanted.order_by(images.c.path, images.c.id).limit(_BATCH)).all()
        if not rows:
            return
        for row in rows:
            yield StoredFile(row.id, row.path, row.sha256, row.bytes, row.status)
        last = (rows[-1].path, rows[-1].id)


def count_files(catalog: Catalog) -> int:
    """How many pictures `stored_files` gives."""
    named = (
        select(func.count()).select_from(images).where(images.c.path.is_not(None), images.c.status != Status.FORGOTTEN)
    )
    with catalog.read() as connection:
        return connection.execute(named).scalar_one()


def lost_store(catalog: Catalog, store: ImageStore, root: str) -> str | None:
    """One sentence where the catalogue names files and the image store has none at all, or None.

    So it looks where a disk is not mounted, or STJ_IMAGES names another folder.
    """
    named = count_files(catalog)
    if not named or not store.is_empty():
        return None
    return (
        f"The image store {root} is away or empty, and the catalogue names {named:,} files in it: mount it, set STJ_IMAGES, "
        "or restore a backup of that folder."
    )


def forgotten_paths(catalog: Catalog) -> set[str]:
    """Files of forgotten pictures that nothing else needs: they should be gone."""
    forgotten = or_(images.c.status == Status.FORGOTTEN, func.coalesce(images.c.reason, "") == Reason.FORGOTTEN_COPY)
    gone = select(images.c.path).where(images.c.path.is_not(None), forgotten)
    needed = select(images.c.path).where(images.c.path.is_not(None), ~forgotten)
    with catalog.read() as connection:
        return set(connection.execute(gone.except_(needed)).scalars())


def known_paths(catalog: Catalog, paths: Sequence[str]) -> set[str]:
    """Those of `paths` that some picture has."""
    found: set[str] = set()
    with catalog.read() as connection:
        for some in chunks(paths):
            found |= set(connection.execute(select(images.c.path).where(images.c.path.in_(some))).scalars())
    return found


def row_faults(catalog: Catalog) -> Iterator[Problem]:
    """Rows that contradict each other or the rules."""
    yield from _kept_duplicates(catalog)
    yield from _parted_groups(catalog)
    yield from _kept_without_file(catalog)
    yield from _half_done_pages(catalog)
    yield from _unsettled(catalog)
    yield from _broken_database(catalog)


def _kept_duplicates(catalog: Catalog) -> Iterator[Problem]:
    one, two = images.alias("one"), images.alias("two")
    both = and_(one.c.status == Status.KEPT, two.c.status == Status.KEPT)
    pairs = (
        select(one.c.id, two.c.id, one.c.path, two.c.path, likenesses.c.distance, likenesses.c.distance256)
        .select_from(
            likenesses.join(one, one.c.id == likenesses.c.image_id).join(two, two.c.id == likenesses.c.other_id)
        )
        .where(likenesses.c.kind == DUPLICATE, both)
    )
    with catalog.read() as connection:
        rows = connection.execute(pairs).all()
        told = told_pairs(connection, {row[0] for row in rows})
        for mine, theirs, path, other, near, near256 in rows:
            if (mine, theirs) in told and told[mine, theirs].parts:
                continue
            yield Problem(
                "kept_duplicate",
                path,
                f"it is kept and so is its duplicate {other} ({near} of 64 and {near256} of 256 bits)",
            )


def _parted_groups(catalog: Catalog) -> Iterator[Problem]:
    """Pictures that people put together and that are in different groups."""
    with catalog.read() as connection:
        told = [(pair, said.word) for pair, said in told_pairs(connection).items() if said.word in TOGETHER]
        rows: dict[int, Any] = {}
        for some in chunks(sorted({one for pair, _ in told for one in pair})):
            wanted = select(images.c.id, images.c.image_key, images.c.group_id).where(images.c.id.in_(some))
            rows |= {row.id: row for row in connection.execute(wanted.where(images.c.compared.is_not(None)))}
    for (one, two), word in told:
        if one in rows and two in rows and rows[one].group_id != rows[two].group_id:
            yield Problem(
                "parted_group",
                rows[one].image_key,
                f"a person said {word} of it and picture {two}, and their groups differ",
            )


def _kept_without_file(catalog: Catalog) -> Iterator[Problem]:
    bare = select(images.c.id, images.c.image_key).where(images.c.status == Status.KEPT, images.c.path.is_(None))
    with catalog.read() as connection:
        for row, key in connection.execute(bare):
            yield Problem("no_file", key, f"picture {row} is kept, and its row names no file")


def half_done_pages(connection: Connection) -> Sequence[Any]:
    """Leased pages of crawls that count as finished, and pages whose cards contradict their mark: id, url, state, crawl_id."""
    seen = select(sightings.c.page_id).where(sightings.c.page_id == pages.c.id).exists()
    open_still = and_(crawls.c.state == CrawlState.FINISHED, pages.c.state == PageState.LEASED)
    odd = or_(
        open_still,
        and_(pages.c.state.in_([PageState.PENDING, PageState.LEASED]), seen),
        and_(pages.c.state == PageState.DONE, pages.c.cards > 0, ~seen),
    )
    columns = (pages.c.id, pages.c.url, pages.c.state, pages.c.cards, pages.c.crawl_id)
    return connection.execute(select(*columns).join_from(pages, crawls).where(odd).order_by(pages.c.id)).all()


def _half_done_pages(catalog: Catalog) -> Iterator[Problem]:
    with catalog.read() as connection:
        rows = half_done_pages(connection)
    for row in rows:
        what = f"in crawl {row.crawl_id} it is {row.state} with {row.cards or 0} cards, and its sightings say otherwise"
        yield Problem("half_done_page", row.url, what)


def _unsettled(catalog: Catalog) -> Iterator[Problem]:
    """Pictures that were sighted and never compared or grouped."""
    seen = select(sightings.c.image_id).where(sightings.c.image_id == images.c.id).exists()
    missing = or_(images.c.compared.is_(None), images.c.group_id.is_(None))
    open_still = and_(images.c.phash.is_not(None), images.c.status != Status.FORGOTTEN, missing, seen)
    with catalog.read() as connection:
        for key in connection.execute(select(images.c.image_key).where(open_still)).scalars():
            yield Problem("unsettled", key, "it was sighted, and never compared with the others")


def _broken_database(catalog: Catalog) -> Iterator[Problem]:
    if not catalog.is_sqlite:
        return
    with catalog.read() as connection:
        for table, row, parent, _ in connection.execute(text("PRAGMA foreign_key_check")):
            yield Problem("database", table, f"its row {row} names a row of {parent} that is not there")
