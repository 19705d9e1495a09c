"""The frontier of a crawl: the pages it knows of, who holds which, and what was answered.

A page is pending, then leased, then done. A lease has a random token, which every write about the page names: whoever comes back
after another took the page over writes nothing. It is renewed while its holder lives (`renew_leases`), and free at once when
its holder is known to be dead, else when it runs out on the database's clock.

The pages of a listing are on the frontier as soon as its first page says how many there are, and are read side by side. What the
one after the other would have decided is decided all the same: a page that did not come as it should is asked for again only
when all before it were read, and where the listing ends, the pages behind that which nobody read go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, delete, exists, func, or_, select, update

from stj_catalog import workers
from stj_catalog.away import again
from stj_catalog.catalog import Catalog, insert_new
from stj_catalog.database_clock import moment
from stj_catalog.schema import crawls, images, pages, sightings
from stj_core.clock import now
from stj_core.errors import LeaseLostError
from stj_core.vocabulary import PageState, Status

LISTING = "listing"
_OPEN = (PageState.PENDING, PageState.LEASED)
_EARLIER = pages.alias("earlier")
_OTHER = pages.alias("other")


@dataclass(frozen=True)
class LeasedPage:
    """A page that this process may fetch now; `token` is the lease's."""

    id: int
    url: str
    kind: str
    number: int
    attempts: int
    token: str | None = None


@dataclass(frozen=True)
class Enough:
    """When a crawl is over: once so many distinct kept pictures of class `label` were sighted in it.

    No listing page is given out that the pages which are being read may make needless.
    """

    pictures: int
    label: int


@dataclass(frozen=True)
class Response:
    """What came back for a page; the last one counts.

    Attributes:
        coverage: of a listing, how many of its `cards` had each field.
    """

    http_status: int
    verdict: str
    size: int
    cards: int
    total_results: int | None = None
    rendered_by: str | None = None
    coverage: Mapping[str, int] | None = None


def add_page(connection: Connection, crawl_id: int, kind: str, number: int, url: str) -> None:
    """Put a page on the frontier; a page that is there already is left alone, and so is one behind the listing's end.

    A listing has one page of a number. Until that is asked for, an address that comes later counts: the page before it links to
    it, and what was known before was made of another page's link.
    """
    if kind == LISTING:
        same = and_(pages.c.crawl_id == crawl_id, pages.c.kind == LISTING)
        there = or_(pages.c.number == number, and_(pages.c.ends.is_(True), pages.c.number < number))
        if connection.execute(select(pages.c.id).where(same, there).limit(1)).first() is not None:
            other = _OTHER.c.crawl_id == crawl_id, _OTHER.c.url == url
            unread = and_(same, pages.c.number == number, pages.c.state == PageState.PENDING, ~exists().where(*other))
            connection.execute(update(pages).where(unread).values(url=url))
            return
    row = {"crawl_id": crawl_id, "kind": kind, "number": number, "url": url, "state": PageState.PENDING}
    insert_new(connection, pages, [row], ["crawl_id", "url"])


@again
def enter_pages(catalog: Catalog, page: LeasedPage, cards: int, found: Sequence[tuple[str, int, str]]) -> None:
    """Put the pages that a page leads to on the frontier before its own pictures are there, so that others may begin.

    Args:
        catalog: where the frontier is.
        page: the page, which stays leased.
        cards: how many it shows: so many pictures at most will come of it.
        found: kind, number and address of the pages that it leads to.

    Raises:
        LeaseLostError: another process holds it by now.
    """
    with catalog.write() as connection:
        if check_lease(connection, page.id, page.token) is not PageState.LEASED:
            return
        crawl_id = connection.execute(select(pages.c.crawl_id).where(pages.c.id == page.id)).scalar_one()
        connection.execute(update(pages).where(pages.c.id == page.id).values(cards=cards))
        for kind, number, url in found:
            add_page(connection, crawl_id, kind, number, url)


