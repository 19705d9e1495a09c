"""Features in fewer numbers: nothing that a head is fitted on changes."""

from __future__ import annotations

import numpy as np

from stj_model.basis import SpannedFeatures, worth_turning
from stj_model.head import Head, Normaliser, fit_head, softmax


def loud(rng: np.random.Generator, n: int = 60, width: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Features as a network gives them: none below 0, far from the middle, and some columns louder than others."""
    classes = np.arange(n) % 3
    features = np.abs(rng.normal(size=(n, width)) * rng.uniform(0.1, 3, width)) + np.eye(3, width)[classes]
    return features.astype(np.float32), classes


def test_lengths_angles_and_means_stay(rng: np.random.Generator):
    features, _ = loud(rng)
    turned = SpannedFeatures.of(features)
    assert turned.rows.shape == (60, 60)
    wide, few = features.astype(np.float64), turned.rows.astype(np.float64)
    assert np.allclose(wide @ wide.T, few @ few.T, rtol=1e-6)
    assert np.allclose(wide, turned.widen(few.T).T, atol=1e-5)


def test_what_is_there_twice_takes_no_dimension_of_its_own(rng: np.random.Generator):
    """A picture that is its own mirror image, and one that is the mean of two others."""
    features, _ = loud(rng)
    features[1], features[2] = features[0], (features[3] + features[4]) / 2
    turned = SpannedFeatures.of(features)
    assert turned.rows.shape[1] in (58, 59)  # of the mean, single precision leaves a trace
    assert np.allclose(features, turned.widen(turned.rows.astype(np.float64).T).T, atol=1e-4)


def test_the_same_head_is_fitted(rng: np.random.Generator):
    features, classes = loud(rng)
    turned = SpannedFeatures.of(features)
    weight = np.ones(len(classes))

    def fit(rows: np.ndarray) -> Head:
        return fit_head(rows, classes, 3, weight=weight, l2=1e-4, epochs=200, standardise=False)

    expected, found = fit(features), fit(turned.rows)
    back = Head(Normaliser.fit(features, standardise=False), turned.widen(found.kernel), found.bias)
    new, _ = loud(rng)  # what was not there when the basis was made
    assert np.allclose(softmax(expected.logits(new)), softmax(back.logits(new)), atol=2e-3)
    assert np.allclose(found.logits(turned.rows), back.logits(features), atol=1e-4)


def test_it_is_done_where_it_saves_work():
    assert worth_turning(np.zeros((1550, 4096), np.float32))
    assert not worth_turning(np.zeros((3100, 4096), np.float32))
