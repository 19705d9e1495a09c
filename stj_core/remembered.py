"""Answers that are kept for texts that come again, and never for long ones, which strangers send to fill the memory."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache, wraps
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])

MOST_CHARACTERS = 1_000
_MOST_ANSWERS = 1_024


def remembered(function: Function) -> Function:
    """Keep the newest thousand answers of a pure function of a text, but none for a text of over a thousand characters."""
    kept = lru_cache(_MOST_ANSWERS)(function)

    @wraps(function)
    def answer(text: str, *rest: Hashable) -> object:
        return (kept if len(text) <= MOST_CHARACTERS else function)(text, *rest)

    return cast("Function", answer)
