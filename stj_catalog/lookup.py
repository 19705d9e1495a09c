"""Find the picture that a person means: by checksum, exported file, address or product."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, or_, select

from stj_catalog.catalog import Catalog, chunks
from stj_catalog.schema import export_images, images, likenesses, products, sightings
from stj_catalog.ties import told_pairs
from stj_catalog.tombstones import ADDRESS, ASIN, tombs_of
from stj_core.errors import CatalogError, UsageError
from stj_core.shops.shop import picture_keys
from stj_core.vocabulary import Act, Status
from stj_images.likeness import DUPLICATE

_CHECKSUM = re.compile(r"[0-9a-f]{6,64}")
# Of several pictures of one checksum a person means the one that a decision changes.
_BEST_FIRST: dict[str, int] = {
    word: place
    for place, word in enumerate((Status.KEPT, Status.QUARANTINED, Status.REJECTED, Status.DUPLICATE, Status.FORGOTTEN))
}


@dataclass(frozen=True)
class FoundPicture:
    """A picture that a person meant, and how it stands now."""

    id: int
    sha256: str
    image_key: str
    status: str
    label: int | None
    reason: str | None
    path: str | None


def find_picture(catalog: Catalog, word: str) -> FoundPicture:
    """The picture that `word` means: its sha256 or the beginning of it, of the original or of an exported file, or its address.

    Raises:
        UsageError: there is none, or more than one.
    """
    with catalog.read() as connection:
        rows = connection.execute(_named(connection, word)).all()
    if not rows:
        raise UsageError(
            f"No picture is called {word!r}: give its sha256 (six digits or more), its file or its address."
        )
    if len({row.sha256 for row in rows}) > 1:
        raise UsageError(f"{len(rows)} pictures are called {word!r}: give more digits of the sha256.")
    best = min(rows, key=lambda row: (_BEST_FIRST.get(row.status, len(_BEST_FIRST)), row.id))
    return FoundPicture(best.id, best.sha256, best.image_key, best.status, best.label, best.reason, best.path)


def stored_paths(catalog: Catalog, checksums: Sequence[str]) -> dict[str, str]:
    """Where the image store has the pictures of some checksums."""
    found: dict[str, str] = {}
    with catalog.read() as connection:
        for some in chunks(checksums):
            query = select(images.c.sha256, images.c.path).where(images.c.sha256.in_(some), images.c.path.is_not(None))
            found |= {row.sha256: row.path for row in connection.execute(query)}
    return found


def kept_ids(catalog: Catalog, batch: int = 2_000) -> Iterator[list[int]]:
    """The rows of all kept pictures, some at a time, ordered."""
    last = 0
    while True:
        query = select(images.c.id).where(images.c.status == Status.KEPT, images.c.id > last).order_by(images.c.id)
        with catalog.read() as connection:
            found = list(connection.execute(query.limit(batch)).scalars())
        if not found:
            return
        yield found
        last = found[-1]


def _named(connection: Connection, word: str) -> Select[Any]:
    columns = (
        images.c.id,
        images.c.sha256,
        images.c.image_key,
        images.c.status,
        images.c.label,
        images.c.reason,
        images.c.path,
    )
    query = select(*columns).where(images.c.sha256.is_not(None))
    if not _CHECKSUM.fullmatch(word):
        return query.where(or_(images.c.image_key == word, images.c.url == word))
    end = word + "g"  # the first text after everything that begins with `word`
    mine = query.where(images.c.sha256 >= word, images.c.sha256 < end)
    if connection.execute(mine.limit(1)).first() is not None:
        return mine
    written = select(export_images.c.image_id).where(export_images.c.sha256 >= word, export_images.c.sha256 < end)
    return query.where(images.c.id.in_(written))


def find_pictures(
    catalog: Catalog, *, asins: Sequence[str] = (), checksums: Sequence[str] = (), urls: Sequence[str] = ()
) -> list[int]:
    """The pictures of products, with these checksums or at these addresses, and all their duplicates.

    Raises:
        CatalogError: one of them is not in the catalogue.
    """
    with catalog.read() as connection:
        found: set[int] = set()
        for asin in asins:
            family = or_(products.c.asin == asin, products.c.parent_asin == asin)
            shown = select(sightings.c.image_id).join_from(sightings, products).where(family)
            tombs = tombs_of(connection, ASIN, [asin]).values()
            found |= _some([*connection.execute(shown).scalars(), *tombs], "a picture of the product", asin)
        for checksum in checksums:
            same = select(images.c.id).where(images.c.sha256 == checksum.lower())
            found |= _some(connection.execute(same).scalars().all(), "a picture with the sha256", checksum)
        for url in urls:
            key = select(images.c.id).where(or_(images.c.image_key.in_(picture_keys(url)), images.c.url == url))
            tombs = tombs_of(connection, ADDRESS, {*picture_keys(url), url}).values()
            found |= _some([*connection.execute(key).scalars(), *tombs], "a picture at", url)
        return sorted(found | _duplicates(connection, found))


def _some(found: Sequence[int | None], what: str, given: str) -> set[int]:
    pictures = {one for one in found if one is not None}
    if not pictures:
        raise CatalogError(f"The catalogue holds no picture to forget: {what} {given!r} is not in it.")
    return pictures


def _duplicates(connection: Connection, ids: AbstractSet[int]) -> set[int]:
    """The pictures that are the same as some, by their looks or by what people told."""
    alike: set[tuple[int, int]] = set()
    for some in chunks(sorted(ids)):
        for one, other in (
            (likenesses.c.image_id, likenesses.c.other_id),
            (likenesses.c.other_id, likenesses.c.image_id),
        ):
            bound = select(one, other).where(one.in_(some), likenesses.c.kind == DUPLICATE)
            alike |= {(min(pair), max(pair)) for pair in connection.execute(bound)}
    told = told_pairs(connection, ids)
    alike = {pair for pair in alike if pair not in told or not told[pair].parts}
    alike |= {pair for pair, said in told.items() if said.word == Act.SAME}
    return {one for pair in alike for one in pair}


def ids_of_checksums(catalog: Catalog, checksums: Sequence[str]) -> dict[str, int]:
    """A picture for each sha256 of original bytes that has one: the kept one first."""
    found: dict[str, int] = {}
    query = select(images.c.sha256, images.c.id).order_by(images.c.status == Status.KEPT, images.c.id.desc())
    with catalog.read() as connection:
        for some in chunks(list(checksums)):
            found |= {row.sha256: row.id for row in connection.execute(query.where(images.c.sha256.in_(some)))}
    return found
