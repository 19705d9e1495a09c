"""Crawls: how each begins, what it saw and how it ended; its pages are in `frontier.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, exists, func, insert, or_, select, update

from stj_catalog import workers
from stj_catalog.away import again
from stj_catalog.catalog import Catalog, upsert
from stj_catalog.frontier import NO_LEASE, add_page
from stj_catalog.schema import categories, crawls, images, pages, products, sightings
from stj_core.clock import now
from stj_core.labels import CLASS, Category
from stj_core.vocabulary import RESUMABLE, CrawlState, PageState, Reason, Status


@dataclass(frozen=True)
class Crawl:
    """A crawl that may begin.

    Attributes:
        id: its row.
        category_id: the category whose listing it reads.
        resumed: whether an unfinished crawl goes on.
        began: when it began; with `id` it is known from any other crawl of any other catalogue.
    """

    id: int
    category_id: int
    resumed: bool
    began: str = ""


def record_categories(connection: Connection, known: tuple[Category, ...]) -> dict[str, int]:
    """Write the categories as labels.toml has them; returns their ids by slug."""
    rows = [
        {
            "slug": one.slug,
            "label": one.label if one.role == CLASS else None,
            "name": one.name,
            "node": one.node,
            "role": one.role,
        }
        for one in known
    ]
    present = {row.slug: row for row in connection.execute(select(categories))}
    if any(
        row["slug"] not in present or any(getattr(present[row["slug"]], key) != row[key] for key in row) for row in rows
    ):
        fresh = {key: lambda new, _old, key=key: new[key] for key in ("label", "name", "node", "role")}
        upsert(connection, categories, rows, ["slug"], fresh)
    found = connection.execute(
        select(categories.c.slug, categories.c.id).where(categories.c.slug.in_([one.slug for one in known]))
    )
    return {row.slug: row.id for row in found}


@again
def begin_crawl(
    catalog: Catalog,
    *,
    spider: str,
    category: Category,
    origin: str,
    settings: Mapping[str, Any],
    first_url: str,
    fresh: bool = False,
    parser: str | None = None,
) -> Crawl:
    """Begin a crawl, or go on with the newest one of this spider, category and shop that did not finish.

    Going on gives the pages another chance that were set aside, and reads those of a crawl that drifted anew. A crawl
    whose listing has another address by now is left behind: its category's node was wrong.

    Args:
        catalog: where it is written.
        spider: its name.
        category: whose listing it reads.
        origin: scheme and host of the shop.
        settings: as they were given, for the record.
        first_url: the first listing page.
        fresh: begin anew whatever is unfinished.
        parser: name and version of the parser that reads the pages.
    """
    with catalog.write(exclusive=True) as connection:
        category_id = record_categories(connection, (category,))[category.slug]
        same = and_(
            crawls.c.spider == spider,
            crawls.c.category_id == category_id,
            crawls.c.origin == origin,
            crawls.c.state.in_(RESUMABLE),
        )
        moved = and_(
            pages.c.crawl_id == crawls.c.id, pages.c.kind == "listing", pages.c.number == 1, pages.c.url != first_url
        )
        left = same if fresh else and_(same, exists().where(moved))
        connection.execute(update(crawls).where(left).values(state=CrawlState.ABANDONED, finished_at=now()))
        unfinished = select(crawls.c.id, crawls.c.state, crawls.c.started_at).where(same)
        found = connection.execute(unfinished.order_by(crawls.c.id.desc())).first()
        if found is not None:
            _go_on(connection, found.id, drifted=found.state == CrawlState.DRIFTED)
            running = {"state": CrawlState.RUNNING, "reason": None, "finished_at": None, "settings": dict(settings)}
            connection.execute(update(crawls).where(crawls.c.id == found.id).values(**running, parser=parser))
            return Crawl(found.id, category_id, resumed=True, began=found.started_at)
        began = now()
        values = {
            "spider": spider,
            "category_id": category_id,
            "origin": origin,
            "settings": dict(settings),
            "parser": parser,
            "started_at": began,
        }
        made = connection.execute(
            insert(crawls).values(state=CrawlState.RUNNING, **values).returning(crawls.c.id)
        ).scalar_one()
        add_page(connection, made, "listing", 1, first_url)
        return Crawl(made, category_id, resumed=False, began=began)


def _go_on(connection: Connection, crawl_id: int, *, drifted: bool) -> None:
    states = [PageState.FAILED, PageState.DONE] if drifted else [PageState.FAILED]
    reopened = and_(pages.c.crawl_id == crawl_id, pages.c.state.in_(states))
    connection.execute(update(pages).where(reopened).values(state=PageState.PENDING, ends=None))


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


def has_usable_pictures(catalog: Catalog, crawl_id: int) -> bool:
    """Whether a crawl sighted any picture that is kept, is a copy of one, or was known before it."""
    shown = select(sightings.c.id).join(images, images.c.id == sightings.c.image_id)
    usable = or_(
        images.c.status.in_([Status.KEPT, Status.DUPLICATE]),
        and_(images.c.first_crawl_id != crawl_id, images.c.sha256.is_not(None)),
    )
    with catalog.read() as connection:
        return connection.execute(shown.where(sightings.c.crawl_id == crawl_id, usable).limit(1)).first() is not None


def products_before(catalog: Catalog, crawl_id: int, number: int) -> set[str]:
    """The products that earlier listing pages of a crawl showed, by number."""
    shown = (
        select(products.c.asin)
        .distinct()
        .join(sightings, sightings.c.product_id == products.c.id)
        .join(pages, pages.c.id == sightings.c.page_id)
        .where(pages.c.crawl_id == crawl_id, pages.c.kind == "listing", pages.c.number < number)
    )
    with catalog.read() as connection:
        return set(connection.execute(shown).scalars())


def pages_set_aside(catalog: Catalog, crawl_id: int) -> list[tuple[str, int, str, str]]:
    """Kind, number, address and reason of the pages that a crawl gave up."""
    aside = select(pages.c.kind, pages.c.number, pages.c.url, pages.c.reason)
    wanted = aside.where(pages.c.crawl_id == crawl_id, pages.c.state == PageState.FAILED)
    with catalog.read() as connection:
        return [(row.kind, row.number, row.url, row.reason or "") for row in connection.execute(wanted)]


def fields_of_cards(catalog: Catalog, crawl_id: int) -> Counter[str]:
    """How many cards the listing pages of a crawl have so far (`cards`), and how many of those had each field."""
    read = select(pages.c.cards, pages.c.coverage).where(
        pages.c.crawl_id == crawl_id, pages.c.kind == "listing", pages.c.state == PageState.DONE
    )
    found: Counter[str] = Counter()
    with catalog.read() as connection:
        for row in connection.execute(read):
            if row.coverage is not None:
                found.update({"cards": row.cards, **row.coverage})
    return found


def earlier_coverages(catalog: Catalog, crawl_id: int, most: int = 3) -> list[dict[str, float]]:
    """The coverage of the newest crawls of the same category that finished and were read by the same parser.

    Args:
        catalog: where they are.
        crawl_id: the crawl that they are compared with.
        most: so many at most.
    """
    this = select(crawls.c.category_id, crawls.c.parser).where(crawls.c.id == crawl_id)
    with catalog.read() as connection:
        row = connection.execute(this).one()
        wanted = select(crawls.c.coverage).where(
            crawls.c.category_id == row.category_id,
            crawls.c.parser == row.parser,
            crawls.c.state == CrawlState.FINISHED,
            crawls.c.coverage.is_not(None),
            crawls.c.id != crawl_id,
        )
        found = connection.execute(wanted.order_by(crawls.c.id.desc()).limit(most)).scalars()
        return [dict(one) for one in found if one]


@again
def end_crawl(
    catalog: Catalog,
    crawl_id: int,
    state: CrawlState,
    reason: str | None = None,
    coverage: Mapping[str, float] | None = None,
) -> None:
    """Write how a crawl ended, and give back the pages that this process still holds.

    Args:
        catalog: where it is.
        crawl_id: the crawl.
        state: how it ended.
        reason: one sentence when it did not finish.
        coverage: number of its cards, and the share of them that had each field.
    """
    mine = and_(pages.c.state == PageState.LEASED, pages.c.lease_worker == workers.me())
    with catalog.write() as connection:
        connection.execute(
            update(pages).where(pages.c.crawl_id == crawl_id, mine).values(state=PageState.PENDING, **NO_LEASE)
        )
        finished = None if state in RESUMABLE else now()
        values: dict[str, Any] = {"state": state, "reason": reason, "finished_at": finished}
        if coverage is not None:
            values["coverage"] = dict(coverage)
        connection.execute(update(crawls).where(crawls.c.id == crawl_id).values(values))
    workers.holds_nothing((catalog.engine.url, crawl_id))


def crawl_summary(catalog: Catalog, crawl_id: int) -> dict[str, Any]:
    """What a crawl saw: pages, cards (`listed`: those of its listing pages) and pictures by the one word each ended in."""
    by_status = (
        select(images.c.status, images.c.reason, func.count(images.c.id.distinct()).label("n"))
        .join(sightings, sightings.c.image_id == images.c.id)
        .where(sightings.c.crawl_id == crawl_id)
        .group_by(images.c.status, images.c.reason)
    )
    done = select(func.count()).select_from(pages).where(pages.c.crawl_id == crawl_id, pages.c.state == PageState.DONE)
    aside = select(func.count()).where(pages.c.crawl_id == crawl_id, pages.c.state == PageState.FAILED)
    counted = select(func.max(pages.c.total_results)).where(pages.c.crawl_id == crawl_id)
    cards = select(func.count()).select_from(sightings).where(sightings.c.crawl_id == crawl_id)
    listed = select(func.coalesce(func.sum(pages.c.cards), 0)).where(
        pages.c.crawl_id == crawl_id, pages.c.kind == "listing", pages.c.state == PageState.DONE
    )
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
            "listed": connection.execute(listed).scalar_one(),
            "new": connection.execute(new).scalar_one(),
            "images": dict(sorted(statuses.items())),
            "reasons": dict(sorted(reasons.items())),
            "set_aside": connection.execute(aside).scalar_one(),
            "coverage": row.coverage,
            "results": connection.execute(counted).scalar_one(),
        }
