"""The crawls' way to the catalogue: every database call of a process goes through one worker thread.

The crawls of a process share a writer, so that they agree on what is known, what is being fetched and what waits to be written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, ParamSpec, TypeVar

from stj_catalog import workers
from stj_catalog.catalog import Catalog, open_catalog
from stj_catalog.incremental import Settler
from stj_catalog.intake import FetchedPicture, record_pictures
from stj_core.config import Config
from stj_core.patience import AWAY_SECONDS, patiently
from stj_images.likeness import thresholds_of
from stj_images.store import ImageStore, open_store

P = ParamSpec("P")
T = TypeVar("T")

BATCH_ROWS = 100
BATCH_SECONDS = 1.0


class CatalogWriter:
    """An open catalogue and image store, with a batch of pictures that wait to be written.

    Attributes:
        away_seconds: how long the database or the image store may be away.
        hurried: of each crawl, whether it is to end at once.
        fetching: by picture address, the tasks that fetch pictures now, for whichever crawl.
    """

    writers: ClassVar[dict[tuple[str, str], CatalogWriter]] = {}

    def __init__(self, config: Config, away_seconds: float) -> None:
        """Take note of where things are; `open` opens them."""
        self.away_seconds = away_seconds
        self.hurried: list[Callable[[], bool]] = []
        self.config = config
        self.catalog: Catalog
        self.settler: Settler
        self.store: ImageStore = open_store(config.images)
        self.fetching: dict[str, asyncio.Task[None]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="catalogue")
        self._users = 0
        self._opening: asyncio.Task[None] | None = None
        self._waiting: list[FetchedPicture] = []
        self._flushes: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    async def open(cls, config: Config, away_seconds: float = AWAY_SECONDS) -> CatalogWriter:
        """The writer of this catalogue and image store; it is made when the first crawl needs it.

        Args:
            config: where they are.
            away_seconds: how long either may be away.
        """
        place = (config.catalog_url, config.images)
        if place not in cls.writers:
            cls.writers[place] = cls(config, away_seconds)
        writer = cls.writers[place]
        writer._users += 1
        if writer._opening is None:
            writer._opening = asyncio.ensure_future(writer._open())
        await writer._opening
        return writer

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function that uses the catalogue, in the one thread that may.

        While the database is away it is called again and again: each is one transaction, and may be.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: self.patiently(lambda: function(*args, **kwargs))
        )

    def patiently(self, function: Callable[[], T]) -> T:
        """Call a function, and wait while the database or the image store that it needs is away, unless all crawls are to end."""
        return patiently(function, self.away_seconds, lambda: bool(self.hurried) and all(one() for one in self.hurried))

    def record(self, picture: FetchedPicture) -> None:
        """Have a picture's row written with the next batch: 100 rows, or what a second brings."""
        self._waiting.append(picture)
        if len(self._waiting) >= BATCH_ROWS:
            self._write_soon()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BATCH_SECONDS, self._write_soon)

    async def flush(self) -> None:
        """Write the waiting pictures now.

        Raises:
            CatalogError: this batch or an earlier one could not be written.
        """
        self._write_soon()
        await asyncio.gather(*self._flushes)

    async def close(self) -> None:
        """Write what waits; when the last crawl leaves, give everything back."""
        self._users -= 1
        try:
            await self.flush()
        finally:
            if not self._users:
                self.writers.pop((self.config.catalog_url, self.config.images), None)
                await self.run(self.catalog.close)
                self._thread.shutdown()

    async def _open(self) -> None:
        self.catalog = await self.run(open_catalog, self.config.catalog_url, create=True)
        await self.run(workers.tidy)
        await self.run(self.store.tidy)
        self.settler = await self.run(Settler.for_catalog, self.catalog, thresholds_of(self.config))

    def _write_soon(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._waiting = self._waiting, []
        if batch:
            task = asyncio.ensure_future(self.run(record_pictures, self.catalog, batch))
            self._flushes.add(task)
            task.add_done_callback(self._written)

    def _written(self, task: asyncio.Task[None]) -> None:
        # A batch that failed stays, for `flush` to say so.
        if not task.cancelled() and task.exception() is None:
            self._flushes.discard(task)
