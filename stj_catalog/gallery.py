"""Pictures to look at: pages of a gallery, one picture with all that is known of it, and why a picture is not in the dataset.

A page is found by the last row of the page before it, never by counting rows, so that the thousandth page costs
what the first does.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, text

from stj_catalog.catalog import Catalog, chunks
from stj_catalog.schema import (
    crawls,
    images,
    likenesses,
    products,
    reviews,
    sightings,
)
from stj_catalog.tags import carrying, known_spelling, tags_of, tags_with
from stj_core.vocabulary import Reason, Status

COUNT_LIMIT = 10_000
_MANY = 5_000
_CHECKSUM = re.compile(r"[0-9a-f]{6,64}")
_TILE = (
    *(images.c.id, images.c.status, images.c.reason, images.c.label, images.c.sha256, images.c.path, images.c.width),
    *(images.c.height, images.c.duplicate_of, images.c.distance, images.c.group_id),
)


@dataclass(frozen=True)
class Filter:
    """Which pictures are asked for; None asks for all.

    Attributes:
        status: the one word that they ended in.
        label: the class.
        reason: why they are quarantined or rejected.
        crawl: sighted in this crawl.
        source: imported from this source, or of this brand.
        text: part of a title that they were sighted with, of their address, file name or a tag, or a product's ASIN.
        group: members of this group.
        tag: that carry this tag, in whatever case it is written.
        undecided: only those that no person's decision stands about.
        of_no_class: only those that are kept as pictures of none of the classes.
    """

    status: str | None = None
    label: int | None = None
    reason: str | None = None
    crawl: int | None = None
    source: str | None = None
    text: str | None = None
    group: int | None = None
    tag: str | None = None
    undecided: bool = False
    of_no_class: bool = False


@dataclass(frozen=True)
class Tile:
    """A picture as a gallery shows it."""

    id: int
    status: str
    reason: str | None
    label: int | None
    sha256: str | None
    path: str | None
    width: int | None
    height: int | None
    duplicate_of: int | None
    distance: int | None
    group_id: int | None
    title: str | None = None
    asin: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gallery:
    """A page of pictures, newest first, and where the pages beside it begin."""

    tiles: list[Tile]
    before: int | None
    after: int | None


def gallery_page(
    catalog: Catalog, wanted: Filter, *, limit: int = 60, after: int | None = None, before: int | None = None
) -> Gallery:
    """A page of pictures, newest first.

    Args:
        catalog: where they are.
        wanted: which.
        limit: pictures on a page.
        after: the last picture of the page before this one.
        before: the first picture of the page behind this one; it wins over `after`.
    """
    query = select(*_TILE).where(*_conditions(catalog, wanted))
    if before is not None:
        query = query.where(images.c.id > before).order_by(images.c.id)
    else:
        query = query.order_by(images.c.id.desc())
        query = query.where(images.c.id < after) if after is not None else query
    with catalog.read() as connection:
        rows = list(connection.execute(query.limit(limit + 1)).all())
        more = len(rows) > limit
        rows = rows[:limit]
        if before is not None:
            rows.reverse()
        tiles = _with_titles(connection, rows)
    if not tiles:
        return Gallery([], None, None)
    newer = more if before is not None else after is not None
    older = before is not None or more
    return Gallery(tiles, tiles[0].id if newer else None, tiles[-1].id if older else None)


def count_pictures(catalog: Catalog, wanted: Filter, limit: int = COUNT_LIMIT) -> int:
    """How many pictures there are, counted up to `limit`."""
    some = select(images.c.id).where(*_conditions(catalog, wanted)).limit(limit).subquery()
    with catalog.read() as connection:
        return connection.execute(select(func.count()).select_from(some)).scalar_one()


def first_ids(catalog: Catalog, wanted: Filter) -> list[int]:
    """The rows of a list, newest first, up to `COUNT_LIMIT`: what a search through titles or brands finds, made once."""
    query = select(images.c.id).where(*_conditions(catalog, wanted)).order_by(images.c.id.desc()).limit(COUNT_LIMIT)
    with catalog.read() as connection:
        return list(connection.execute(query).scalars())


def page_among(
    catalog: Catalog, wanted: Filter, ids: Sequence[int], *, limit: int, after: int | None, before: int | None
) -> Gallery:
    """What `gallery_page` gives, found among the rows that `first_ids` gave where they reach so far."""
    start = 0
    if before is not None:
        start = max(0, sum(1 for one in ids if one > before) - limit)
    elif after is not None:
        start = sum(1 for one in ids if one >= after)
    if start + limit >= COUNT_LIMIT:
        return gallery_page(catalog, wanted, limit=limit, after=after, before=before)
    tiles = tiles_of(catalog, ids[start : start + limit])
    newer = tiles[0].id if tiles and start else None
    return Gallery(tiles, newer, tiles[-1].id if tiles and start + limit < len(ids) else None)


def tiles_of(catalog: Catalog, ids: Sequence[int]) -> list[Tile]:
    """Some pictures, in the order asked for; those that do not exist are left out."""
    found: dict[int, Tile] = {}
    with catalog.read() as connection:
        for some in chunks(list(ids)):
            rows = connection.execute(select(*_TILE).where(images.c.id.in_(some))).all()
            found |= {tile.id: tile for tile in _with_titles(connection, rows)}
    return [found[one] for one in ids if one in found]


def last_picture(catalog: Catalog) -> int:
    """The newest picture's row; 0 where there is none."""
    with catalog.read() as connection:
        return connection.execute(select(func.max(images.c.id))).scalar() or 0


