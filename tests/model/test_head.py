"""The head: a convex fit that agrees with scikit-learn, and weights that balance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stj_model.calibration import fit_temperature, held_out_distances
from stj_model.head import Normaliser, accuracy_and_loss, balance_weights, fit_head, softmax


def blobs(rng: np.random.Generator, n: int = 90, width: int = 6) -> tuple[np.ndarray, np.ndarray]:
    classes = np.arange(n) % 3
    return (rng.normal(size=(n, width)) + 2 * np.eye(3, width)[classes]).astype(np.float32), classes


def test_the_fit_agrees_with_scikit_learn(rng: np.random.Generator):
    from sklearn.linear_model import LogisticRegression

    features, classes = blobs(rng)
    l2 = 1e-2
    head = fit_head(features, classes, 3, weight=np.ones(90), l2=l2, epochs=500, standardise=False)
    x = head.normaliser(features)
    reference = LogisticRegression(C=1 / (l2 * 90), tol=1e-8, max_iter=5000).fit(x, classes)
    assert np.allclose(reference.predict_proba(x), softmax(head.logits(features)), atol=2e-3)


def test_every_epoch_is_told_and_the_loss_falls(rng: np.random.Generator):
    features, classes = blobs(rng)
    losses: list[float] = []
    fit_head(
        features,
        classes,
        3,
        weight=np.ones(90),
        l2=1e-4,
        epochs=15,
        standardise=True,
        watch=lambda epoch, head: losses.append(accuracy_and_loss(head.logits(features), classes)[1]),
    )
    assert 1 < len(losses) <= 15
    assert losses[-1] < losses[0]


def test_the_same_data_gives_the_same_head_bit_for_bit(rng: np.random.Generator):
    features, classes = blobs(rng)
    one, two = (
        fit_head(features, classes, 3, weight=np.ones(90), l2=1e-3, epochs=30, standardise=False) for _ in range(2)
    )
    assert np.array_equal(one.kernel, two.kernel)
    assert np.array_equal(one.bias, two.bias)


def test_normalised_features_have_length_one_and_no_mean_direction_left(rng: np.random.Generator):
    features = rng.normal(5, 2, size=(50, 8))
    normaliser = Normaliser.fit(features, standardise=True)
    assert np.allclose(1, np.linalg.norm(normaliser(features), axis=1))
    assert np.allclose(0, normaliser.mean - features.mean(axis=0))


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abc")), min_size=1, max_size=60))
def test_balanced_classes_weigh_the_same_and_one_on_average(pairs):
    classes = np.array([label for label, _ in pairs])
    for balance in ("class", "source"):
        weight = balance_weights(classes, [source for _, source in pairs], balance)
        assert pytest.approx(1) == weight.mean()
        totals = [weight[classes == label].sum() for label in set(classes.tolist())]
        assert pytest.approx(totals[0]) == totals[-1]
        assert (weight > 0).all()


def test_a_big_shop_cannot_drown_the_small_ones():
    classes = np.zeros(101, dtype=int)
    weight = balance_weights(classes, ["studio"] * 100 + ["corner"], "source")
    assert pytest.approx(10) == weight[:100].sum() / weight[100]


def test_temperature_makes_the_overconfident_humble(rng: np.random.Generator):
    classes = rng.integers(0, 3, 3000)
    honest = rng.normal(size=(3000, 3)) + 1.5 * np.eye(3)[classes]
    # Logits of a Gaussian model are exact; three times as large, they are three times too sure.
    exact = 1.5 * honest
    assert pytest.approx(1, abs=0.1) == fit_temperature(exact, classes)
    assert pytest.approx(3, abs=0.3) == fit_temperature(3 * exact, classes)


def test_distances_are_to_the_nearest_picture_of_another_fold():
    points = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert held_out_distances(points, np.array([0, 1, 1]), np.ones(3, dtype=bool)).tolist() == [0.0, 0.0, 1.0]
