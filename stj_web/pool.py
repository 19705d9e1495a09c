"""A bounded pool: so many at work, so many waiting, and the next one is told to come again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from stj_web.errors import busy

T = TypeVar("T")


class BoundedPool:
    """Threads for work that costs: decoding, and the model."""

    def __init__(self, name: str, workers: int, waiting: int) -> None:
        self._threads = ThreadPoolExecutor(max_workers=workers, thread_name_prefix=name)
        self._places = threading.BoundedSemaphore(workers + waiting)
        self._name = name

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Begin, or queue, some work.

        Raises:
            RefusalError: too much is waiting already.
        """
        if not self._places.acquire(blocking=False):
            raise busy(f"Too many pictures wait for the {self._name}.")
        try:
            future = self._threads.submit(work)
        except BaseException:
            self._places.release()
            raise
        future.add_done_callback(lambda _: self._places.release())
        return future

    def run(self, work: Callable[[], T]) -> T:
        """Do some work here and wait for it.

        Raises:
            RefusalError: too much is waiting already.
        """
        return self.submit(work).result()
