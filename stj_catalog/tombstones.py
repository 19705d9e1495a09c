"""What stays of a forgotten picture: digests by which it is known again, and from which nobody can read what it was.

A digest is keyed with a secret of the catalogue, so that nobody who has the digests alone can try addresses against them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, select, update

from stj_catalog.catalog import chunks, insert_new
from stj_catalog.schema import (
    PRODUCT_PAGE,
    export_images,
    images,
    pages,
    products,
    reviews,
    secrets,
    sightings,
    tags,
    tombstones,
)
from stj_core.shops.shop import picture_keys

ADDRESS, ASIN = "address", "asin"
PREFIX = "forgotten:"
"""What stands in the place of a forgotten address begins so."""


def tombs_of(connection: Connection, kind: str, words: Iterable[str]) -> dict[str, int]:
    """Those of some addresses (folded), or ASINs, that a forgotten picture had, each with the picture's row."""
    if connection.execute(select(tombstones.c.digest).limit(1)).first() is None:
        return {}
    key = _key(connection)
    by_digest = {_digest(key, kind, word): word for word in words}
    found: dict[str, int] = {}
    for some in chunks(sorted(by_digest)):
        rows = connection.execute(select(tombstones).where(tombstones.c.digest.in_(some)))
        found |= {by_digest[row.digest]: row.image_id for row in rows}
    return found


def erase_words(connection: Connection, ids: Sequence[int]) -> None:
    """Take away titles, addresses, tags and products of forgotten pictures, and keep digests of their addresses and ASINs."""
    key = _key(connection)
    for some in chunks(sorted(ids)):
        rows = connection.execute(
            select(images.c.id, images.c.image_key).where(images.c.id.in_(some), ~images.c.image_key.startswith(PREFIX))
        ).all()
        shown = (
            select(sightings.c.image_id, sightings.c.image_url, products.c.id, products.c.asin, products.c.parent_asin)
            .join_from(sightings, products, isouter=True)
            .where(sightings.c.image_id.in_(some))
        )
        sold: dict[int, str] = {}
        kept: dict[str, int] = {_digest(key, ADDRESS, row.image_key): row.id for row in rows}
        for image, address, product, asin, parent in connection.execute(shown.distinct()).all():
            for one in sorted({*picture_keys(address), address}) if address else ():
                kept.setdefault(_digest(key, ADDRESS, one), image)
            for one in {asin, parent} - {None}:
                kept.setdefault(_digest(key, ASIN, one), image)
            if product is not None:
                sold[product] = asin
        insert_new(
            connection, tombstones, [{"digest": digest, "image_id": row} for digest, row in kept.items()], ["digest"]
        )
        for row in rows:
            instead = f"{PREFIX}{_digest(key, ADDRESS, row.image_key)}"
            nothing = {"source": None, "detail": None}
            connection.execute(
                update(images).where(images.c.id == row.id).values(image_key=instead, url=instead, **nothing)
            )
        mine = sightings.c.image_id.in_(some)
        connection.execute(update(sightings).where(mine).values(title=None, image_url=None, product_id=None))
        # An exported file is called by its checksum's beginning, or by whatever a layout calls it.
        connection.execute(update(export_images).where(export_images.c.image_id.in_(some)).values(file=None))
        connection.execute(tags.delete().where(tags.c.image_id.in_(some)))
        connection.execute(update(reviews).where(reviews.c.image_id.in_(some)).values(reason=None))
        _erase_products(connection, key, sold)


def _erase_products(connection: Connection, key: bytes, sold: Mapping[int, str]) -> None:
    """Delete products that no other picture or card shows, and the addresses of their pages."""
    for some in chunks(sorted(sold)):
        used = select(sightings.c.product_id).where(sightings.c.product_id.in_(some)).distinct()
        gone = set(some) - set(connection.execute(used).scalars())
        for product in sorted(gone):
            about = pages.c.url.contains(sold[product], autoescape=True), pages.c.kind == PRODUCT_PAGE
            for page, url in connection.execute(select(pages.c.id, pages.c.url).where(*about)).all():
                instead = f"{PREFIX}{_digest(key, ADDRESS, url)}"
                connection.execute(update(pages).where(pages.c.id == page).values(url=instead))
            connection.execute(products.delete().where(products.c.id == product))


def _key(connection: Connection) -> bytes:
    return bytes.fromhex(connection.execute(select(secrets.c.value).where(secrets.c.name == "tombstones")).scalar_one())


def _digest(key: bytes, kind: str, word: str) -> str:
    return hmac.new(key, f"{kind}:{word}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
