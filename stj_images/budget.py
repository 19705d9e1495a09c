"""A budget that several threads share: whoever wants more than what is left waits."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Budget:
    """So many units (pixels, bytes) that are in use at a time; first come, first served."""

    def __init__(self, units: int) -> None:
        """Begin with all `units` free."""
        self.units = units
        self._free = units
        self._waiting: list[object] = []
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, wanted: int) -> Iterator[None]:
        """Hold `wanted` units while the block runs; who wants more than there are waits for all of them."""
        wanted = min(wanted, self.units)
        place = object()
        with self._changed:
            # In turn: without that a large picture would wait as long as small ones come.
            self._waiting.append(place)
            self._changed.wait_for(lambda: self._waiting[0] is place and wanted <= self._free)
            self._waiting.pop(0)
            self._free -= wanted
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                self._changed.notify_all()
