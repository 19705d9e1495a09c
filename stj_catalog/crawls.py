"""Crawls and their frontier: which page is next, who holds it, and how it ended.

A page is pending, then leased, then done. A lease names its holder (host, pid and start of the process), so that a page held by
a process that died on this host is free at once, and one held elsewhere when the lease runs out.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import psutil
from sqlalchemy import Connection, Row, and_, func, insert, or_, select, update

from stj_catalog.catalog import Catalog, insert_new, upsert
from stj_catalog.labels import Category
from stj_catalog.schema import CrawlState, PageState, Status, categories, crawls, images, now, pages, sightings

RESUMABLE = (CrawlState.RUNNING, CrawlState.INTERRUPTED, CrawlState.BLOCKED, CrawlState.REFUSED)


@dataclass(frozen=True)
class Crawl:
    """A crawl that may begin.

    Attributes:
        id: its row.
        category_id: the category whose listing it reads.
        resumed: whether an unfinished crawl goes on.
    """

    id: int
    category_id: int
    resumed: bool


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
    """What came back for a page; the last one counts."""

    http_status: int
    verdict: str
    size: int
    cards: int
    total_results: int | None = None
    rendered_by: str | None = None


def record_categories(connection: Connection, known: tuple[Category, ...]) -> dict[str, int]:
    """Write the categories as labels.toml has them; returns their ids by slug."""
    rows = [{"slug": one.slug, "label": one.label, "name": one.name, "node": one.node} for one in known]
    present = {row.slug: row for row in connection.execute(select(categories))}
    if any(
        row["slug"] not in present or any(getattr(present[row["slug"]], key) != row[key] for key in row) for row in rows
    ):
        fresh = {key: lambda new, _old, key=key: new[key] for key in ("label", "name", "node")}
        upsert(connection, categories, rows, ["slug"], fresh)
    found = connection.execute(
        select(categories.c.slug, categories.c.id).where(categories.c.slug.in_([one.slug for one in known]))
    )
    return {row.slug: row.id for row in found}


def begin_crawl(
    catalog: Catalog,
    *,
    spider: str,
    category: Category,
    origin: str,
    settings: Mapping[str, Any],
    first_url: str,
    fresh: bool = False,
) -> Crawl:
    """Begin a crawl, or go on with the newest one of this spider, category and shop that did not finish.

    Args:
        catalog: where it is written.
        spider: its name.
        category: whose listing it reads.
        origin: scheme and host of the shop.
        settings: as they were given, for the record.
        first_url: the first listing page.
        fresh: begin anew whatever is unfinished.
    """
    with catalog.write(exclusive=True) as connection:
        category_id = record_categories(connection, (category,))[category.slug]
        same = and_(
            crawls.c.spider == spider,
            crawls.c.category_id == category_id,
            crawls.c.origin == origin,
            crawls.c.state.in_(RESUMABLE),
        )
        if fresh:
            connection.execute(update(crawls).where(same).values(state=CrawlState.ABANDONED, finished_at=now()))
        found = connection.execute(select(crawls.c.id).where(same).order_by(crawls.c.id.desc())).scalar()
        if found is not None:
            again = {"state": CrawlState.RUNNING, "reason": None, "finished_at": None, "settings": dict(settings)}
            connection.execute(update(crawls).where(crawls.c.id == found).values(again))
            return Crawl(found, category_id, resumed=True)
        values = {
            "spider": spider,
            "category_id": category_id,
            "origin": origin,
            "settings": dict(settings),
            "started_at": now(),
        }
        made = connection.execute(
            insert(crawls).values(state=CrawlState.RUNNING, **values).returning(crawls.c.id)
        ).scalar_one()
        add_page(connection, made, "listing", 1, first_url)
        return Crawl(made, category_id, resumed=False)


def unfinished_crawl(catalog: Catalog, *, spider: str, slug: str, origin: str) -> int | None:
    """The crawl that the same command would go on with, or None."""
    wanted = (
        select(crawls.c.id)
        .join(categories)
        .where(crawls.c.spider == spider, categories.c.slug == slug, crawls.c.origin == origin)
    )
    with catalog.read() as connection:
        return connection.execute(wanted.where(crawls.c.state.in_(RESUMABLE)).order_by(crawls.c.id.desc())).scalar()


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
        until = _stamp(datetime.now(UTC) + timedelta(seconds=seconds))
        lease = {"lease_until": until, "lease_host": host, "lease_pid": pid, "lease_started": started}
        values = {"state": PageState.LEASED, "attempts": row.attempts + 1, **lease}
        connection.execute(update(pages).where(pages.c.id == row.id).values(values))
        return LeasedPage(row.id, row.url, row.kind, row.number, row.attempts + 1)


def release_page(catalog: Catalog, page_id: int) -> None:
    """Give a page back, for this process or another to take again."""
    with catalog.write() as connection:
        held = and_(pages.c.id == page_id, pages.c.state == PageState.LEASED)
        connection.execute(update(pages).where(held).values(state=PageState.PENDING, **_NO_LEASE))


def record_response(catalog: Catalog, page_id: int, response: Response, state: PageState | None = None) -> None:
    """Write what came back for a page and, if given, how the page stands now."""
    with catalog.write() as connection:
        write_response(connection, page_id, response, state)


def write_response(connection: Connection, page_id: int, response: Response, state: PageState | None = None) -> None:
    """Write what came back for a page, inside a transaction."""
    values: dict[str, Any] = {
        "http_status": response.http_status,
        "verdict": response.verdict,
        "bytes": response.size,
        "cards": response.cards,
        "total_results": response.total_results,
        "rendered_by": response.rendered_by,
        "fetched_at": now(),
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


def kept_in_crawl(catalog: Catalog, crawl_id: int, label: int) -> int:
    """Distinct kept pictures of class `label` that a crawl has sighted, known ones included."""
    wanted = select(func.count(sightings.c.image_id.distinct())).join(images, images.c.id == sightings.c.image_id)
    with catalog.read() as connection:
        query = wanted.where(sightings.c.crawl_id == crawl_id, images.c.status == Status.KEPT, images.c.label == label)
        return connection.execute(query).scalar_one()


def cards_in_crawl(catalog: Catalog, crawl_id: int) -> int:
    """Cards that a crawl has sighted."""
    with catalog.read() as connection:
        return connection.execute(
            select(func.count()).select_from(sightings).where(sightings.c.crawl_id == crawl_id)
        ).scalar_one()


def end_crawl(catalog: Catalog, crawl_id: int, state: CrawlState, reason: str | None = None) -> None:
    """Write how a crawl ended, and give back the pages that this process still holds."""
    host, pid, started = _me()
    mine = and_(pages.c.lease_host == host, pages.c.lease_pid == pid, pages.c.lease_started == started)
    with catalog.write() as connection:
        connection.execute(
            update(pages).where(pages.c.crawl_id == crawl_id, mine).values(state=PageState.PENDING, **_NO_LEASE)
        )
        finished = now() if state is CrawlState.FINISHED else None
        connection.execute(
            update(crawls).where(crawls.c.id == crawl_id).values(state=state, reason=reason, finished_at=finished)
        )


def crawl_summary(catalog: Catalog, crawl_id: int) -> dict[str, Any]:
    """What a crawl saw: pages, cards and pictures by the one word each ended in."""
    by_status = (
        select(images.c.status, images.c.reason, func.count(images.c.id.distinct()).label("n"))
        .join(sightings, sightings.c.image_id == images.c.id)
        .where(sightings.c.crawl_id == crawl_id)
        .group_by(images.c.status, images.c.reason)
    )
    done = select(func.count()).select_from(pages).where(pages.c.crawl_id == crawl_id, pages.c.state == PageState.DONE)
    cards = select(func.count()).select_from(sightings).where(sightings.c.crawl_id == crawl_id)
    new = select(func.count()).select_from(images).where(images.c.first_crawl_id == crawl_id)
    with catalog.read() as connection:
        row = connection.execute(select(crawls).where(crawls.c.id == crawl_id)).one()
        statuses: dict[str, int] = {}
        reasons: dict[str, int] = {}
        for status, reason, n in connection.execute(by_status):
            statuses[status] = statuses.get(status, 0) + n
            if reason:
                reasons[reason] = reasons.get(reason, 0) + n
        without = connection.execute(cards.where(sightings.c.reason == "no_image")).scalar_one()
        if without:
            reasons["no_image"] = without
        return {
            "crawl": crawl_id,
            "spider": row.spider,
            "state": row.state,
            "pages": connection.execute(done).scalar_one(),
            "cards": connection.execute(cards).scalar_one(),
            "new": connection.execute(new).scalar_one(),
            "images": dict(sorted(statuses.items())),
            "reasons": dict(sorted(reasons.items())),
        }


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
    return str(row.lease_until) < _stamp(datetime.now(UTC))


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


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
