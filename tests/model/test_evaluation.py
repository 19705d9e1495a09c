"""Figures: intervals, calibration, and what is counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stj_core.errors import DatasetError
from stj_core.intervals import wilson
from stj_model.data import LabelledPicture
from stj_model.evaluation import calibration_error, figures, figures_on
from stj_model.head import softmax


@given(st.integers(1, 5000), st.data())
def test_the_interval_holds_the_share_and_stays_a_share(n, data):
    correct = data.draw(st.integers(0, n))
    low, high = wilson(correct, n)
    assert 0 <= low <= correct / n <= high <= 1 + 1e-12
    assert low < high


def test_the_interval_is_the_one_that_scipy_gives():
    from scipy.stats import binomtest

    for correct, n in ((29, 30), (8, 10), (0, 7), (500, 500)):
        assert wilson(correct, n) == pytest.approx(tuple(binomtest(correct, n).proportion_ci(method="wilson")))
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 500), st.data())
def test_more_pictures_make_the_interval_narrower(n, data):
    correct = data.draw(st.integers(0, n))
    low, high = wilson(correct, n)
    lower, higher = wilson(10 * correct, 10 * n)
    assert higher - lower < high - low


def test_calibration_error_is_the_gap_between_sure_and_right():
    assert pytest.approx(0.4) == calibration_error(np.full(20, 0.9), np.array([True, False] * 10), bins=1)
    assert pytest.approx(0.0) == calibration_error(np.full(10, 0.5), np.array([True, False] * 5), bins=1)
    assert calibration_error(np.array([]), np.array([], dtype=bool)) == 0.0


@given(st.lists(st.tuples(st.sampled_from([3, 5, 9]), st.sampled_from([3, 5, 9])), min_size=1, max_size=40))
def test_what_is_counted_is_what_scikit_learn_counts(pairs):
    """Classes that are never there or never said included."""
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    labels = [3, 5, 9]
    truth, guess = map(np.array, zip(*pairs, strict=True))
    found = figures(truth, np.eye(3)[[labels.index(one) for one in guess]], labels, [""] * len(pairs))
    assert found["confusion"] == confusion_matrix(truth, guess, labels=labels).tolist()
    expected = precision_recall_fscore_support(truth, guess, labels=labels, zero_division=0)
    for name, column in zip(("precision", "recall", "f1", "n"), expected, strict=True):
        assert [line[name] for line in found["per_class"].values()] == pytest.approx(column, abs=5.1e-5)
    there = sorted(set(truth.tolist()))  # a class without a picture was not measured, and pulls no average down
    for name in ("macro", "weighted"):
        wanted = precision_recall_fscore_support(truth, guess, labels=there, average=name, zero_division=0)[:3]
        got = [found["averages"][name][figure] for figure in ("precision", "recall", "f1")]
        assert got == pytest.approx(wanted, abs=1.1e-4)


def test_all_figures_come_from_the_same_predictions():
    truth = np.array([3, 3, 5, 5, 5])
    chances = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7], [0.45, 0.55]])
    found = figures(truth, chances, [3, 5], ["a", "b", "b", "b", ""])
    assert (found["n"], found["correct"], found["accuracy"]) == (5, 4, 0.8)
    assert found["confusion"] == [[1, 1], [0, 3]]
    assert {key: found["per_class"]["3"][key] for key in ("precision", "recall", "f1", "n")} == {
        "precision": 1.0,
        "recall": 0.5,
        "f1": 0.6667,
        "n": 2,
    }
    assert found["per_source"] == {
        "a": {"n": 1, "correct": 1},
        "b": {"n": 3, "correct": 2},
        "unknown": {"n": 1, "correct": 1},
    }
    assert sum(map(sum, found["confusion"])) == found["n"] == sum(part["n"] for part in found["per_source"].values())


def picture(label: int, page: str = "", number: int | None = None, seen: str = "") -> LabelledPicture:
    return LabelledPicture(Path("x.jpg"), "x.jpg", "0" * 64, label, page_url=page, page_number=number, seen_at=seen)


def test_figures_name_the_listing_page_and_the_day():
    pictures = [
        picture(3, "https://shop/s?page=1", 1, "2026-01-02T23:59:59Z"),
        picture(3, "https://shop/s?page=2", 2, "2026-01-03T00:00:01Z"),
        picture(5, "https://shop/s?page=2", 2, "2026-01-03T00:00:02Z"),
        picture(5),
    ]
    found = figures_on(pictures, np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]]), [3, 5])
    assert found["per_page"] == {
        "https://shop/s?page=1": {"n": 1, "correct": 1, "page_number": 1},
        "https://shop/s?page=2": {"n": 2, "correct": 1, "page_number": 2},
        "unknown": {"n": 1, "correct": 1, "page_number": None},
    }
    assert found["per_crawl_date"] == {
        "2026-01-02": {"n": 1, "correct": 1},
        "2026-01-03": {"n": 2, "correct": 1},
        "unknown": {"n": 1, "correct": 1},
    }


def test_pictures_from_no_listing_have_no_page_and_no_day():
    found = figures_on([picture(3), picture(5)], np.array([[0.9, 0.1], [0.4, 0.6]]), [3, 5])
    assert (found["per_page"], found["per_crawl_date"]) == ({}, {})
    assert found["per_source"] == {"unknown": {"n": 2, "correct": 2}}


def test_nothing_to_judge_is_said_and_not_divided_by():
    with pytest.raises(DatasetError, match="no picture to judge"):
        figures(np.array([], dtype=int), np.empty((0, 2)), [0, 1], [])


def test_the_error_before_temperature_is_that_of_the_same_logits_without_it():
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 3, 200)
    logits = 4 * rng.normal(size=(200, 3)) + 3 * np.eye(3)[truth]
    found = figures(truth, softmax(logits, 2.5), [0, 1, 2], ["a"] * 200, temperature=2.5)
    plain = figures(truth, softmax(logits), [0, 1, 2], ["a"] * 200)
    assert found["ece_before"] == plain["ece"] == plain["ece_before"]
    assert found["ece"] != found["ece_before"]
    assert found["correct"] == plain["correct"]
