"""Wilson's score interval of a proportion, which stands beside every accuracy that is printed."""

from __future__ import annotations

import math

# The standard normal distribution's 97.5 % quantile: two-sided 95 %.
Z95 = 1.959963984540054


def wilson(correct: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share, by Wilson's score (1927); (0, 1) where nothing was seen. `correct` may be a mean."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = correct / n, Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # Exact at the ends, where rounding would put the bound beside the share itself.
    return (0.0 if correct == 0 else centre - half), (1.0 if correct == n else centre + half)