def matching(catalog: Catalog, wanted: Filter, ids: Sequence[int]) -> set[int]:
    """Those of some pictures that a filter takes."""
    conditions = _conditions(catalog, wanted)
    if not conditions:
        return set(ids)
    with catalog.read() as connection:
        if len(ids) > _MANY:
            # One pass with the filter costs less than the filter's search through all titles for each part of the list.
            return set(connection.execute(select(images.c.id).where(*conditions)).scalars()) & set(ids)
        found: set[int] = set()
        for some in chunks(list(ids)):
            found |= set(connection.execute(select(images.c.id).where(images.c.id.in_(some), *conditions)).scalars())
        return found


def shown_rows(catalog: Catalog, checksums: Collection[str]) -> dict[str, int]:
    """A picture for each sha256 of original bytes that has one, the kept one first; no forgotten picture and no copy of one.

    Args:
        catalog: where they are.
        checksums: a whole run's, perhaps: one pass over the catalogue then costs less than so many look-ups.
    """
    columns = (images.c.sha256, images.c.id, images.c.status, images.c.reason)
    some = set(checksums)
    parts = (
        [images.c.sha256.is_not(None)]
        if len(some) > _MANY
        else [images.c.sha256.in_(part) for part in chunks(list(some))]
    )
    best: dict[str, tuple[bool, int]] = {}
    gone: set[str] = set()
    with catalog.read() as connection:
        for part in parts:
            for sha256, row, status, reason in connection.execute(select(*columns).where(part)):
                if sha256 not in some:
                    continue
                if status == Status.FORGOTTEN or reason == Reason.FORGOTTEN_COPY:
                    gone.add(sha256)
                best[sha256] = min(best.get(sha256, (True, row)), (status != Status.KEPT, row))
    return {sha256: row for sha256, (_, row) in best.items() if sha256 not in gone}


