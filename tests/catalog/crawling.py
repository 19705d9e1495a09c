"""A crawl without a shop: cards with made-up fingerprints go the way that real ones go."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import select

from stj_catalog.crawls import begin_crawl
from stj_catalog.frontier import Response, add_page, lease_page
from stj_catalog.incremental import Settler
from stj_catalog.intake import CardSighting, FetchedPicture, SeenPage, commit_page, record_pictures
from stj_catalog.schema import images, likenesses
from stj_core.labels import load_labels
from stj_core.vocabulary import Status
from stj_images.fingerprint import Fingerprint
from stj_images.likeness import MIRROR, Thresholds
from stj_images.store import store_path

ORIGIN = "https://shop.test"
LABELS = {one.label: one for one in load_labels()}


def words(seed):
    """A random picture's hashes as integers: of 64 and of 256 bits."""
    rng = np.random.default_rng(seed)
    return tuple(int.from_bytes(rng.bytes(size), "big") for size in (8, 32))


def flip(word, bits, size):
    """A word with bits 0 … bits-1, spread evenly, turned."""
    return word ^ sum(1 << (size - 1 - place * (size // max(bits, 1))) for place in range(bits))


def print_of(seed, *, near=0, wide=0, size=(600, 800), content=None, mirrored=False, bordered=False):
    """A fingerprint `near` and `wide` bits from the seed's own; another `content` is other bytes of the same looks."""
    word, word256 = words(seed)
    mirror, mirror256 = words(seed + 1_000_000)
    if mirrored:
        word ^= MIRROR
        word256, mirror256 = mirror256, word256
    trim, trim256 = word, word256
    if bordered:
        word, word256 = words(seed + 2_000_000)
        mirror, mirror256 = words(seed + 3_000_000)
    hashed = [flip(one, near, 64) for one in (word, mirror, trim)]
    hashed256 = [flip(one, wide, 256) for one in (word256, mirror256, trim256)]
    name = f"{seed} {near} {wide} {size} {content} {mirrored} {bordered}"
    return Fingerprint(
        sha256=hashlib.sha256(name.encode()).hexdigest(),
        format="JPEG",
        width=size[0],
        height=size[1],
        size=1000,
        phash=f"{hashed[0]:016x}",
        phash256=f"{hashed256[0]:064x}",
        phash_mirror=f"{hashed[1]:016x}",
        phash256_mirror=f"{hashed256[1]:064x}",
        phash_trim=f"{hashed[2]:016x}",
        phash256_trim=f"{hashed256[2]:064x}",
    )


@dataclass(frozen=True)
class Card:
    """A card: its picture's name and looks, and what it says."""

    name: str
    look: Fingerprint | None
    asin: str | None = None
    parent: str | None = None
    reason: str | None = None
    failure: str | None = None


@dataclass
class Walk:
    """One crawl: every page is fetched, its pictures recorded, its cards committed."""

    catalog: object
    label: int = 0
    thresholds: Thresholds = field(default_factory=Thresholds)
    spider: str = "test"

    def __post_init__(self):
        self.crawl = begin_crawl(
            self.catalog, spider=self.spider, category=LABELS[self.label], origin=ORIGIN, settings={},
            first_url=f"{ORIGIN}/s?page=1", fresh=True,
        )  # fmt: skip
        self.settler = Settler.for_catalog(self.catalog, self.thresholds)
        self.number = 0

    def page(self, cards, *, again=None, kind="listing"):
        """Commit a page of cards; `again` commits an earlier page anew."""
        page_id = again or self._lease(kind)
        fetched = [
            FetchedPicture(
                url_of(card.name), url_of(card.name), self.crawl.id, None if card.failure else card.look,
                None if card.failure else store_path(card.look.sha256, "jpg"), card.failure, 200,
            )
            for card in cards
            if card.name
        ]  # fmt: skip
        record_pictures(self.catalog, fetched)
        seen = [
            CardSighting(
                position=place, image_key=url_of(card.name) if card.name else None, image_url=url_of(card.name),
                asin=card.asin, parent_asin=card.parent, title=f"Title {card.name}", reason=card.reason,
            )
            for place, card in enumerate(cards, 1)
        ]  # fmt: skip
        response = Response(200, "ok", 100, len(cards))
        tally = commit_page(
            self.catalog,
            self.settler,
            SeenPage(page_id, self.crawl.id, self.crawl.category_id, response, seen),
        )
        return page_id, tally

    def _lease(self, kind):
        self.number += 1
        with self.catalog.write() as connection:
            add_page(connection, self.crawl.id, kind, self.number, f"{ORIGIN}/s?page={self.number}")
        return lease_page(self.catalog, self.crawl.id, 60, max_listing=10_000).id


def url_of(name):
    return f"{ORIGIN}/images/I/{name}.jpg" if name else None


def state_of(catalog):
    """Everything that must not depend on the order of arrival, by picture name."""
    with catalog.read() as connection:
        rows = connection.execute(select(images)).all()
        pairs = connection.execute(select(likenesses)).all()
    name = {row.id: row.image_key.rsplit("/", 1)[-1].removesuffix(".jpg") for row in rows}
    groups = {}
    for row in rows:
        if row.group_id is not None:
            groups.setdefault(row.group_id, set()).add(name[row.id])
    pictures = {
        name[row.id]: (
            row.status, row.reason, row.label, name.get(row.duplicate_of), row.duplicate_kind, row.distance, row.rule,
        )
        for row in rows
    }  # fmt: skip
    alike = {
        (*sorted((name[pair.image_id], name[pair.other_id])), pair.kind, pair.way, pair.distance, pair.distance256)
        for pair in pairs
    }
    return pictures, sorted(map(sorted, groups.values())), sorted(alike)


def statuses(catalog):
    """Status and reason of each picture by name."""
    return {name: (row[0], row[1]) for name, row in state_of(catalog)[0].items()}


def assert_lawful(catalog):
    """What holds for every catalogue at every moment between two transactions."""
    with catalog.read() as connection:
        rows = {row.id: row for row in connection.execute(select(images))}
        pairs = connection.execute(select(likenesses).where(likenesses.c.kind == "duplicate")).all()
    kept = {row.id for row in rows.values() if row.status == Status.KEPT}
    assert not [pair for pair in pairs if pair.image_id in kept and pair.other_id in kept]
    for row in rows.values():
        assert (row.status == Status.DUPLICATE) == (row.duplicate_of is not None)
        assert (row.status in {Status.QUARANTINED, Status.REJECTED}) == (row.reason is not None)
        if row.duplicate_of is not None:
            assert rows[row.duplicate_of].status not in {Status.DUPLICATE, Status.FORGOTTEN}
    checksums = [rows[one].sha256 for one in kept]
    assert len(set(checksums)) == len(checksums)
    for pair in pairs:
        one, two = rows[pair.image_id], rows[pair.other_id]
        if one.group_id is not None and two.group_id is not None:
            assert one.group_id == two.group_id
