"""The threshold below which the model says that it is unsure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stj_model.calibration import threshold_for


def chances(sure: list[float]) -> np.ndarray:
    return np.array([[p, 1 - p] for p in sure])


def test_the_lowest_threshold_that_keeps_the_promise_is_taken():
    table = chances([0.99, 0.95, 0.9, 0.8, 0.7, 0.6])
    truth = np.array([0, 0, 0, 1, 0, 0])  # right: the first three and the last two; 5 of 6 in all
    assert threshold_for(table, truth, 0.8) == 0, "all answers together are right often enough"
    assert threshold_for(table, truth, 0.9) == pytest.approx(0.9)


def test_where_even_the_surest_answer_is_wrong_only_it_is_given():
    assert threshold_for(chances([0.99, 0.9]), np.array([1, 0]), 0.9) == pytest.approx(0.99)


@given(st.lists(st.tuples(st.sampled_from([0.5, 0.6, 0.75, 0.9, 1.0]), st.booleans()), min_size=1, max_size=40))
def test_what_is_answered_is_right_as_often_as_wanted_or_is_the_surest(cases):
    table = chances([p for p, _ in cases])
    truth = np.array([0 if right else 1 for _, right in cases])
    found = threshold_for(table, truth, 0.8)
    answered = table.max(axis=1) >= found
    share = (table.argmax(axis=1) == truth)[answered].mean()
    assert share >= 0.8 or found == table.max()