def suggestions(catalog: Catalog) -> dict[str, list[Any]]:
    """What the filters can be set to: reasons, sources, crawls and tags."""
    reasons = select(images.c.reason).where(
        images.c.status.in_([Status.QUARANTINED, Status.REJECTED]), images.c.reason.is_not(None)
    )
    brands = (
        select(products.c.brand, func.count().label("n"))
        .where(products.c.brand.is_not(None))
        .group_by(products.c.brand)
    )
    imported = (
        select(images.c.source, func.count().label("n"))
        .where(images.c.source.is_not(None))
        .group_by(images.c.source)
        .order_by(text("n DESC"), images.c.source)
        .limit(50)
    )
    newest = select(crawls.c.id, crawls.c.spider, crawls.c.started_at).order_by(crawls.c.id.desc()).limit(50)
    with catalog.read() as connection:
        return {
            "reasons": sorted(connection.execute(reasons.distinct()).scalars()),
            "sources": list(
                dict.fromkeys(
                    [
                        *(row.source for row in connection.execute(imported)),
                        *(
                            row.brand
                            for row in connection.execute(brands.order_by(text("n DESC"), products.c.brand).limit(50))
                        ),
                    ]
                )
            )[:50],
            "crawls": [row._asdict() for row in connection.execute(newest)],
            "tags": tags_with(connection, "")[:200],
        }


def related_pictures(
    catalog: Catalog, *, after: int | None = None, limit: int = 20, only: Sequence[int] | None = None
) -> list[Tile]:
    """The kept pictures of groups that hold more than one, the newest group first, group by group.

    Args:
        catalog: where they are.
        after: the last group of the page before this one.
        limit: so many groups at most.
        only: these groups, in this order, whatever the two before say.
    """
    # The status in disguise: by the index of groups, in order, the first pages are found without reading all pictures.
    kept = and_(func.coalesce(images.c.status, "") == Status.KEPT, images.c.group_id.is_not(None))
    many = select(images.c.group_id).where(kept).group_by(images.c.group_id).having(func.count() > 1)
    many = many if after is None else many.where(images.c.group_id < after)
    with catalog.read() as connection:
        ids = only
        if ids is None:
            ids = connection.execute(many.order_by(images.c.group_id.desc()).limit(limit)).scalars().all()
        rows = connection.execute(select(*_TILE).where(kept, images.c.group_id.in_(ids)).order_by(images.c.id)).all()
        place = {group: at for at, group in enumerate(ids)}
        return _with_titles(connection, sorted(rows, key=lambda row: place[row.group_id]))


def duplicate_pairs(
    catalog: Catalog, *, after: int | None = None, limit: int = 30, only: Sequence[int] | None = None
) -> list[tuple[Tile, Tile, dict[str, Any]]]:
    """Duplicates beside the pictures that were kept instead, newest first, with kind, distances and rule.

    Args:
        catalog: where they are.
        after: the last duplicate of the page before this one.
        limit: so many at most.
        only: these duplicates, in this order, whatever the two before say.
    """
    # The two-argument minimum has another name in each database.
    least, most = ("min", "max") if catalog.is_sqlite else ("least", "greatest")
    low, high = (getattr(func, name)(images.c.id, images.c.duplicate_of) for name in (least, most))
    query = (
        select(*_TILE, images.c.duplicate_kind, images.c.rule, likenesses.c.distance256, likenesses.c.way)
        .join_from(images, likenesses, and_(likenesses.c.image_id == low, likenesses.c.other_id == high), isouter=True)
        .where(images.c.status == Status.DUPLICATE, images.c.duplicate_of.is_not(None))
        .order_by(images.c.id.desc())
    )
    query = query.limit(limit) if only is None else query.where(images.c.id.in_(only))
    query = query if after is None or only is not None else query.where(images.c.id < after)
    with catalog.read() as connection:
        rows = list(connection.execute(query).all())
        if only is not None:
            place = {one: at for at, one in enumerate(only)}
            rows.sort(key=lambda row: place[row.id])
        mine = {tile.id: tile for tile in _with_titles(connection, rows)}
        kept_rows = connection.execute(select(*_TILE).where(images.c.id.in_({row.duplicate_of for row in rows}))).all()
        kept = {tile.id: tile for tile in _with_titles(connection, kept_rows)}
    told = ("duplicate_kind", "rule", "distance256", "way")
    return [(mine[row.id], kept[row.duplicate_of], {name: getattr(row, name) for name in told}) for row in rows]