def end_listing(connection: Connection, page_id: int) -> int:
    """Note that a listing ended on a page, and drop the pages behind it that nobody read or reads; returns how many."""
    connection.execute(update(pages).where(pages.c.id == page_id).values(ends=True))
    row = connection.execute(select(pages.c.crawl_id, pages.c.number).where(pages.c.id == page_id)).one()
    behind = and_(pages.c.crawl_id == row.crawl_id, pages.c.kind == LISTING, pages.c.number > row.number)
    seen = exists().where(sightings.c.page_id == pages.c.id)
    dropped = connection.execute(delete(pages).where(behind, pages.c.state == PageState.PENDING, ~seen))
    return int(dropped.rowcount)


def lease_page(
    catalog: Catalog,
    crawl_id: int,
    seconds: float,
    *,
    max_listing: int,
    enough: Enough | None = None,
    token: str | None = None,
) -> LeasedPage | None:
    """Take the next page of a crawl, products before the listing page after theirs, or None when none is free.

    Whether one is free is found out by reading: who waits for a page writes nothing.

    Args:
        catalog: where the frontier is.
        crawl_id: the crawl.
        seconds: how long the lease lasts unless it is renewed.
        max_listing: listing pages with a higher number stay pending.
        enough: when the crawl is over; None goes on to the listing's end.
        token: of the lease, for a call that may be made again after the line broke: it then finds the page it took.
    """
    with catalog.read() as connection:
        dead = _dead_workers(connection, crawl_id)
        taken = token is not None and _held(connection, crawl_id, token) is not None
        if not taken and connection.execute(_free(connection, crawl_id, max_listing, enough, dead)).first() is None:
            return None
    return _take(catalog, crawl_id, seconds, max_listing, enough, dead, token or uuid4().hex)


@again
def _take(
    catalog: Catalog,
    crawl_id: int,
    seconds: float,
    max_listing: int,
    enough: Enough | None,
    dead: Sequence[str],
    token: str,
) -> LeasedPage | None:
    with catalog.write() as connection:
        # One at a time in each crawl, so that the pages in the air are counted; the pages' own cards may come in meanwhile.
        connection.execute(select(crawls.c.id).where(crawls.c.id == crawl_id).with_for_update(key_share=True))
        row = _held(connection, crawl_id, token)
        if row is not None:
            return LeasedPage(row.id, row.url, row.kind, row.number, row.attempts, token)
        free = _free(connection, crawl_id, max_listing, enough, dead)
        row = connection.execute(free.with_for_update(skip_locked=True, of=pages)).first()
        if row is None:
            return None
        lease = {"lease_until": moment(connection, seconds), "lease_worker": workers.me(), "lease_token": token}
        values = {"state": PageState.LEASED, "attempts": row.attempts + 1, **lease}
        workers.holds((catalog.engine.url, crawl_id))
        connection.execute(update(pages).where(pages.c.id == row.id).values(values))
        return LeasedPage(row.id, row.url, row.kind, row.number, row.attempts + 1, token)


@again
def renew_leases(catalog: Catalog, crawl_id: int, seconds: float) -> int:
    """Have the leases that this process holds in a crawl last `seconds` from now; returns how many."""
    mine = and_(pages.c.crawl_id == crawl_id, pages.c.state == PageState.LEASED, pages.c.lease_worker == workers.me())
    with catalog.write() as connection:
        return int(
            connection.execute(update(pages).where(mine).values(lease_until=moment(connection, seconds))).rowcount
        )


@again
def release_page(catalog: Catalog, page_id: int, reason: str | None = None, *, token: str | None = None) -> None:
    """Give a page back, for this process or another to take again; `reason` says why it was not read.

    Raises:
        LeaseLostError: another process holds it by now.
    """
    with catalog.write() as connection:
        check_lease(connection, page_id, token)
        held = and_(pages.c.id == page_id, pages.c.state == PageState.LEASED)
        values = {"state": PageState.PENDING, **NO_LEASE, **({"reason": reason} if reason else {})}
        connection.execute(update(pages).where(held).values(values))


@again
def record_response(
    catalog: Catalog,
    page_id: int,
    response: Response,
    state: PageState | None = None,
    reason: str | None = None,
    *,
    token: str | None = None,
) -> None:
    """Write what came back for a page and, if given, how the page stands now and why.

    Raises:
        LeaseLostError: another process holds it by now.
    """
    with catalog.write() as connection:
        check_lease(connection, page_id, token)
        write_response(connection, page_id, response, state, reason)


