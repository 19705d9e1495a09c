"""How many bytes of pictures may be in memory at one time, for all hosts and all crawls of a process."""

from __future__ import annotations

import asyncio
from collections import deque

PAGE_BYTES = 8 * 1024 * 1024
# What a picture of a shop has at most, by far; the few larger ones are asked for again, two at a time.
USUAL_BYTES = 4 * 1024 * 1024
IN_FLIGHT_BYTES = 48 * 1024 * 1024
# What a request carries: its share, taken when its turn to be sent has come.
SHARE = "stj_share"


class ByteBudget:
    """Gives out shares of a number of bytes, first come, first served."""

    def __init__(self, most: int = IN_FLIGHT_BYTES) -> None:
        """Start with all of `most` free."""
        self.most = most
        self.free = most
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> None:
        """Wait until `size` bytes are free, and hold them."""
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((size, turn))
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.free += size
            self._serve()
            raise

    def give(self, size: int) -> None:
        """Give `size` bytes back."""
        self.free += size
        self._serve()

    def _serve(self) -> None:
        while self._queue:
            size, turn = self._queue[0]
            if not turn.done():
                if size > self.free:
                    return
                self.free -= size
                turn.set_result(None)
            self._queue.popleft()


class Share:
    """One picture's part of a budget, from when it is asked for until its bytes are stored or dropped."""

    def __init__(self, budget: ByteBudget, size: int) -> None:
        """Nothing is held yet; a share that is larger than the budget will hold all of it."""
        self._budget = budget
        self._size = min(size, budget.most)
        self._held = False

    async def take(self) -> None:
        """Hold the bytes; a redirect or another try holds them already."""
        if not self._held:
            await self._budget.take(self._size)
            self._held = True

    def give(self) -> None:
        """Give them back, if they are held."""
        if self._held:
            self._held = False
            self._budget.give(self._size)


PICTURES = ByteBudget()