def _conditions(catalog: Catalog, wanted: Filter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for column, value in (
        (images.c.status, wanted.status),
        (images.c.label, wanted.label),
        (images.c.reason, wanted.reason),
        (images.c.group_id, wanted.group),
    ):
        if value is not None:
            found.append(column == value)
    if wanted.of_no_class:
        found += [images.c.label.is_(None), images.c.status == Status.KEPT]
    if wanted.undecided:
        standing = select(reviews.c.id).where(reviews.c.image_id == images.c.id, reviews.c.undone_at.is_(None))
        found.append(~standing.exists())
    if wanted.tag is not None:
        with catalog.read() as connection:
            spelled = known_spelling(connection, wanted.tag)
        found.append(images.c.id.in_(carrying(spelled)))
    if wanted.crawl is not None:
        found.append(images.c.id.in_(select(sightings.c.image_id).where(sightings.c.crawl_id == wanted.crawl)))
    if wanted.source:
        branded = (
            select(sightings.c.image_id)
            .join_from(sightings, products)
            .where(products.c.brand == wanted.source, sightings.c.image_id.is_not(None))
        )
        found.append(or_(images.c.source == wanted.source, images.c.id.in_(branded)))
    if wanted.text:
        # One pass over the titles costs less than a look-up for each of a hundred thousand pictures; SQLite's LIKE
        # ignores case by itself, and folding every title first would cost as much again.
        title = sightings.c.title
        alike = title.contains if catalog.is_sqlite else title.icontains
        titled = select(sightings.c.image_id).where(
            alike(wanted.text, autoescape=True), sightings.c.image_id.is_not(None)
        )
        of_product = (
            select(sightings.c.image_id)
            .join_from(sightings, products)
            .where(products.c.asin == wanted.text.upper(), sightings.c.image_id.is_not(None))
        )
        # An address or a file's name has no space; a search of several words need not look through them.
        named = [] if " " in wanted.text else [_contains(catalog, images.c.url, wanted.text)]
        with catalog.read() as connection:
            spelled_so = tags_with(connection, wanted.text)
        tagged = [images.c.id.in_(carrying(*spelled_so))] if spelled_so else []
        found.append(or_(images.c.id.in_(titled), images.c.id.in_(of_product), *named, *tagged))
    return found


def _contains(catalog: Catalog, column: ColumnElement[Any], words: str) -> ColumnElement[bool]:
    """Whether a column holds some words, whatever their case (SQLite's LIKE ignores it by itself)."""
    alike = column.contains if catalog.is_sqlite else column.icontains
    return alike(words, autoescape=True)


def _with_titles(connection: Connection, rows: Sequence[Any]) -> list[Tile]:
    """The tiles of some rows, with the words of each picture's first sighting; none for a forgotten one."""
    told: dict[int, tuple[str | None, str | None]] = {}
    for some in chunks([row.id for row in rows if row.status != Status.FORGOTTEN]):
        first = select(func.min(sightings.c.id)).where(sightings.c.image_id.in_(some)).group_by(sightings.c.image_id)
        query = (
            select(sightings.c.image_id, func.coalesce(sightings.c.title, products.c.title), products.c.asin)
            .join_from(sightings, products, isouter=True)
            .where(sightings.c.id.in_(first))
        )
        told |= {row: (title, asin) for row, title, asin in connection.execute(query)}
    names = [column.name for column in _TILE]
    carried = tags_of(connection, [row.id for row in rows])
    return [
        Tile(**{name: getattr(row, name) for name in names}, title=title, asin=asin, tags=carried.get(row.id, ()))
        for row in rows
        for title, asin in [told.get(row.id, (None, None))]
    ]


def newest_pictures(catalog: Catalog, crawl_id: int, limit: int = 24) -> list[Tile]:
    """The pictures that a crawl sighted last."""
    query = select(sightings.c.image_id).where(sightings.c.crawl_id == crawl_id, sightings.c.image_id.is_not(None))
    with catalog.read() as connection:
        ids = list(connection.execute(query.order_by(sightings.c.id.desc()).limit(2 * limit)).scalars())
    return tiles_of(catalog, list(dict.fromkeys(ids))[:limit])
