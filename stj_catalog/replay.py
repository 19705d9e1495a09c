"""Pages that are read again from an archive: where they stand in the catalogue, what it said, and what of it changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, select, update

from stj_catalog.catalog import Catalog, chunks
from stj_catalog.schema import categories, crawls, images, pages, products, sightings
from stj_core.vocabulary import CrawlState

# What listing cards and products' own pages say of a product.
PRODUCT_FIELDS = ("parent_asin", "title", "brand", "breadcrumb", "price", "currency", "rating")


@dataclass(frozen=True)
class KnownPage:
    """A page of a crawl that is read again.

    Attributes:
        id: its row.
        crawl_id: its crawl.
        category_id: the category whose listing it belongs to.
        slug: that category's.
        origin: scheme and host of the shop.
        kind: `listing` or `product`.
        number: in its crawl.
        verdict: the one that is written now.
        fetched_at: when its last answer came.
        goes_on: whether its crawl has yet to end, so that pages it leads to are still wanted.
    """

    id: int
    crawl_id: int
    category_id: int
    slug: str
    origin: str
    kind: str
    number: int
    verdict: str | None
    fetched_at: str | None
    goes_on: bool


@dataclass(frozen=True)
class CardRow:
    """What the catalogue says of one card."""

    position: int
    asin: str | None
    title: str | None
    image_key: str | None
    sponsored: bool
    reason: str | None


def find_page(catalog: Catalog, *, crawl_id: int, began: str, url: str) -> KnownPage | None:
    """The page that a crawl asked for at `url`; None where this catalogue knows no such crawl or page."""
    ended = (CrawlState.FINISHED, CrawlState.ABANDONED, CrawlState.EMPTY)
    wanted = (
        select(pages, crawls.c.category_id, crawls.c.origin, crawls.c.state.label("crawl_state"), categories.c.slug)
        .join(crawls, crawls.c.id == pages.c.crawl_id)
        .join(categories, categories.c.id == crawls.c.category_id)
        .where(crawls.c.id == crawl_id, crawls.c.started_at == began, pages.c.url == url)
    )
    with catalog.read() as connection:
        row = connection.execute(wanted).first()
    if row is None:
        return None
    return KnownPage(
        id=row.id,
        crawl_id=row.crawl_id,
        category_id=row.category_id,
        slug=row.slug,
        origin=row.origin,
        kind=row.kind,
        number=row.number,
        verdict=row.verdict,
        fetched_at=row.fetched_at,
        goes_on=row.crawl_state not in ended,
    )


def cards_on(catalog: Catalog, page_id: int) -> list[CardRow]:
    """The cards of a page as the catalogue has them, in the page's order."""
    wanted = (
        select(
            sightings.c.position,
            products.c.asin,
            sightings.c.title,
            images.c.image_key,
            sightings.c.sponsored,
            sightings.c.reason,
        )
        .join(products, products.c.id == sightings.c.product_id, isouter=True)
        .join(images, images.c.id == sightings.c.image_id, isouter=True)
        .where(sightings.c.page_id == page_id)
        .order_by(sightings.c.position)
    )
    with catalog.read() as connection:
        return [CardRow(*row) for row in connection.execute(wanted)]


def products_of(catalog: Catalog, asins: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What the catalogue says of products, by ASIN."""
    found: dict[str, dict[str, Any]] = {}
    columns = [products.c[name] for name in ("asin", *PRODUCT_FIELDS)]
    with catalog.read() as connection:
        for some in chunks(sorted(set(asins))):
            for row in connection.execute(select(*columns).where(products.c.asin.in_(some))):
                found[row.asin] = {name: getattr(row, name) for name in PRODUCT_FIELDS}
    return found


def correct_products(catalog: Catalog, said: Mapping[str, Mapping[str, Any]], page_ids: set[int]) -> None:
    """Let what pages say now be all that is known of their products: a field that none of them names becomes empty.

    A product is left as it is where a page that was not read again has the last word about it.

    Args:
        catalog: where the products are.
        said: by ASIN, the fields as the pages read them, the newest word counting.
        page_ids: the pages that were read again.
    """
    newest: dict[str, dict[str, tuple[str, int]]] = defaultdict(dict)
    with catalog.write(exclusive=True) as connection:
        for some in chunks(sorted(said)):
            seen = (
                select(products.c.asin, pages.c.kind, pages.c.id, func.coalesce(pages.c.fetched_at, "").label("moment"))
                .join(sightings, sightings.c.product_id == products.c.id)
                .join(pages, pages.c.id == sightings.c.page_id)
                .where(products.c.asin.in_(some))
                .distinct()
            )
            for row in connection.execute(seen):
                last = newest[row.asin]
                last[row.kind] = max(last.get(row.kind, ("", 0)), (row.moment, row.id))
        for asin, kinds in newest.items():
            if all(page in page_ids for _, page in kinds.values()):
                values = {name: said[asin].get(name) for name in PRODUCT_FIELDS}
                connection.execute(update(products).where(products.c.asin == asin).values(values))


def record_coverage(catalog: Catalog, crawl_id: int, coverage: Mapping[str, float] | None, parser: str) -> None:
    """Write how many cards of a crawl have each field, as `parser` reads them."""
    with catalog.write() as connection:
        values = {"coverage": dict(coverage) if coverage else None, "parser": parser}
        connection.execute(update(crawls).where(and_(crawls.c.id == crawl_id)).values(values))