@again
def set_page_aside(
    catalog: Catalog,
    page_id: int,
    reason: str,
    found: Sequence[tuple[str, int, str]] = (),
    *,
    token: str | None = None,
) -> None:
    """Give a page up that failed again and again, so that the crawl can go on without it.

    Args:
        catalog: where the frontier is.
        page_id: the page.
        reason: one sentence.
        found: kind, number and address of the pages that it leads to, as far as they are known.
        token: of the lease by which it was held.

    Raises:
        LeaseLostError: another process holds it by now.
    """
    with catalog.write() as connection:
        check_lease(connection, page_id, token)
        crawl_id = connection.execute(select(pages.c.crawl_id).where(pages.c.id == page_id)).scalar_one()
        for kind, number, url in found:
            add_page(connection, crawl_id, kind, number, url)
        values = {"state": PageState.FAILED, "reason": reason, **NO_LEASE}
        connection.execute(update(pages).where(pages.c.id == page_id).values(values))


def check_lease(connection: Connection, page_id: int, token: str | None) -> PageState:
    """See that a page was not taken over since it was leased, and keep it so until the transaction ends; returns its state.

    A lease that merely ran out, and that nobody took, still counts: what was fetched under it is written.

    Args:
        connection: inside a transaction that writes.
        page_id: the page.
        token: of the lease; None for whoever writes without one.

    Raises:
        LeaseLostError: another process took it over, or it is no longer there.
    """
    held = select(pages.c.state, pages.c.lease_token).where(pages.c.id == page_id)
    row = connection.execute(held.with_for_update()).first()
    if row is None or (token is not None and row.lease_token != token):
        raise LeaseLostError(f"Page {page_id} was taken over by another process meanwhile: nothing of it was written.")
    return PageState(row.state)


def is_ahead(catalog: Catalog, page: LeasedPage) -> bool:
    """Whether a listing page was asked for before all the pages before it were read, or lies behind the listing's end."""
    if page.kind != LISTING:
        return False
    this = select(pages.c.crawl_id).where(pages.c.id == page.id).scalar_subquery()
    before = and_(pages.c.crawl_id == this, pages.c.kind == LISTING, pages.c.number < page.number)
    unsure = or_(pages.c.state.in_(_OPEN), pages.c.ends.is_(True))
    with catalog.read() as connection:
        return connection.execute(select(pages.c.id).where(before, unsure).limit(1)).first() is not None


@again
def put_off(catalog: Catalog, page: LeasedPage, response: Response, reason: str) -> bool:
    """Put a listing page back that did not come as it should and that is ahead of the others; whether it is still wanted.

    Where the listing has ended before it by now, it is dropped.

    Raises:
        LeaseLostError: another process holds it by now.
    """
    with catalog.write() as connection:
        check_lease(connection, page.id, page.token)
        write_response(connection, page.id, response, PageState.PENDING, reason)
        this = select(pages.c.crawl_id).where(pages.c.id == page.id).scalar_subquery()
        before = and_(pages.c.crawl_id == this, pages.c.kind == LISTING, pages.c.number < page.number)
        end = connection.execute(
            select(pages.c.id).where(before, pages.c.ends.is_(True)).order_by(pages.c.number)
        ).scalar()
        return end is None or not end_listing(connection, end)


def write_response(
    connection: Connection,
    page_id: int,
    response: Response,
    state: PageState | None = None,
    reason: str | None = None,
    fetched_at: str | None = None,
) -> None:
    """Write what came back for a page, inside a transaction; `fetched_at` is now unless it is given."""
    values: dict[str, Any] = {
        "http_status": response.http_status,
        "verdict": response.verdict,
        "bytes": response.size,
        "cards": response.cards,
        "total_results": response.total_results,
        "rendered_by": response.rendered_by,
        "coverage": dict(response.coverage) if response.coverage is not None else None,
        "reason": reason,
        "fetched_at": fetched_at or now(),
    }
    if state is not None:
        values |= {"state": state}
        if state is not PageState.LEASED:
            values |= NO_LEASE
    connection.execute(update(pages).where(pages.c.id == page_id).values(values))


