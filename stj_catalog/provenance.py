"""Where one picture came from, what it resembles, and what became of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, or_, select

from stj_catalog.catalog import Catalog
from stj_catalog.gallery import _CHECKSUM, _TILE, Tile, _with_titles
from stj_catalog.schema import (
    categories,
    crawls,
    export_images,
    exports,
    images,
    likenesses,
    pages,
    products,
    reviews,
    sightings,
)
from stj_catalog.tags import tags_of
from stj_catalog.ties import told_pairs
from stj_catalog.tombstones import ADDRESS, ASIN, tombs_of
from stj_core.shops.shop import picture_keys, product_number
from stj_core.vocabulary import Status

_ASIN = re.compile(r"[A-Z0-9]{10}")


@dataclass(frozen=True)
class Whole:
    """One picture and everything that is known of it.

    Attributes:
        row: its columns.
        sightings: the newest of them, newest first, with page, crawl and product.
        sighted: how many there are.
        group: the other pictures of its group.
        neighbours: pictures that look like it, the most alike first, with kind, way and distances.
        reviews: decisions about it, newest first.
        exports: the exports that held or withheld it, newest first.
        tags: that it carries.
        told: what people said of it and others: each other picture with the word that stands.
    """

    row: dict[str, Any]
    sightings: list[dict[str, Any]]
    sighted: int
    group: list[Tile]
    neighbours: list[tuple[Tile, dict[str, Any]]]
    reviews: list[dict[str, Any]]
    exports: list[dict[str, Any]]
    tags: tuple[str, ...] = ()
    told: list[tuple[Tile, str]] = field(default_factory=list)


def whole_picture(catalog: Catalog, image_id: int, *, most: int = 60) -> Whole | None:
    """One picture with its provenance, likenesses, group, decisions and exports, or None where there is none.

    Args:
        catalog: where it is.
        image_id: its row.
        most: so many of each at most.
    """
    with catalog.read() as connection:
        row = connection.execute(select(images).where(images.c.id == image_id)).first()
        if row is None:
            return None
        seen = select(func.count()).select_from(sightings).where(sightings.c.image_id == image_id)
        decided = select(reviews).where(reviews.c.image_id == image_id).order_by(reviews.c.id.desc())
        held = (
            select(export_images, exports.c.out, exports.c.digest, exports.c.made_at)
            .join_from(export_images, exports)
            .where(export_images.c.image_id == image_id)
            .order_by(exports.c.id.desc())
        )
        return Whole(
            row=dict(row._mapping),
            sightings=_mappings(connection, _sightings().where(sightings.c.image_id == image_id), most),
            sighted=connection.execute(seen).scalar_one(),
            group=_group(connection, row, most),
            neighbours=_neighbours(connection, image_id, most),
            reviews=_mappings(connection, decided, most),
            exports=_mappings(connection, held, most),
            tags=tags_of(connection, [image_id]).get(image_id, ()),
            told=_told(connection, image_id, most),
        )


def sightings_page(
    catalog: Catalog, *, image: int | None = None, crawl: int | None = None, after: int | None = None, limit: int = 60
) -> list[dict[str, Any]]:
    """Sightings, newest first, of one picture or crawl or of all.

    Args:
        catalog: where they are.
        image: of this picture only.
        crawl: of this crawl only.
        after: the last sighting of the page before this one.
        limit: so many at most.
    """
    query = _sightings()
    for column, value in ((sightings.c.image_id, image), (sightings.c.crawl_id, crawl)):
        query = query if value is None else query.where(column == value)
    with catalog.read() as connection:
        found = _mappings(connection, query if after is None else query.where(sightings.c.id < after), limit)
        return _without_forgotten(connection, found)


@dataclass(frozen=True)
class Trace:
    """What became of an address, an ASIN, a checksum or a title.

    Attributes:
        word: what was asked for, as it was understood.
        kind: address, asin, checksum, row or title.
        pictures: the pictures that it leads to.
        bare: cards that had no picture.
        product: the product, if it is an ASIN's.
        page: whether a page of a crawl has this address.
    """

    word: str
    kind: str
    pictures: list[Tile]
    bare: list[dict[str, Any]]
    product: dict[str, Any] | None
    page: dict[str, Any] | None


def trace(catalog: Catalog, word: str, *, most: int = 60) -> Trace:
    """Find what a picture's or a product's address, an ASIN, a checksum, a row's number or a part of a title leads to.

    Args:
        catalog: where to look.
        word: what a person typed or pasted.
        most: so many pictures and cards at most.
    """
    word = word.strip()
    low = word.lower()
    asin = product_number(word) or (word.upper() if _ASIN.fullmatch(word.upper()) and not word.isdigit() else None)
    with catalog.read() as connection:
        # Ten hex digits may be either: as typed in capitals they are an ASIN, else a checksum first.
        if _CHECKSUM.fullmatch(low) and asin != word:
            rows = connection.execute(
                select(*_TILE).where(images.c.sha256 >= low, images.c.sha256 < low + "g").limit(most)
            )
            if found := _with_titles(connection, rows.all()):
                return Trace(low, "checksum", found, [], None, None)
        if asin is not None:
            return _trace_product(connection, asin, most)
        if word.isdigit() and len(word) < 18:
            rows = connection.execute(select(*_TILE).where(images.c.id == int(word)))
            return Trace(word, "row", _with_titles(connection, rows.all()), [], None, None)
        found_there = _trace_address(connection, word, most)
        if found_there.pictures or found_there.page or "://" in word or not word:
            return found_there
        return _trace_title(connection, word, most, sqlite=catalog.is_sqlite)


def _without_forgotten(connection: Connection, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sightings, those of forgotten pictures without the words and addresses that would lead to them."""
    ids = {one["image_id"] for one in found if one["image_id"] is not None}
    tombstones = select(images.c.id).where(images.c.id.in_(ids), images.c.status == Status.FORGOTTEN)
    gone = set(connection.execute(tombstones).scalars())
    hidden = dict.fromkeys(("title", "asin", "brand", "product_url", "image_url"))
    return [one | hidden if one["image_id"] in gone else one for one in found]


