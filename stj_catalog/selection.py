"""Which pictures a dataset may hold: a few numbers of each for planning, and all facts of a batch for writing.

Planning reads a few numbers per picture into arrays, so that a million pictures fit where a thousand do; titles and addresses
are read later, for some pictures at a time.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, RowMapping, func, select

from stj_catalog.catalog import Catalog, chunks
from stj_catalog.families import FAMILY
from stj_catalog.schema import assignments, categories, crawls, images, pages, products, sightings
from stj_catalog.ties import TOGETHER, told_pairs
from stj_core.labels import NO_LABEL
from stj_core.vocabulary import SPLITS, Status
from stj_images.likeness import HASHES

_BATCH = 20_000
_LONGEST_TITLE = 2_000


@dataclass(frozen=True)
class Wanted:
    """Which kept pictures are asked for.

    Attributes:
        crawls: only those sighted in one of these crawls; empty for all.
        since: only those first seen at or after this moment (ISO 8601 text); empty for all.
    """

    crawls: tuple[int, ...] = ()
    since: str = ""


@dataclass(frozen=True)
class KeptPictures:
    """The kept pictures in arrays of one length n, ordered by checksum.

    Attributes:
        ids: int64[n], rows of the catalogue.
        labels: int64[n]; NO_LABEL for pictures of something that is none of the classes.
        groups: int64[n], rows of `groups`.
        heads: uint64[n], the first 16 hex digits of each sha256: an order and a name that no arrival changes.
        sides: int64[n], the shorter side in pixels.
        areas: int64[n], pixels.
        assigned: int8[n], place in SPLITS, or -1 where the scheme has no assignment yet.
    """

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    heads: NDArray[np.uint64]
    sides: NDArray[np.int64]
    areas: NDArray[np.int64]
    assigned: NDArray[np.int8]

    def __len__(self) -> int:
        """How many pictures there are."""
        return len(self.ids)

    def take(self, which: NDArray[Any]) -> KeptPictures:
        """Those at the given places, or where a mask is true."""
        return KeptPictures(**{name: getattr(self, name)[which] for name in self.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """Everything that a dataset says of one picture, under the names of a manifest's columns.

    Texts are empty where nothing is known; `label` is None for a picture of something that is none of the classes; `sha256` is of
    the original bytes.
    """

    id: int
    status: str
    label: int | None
    sha256: str
    path: str
    format: str
    width: int
    height: int
    phash: str
    phash256: str
    image_url: str
    source: str
    asin: str = ""
    title: str = ""
    product_url: str = ""
    page_url: str = ""
    page_number: int | None = None
    crawl_id: int | None = None
    seen_at: str = ""


_PICTURE = (
    images.c.id,
    images.c.status,
    images.c.label,
    images.c.sha256,
    images.c.path,
    images.c.format,
    images.c.width,
    images.c.height,
    images.c.phash,
    images.c.phash256,
    images.c.url.label("image_url"),
    images.c.source,
)
_STORY = (
    sightings.c.id.label("sighting"),
    sightings.c.position,
    sightings.c.crawl_id,
    sightings.c.seen_at,
    categories.c.label,
    pages.c.url.label("page_url"),
    pages.c.number.label("page_number"),
    products.c.asin,
    products.c.brand,
    products.c.url.label("product_url"),
    # Titles are bounded when they are written; older catalogues may hold one that no CSV reader takes.
    func.substr(func.coalesce(sightings.c.title, products.c.title), 1, _LONGEST_TITLE).label("title"),
)
_TOLD = ("image_url", "asin", "title", "product_url", "page_url", "page_number", "crawl_id", "seen_at")


@dataclass
class _Columns:
    rows: dict[str, list[NDArray[Any]]] = field(default_factory=dict)

    def add(self, **columns: NDArray[Any]) -> None:
        for name, values in columns.items():
            self.rows.setdefault(name, []).append(values)

    def whole(self, name: str, kind: type[Any]) -> NDArray[Any]:
        parts = self.rows.get(name)
        return np.concatenate(parts).astype(kind, copy=False) if parts else np.empty(0, kind)


def kept_pictures(catalog: Catalog, scheme: str, wanted: Wanted) -> KeptPictures:
    """The kept pictures that `wanted` asks for, with their assignments under `scheme`."""
    given = assignments.alias("given")
    query = (
        select(
            images.c.id,
            func.coalesce(images.c.label, NO_LABEL),
            images.c.group_id,
            images.c.sha256,
            images.c.width,
            images.c.height,
            given.c.split,
        )
        .join_from(images, given, (given.c.image_id == images.c.id) & (given.c.scheme == scheme), isouter=True)
        .where(images.c.status == Status.KEPT, *_asked_for(wanted))
    )
    columns = _Columns()
    with catalog.read() as connection:
        rows = connection.execution_options(yield_per=_BATCH).execute(query)
        for some in rows.partitions(_BATCH):
            ids, labels, groups, shas, widths, heights, splits = zip(*some, strict=True)
            shape = np.array([widths, heights], dtype=np.int64)
            columns.add(
                ids=np.array(ids, dtype=np.int64),
                labels=np.array(labels, dtype=np.int64),
                # A picture without a group is its own: negative, so that no group's number is taken.
                groups=np.array([-row if group is None else group for row, group in zip(ids, groups, strict=True)]),
                heads=heads_of(shas),
                sides=shape.min(axis=0),
                areas=shape.prod(axis=0),
                assigned=np.array([SPLITS.index(one) if one else -1 for one in splits], dtype=np.int8),
            )
    heads = columns.whole("heads", np.uint64)
    found = KeptPictures(
        ids=columns.whole("ids", np.int64),
        labels=columns.whole("labels", np.int64),
        groups=columns.whole("groups", np.int64),
        heads=heads,
        sides=columns.whole("sides", np.int64),
        areas=columns.whole("areas", np.int64),
        assigned=columns.whole("assigned", np.int8),
    )
    return found.take(np.argsort(heads, kind="stable"))


def heads_of(checksums: Sequence[str]) -> NDArray[np.uint64]:
    """The first 16 hex digits of each sha256 as uint64[n]."""
    return np.frombuffer(bytes.fromhex("".join(one[:16] for one in checksums)), dtype=">u8").astype(np.uint64)


def assigned_groups(catalog: Catalog, scheme: str) -> list[tuple[int, str]]:
    """Every (group, split) in which some picture, whatever became of it since, was assigned under `scheme`."""
    group = func.coalesce(images.c.group_id, -images.c.id)
    query = (
        select(group, assignments.c.split)
        .join_from(assignments, images)
        .where(assignments.c.scheme == scheme)
        .distinct()
    )
    with catalog.read() as connection:
        return [(number, split) for number, split in connection.execute(query)]


def group_sources(catalog: Catalog) -> list[tuple[int, str]]:
    """Every (group, source) of the pictures that were ever kept or assigned: what ties groups to whole shops."""
    live = images.c.status.in_([Status.KEPT, Status.DUPLICATE]) | images.c.id.in_(select(assignments.c.image_id))
    wanted = select(images.c.id, images.c.group_id).where(live, images.c.group_id.is_not(None)).order_by(images.c.id)
    with catalog.read() as connection:
        groups: dict[int, int] = dict(connection.execute(wanted).all())
    ids = list(groups)
    return sorted(
        {
            (groups[facts.id], facts.source)
            for start in range(0, len(ids), _BATCH)
            for facts in picture_facts(catalog, ids[start : start + _BATCH])
        }
    )


def picture_facts(catalog: Catalog, ids: Sequence[int]) -> list[PictureFacts]:
    """Everything about some pictures, in the order of `ids`.

    The product, title and page are those of one sighting of the picture's bytes: of those under its label (of all, where a person
    gave it a label that no listing did) the one with the smallest page address and position, so that it is the same whichever
    crawl came first. The source is what an import said, else the product's brand, else the host.
    """
    found: dict[int, PictureFacts] = {}
    with catalog.read() as connection:
        for some in chunks(ids):
            pictures = connection.execute(select(*_PICTURE).where(images.c.id.in_(some))).mappings().all()
            stories = _stories(connection, some)
            found |= {row["id"]: _facts(row, stories.get(row["id"], [])) for row in pictures}
    return [found[one] for one in ids]


def known_hashes(catalog: Catalog, ids: Sequence[int], recipe: int) -> dict[int, tuple[str, ...]]:
    """The perceptual hashes of some pictures' original bytes, in the order of `HASHES`; not of those hashed by another recipe."""
    hashes = [images.c[name] for name in HASHES]
    of_recipe = (images.c.hash_recipe == recipe, *(one.is_not(None) for one in hashes))
    found: dict[int, tuple[str, ...]] = {}
    with catalog.read() as connection:
        for some in chunks(ids):
            rows = connection.execute(select(images.c.id, *hashes).where(images.c.id.in_(some), *of_recipe))
            found |= {row: tuple(words) for row, *words in rows}
    return found


