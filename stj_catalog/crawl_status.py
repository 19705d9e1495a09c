"""Crawls to look at while they run, and exports to look at afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from stj_catalog.catalog import Catalog
from stj_catalog.crawls import crawl_summary
from stj_catalog.schema import categories, crawls, pages, sightings
from stj_core.clock import moment_from_now, seconds_since

PACE_MINUTES = 5


def crawls_page(catalog: Catalog, *, after: int | None = None, limit: int = 30) -> list[dict[str, Any]]:
    """Crawls and imports, newest first, each with its pages by state and its cards.

    Args:
        catalog: where they are.
        after: the last crawl of the page before this one.
        limit: so many at most.
    """
    query = select(crawls, categories.c.name.label("category"), categories.c.label).join_from(crawls, categories)
    query = query if after is None else query.where(crawls.c.id < after)
    with catalog.read() as connection:
        found = [dict(row._mapping) for row in connection.execute(query.order_by(crawls.c.id.desc()).limit(limit))]
        ids = [one["id"] for one in found]
        by_state = select(pages.c.crawl_id, pages.c.state, func.count()).where(pages.c.crawl_id.in_(ids))
        states: dict[int, dict[str, int]] = {one: {} for one in ids}
        for crawl, state, n in connection.execute(by_state.group_by(pages.c.crawl_id, pages.c.state)):
            states[crawl][state] = n
        cards = (
            select(sightings.c.crawl_id, func.count())
            .where(sightings.c.crawl_id.in_(ids))
            .group_by(sightings.c.crawl_id)
        )
        counted: dict[int, int] = dict(connection.execute(cards).all())
    return [one | {"pages": states[one["id"]], "cards": counted.get(one["id"], 0)} for one in found]


def crawled_origins(catalog: Catalog) -> set[str]:
    """The shops (scheme and host) that any crawl of this catalogue was begun at."""
    with catalog.read() as connection:
        return set(connection.execute(select(crawls.c.origin).distinct()).scalars())


def crawl_pulse(catalog: Catalog, crawl_id: int) -> dict[str, Any] | None:
    """How a crawl stands: its summary, pages by state, verdicts, pace of the last minutes and its newest pages.

    Returns:
        a JSON document, or None where there is no such crawl.
    """
    with catalog.read() as connection:
        query = select(crawls, categories.c.name.label("category"), categories.c.label).join_from(crawls, categories)
        row = connection.execute(query.where(crawls.c.id == crawl_id)).first()
        if row is None:
            return None
        mine = pages.c.crawl_id == crawl_id
        states = connection.execute(select(pages.c.state, func.count()).where(mine).group_by(pages.c.state))
        verdicts = (
            select(pages.c.verdict, func.count()).where(mine, pages.c.verdict.is_not(None)).group_by(pages.c.verdict)
        )
        newest = (
            select(pages).where(mine, pages.c.fetched_at.is_not(None)).order_by(pages.c.fetched_at.desc()).limit(12)
        )
        story: dict[str, Any] = {
            "id": row.id,
            "spider": row.spider,
            "category": row.category,
            "label": row.label,
            "origin": row.origin,
            "state": row.state,
            "reason": row.reason,
            "settings": row.settings,
            "started_at": row.started_at,
            "finished_at": row.finished_at,
            "page_states": dict(states.all()),
            "verdicts": dict(connection.execute(verdicts).all()),
            "coverage": row.coverage,
            "parser": row.parser,
            "pace": _pace(connection, crawl_id),
            "newest_pages": [_told(page._mapping) for page in connection.execute(newest)],
        }
    summary = crawl_summary(catalog, crawl_id)
    return story | {name: summary[name] for name in ("pages", "cards", "new", "images", "reasons", "set_aside")}


def _pace(connection: Connection, crawl_id: int) -> dict[str, float]:
    """Pages and cards per minute over the last few minutes."""
    since = moment_from_now(-60 * PACE_MINUTES)
    fetched = select(func.count()).select_from(pages).where(pages.c.crawl_id == crawl_id, pages.c.fetched_at >= since)
    seen = (
        select(func.count())
        .select_from(sightings)
        .where(sightings.c.crawl_id == crawl_id, sightings.c.seen_at >= since)
    )
    began = connection.execute(select(crawls.c.started_at).where(crawls.c.id == crawl_id)).scalar_one()
    minutes = max(1 / 60, min(PACE_MINUTES, seconds_since(datetime.fromisoformat(began)) / 60))
    return {
        "pages_per_minute": round(connection.execute(fetched).scalar_one() / minutes, 1),
        "cards_per_minute": round(connection.execute(seen).scalar_one() / minutes, 1),
    }


def _told(page: Any) -> dict[str, Any]:  # noqa: ANN401 - a row's mapping
    names: Sequence[str] = (
        "id",
        "kind",
        "number",
        "url",
        "state",
        "http_status",
        "verdict",
        "cards",
        "bytes",
        "rendered_by",
        "reason",
    )
    return {name: page[name] for name in (*names, "fetched_at")}