def _sightings() -> Select[Any]:
    return (
        select(
            *(sightings.c.id, sightings.c.image_id, sightings.c.crawl_id, sightings.c.position, sightings.c.sponsored),
            *(sightings.c.reason, sightings.c.seen_at, sightings.c.image_url),
            func.coalesce(sightings.c.title, products.c.title).label("title"),
            *(
                products.c.asin,
                products.c.brand,
                products.c.url.label("product_url"),
                products.c.price,
                products.c.currency,
            ),
            *(pages.c.url.label("page_url"), pages.c.number.label("page_number"), pages.c.verdict),
            pages.c.kind.label("page_kind"),
            *(categories.c.label, categories.c.name.label("category"), crawls.c.spider, crawls.c.origin),
        )
        .select_from(sightings)
        .join(pages)
        .join(categories)
        .join(crawls, crawls.c.id == sightings.c.crawl_id)
        .join(products, isouter=True)
        .order_by(sightings.c.id.desc())
    )


def _group(connection: Connection, row: Row[Any], most: int) -> list[Tile]:
    if row.group_id is None:
        return []
    others = and_(images.c.group_id == row.group_id, images.c.id != row.id)
    return _with_titles(
        connection, connection.execute(select(*_TILE).where(others).order_by(images.c.id).limit(most)).all()
    )


def _told(connection: Connection, image_id: int, most: int) -> list[tuple[Tile, str]]:
    """What people said of a picture and others that were not forgotten, the newest first."""
    told = told_pairs(connection, [image_id])
    newest = sorted(told, key=lambda pair: (-told[pair].act, pair))
    words = {one if two == image_id else two: told[one, two].word for one, two in newest}
    rows = {row.id: row for row in connection.execute(select(*_TILE).where(images.c.id.in_(list(words)[:most])))}
    tiles = _with_titles(connection, [rows[one] for one in words if one in rows])
    return [(tile, words[tile.id]) for tile in tiles if tile.status != Status.FORGOTTEN]