def product_families(catalog: Catalog, ids: Sequence[int]) -> list[tuple[int, str]]:
    """Every (picture, product family) that some pictures were sighted with; a family is the parent product, or the product."""
    query = select(sightings.c.image_id, FAMILY).join_from(sightings, products).distinct()
    found: list[tuple[int, str]] = []
    with catalog.read() as connection:
        for some in chunks(ids):
            found += [(row, name) for row, name in connection.execute(query.where(sightings.c.image_id.in_(some)))]
    return found


def told_among(catalog: Catalog, ids: Container[int]) -> dict[tuple[int, int], bool]:
    """What people told of pairs of some pictures: whether they belong together, or apart."""
    with catalog.read() as connection:
        told = told_pairs(connection)
    return {pair: said.word in TOGETHER for pair, said in told.items() if pair[0] in ids and pair[1] in ids}


def crawls_known(catalog: Catalog, ids: Sequence[int]) -> set[int]:
    """Those of `ids` that are crawls of this catalogue."""
    with catalog.read() as connection:
        return set(connection.execute(select(crawls.c.id).where(crawls.c.id.in_(list(ids)))).scalars())


def ways_in(catalog: Catalog) -> frozenset[str]:
    """How pictures came into this catalogue: `crawl`, `import`, both, or neither yet."""
    with catalog.read() as connection:
        spiders = connection.execute(select(crawls.c.spider).distinct()).scalars()
        return frozenset("import" if spider == "import" else "crawl" for spider in spiders)


