"""The frontier of a crawl: the pages it knows of, who holds which, and what was answered."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import psutil
from sqlalchemy import Connection, Row, and_, func, or_, select, update

from stj_catalog.catalog import Catalog, insert_new
from stj_catalog.schema import pages
from stj_core.clock import moment_from_now, now
from stj_core.vocabulary import PageState


@dataclass(frozen=True)
class LeasedPage:
    """A page that this process may fetch now."""

    id: int
    url: str
    kind: str
    number: int
    attempts: int


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
    """Put a page on the frontier; a page that is there already is left alone."""
    row = {"crawl_id": crawl_id, "kind": kind, "number": number, "url": url, "state": PageState.PENDING}
    insert_new(connection, pages, [row], ["crawl_id", "url"])


def lease_page(catalog: Catalog, crawl_id: int, seconds: float, *, max_listing: int) -> LeasedPage | None:
    """Take the next page of a crawl, products before the listing page after theirs, or None when none is free.

    Args:
        catalog: where the frontier is.
        crawl_id: the crawl.
        seconds: how long the lease lasts where the holder cannot be watched (another host).
        max_listing: listing pages with a higher number stay pending.
    """
    host, pid, started = _me()
    wanted = and_(pages.c.crawl_id == crawl_id, or_(pages.c.kind != "listing", pages.c.number <= max_listing))
    order = (pages.c.kind.desc(), pages.c.number)
    with catalog.write() as connection:
        _free_dead(connection, crawl_id)
        pending = select(pages).where(wanted, pages.c.state == PageState.PENDING).order_by(*order).limit(1)
        row = connection.execute(pending.with_for_update(skip_locked=True)).first()
        if row is None:
            return None
        until = moment_from_now(seconds)
        lease = {"lease_until": until, "lease_host": host, "lease_pid": pid, "lease_started": started}
        values = {"state": PageState.LEASED, "attempts": row.attempts + 1, **lease}
        connection.execute(update(pages).where(pages.c.id == row.id).values(values))
        return LeasedPage(row.id, row.url, row.kind, row.number, row.attempts + 1)


def release_page(catalog: Catalog, page_id: int, reason: str | None = None) -> None:
    """Give a page back, for this process or another to take again; `reason` says why it was not read."""
    with catalog.write() as connection:
        held = and_(pages.c.id == page_id, pages.c.state == PageState.LEASED)
        values = {"state": PageState.PENDING, **_NO_LEASE, **({"reason": reason} if reason else {})}
        connection.execute(update(pages).where(held).values(values))


def record_response(
    catalog: Catalog, page_id: int, response: Response, state: PageState | None = None, reason: str | None = None
) -> None:
    """Write what came back for a page and, if given, how the page stands now and why."""
    with catalog.write() as connection:
        write_response(connection, page_id, response, state, reason)


def set_page_aside(catalog: Catalog, page_id: int, reason: str, found: Sequence[tuple[str, int, str]] = ()) -> None:
    """Give a page up that failed again and again, so that the crawl can go on without it.

    Args:
        catalog: where the frontier is.
        page_id: the page.
        reason: one sentence.
        found: kind, number and address of the pages that it leads to, as far as they are known.
    """
    with catalog.write() as connection:
        crawl_id = connection.execute(select(pages.c.crawl_id).where(pages.c.id == page_id)).scalar_one()
        for kind, number, url in found:
            add_page(connection, crawl_id, kind, number, url)
        values = {"state": PageState.FAILED, "reason": reason, **_NO_LEASE}
        connection.execute(update(pages).where(pages.c.id == page_id).values(values))


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
            values |= _NO_LEASE
    connection.execute(update(pages).where(pages.c.id == page_id).values(values))


def open_pages(catalog: Catalog, crawl_id: int, *, max_listing: int) -> tuple[int, int]:
    """How many pages of a crawl are pending, and how many are leased by anyone alive."""
    wanted = and_(pages.c.crawl_id == crawl_id, or_(pages.c.kind != "listing", pages.c.number <= max_listing))
    count = select(pages.c.state, func.count().label("n")).where(wanted).group_by(pages.c.state)
    with catalog.write() as connection:
        _free_dead(connection, crawl_id)
        found = {row.state: row.n for row in connection.execute(count)}
    return found.get(PageState.PENDING, 0), found.get(PageState.LEASED, 0)


_NO_LEASE: dict[str, Any] = {"lease_until": None, "lease_host": None, "lease_pid": None, "lease_started": None}


def _free_dead(connection: Connection, crawl_id: int) -> None:
    held = connection.execute(
        select(pages).where(pages.c.crawl_id == crawl_id, pages.c.state == PageState.LEASED)
    ).all()
    dead = [row.id for row in held if _is_dead(row)]
    if dead:
        again = and_(pages.c.id.in_(dead), pages.c.state == PageState.LEASED)
        connection.execute(update(pages).where(again).values(state=PageState.PENDING, **_NO_LEASE))


def _is_dead(row: Row[Any]) -> bool:
    if row.lease_host == socket.gethostname():
        return _started(row.lease_pid) != str(row.lease_started)
    return str(row.lease_until) < now()


@cache
def _me() -> tuple[str, int, str]:
    return socket.gethostname(), os.getpid(), _started(os.getpid())


def _started(pid: int) -> str:
    """When a process began, or "" when there is none: tells a pid from its later namesake."""
    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return ""