def _neighbours(connection: Connection, image_id: int, most: int) -> list[tuple[Tile, dict[str, Any]]]:
    found: dict[int, dict[str, Any]] = {}
    for mine, other in ((likenesses.c.image_id, likenesses.c.other_id), (likenesses.c.other_id, likenesses.c.image_id)):
        query = (
            select(likenesses, other.label("them"))
            .where(mine == image_id)
            .order_by(likenesses.c.distance256)
            .limit(most)
        )
        found |= {row.them: dict(row._mapping) for row in connection.execute(query)}
    nearest = sorted(found, key=lambda one: (found[one]["distance256"], found[one]["distance"], one))[:most]
    rows = {row.id: row for row in connection.execute(select(*_TILE).where(images.c.id.in_(nearest)))}
    tiles = {tile.id: tile for tile in _with_titles(connection, list(rows.values()))}
    return [(tiles[one], found[one]) for one in nearest]


def _trace_product(connection: Connection, asin: str, most: int) -> Trace:
    row = connection.execute(select(products).where(products.c.asin == asin)).first()
    if row is None:
        tombs = tombs_of(connection, ASIN, [asin]).values()
        gone = connection.execute(select(*_TILE).where(images.c.id.in_(tombs)).limit(most)).all()
        return Trace(asin, "asin", _with_titles(connection, gone), [], None, None)
    shown = select(sightings.c.image_id).where(sightings.c.product_id == row.id, sightings.c.image_id.is_not(None))
    tiles = connection.execute(select(*_TILE).where(images.c.id.in_(shown)).order_by(images.c.id).limit(most)).all()
    bare = _sightings().where(sightings.c.product_id == row.id, sightings.c.image_id.is_(None))
    cards = _mappings(connection, bare, most)
    return Trace(asin, "asin", _with_titles(connection, tiles), cards, dict(row._mapping), None)


def _trace_address(connection: Connection, word: str, most: int) -> Trace:
    keys = picture_keys(word)
    tombs = tombs_of(connection, ADDRESS, {*keys, word}).values()
    same = or_(images.c.image_key.in_({*keys, word}), images.c.id.in_(_shown_at(word)), images.c.id.in_(tombs))
    tiles = connection.execute(select(*_TILE).where(same).limit(most)).all()
    page = connection.execute(select(pages).where(pages.c.url == word).order_by(pages.c.id.desc()).limit(1)).first()
    folded = next((key for key in sorted(keys) if key != word), word)
    return Trace(folded, "address", _with_titles(connection, tiles), [], None, dict(page._mapping) if page else None)


def _trace_title(connection: Connection, word: str, most: int, *, sqlite: bool) -> Trace:
    """The pictures and bare cards that were sighted under a title with these words in it."""
    title = func.coalesce(sightings.c.title, products.c.title)
    # SQLite's LIKE ignores the case of Latin letters by itself.
    alike = (title.contains if sqlite else title.icontains)(word, autoescape=True)
    shown = select(sightings.c.image_id).join_from(sightings, products, isouter=True)
    tiles = connection.execute(
        select(*_TILE)
        .where(images.c.id.in_(shown.where(alike)), images.c.status != Status.FORGOTTEN)
        .order_by(images.c.id)
        .limit(most)
    ).all()
    bare = _mappings(connection, _sightings().where(alike, sightings.c.image_id.is_(None)), most)
    return Trace(word, "title", _with_titles(connection, tiles), bare, None, None)


def _shown_at(address: str) -> Select[Any]:
    """Pictures that a card showed under this very address (composites keep more of theirs)."""
    return (
        select(sightings.c.image_id)
        .where(sightings.c.image_url == address, sightings.c.image_id.is_not(None))
        .limit(60)
    )


def _mappings(connection: Connection, query: Select[Any], most: int) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in connection.execute(query.limit(most))]
