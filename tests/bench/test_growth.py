"""An exponent is of what grows, with the range that the runs allow, and is not told where nothing can be seen to grow."""

from __future__ import annotations

from bench.growth_of_commands import exponent

SIZES = 1_000, 100_000, 1_000_000


def test_the_start_is_no_growth() -> None:
    assert exponent(SIZES, [[5.0], [6.0], [15.0]]) == "1.00 (1.00–1.00)"
    assert exponent(SIZES, [[0.0], [1.0], [100.0]]) == "2.00 (2.00–2.00)"


def test_what_runs_differ_by_is_its_range() -> None:
    assert exponent(SIZES, [[1.0, 1.0], [2.0, 3.0], [11.0, 21.0]]) == "1.00 (0.70–1.30)"


def test_no_exponent_is_told_of_what_does_not_grow_or_no_more_than_the_runs_differ() -> None:
    assert exponent(SIZES, [[1.0], [1.05], [3.0]]) == "–"
    assert exponent(SIZES, [[1.0, 1.4], [1.3, 1.6], [3.0, 3.1]]) == "–"
