"""Answers are kept for short texts alone."""

from __future__ import annotations

import pytest

from stj_core.remembered import MOST_CHARACTERS, remembered


@pytest.mark.parametrize(
    ("length", "asked"), [(0, 1), (1, 1), (MOST_CHARACTERS, 1), (MOST_CHARACTERS + 1, 3), (10**6, 3)]
)
def test_only_short_texts_are_kept(length: int, asked: int) -> None:
    seen: list[int] = []

    @remembered
    def answer(text: str, more: int) -> int:
        seen.append(more)
        return len(text) + more

    assert [answer("x" * length, 2) for _ in range(3)] == [length + 2] * 3
    assert len(seen) == asked


def test_what_fails_fails_again() -> None:
    @remembered
    def answer(text: str) -> int:
        return int(text)

    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            answer("none")
