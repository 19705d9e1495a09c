"""Numbers of crawl, queue and pace, as Prometheus reads them: read off the catalogue, so that they hold for all hosts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, case, func, select

from stj_catalog.catalog import Catalog
from stj_catalog.database_clock import clock, moment
from stj_catalog.schema import crawls, hosts, images, lanes, pages
from stj_core.vocabulary import RESUMABLE, PageState

_Sample = tuple[dict[str, str], float]


def metrics_text(catalog: Catalog) -> str:
    """The numbers in Prometheus' text format."""
    with catalog.read() as connection:
        found = [
            _metric("stj_catalogue_pictures", "Pictures by status", _pictures(connection)),
            _metric("stj_crawls", "Crawls and imports by state", _crawls(connection)),
            _metric("stj_frontier_pages", "Pages of unfinished crawls by kind and state", _frontier(connection)),
            _metric("stj_frontier_leases_overdue", "Leases that nobody renewed", _overdue(connection)),
            _metric("stj_pages_answered", "Pages by the verdict of their last answer", _verdicts(connection)),
            _metric("stj_last_page_age_seconds", "Seconds since a page was last answered", _age(connection)),
            _metric("stj_host_cooling_seconds", "Seconds that a host is still left alone", _cooling(connection)),
            _metric("stj_host_blocks", "Blocked answers in a row", _blocks(connection)),
            _metric("stj_lane_wait_seconds", "Seconds until the next request may go", _lanes(connection)),
        ]
    return "".join(found)


def _metric(name: str, what: str, samples: Iterable[_Sample]) -> str:
    lines = [f"# HELP {name} {what}.", f"# TYPE {name} gauge"]
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(said)}"' for key, said in labels.items())
        lines.append(f"{name}{{{inside}}} {value:.10g}" if inside else f"{name} {value:.10g}")
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _samples(rows: Iterable[Sequence[object]], *names: str) -> list[_Sample]:
    """Rows of words and a number as samples, in the words' order."""
    found = [(dict(zip(names, map(str, row[:-1]), strict=True)), float(str(row[-1]))) for row in rows]
    return sorted(found, key=lambda sample: tuple(sample[0].values()))


def _pictures(connection: Connection) -> list[_Sample]:
    return _samples(connection.execute(select(images.c.status, func.count()).group_by(images.c.status)), "status")


def _crawls(connection: Connection) -> list[_Sample]:
    query = select(crawls.c.spider, crawls.c.state, func.count()).group_by(crawls.c.spider, crawls.c.state)
    return _samples(connection.execute(query), "spider", "state")


def _frontier(connection: Connection) -> list[_Sample]:
    query = select(crawls.c.spider, pages.c.kind, pages.c.state, func.count()).join_from(pages, crawls)
    query = query.where(crawls.c.state.in_(RESUMABLE)).group_by(crawls.c.spider, pages.c.kind, pages.c.state)
    return _samples(connection.execute(query), "spider", "kind", "state")


def _overdue(connection: Connection) -> list[_Sample]:
    late = func.sum(case((pages.c.lease_until < moment(connection), 1), else_=0))
    query = select(func.coalesce(late, 0)).where(pages.c.state == PageState.LEASED)
    return [({}, float(connection.execute(query).scalar_one()))]


def _verdicts(connection: Connection) -> list[_Sample]:
    query = select(pages.c.verdict, func.count()).where(pages.c.verdict.is_not(None)).group_by(pages.c.verdict)
    return _samples(connection.execute(query), "verdict")


def _age(connection: Connection) -> list[_Sample]:
    newest = connection.execute(select(func.max(pages.c.fetched_at))).scalar()
    if newest is None:
        return []
    seconds = float(connection.execute(select(clock(connection))).scalar_one())
    return [({}, max(0.0, seconds - datetime.fromisoformat(newest).astimezone(UTC).timestamp()))]


def _cooling(connection: Connection) -> list[_Sample]:
    left = hosts.c.cool_until - clock(connection)
    return [
        (labels, max(0.0, value)) for labels, value in _samples(connection.execute(select(hosts.c.host, left)), "host")
    ]


def _blocks(connection: Connection) -> list[_Sample]:
    rows = connection.execute(select(hosts.c.host, hosts.c.page_blocks, hosts.c.picture_blocks)).all()
    told = [
        (row.host, kind, n) for row in rows for kind, n in (("page", row.page_blocks), ("picture", row.picture_blocks))
    ]
    return _samples(told, "host", "kind")


def _lanes(connection: Connection) -> list[_Sample]:
    wait = lanes.c.free_at - clock(connection)
    rows = _samples(connection.execute(select(lanes.c.host, lanes.c.lane, wait)), "host", "lane")
    return [(labels, max(0.0, value)) for labels, value in rows]
