"""The pace that all crawlers of one catalogue share, on this host and on others.

`Manners` keeps the pace of this process; before a request goes, the catalogue has the last word. What one crawler learns (a
block, that a host serves again) it writes there, and the others hear of it when they ask for their next turn. A request to
this very machine without a pace of its own needs no leave from anybody.
"""

from __future__ import annotations

import time

from stj_catalog.pace import cool_down, served, take_turn
from stj_spiders.catalog_writer import CatalogWriter
from stj_spiders.politeness import Manners, TurnedAway


class SharedPace:
    """Asks the catalogue for turns, and tells it what this process was answered."""

    def __init__(self, manners: Manners, writer: CatalogWriter) -> None:
        """Nothing is known to be said yet."""
        self._manners = manners
        self._writer = writer
        # Lanes that were served since the last block: it is said once, not with every answer.
        self._served: set[tuple[str, bool]] = set()

    async def turn(self, host: str, *, picture: bool) -> float:
        """Ask to send a request: 0.0 means that it must go now, anything else is after how many seconds to ask again.

        Raises:
            CatalogError: the catalogue cannot be asked, and so nobody else can.
        """
        if wait := self._manners.wait(host, picture=picture):
            return wait
        if not self._manners.gap(host, picture=picture):
            self._manners.go(host, 0.0, picture=picture)
            return 0.0
        # One of this process at a time: who comes behind hears from the answer how long the lane is taken.
        async with self._manners.turnstile(self._manners.lane_name(host, picture=picture)):
            if wait := self._manners.wait(host, picture=picture):
                return wait
            lane, gap = self._manners.lane_name(host, picture=picture), self._manners.gap(host, picture=picture)
            wait = await self._writer.run(take_turn, self._writer.catalog, host, lane, gap)
            self._manners.hold(host, wait or gap, picture=picture)
            return wait

    async def turned_away(self, host: str, asked_at: float, retry_after: float | None, *, picture: bool) -> TurnedAway:
        """Note a blocked answer, here and for all; blocks in a row count whoever met them."""
        here = self._manners.turned_away(host, asked_at, retry_after, picture=picture)
        self._served.discard((host, picture))
        ago = max(0.0, time.monotonic() - asked_at)
        everywhere = await self._writer.run(
            cool_down, self._writer.catalog, host, self._manners.cooling(host), ago, picture=picture
        )
        return self._manners.heard(host, everywhere.seconds, everywhere.blocks, here, picture=picture)

    async def answered(self, host: str, asked_at: float, *, picture: bool) -> None:
        """Note that a host serves us."""
        self._manners.answered(host, asked_at, picture=picture)
        if (host, picture) not in self._served and self._manners.gap(host, picture=picture):
            self._served.add((host, picture))
            ago = max(0.0, time.monotonic() - asked_at)
            await self._writer.run(served, self._writer.catalog, host, ago, picture=picture)
