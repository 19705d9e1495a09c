"""What was counted is counted again only after the catalogue changed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from stj_catalog.catalog import Catalog
from stj_catalog.version import data_version

T = TypeVar("T")
_KEPT = 64


class Remembered:
    """A few answers of the catalogue, each with the state of the catalogue that it belongs to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[Hashable, Any]] = OrderedDict()

    def ask(self, catalog: Catalog, question: Hashable, answer: Callable[[], T]) -> T:
        """The answer to a question; asked anew if anything in the catalogue changed since.

        Args:
            catalog: where the answer comes from, and nowhere else.
            question: what is asked, word for word.
            answer: asks it.
        """
        # Looked at first: what is committed meanwhile makes the answer old, never wrongly new.
        now = data_version(catalog)
        with self._lock:
            then, found = self._kept.get(question, (None, None))
            if then == now:
                self._kept.move_to_end(question)
                return found  # type: ignore[no-any-return]  # what `answer` gave for this question
        told = answer()
        with self._lock:
            self._kept[question] = (now, told)
            self._kept.move_to_end(question)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return told
