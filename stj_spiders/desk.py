"""The crawl's place in the catalogue: every database call of a crawl goes through one worker thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from stj_catalog.catalog import Catalog, open_catalog
from stj_catalog.config import Config
from stj_catalog.intake import FetchedPicture, record_pictures
from stj_catalog.settle import Settler, thresholds_of
from stj_catalog.store import ImageStore, open_store

P = ParamSpec("P")
T = TypeVar("T")

BATCH_ROWS = 100
BATCH_SECONDS = 1.0


class Desk:
    """An open catalogue and image store, with a batch of pictures that wait to be written."""

    def __init__(self, config: Config) -> None:
        """Take note of where things are; `open` opens them."""
        self.config = config
        self.catalog: Catalog
        self.settler: Settler
        self.store: ImageStore = open_store(config.images)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="catalogue")
        self._waiting: list[FetchedPicture] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: BaseException | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Open the catalogue, making it when it is not there, and read the hashes it holds."""
        self.catalog = await self._call(lambda: open_catalog(self.config.catalog_url, create=True))
        self.settler = await self.run(Settler.for_catalog, self.catalog, thresholds_of(self.config))

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function that uses the catalogue, in the one thread that may."""
        return await self._call(lambda: function(*args, **kwargs))

    def record(self, picture: FetchedPicture) -> None:
        """Have a picture's row written with the next batch: 100 rows, or what a second brings."""
        self._waiting.append(picture)
        if len(self._waiting) >= BATCH_ROWS:
            self._flush_soon()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BATCH_SECONDS, self._flush_soon)

    async def flush(self) -> None:
        """Write the waiting pictures now; raises what an earlier batch met, too."""
        batch, self._waiting = self._waiting, []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if batch:
            await self.run(record_pictures, self.catalog, batch)
        if self._failed is not None:
            raise self._failed

    def _flush_soon(self) -> None:
        task = asyncio.ensure_future(self.flush())
        self._tasks.add(task)
        task.add_done_callback(self._flushed)

    def _flushed(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failed = task.exception()

    async def close(self) -> None:
        """Write what waits and give everything back."""
        await self.flush()
        if hasattr(self, "catalog"):
            await self.run(self.catalog.close)
        self._thread.shutdown()

    async def _call(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)
