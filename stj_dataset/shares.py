"""How large the splits should be, and how large they are where nobody says."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stj_core.errors import UsageError
from stj_core.vocabulary import SPLITS


@dataclass(frozen=True)
class Shares:
    """How large the splits should be.

    Attributes:
        split: `val` as a share of what is not test, as in Keras's `validation_split`.
        test: `test` as a share of all.
    """

    split: float = 0.2
    test: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.split < 1:
            raise UsageError(f"--split must be more than 0 and less than 1, got {self.split:g}: 0.2 is usual.")
        if not 0 <= self.test < 1:
            raise UsageError(f"--test must be at least 0 and less than 1, got {self.test:g}: 0.1 is usual.")

    @property
    def of_all(self) -> dict[str, float]:
        """Each split's share of all pictures."""
        rest = 1 - self.test
        return dict(zip(SPLITS, (rest * (1 - self.split), rest * self.split, self.test), strict=True))

    def targets(self, pictures: int) -> tuple[int, int, int]:
        """Pictures of one class for train, val and test.

        Shares are rounded to whole pictures; with three pictures or more no split that was asked for is left without one,
        but train: a share that leaves nothing to learn from is a mistake to be told.
        """
        least = 1 if pictures >= 3 else 0
        test = max(_rounded(pictures * self.test), least) if self.test else 0
        val = max(_rounded((pictures - test) * self.split), least)
        return pictures - test - val, val, test


def _rounded(value: float) -> int:
    return math.floor(value + 0.5)


SHARES = Shares()
"""What an export does that is told nothing."""
