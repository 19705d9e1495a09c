"""What the crawl and the import write: pictures as they are fetched, then a page's cards with its done mark.

A picture's row is written in batches once its file is in the store; until the page that shows it is committed it is quarantined
as `unsighted`, so that every picture has exactly one status even when the process dies in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, delete, func, or_, select, update

from stj_catalog.away import again
from stj_catalog.catalog import Catalog, chunks, insert_new, upsert
from stj_catalog.frontier import LISTING, Response, add_page, check_lease, end_listing, write_response
from stj_catalog.incremental import Settler
from stj_catalog.schema import PRODUCT_PAGE, crawls, crops, images, likenesses, pages, products, sightings
from stj_catalog.tombstones import ADDRESS, tombs_of
from stj_core.clock import now
from stj_core.vocabulary import TRANSIENT, PageState, Reason, Status
from stj_images.fingerprint import Fingerprint

# A fingerprint's fields are columns of their names, but these two.
_RENAMED = {"size": "bytes", "recipe": "hash_recipe"}
_PRINTED = {one.name: _RENAMED.get(one.name, one.name) for one in fields(Fingerprint)}
_OF_PRODUCT = ("parent_asin", "title", "brand", "breadcrumb", "price", "currency", "rating")
# What a later crawl may ask for again: what may be better next time, and, where it is allowed, what was kept from us.
_REPLACED = (*TRANSIENT, Reason.OPTED_OUT)
LONGEST = 2_000
"""So many characters of a title, a brand or a path of categories are kept."""
LONGEST_URL = 8_000


@dataclass(frozen=True)
class FetchedPicture:
    """A picture address that was fetched, or that could not be had.

    Attributes:
        image_key: the address without size modifiers.
        url: the address that was asked for.
        crawl_id: the crawl that fetched it.
        fingerprint: of the bytes; None when they are no picture or never came.
        path: place in the image store; None when nothing was stored.
        reason: why it is rejected; None for a good picture.
        http_status: of the answer, if there was one.
        source: where an imported picture came from.
        detail: what the answer said, in its own words, such as an opt-out.
    """

    image_key: str
    url: str
    crawl_id: int
    fingerprint: Fingerprint | None = None
    path: str | None = None
    reason: str | None = None
    http_status: int | None = None
    source: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class CardSighting:
    """One card on a page.

    Attributes:
        position: place on the page, from 1; unique on the page.
        image_key: of its picture; None for a card without one.
        image_url: the picture's address as the page has it.
        reason: why it says nothing about the label: no_image, sponsored, title_mismatch; None if it does.
    """

    position: int
    image_key: str | None
    image_url: str | None
    asin: str | None = None
    parent_asin: str | None = None
    title: str | None = None
    brand: str | None = None
    breadcrumb: str | None = None
    product_url: str | None = None
    price: float | None = None
    currency: str | None = None
    rating: float | None = None
    sponsored: bool = False
    reason: str | None = None


@dataclass(frozen=True)
class NextPage:
    """A page to put on the frontier."""

    kind: str
    number: int
    url: str


@dataclass(frozen=True)
class SeenPage:
    """A page whose cards have all come to an end.

    Attributes:
        id: the leased page.
        crawl_id: its crawl.
        category_id: the category whose listing it belongs to.
        response: what came back.
        cards: in the page's order.
        found: pages that it leads to.
        seen_at: when it was seen, for a page that is read again later; None for now.
        token: of the lease by which it was held; None for a page that is read again later.
        ends: whether the listing ends here, by its own mark.
    """

    id: int
    crawl_id: int
    category_id: int
    response: Response
    cards: Sequence[CardSighting] = field(default_factory=tuple)
    found: Sequence[NextPage] = field(default_factory=tuple)
    seen_at: str | None = None
    token: str | None = None
    ends: bool = False


def known_pictures(
    catalog: Catalog,
    keys: Sequence[str],
    crawl_id: int,
    since: str | None = None,
    *,
    again: Sequence[str] = TRANSIENT,
) -> set[str]:
    """Those of `keys` that need no fetching: in the catalogue, unless they failed for a passing reason before this crawl.

    Args:
        catalog: where they are.
        keys: picture addresses without their size.
        crawl_id: this crawl.
        since: when this run of it began, for a crawl that is gone on with; by default when the crawl did.
        again: the reasons that are passing ones.
    """
    found: set[str] = set()
    with catalog.read() as connection:
        began = since or connection.execute(select(crawls.c.started_at).where(crawls.c.id == crawl_id)).scalar_one()
        passing = and_(images.c.status == Status.REJECTED, images.c.reason.in_(again), images.c.fetched_at < began)
        for some in chunks(sorted(set(keys))):
            found |= set(
                connection.execute(select(images.c.image_key).where(images.c.image_key.in_(some), ~passing)).scalars()
            )
        return found | tombs_of(connection, ADDRESS, keys).keys()


@again
def record_pictures(catalog: Catalog, fetched: Sequence[FetchedPicture]) -> None:
    """Write pictures that were fetched; one that somebody else fetched meanwhile is left alone."""
    rows = {one.image_key: _image_row(one) for one in fetched}
    with catalog.write() as connection:
        for key in tombs_of(connection, ADDRESS, sorted(rows)):
            del rows[key]
        present: dict[str, Row[Any]] = {}
        for some in chunks(sorted(rows)):
            found = connection.execute(select(images).where(images.c.image_key.in_(some)))
            present |= {row.image_key: row for row in found}
        # In one order, so that no two writers wait for each other.
        fresh = [rows[key] for key in sorted(rows) if key not in present]
        insert_new(connection, images, fresh, ["image_key"])
        for key, old in sorted(present.items()):
            if old.status == Status.REJECTED and old.reason in _REPLACED:
                _fetched_again(connection, old, rows[key])


def _fetched_again(connection: Connection, old: Row[Any], row: dict[str, Any]) -> None:
    """Write a picture that could not be had before, or whose file was lost; other bytes are compared anew."""
    values = {name: row[name] for name in row if not name.startswith("first_")}
    if old.sha256 is not None and old.sha256 != row["sha256"]:
        values |= {"compared": None, "group_id": None}
        either = or_(likenesses.c.image_id == old.id, likenesses.c.other_id == old.id)
        connection.execute(delete(likenesses).where(either))
        connection.execute(delete(crops).where(or_(crops.c.image_id == old.id, crops.c.other_id == old.id)))
    connection.execute(update(images).where(images.c.id == old.id).values(values))


@again
def commit_page(catalog: Catalog, settler: Settler, page: SeenPage) -> Counter[str]:
    """Write a page's cards, its done mark and the pages it leads to, in one transaction.

    Every card's picture must have a row already. Writing a page again replaces what it wrote before.

    Returns:
        how many cards ended in each status (its reason for a card without a picture).

    Raises:
        LeaseLostError: another process took the page over; nothing is written.
    """
    settler.look_ahead(catalog, [card.image_key for card in page.cards if card.image_key])
    with catalog.write(exclusive=True) as connection:
        if check_lease(connection, page.id, page.token) is PageState.DONE and page.token is not None:
            return _tally(connection, page.id)  # it was written, and the answer got lost
        keys = [card.image_key for card in page.cards if card.image_key]
        forgotten = tombs_of(connection, ADDRESS, keys)
        # What shows a forgotten picture is counted, and nothing of what it says is kept.
        cards = [_nameless(card) if card.image_key in forgotten else card for card in page.cards]
        seen_at = page.seen_at or now()
        product_ids = _record_products(connection, cards, seen_at)
        image_ids = _image_ids(connection, keys) | forgotten
        rows = [
            {
                "crawl_id": page.crawl_id,
                "page_id": page.id,
                "category_id": page.category_id,
                "product_id": product_ids.get(card.asin or ""),
                "image_id": image_ids[card.image_key] if card.image_key else None,
                "position": card.position,
                "title": _text(card.title),
                "image_url": _text(card.image_url, LONGEST_URL),
                "sponsored": card.sponsored,
                "reason": card.reason,
                "seen_at": seen_at,
            }
            for card in cards
        ]
        here = select(sightings.c.image_id, sightings.c.product_id).where(sightings.c.page_id == page.id)
        before = connection.execute(here).all()
        touched = {*image_ids.values(), *(row.image_id for row in before)} - {None}
        shown = {*product_ids.values(), *(row.product_id for row in before)} - {None}
        connection.execute(delete(sightings).where(sightings.c.page_id == page.id))
        if rows:
            connection.execute(sightings.insert(), rows)
        for some in chunks(sorted(touched)):
            older = and_(images.c.id.in_(some), images.c.last_seen_at < seen_at)
            connection.execute(update(images).where(older).values(last_seen_at=seen_at))
        settler.settle(connection, touched | _listed_elsewhere(connection, page.id, shown))
        if page.ends:
            end_listing(connection, page.id)
        elif any(one.kind == LISTING for one in page.found):
            connection.execute(update(pages).where(pages.c.id == page.id, pages.c.ends.is_(True)).values(ends=None))
        for one in page.found:
            add_page(connection, page.crawl_id, one.kind, one.number, one.url)
        write_response(connection, page.id, page.response, PageState.DONE, fetched_at=page.seen_at)
        return _tally(connection, page.id)


def _nameless(card: CardSighting) -> CardSighting:
    return CardSighting(card.position, card.image_key, None, sponsored=card.sponsored, reason=card.reason)


def _text(value: str | None, longest: int = LONGEST) -> str | None:
    """A text as every database can store it: no lone half of a character, no NUL, and an end."""
    if value is None:
        return None
    whole = value[:longest].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\0", "\ufffd")


def _image_row(one: FetchedPicture) -> dict[str, Any]:
    moment = now()
    row: dict[str, Any] = {
        "image_key": one.image_key,
        "url": _text(one.url, LONGEST_URL),
        "status": Status.REJECTED.value if one.reason else Status.QUARANTINED.value,
        "reason": one.reason or Reason.UNSIGHTED,
        "path": one.path,
        "source": _text(one.source),
        "detail": _text(one.detail),
        "http_status": one.http_status,
        "first_crawl_id": one.crawl_id,
        "fetched_at": moment,
        "first_seen_at": moment,
        "last_seen_at": moment,
    }
    print_ = one.fingerprint
    row |= {column: getattr(print_, name) if print_ else None for name, column in _PRINTED.items()}
    return row


def _record_products(connection: Connection, cards: Sequence[CardSighting], moment: str) -> dict[str, int]:
    """Write the products of the cards, seen at `moment`, the newest word counting; returns their ids by ASIN."""
    rows: dict[str, dict[str, Any]] = {}
    for card in cards:
        if card.asin:
            row = rows.setdefault(
                card.asin, {"asin": card.asin, "first_seen_at": moment, "last_seen_at": moment, "url": None}
            )
            row["url"] = row["url"] or _text(card.product_url, LONGEST_URL)
            for name in _OF_PRODUCT:
                said = getattr(card, name)
                said = _text(said) if isinstance(said, str) else said
                row[name] = row.get(name) if row.get(name) is not None else said
    if not rows:
        return {}
    newest = {name: lambda new, old, name=name: func.coalesce(new[name], old.c[name]) for name in (*_OF_PRODUCT, "url")}
    upsert(
        connection,
        products,
        [rows[asin] for asin in sorted(rows)],
        ["asin"],
        {**newest, "last_seen_at": lambda new, old: _later(new["last_seen_at"], old.c.last_seen_at)},
    )
    found: dict[str, int] = {}
    for some in chunks(sorted(rows)):
        wanted = select(products.c.asin, products.c.id).where(products.c.asin.in_(some))
        found |= {row.asin: row.id for row in connection.execute(wanted)}
    return found


def _later(one: ColumnElement[str], other: ColumnElement[str]) -> ColumnElement[str]:
    return case((one > other, one), else_=other)


def _image_ids(connection: Connection, keys: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in chunks(sorted(set(keys))):
        wanted = select(images.c.image_key, images.c.id).where(images.c.image_key.in_(some))
        found |= {row.image_key: row.id for row in connection.execute(wanted)}
    return found


def _listed_elsewhere(connection: Connection, page_id: int, product_ids: Iterable[int]) -> set[int]:
    """The pictures by which listings show a product, if the page is the product's own: it has a say about them."""
    if connection.execute(select(pages.c.kind).where(pages.c.id == page_id)).scalar_one() != PRODUCT_PAGE:
        return set()
    found: set[int] = set()
    for some in chunks(sorted(product_ids)):
        shown = select(sightings.c.image_id).where(sightings.c.product_id.in_(some), sightings.c.image_id.is_not(None))
        found |= set(connection.execute(shown.distinct()).scalars())
    return found


def _tally(connection: Connection, page_id: int) -> Counter[str]:
    wanted = (
        select(images.c.status, sightings.c.reason)
        .select_from(sightings)
        .join(images, images.c.id == sightings.c.image_id, isouter=True)
    )
    return Counter(
        status or reason for status, reason in connection.execute(wanted.where(sightings.c.page_id == page_id))
    )
