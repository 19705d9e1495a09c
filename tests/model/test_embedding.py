"""Features on a plane: components as scikit-learn finds them, neighbours as brute force finds them, and the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stj_core.errors import ModelError
from stj_model.embedding import drawn, nearest_neighbours, principal_components, tsne, unit


def points(n: int, d: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) * np.linspace(3, 0.2, d)).astype(np.float32)


@pytest.mark.parametrize("shape", [(40, 12), (9, 30), (200, 5)])
def test_the_components_are_those_of_scikit_learn(shape: tuple[int, int]):
    from sklearn.decomposition import PCA

    some = points(*shape)
    found = principal_components(some, count=4)
    wanted = PCA(4, svd_solver="full").fit(some)
    assert np.abs((found.basis * wanted.components_).sum(axis=1)) == pytest.approx(np.ones(4), abs=1e-3)
    assert found.shares == pytest.approx(wanted.explained_variance_ratio_, abs=1e-4)
    assert np.abs(found(some)) == pytest.approx(np.abs(wanted.transform(some)), abs=2e-3)


@given(n=st.integers(1, 30), d=st.integers(1, 12), seed=st.integers(0, 99))
def test_any_points_have_components_and_the_same_ones_every_time(n: int, d: int, seed: int):
    some = points(n, d, seed)
    found = principal_components(some)
    assert np.isfinite(found(some)).all()
    assert (principal_components(some.copy()).basis == found.basis).all()
    filled = found.shares > 1e-5
    assert found.basis[filled] @ found.basis[filled].T == pytest.approx(np.eye(filled.sum()), abs=1e-3)


def test_equal_points_and_one_point_are_placed_and_none_is_an_error():
    for some in (np.ones((1, 4), np.float32), np.ones((6, 4), np.float32)):
        assert (np.abs(principal_components(some)(some)) < 1e-5).all()
    with pytest.raises(ModelError, match="no picture to place"):
        principal_components(np.empty((0, 4), np.float32))


@given(n=st.integers(1, 40), seed=st.integers(0, 50))
def test_neighbours_are_those_of_brute_force_and_never_oneself(n: int, seed: int):
    some = unit(points(n, 6, seed))
    places, distances = nearest_neighbours(some, 3)
    assert places.shape == distances.shape == (n, min(3, n - 1))
    likeness = some @ some.T
    np.fill_diagonal(likeness, -np.inf)
    for row in range(n):
        assert row not in places[row]
        best = np.sort(likeness[row])[::-1][: places.shape[1]]
        assert 1 - distances[row] == pytest.approx(best, abs=1e-5)


@pytest.mark.medium
def test_tsne_keeps_clusters_apart_and_is_the_same_every_time():
    centres = np.eye(3, 8, dtype=np.float32) * 20
    some = np.concatenate([centre + points(15, 8, seed) * 0.1 for seed, centre in enumerate(centres)])
    placed = tsne(some)
    assert (tsne(some) == placed).all()
    means = [placed[15 * at : 15 * at + 15].mean(axis=0) for at in range(3)]
    spread = max(np.linalg.norm(placed[15 * at : 15 * at + 15] - means[at], axis=1).max() for at in range(3))
    assert min(np.linalg.norm(means[a] - means[b]) for a in range(3) for b in range(a)) > spread
    with pytest.raises(ModelError, match="four pictures or more, and there are 3"):
        tsne(some[:3])


def test_a_draw_is_in_order_without_repeats_and_the_same_every_time():
    assert drawn(5, 9).tolist() == [0, 1, 2, 3, 4]
    some = drawn(1_000, 10)
    assert len(set(some.tolist())) == 10
    assert some.tolist() == sorted(some.tolist()) == drawn(1_000, 10).tolist()
