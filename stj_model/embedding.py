"""Features on a plane: principal components, t-SNE where scikit-learn is there, and the nearest neighbours of each picture."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from stj_core.errors import ModelError

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int32]

COMPONENTS = 64
"""So many principal components stand for a feature where neighbours of one picture are asked for."""
FITTED_ON = 10_000
"""The components are learned from so many points at most: more change them by less than one sees."""
TSNE_MOST = 5_000
"""t-SNE places so many points at most: its time grows faster than their number."""
NEAREST = 5
NEAREST_MOST = 20_000
"""The neighbours of each point among all others are looked for among so many at most: the cost is their square."""
_BLOCK = 512


@dataclass(frozen=True)
class Components:
    """The main directions of some points.

    Attributes:
        mean: (d,), of the points.
        basis: (k, d), orthonormal rows, the direction of the largest variance first.
        shares: (k,), the share of the variance along each, 0 to 1.
    """

    mean: Floats
    basis: Floats
    shares: Floats

    def __call__(self, points: Floats) -> Floats:
        """The points' coordinates along the directions: (n, d) to (n, k)."""
        result: Floats = ((points - self.mean) @ self.basis.T).astype(np.float32, copy=False)
        return result


def principal_components(points: Floats, count: int = COMPONENTS, seed: int = 0) -> Components:
    """Learn the main directions of points (K. Pearson, 1901); the same points give the same ones, signs included.

    Args:
        points: (n, d), n at least 1.
        count: so many directions at most; fewer where there are fewer points or columns.
        seed: draws the points to learn from where there are more than FITTED_ON.

    Raises:
        ModelError: there is no point.
    """
    if not len(points):
        raise ModelError("There is no picture to place on a map: train on a dataset that has some.")
    some = points[drawn(len(points), FITTED_ON, seed)].astype(np.float64)
    mean = some.mean(axis=0)
    some -= mean
    count = min(count, *some.shape)
    # The smaller of the two Gram matrices has the same eigenvalues.
    if len(some) < some.shape[1]:
        values, vectors = np.linalg.eigh(some @ some.T)
        values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
        basis = (some.T @ vectors).T
    else:
        values, vectors = np.linalg.eigh(some.T @ some)
        values, basis = values[::-1][:count], vectors[:, ::-1][:, :count].T
    lengths = np.linalg.norm(basis, axis=1, keepdims=True)
    basis = np.where(lengths > 1e-12, basis / np.maximum(lengths, 1e-12), 0.0)
    largest = np.abs(basis).argmax(axis=1)
    basis *= np.where(basis[np.arange(len(basis)), largest] < 0, -1.0, 1.0)[:, None]
    total = max(float((some**2).sum()), 1e-30)
    return Components(mean.astype(np.float32), basis.astype(np.float32), (values.clip(0) / total).astype(np.float32))


def has_tsne() -> bool:
    """Whether scikit-learn is installed."""
    return find_spec("sklearn") is not None


def tsne(coordinates: Floats, seed: int = 0) -> Floats:
    """Place points so that near ones stay near (L. van der Maaten, G. Hinton, 2008): (n, k) to (n, 2).

    Args:
        coordinates: (n, k), along principal components; n at most TSNE_MOST.
        seed: of everything random.

    Raises:
        ModelError: there are fewer than four points.
        ModuleNotFoundError: scikit-learn is not installed.
    """
    from sklearn.manifold import TSNE

    if len(coordinates) < 4:
        raise ModelError(f"t-SNE places four pictures or more, and there are {len(coordinates)}: ask for PCA.")
    perplexity = min(30.0, (len(coordinates) - 1) / 3)
    placed: Floats = (
        TSNE(perplexity=perplexity, init="pca" if coordinates.shape[1] > 1 else "random", random_state=seed)
        .fit_transform(coordinates.astype(np.float32))
        .astype(np.float32)
    )
    return placed


def nearest_neighbours(points: Floats, count: int = NEAREST) -> tuple[Places, Floats]:
    """The nearest others of each point, by cosine distance.

    Args:
        points: (n, d), of length 1 each.
        count: so many; fewer where there are fewer others.

    Returns:
        places (n, count), nearest first, and their distances, 0 to 2.
    """
    count = min(count, len(points) - 1)
    if count <= 0:
        return np.empty((len(points), 0), np.int32), np.empty((len(points), 0), np.float32)
    places, distances = [], []
    for at in range(0, len(points), _BLOCK):
        likeness = points[at : at + _BLOCK] @ points.T
        rows = np.arange(len(likeness))
        likeness[rows, at + rows] = -np.inf
        near = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
        values = np.take_along_axis(likeness, near, axis=1)
        # Equal ones in the order of their rows, so that the answer does not depend on the partition.
        order = np.lexsort((near, -values), axis=1)
        places.append(np.take_along_axis(near, order, axis=1).astype(np.int32))
        distances.append((1 - np.take_along_axis(values, order, axis=1)).astype(np.float32))
    return np.concatenate(places), np.concatenate(distances)


def drawn(n: int, most: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """All of n places, or so many of them drawn at random, in order."""
    if n <= most:
        return np.arange(n, dtype=np.int64)
    chosen: npt.NDArray[np.int64] = np.sort(np.random.default_rng(seed).choice(n, most, replace=False))
    return chosen


def unit(points: Floats) -> Floats:
    """Points (n, d), each scaled to length 1; one without length stays where it is."""
    result: Floats = (points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    return result
