"""One pace for each host, wherever its crawlers run: rows that are taken by one conditional update on the database's clock.

A lane is a kind of request to a host (its pages, its pictures). Whoever may ask next is whoever's update finds the lane free; the
database's clock decides, so that hosts whose clocks differ keep one pace. A block that one crawler meets cools the host down
for all. Nothing is reserved ahead: whatever slows a host down holds for those who wait already.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update

from stj_catalog.away import again
from stj_catalog.catalog import Catalog, insert_new
from stj_catalog.database_clock import clock as clock_of
from stj_catalog.schema import hosts, lanes


@dataclass(frozen=True, slots=True)
class Cooling:
    """How a host stands after a block.

    Attributes:
        seconds: how long it is left alone from now on.
        blocks: blocked answers in a row, of all crawlers.
    """

    seconds: float
    blocks: int


@again
def take_turn(catalog: Catalog, host: str, lane: str, gap: float) -> float:
    """Ask to send a request: 0.0 means that it must go now, anything else is after how many seconds to ask again.

    Args:
        catalog: where the pace is kept.
        host: who is asked.
        lane: the kind of request; each host's lanes go at their own paces.
        gap: seconds that the next request of this lane waits after this one.
    """
    with catalog.write() as connection:
        clock = clock_of(connection)
        cool = select(func.coalesce(func.max(hosts.c.cool_until), 0.0)).where(hosts.c.host == host).scalar_subquery()
        free = update(lanes).where(lanes.c.lane == lane, lanes.c.free_at <= clock, cool <= clock)
        taken = connection.execute(free.values(free_at=clock + gap)).rowcount
        if taken:
            return 0.0
        wait = select(func.max(lanes.c.free_at) - clock, cool - clock).where(lanes.c.lane == lane)
        row = connection.execute(wait).one()
        if row[0] is None:
            insert_new(connection, lanes, [{"lane": lane, "host": host, "free_at": 0.0}], ["lane"])
            return max(float(row[1]), 1e-3)
        return max(float(row[0]), float(row[1]), 1e-3)


@again
def cool_down(
    catalog: Catalog, host: str, seconds: float, asked_seconds_ago: float, *, picture: bool = False
) -> Cooling:
    """Note a blocked answer: the host is left alone by all crawlers for `seconds`, and each further block in a row counts.

    An answer to a question that was asked before the present cool-down began says nothing new.

    Args:
        catalog: where the pace is kept.
        host: who turned a crawler away.
        seconds: how long to leave it alone.
        asked_seconds_ago: when the question was sent, seconds before now.
        picture: whether a picture was asked for; pages and pictures are counted apart.
    """
    blocks = hosts.c.picture_blocks if picture else hosts.c.page_blocks
    with catalog.write() as connection:
        _know(connection, host)
        clock = clock_of(connection)
        news = hosts.c.cooled_at <= clock - asked_seconds_ago
        connection.execute(
            update(hosts).where(hosts.c.host == host, news).values({blocks: blocks + 1, hosts.c.cooled_at: clock})
        )
        until = clock + seconds
        connection.execute(
            update(hosts).where(hosts.c.host == host, hosts.c.cool_until < until).values(cool_until=until)
        )
        row = connection.execute(select(hosts.c.cool_until - clock, blocks).where(hosts.c.host == host)).one()
        return Cooling(max(0.0, float(row[0])), int(row[1]))


@again
def served(catalog: Catalog, host: str, asked_seconds_ago: float, *, picture: bool = False) -> None:
    """Note that a host serves: its blocks in a row end, unless the question was asked before the last of them."""
    blocks = hosts.c.picture_blocks if picture else hosts.c.page_blocks
    with catalog.write() as connection:
        news = hosts.c.cooled_at <= clock_of(connection) - asked_seconds_ago
        connection.execute(update(hosts).where(hosts.c.host == host, news, blocks > 0).values({blocks: 0}))


def cooling(catalog: Catalog, host: str) -> float:
    """Seconds until a host may be asked again after a block; 0.0 where it may be asked."""
    with catalog.read() as connection:
        left = select(hosts.c.cool_until - clock_of(connection)).where(hosts.c.host == host)
        return max(0.0, float(connection.execute(left).scalar() or 0.0))


def _know(connection: Connection, host: str) -> None:
    row = {"host": host, "cool_until": 0.0, "cooled_at": 0.0, "page_blocks": 0, "picture_blocks": 0}
    insert_new(connection, hosts, [row], ["host"])