def _asked_for(wanted: Wanted) -> list[ColumnElement[bool]]:
    asked: list[ColumnElement[bool]] = []
    if wanted.crawls:
        asked.append(images.c.id.in_(select(sightings.c.image_id).where(sightings.c.crawl_id.in_(wanted.crawls))))
    if wanted.since:
        asked.append(images.c.first_seen_at >= wanted.since)
    return asked


def _stories(connection: Connection, ids: Sequence[int]) -> dict[int, list[RowMapping]]:
    """Every sighting of some pictures, those of other rows with the same bytes too, by picture."""
    twin = images.alias("twin")
    query = (
        select(
            images.c.id.label("picture"), *_STORY, twin.c.source.label("imported_from"), twin.c.url.label("image_url")
        )
        .select_from(images)
        .join(twin, twin.c.sha256 == images.c.sha256)
        .join(sightings, sightings.c.image_id == twin.c.id)
        .join(categories, categories.c.id == sightings.c.category_id)
        .join(pages, pages.c.id == sightings.c.page_id)
        .join(products, products.c.id == sightings.c.product_id, isouter=True)
        .where(images.c.id.in_(ids))
    )
    found: dict[int, list[RowMapping]] = {}
    for row in connection.execute(query).mappings():
        found.setdefault(row["picture"], []).append(row)
    return found


def _facts(picture: RowMapping, sighted: Sequence[RowMapping]) -> PictureFacts:
    """A picture with the sighting that tells its story."""
    facts = dict(picture)
    sources = [one for one in (facts["source"], *(row["imported_from"] for row in sighted)) if one]
    if sighted:
        story = min(sighted, key=lambda row: _rank(row, facts["label"]))
        facts |= {name: story[name] for name in _TOLD if story[name] is not None}
        sources += [story["brand"]] if story["brand"] and not sources else []
    facts["source"] = min(sources) if sources else _host(facts["image_url"])
    return PictureFacts(**facts)


def _rank(row: RowMapping, label: int | None) -> tuple[Any, ...]:
    """What a sighting is chosen by; the clock and the row's number only where all that is told is the same."""
    told = (row["page_url"], row["position"], row["asin"] or "", row["title"] or "", row["image_url"])
    return (row["label"] != label, *told, row["seen_at"], row["sighting"])


def _host(address: str) -> str:
    return urlsplit(address).netloc or "unknown"