def open_pages(catalog: Catalog, crawl_id: int, *, max_listing: int) -> tuple[int, int]:
    """How many pages of a crawl are pending, those of dead holders among them, and how many are leased by anyone alive."""
    with catalog.read() as connection:
        held = _is_held(connection, _dead_workers(connection, crawl_id))
        count = select(func.count(), func.coalesce(func.sum(case((held, 1), else_=0)), 0))
        every, leased = connection.execute(count.where(_wanted(crawl_id, max_listing), pages.c.state.in_(_OPEN))).one()
    return int(every) - int(leased), int(leased)


# The token stays: by it a write that was made, and whose answer got lost, is known again.
NO_LEASE: dict[str, Any] = {"lease_until": None, "lease_worker": None}


def _wanted(crawl_id: int, max_listing: int) -> ColumnElement[bool]:
    return and_(pages.c.crawl_id == crawl_id, or_(pages.c.kind != LISTING, pages.c.number <= max_listing))


def _dead_workers(connection: Connection, crawl_id: int) -> list[str]:
    """Those who hold pages of a crawl and are known to be dead."""
    held = select(pages.c.lease_worker).distinct()
    held = held.where(pages.c.crawl_id == crawl_id, pages.c.state == PageState.LEASED)
    return [one for one in connection.execute(held).scalars() if one and workers.is_gone(one)]


def _is_held(connection: Connection, dead: Sequence[str]) -> ColumnElement[bool]:
    """Whether a page is leased by a holder who may be alive."""
    lives = and_(pages.c.lease_until.is_not(None), pages.c.lease_until >= moment(connection))
    return and_(pages.c.state == PageState.LEASED, lives, func.coalesce(pages.c.lease_worker, "").not_in(dead))


def _held(connection: Connection, crawl_id: int, token: str) -> Row[Any] | None:
    mine = and_(pages.c.crawl_id == crawl_id, pages.c.state == PageState.LEASED, pages.c.lease_token == token)
    return connection.execute(select(pages).where(mine)).first()


def _free(
    connection: Connection, crawl_id: int, max_listing: int, enough: Enough | None, dead: Sequence[str]
) -> Select[Any]:
    """The query for the next page that may be given out."""
    earlier = _EARLIER
    unread = exists().where(
        earlier.c.crawl_id == crawl_id,
        earlier.c.kind == LISTING,
        earlier.c.number < pages.c.number,
        # One that came ill may be the first behind the listing's end: until that is known, nothing behind it is asked for.
        or_(
            and_(pages.c.attempts > 0, earlier.c.state.in_(_OPEN)),
            and_(earlier.c.attempts > 0, earlier.c.state == PageState.PENDING),
        ),
    )
    free = and_(
        _wanted(crawl_id, max_listing),
        pages.c.state.in_(_OPEN),
        ~_is_held(connection, dead),
        or_(pages.c.kind != LISTING, ~unread),
    )
    if not _has_room(connection, crawl_id, enough, dead):
        free = and_(free, pages.c.kind != LISTING)
    return select(pages).where(free).order_by(pages.c.kind.desc(), pages.c.number).limit(1)


def _has_room(connection: Connection, crawl_id: int, enough: Enough | None, dead: Sequence[str]) -> bool:
    """Whether one listing page more is needed, however many pictures those bring that are being read."""
    if enough is None:
        return True
    # First who reads, then what is kept: a page that comes in between counts twice rather than not at all.
    listing = and_(pages.c.crawl_id == crawl_id, pages.c.kind == LISTING)
    reading = func.sum(case((_is_held(connection, dead), 1), else_=0))
    row = connection.execute(select(reading, func.max(pages.c.cards)).where(listing)).one()
    kept = select(func.count(sightings.c.image_id.distinct())).join(images, images.c.id == sightings.c.image_id)
    mine = and_(sightings.c.crawl_id == crawl_id, images.c.status == Status.KEPT, images.c.label == enough.label)
    return (
        int(connection.execute(kept.where(mine)).scalar_one()) + int(row[0] or 0) * int(row[1] or 0) < enough.pictures
    )
