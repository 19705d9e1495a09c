"""How large the splits should be, and how large they are where nobody says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stj_core.errors import UsageError
from stj_core.vocabulary import SPLITS


@dataclass(frozen=True)
class Shares:
    """How large the splits should be.

    Attributes:
        split: `val` as a share of what is not test, as in Keras's `validation_split`.
        test: `test` as a share of all.
        test_count: `test` as a number of pictures of the classes instead; None where its share is asked for.
    """

    split: float = 0.2
    test: float = 0.1
    test_count: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.split < 1:
            raise UsageError(f"--split must be more than 0 and less than 1, got {self.split:g}: 0.2 is usual.")
        if not 0 <= self.test < 1:
            raise UsageError(f"--test must be at least 0 and less than 1, got {self.test:g}: 0.1 is usual.")
        if self.test_count is not None and self.test_count < 1:
            raise UsageError(f"--test-count must be at least 1, got {self.test_count}: --test 0 makes no test split.")

    def of(self, pictures: int) -> dict[str, float]:
        """Each split's share of so many pictures of the classes."""
        test = self.test if self.test_count is None else min(1.0, self.test_count / max(pictures, 1))
        rest = 1 - test
        return dict(zip(SPLITS, (rest * (1 - self.split), rest * self.split, test), strict=True))

    def targets(self, pictures: int, test: int | None = None) -> tuple[int, int, int]:
        """Pictures of one class for train, val and test.

        Shares are rounded to whole pictures; with three pictures or more no split that was asked for is left without one,
        but train: a share that leaves nothing to learn from is a mistake to be told.

        Args:
            pictures: of the class.
            test: how many of them are for test, where that is decided already.
        """
        least = 1 if pictures >= 3 else 0
        if test is None:
            test = max(_rounded(pictures * self.test), least) if self.test else 0
        val = max(_rounded((pictures - test) * self.split), least)
        return pictures - test - val, val, test


def count_tests(test_count: int, pictures: Sequence[int], held: Sequence[int], inside: Sequence[bool]) -> list[int]:
    """How many pictures of each class make a test split of `test_count`, those that it holds already among them.

    Each picture goes where most is missing to the class's share. What is none of the classes is not counted, and gets the same
    share of its own.

    Args:
        test_count: pictures of the classes.
        pictures: of each class.
        held: those that are in the test split already.
        inside: whether it is a class at all.

    Raises:
        UsageError: nothing would be left to learn from.
    """
    total = sum(n for n, is_class in zip(pictures, inside, strict=True) if is_class)
    if test_count >= total:
        raise UsageError(
            f"--test-count {test_count} leaves nothing to learn from: {total} pictures of the classes are there."
        )
    ideal = [n * test_count / total for n in pictures]
    tests = [
        have if is_class else max(have, _rounded(wish))
        for wish, have, is_class in zip(ideal, held, inside, strict=True)
    ]
    open_to = [place for place, is_class in enumerate(inside) if is_class]
    for _ in range(test_count - sum(tests[place] for place in open_to)):
        place = max(open_to, key=lambda one: (ideal[one] - tests[one], -one))
        tests[place] += 1
    return tests


def _rounded(value: float) -> int:
    return math.floor(value + 0.5)


SHARES = Shares()
"""What an export does that is told nothing."""
