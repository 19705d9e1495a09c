"""Pivoted Cholesky: the same features in fewer numbers, since n pictures span at most n dimensions.

In an orthonormal basis of their span pictures keep every length, angle, mean and distance, so that a head fitted there is the
head fitted on the features themselves, at a fraction of the work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

WORTH = 0.5
"""Turning pays where the pictures' views are fewer than this share of the features' width."""


@dataclass(frozen=True)
class SpannedFeatures:
    """Features (n, d) in a basis of r ≤ n dimensions: `rows` is (n, r).

    The basis is never written out: it is `lower`⁻¹ @ `features[chosen]`, a triangle (r, r) and r of the features themselves.
    """

    rows: Floats
    lower: Doubles
    chosen: Ints
    features: Doubles

    @classmethod
    def of(cls, features: Floats) -> SpannedFeatures:
        """Turn (n, d) features, by a pivoted Cholesky factor of their products with each other (LAPACK's pstrf)."""
        from scipy.linalg.lapack import dpstrf
        from threadpoolctl import threadpool_limits

        wide = features.astype(np.float64)
        with threadpool_limits(1):  # where the cores are busy, a second thread costs three times what it saves
            factor, pivots, rank, _ = dpstrf(wide @ wide.T, lower=1)
        order = pivots - 1
        lower = np.tril(factor)[:, :rank]
        rows = np.empty(lower.shape, dtype=np.float32)
        rows[order] = lower
        return cls(rows, lower[:rank], order[:rank], wide)

    def widen(self, vectors: Doubles) -> Doubles:
        """Vectors (r, k) in this basis, back among the features: (d, k)."""
        from scipy.linalg import solve_triangular

        shares = np.zeros((len(self.features), vectors.shape[1]))
        shares[self.chosen] = solve_triangular(self.lower, vectors, trans="T", lower=True)
        result: Doubles = self.features.T @ shares
        return result


def worth_turning(features: Floats) -> bool:
    """Whether (n, d) features are so few that their own basis saves more than it costs."""
    return len(features) < WORTH * int(features.shape[1])
