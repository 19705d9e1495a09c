"""Folds keep relatives together, leave nobody out, and leave no class without a teacher."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stj_model.folds import NEVER, grouped_folds, holdable


@st.composite
def grouped(draw):
    """Pictures of two to four classes, every class in two groups or more; groups may mix classes."""
    classes = draw(st.integers(2, 4))
    labels, groups = [], []
    for label in range(classes):
        for group in range(draw(st.integers(2, 8))):
            size = draw(st.integers(1, 4))
            labels += [label] * size
            groups += [f"{label}-{group}"] * size
    return labels, groups


@given(grouped(), st.integers(2, 6), st.integers(0, 5))
def test_no_group_is_in_two_folds_and_everyone_has_one(case, folds, seed):
    labels, groups = case
    given_folds = grouped_folds(labels, groups, folds, seed)
    assert len(labels) == len(given_folds)
    for group in set(groups):
        assert len({fold for fold, other in zip(given_folds, groups, strict=True) if other == group}) == 1


@given(grouped(), st.integers(2, 6), st.integers(0, 5))
def test_every_class_is_taught_in_every_fold(case, folds, seed):
    labels, groups = case
    given_folds = grouped_folds(labels, groups, folds, seed)
    for fold in set(given_folds):
        assert set(labels) == {label for label, other in zip(labels, given_folds, strict=True) if other != fold}


def test_classes_are_spread_evenly_where_groups_are_single_pictures():
    labels = [0] * 50 + [1] * 25
    folds = grouped_folds(labels, [str(n) for n in range(75)], 5, 42)
    counts = np.array(
        [[np.sum((folds == fold) & (np.array(labels) == label)) for label in (0, 1)] for fold in range(5)]
    )
    assert counts.tolist() == [[10, 5]] * 5


def test_the_same_seed_gives_the_same_folds_and_another_one_others():
    labels, groups = [0, 1] * 20, [str(n) for n in range(40)]
    assert np.array_equal(grouped_folds(labels, groups, 5, 1), grouped_folds(labels, groups, 5, 1))
    assert not np.array_equal(grouped_folds(labels, groups, 5, 1), grouped_folds(labels, groups, 5, 2))


def test_a_class_from_one_shop_cannot_be_held_out_by_shop():
    assert holdable([0, 0, 1, 1], ["a", "b", "a", "b"])
    assert not holdable([0, 0, 1, 1], ["a", "a", "a", "b"])


@given(grouped(), st.integers(2, 6), st.integers(0, 5))
def test_whole_shops_can_be_held_out_more_often_than_a_class_has_shops(case, folds, seed):
    labels, groups = case
    given_folds = grouped_folds(labels, groups, folds, seed, every_class=False)
    assert len(set(given_folds)) <= min(folds, len(set(groups)))
    for fold in set(given_folds):
        assert set(labels) == {label for label, other in zip(labels, given_folds, strict=True) if other != fold}


def test_three_shops_of_a_class_still_make_five_folds():
    labels = [0] * 30 + [1] * 30
    shops = [f"saree {n // 10}" for n in range(30)] + [f"trousers {n // 3}" for n in range(30)]
    assert len(set(grouped_folds(labels, shops, 5, 42))) == 3
    assert len(set(grouped_folds(labels, shops, 5, 42, every_class=False))) == 5


@given(grouped(), st.integers(1, 5), st.integers(2, 6), st.integers(0, 5))
def test_the_only_group_of_a_class_is_taught_always_and_the_others_are_held_out_as_without_it(case, size, folds, seed):
    labels, groups = case
    found = grouped_folds([*labels, *[9] * size], [*groups, *["only"] * size], folds, seed)
    assert set(found[len(labels) :]) == {NEVER}
    assert np.array_equal(found[: len(labels)], grouped_folds(labels, groups, folds, seed))


def test_a_class_that_shares_its_second_group_with_a_class_of_one_group_is_taught_always_too():
    folds = grouped_folds([0, 0, 1, 2, 2, 2], ["a", "b", "b", "c", "d", "e"], 5, 42)
    assert folds[:3].tolist() == [NEVER] * 3
    assert sorted(folds[3:]) == [0, 1, 2]


def test_where_every_class_is_one_group_they_are_held_out_all_the_same():
    assert set(grouped_folds([0, 1], ["a", "b"], 5, 42)) == {0, 1}
