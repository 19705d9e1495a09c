"""Crawls and their frontier: which page is next, who holds it, and how it ended.

A page is pending, then leased, then done. A lease names its holder (host, pid and start of the process), so that a page held by
a process that died on this host is free at once, and one held elsewhere when the lease runs out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, insert, select, update

from stj_catalog.catalog import Catalog, upsert
from stj_catalog.frontier import _NO_LEASE, _me, add_page
from stj_catalog.schema import categories, crawls, images, pages, sightings
from stj_core.clock import now
from stj_core.labels import Category
from stj_core.vocabulary import RESUMABLE, CrawlState, PageState, Reason, Status


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
        without = connection.execute(cards.where(sightings.c.reason == Reason.NO_IMAGE)).scalar_one()
        if without:
            reasons[Reason.NO_IMAGE.value] = without
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
