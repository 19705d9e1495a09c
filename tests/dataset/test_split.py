"""The laws of the split, for any pictures, groups and history."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stj_catalog.selection import KeptPictures
from stj_core.errors import DatasetError, UsageError
from stj_dataset.plan import Plan, choose
from stj_dataset.settings import ExportSettings
from stj_dataset.shares import Shares
from stj_dataset.split import UNDECIDED, split_units, units_by_group, units_by_source, winners

CLASSES = {0: "Saree", 1: "Trousers", 2: "Jeans"}


def pictures(labels: list[int], groups: list[int], first: int = 0) -> KeptPictures:
    """Pictures by class and group; number n has a checksum that only n decides."""
    size = len(labels)
    heads = np.array([hash_of(first + at) for at in range(size)], dtype=np.uint64)
    sides = np.full(size, 300, dtype=np.int64)
    ids = np.arange(first + 1, first + size + 1, dtype=np.int64)
    blank = np.full(size, UNDECIDED, dtype=np.int8)
    return KeptPictures(ids, np.array(labels, np.int64), np.array(groups, np.int64), heads, sides, sides * 400, blank)


def hash_of(number: int) -> int:
    return number * 0x9E3779B97F4A7C15 % (1 << 64)


def plan(shelf: KeptPictures, known: dict[int, int] | None = None, **settings: object) -> Plan:
    """Choose, given the splits that earlier exports gave to pictures (by checksum)."""
    known = known or {}
    assigned = np.array([known.get(int(head), UNDECIDED) for head in shelf.heads], dtype=np.int8)
    shelf = replace(shelf, assigned=assigned)
    units, by_group = units_by_group(shelf.groups)
    has = assigned >= 0
    decided = winners(units[has], assigned[has], len(by_group))
    return choose(shelf, units, decided, CLASSES, ExportSettings(**settings))  # type: ignore[arg-type]


def by_picture(made: Plan) -> dict[int, int]:
    return dict(zip(made.pictures.heads.tolist(), made.splits.tolist(), strict=True))


@st.composite
def shelves(draw: st.DrawFn) -> KeptPictures:
    """Some pictures of every class, in groups that may cross classes, with enough groups for train to have each class."""
    labels = [label for label in CLASSES for _ in range(draw(st.integers(8, 20)))]
    groups = draw(st.lists(st.integers(1, 60), min_size=len(labels), max_size=len(labels)))
    return pictures(labels, groups)


def planned(shelf: KeptPictures, known: dict[int, int] | None = None, **settings: object) -> Plan | None:
    """The plan, or None where the groups leave train without a class."""
    try:
        return plan(shelf, known, **settings)
    except DatasetError:
        return None


@given(shelves(), st.integers(0, 5), st.dictionaries(st.integers(0, 60), st.integers(0, 2)))
def test_no_group_is_in_two_splits_whatever_came_before(
    shelf: KeptPictures, seed: int, history: dict[int, int]
) -> None:
    made = planned(shelf, {hash_of(number): split for number, split in history.items()}, seed=seed)
    if made is None:
        return
    home: dict[int, int] = {}
    for group, split in zip(made.pictures.groups.tolist(), made.splits.tolist(), strict=True):
        assert home.setdefault(group, split) == split


@pytest.mark.medium
@given(shelves(), shelves(), st.data())
def test_growth_moves_nothing_though_newcomers_join_groups(
    before: KeptPictures, more: KeptPictures, data: st.DataObject
) -> None:
    first = planned(before)
    if first is None:
        return
    joined = data.draw(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), max_size=8))
    groups = np.concatenate([before.groups, more.groups + data.draw(st.integers(0, 60))])
    for one, other in joined:
        groups[groups == one] = other
    grown = pictures([*before.labels.tolist(), *more.labels.tolist()], groups.tolist())
    second = planned(grown, by_picture(first))
    if second is None:
        return
    was, now = by_picture(first), by_picture(second)
    assert {head: was[head] for head in was.keys() & now.keys()} == {
        head: now[head] for head in was.keys() & now.keys()
    }
    gone = was.keys() - now.keys()
    reasons = {row: reason for row, _, reason in second.withheld}
    ids = dict(zip(grown.heads.tolist(), grown.ids.tolist(), strict=True))
    assert all(reasons[ids[head]] in {"group_in_val", "group_in_test"} for head in gone)


@given(shelves(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_decides_nothing(shelf: KeptPictures, random: object) -> None:
    order = list(range(len(shelf)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = shelf.take(np.array(order))
    names = {group: 1_000 - group for group in shelf.groups.tolist()}
    renamed = np.array([names[group] for group in shuffled.groups.tolist()])
    other = replace(shuffled, ids=np.arange(1, len(order) + 1), groups=renamed)
    one, two = planned(shelf), planned(other)
    assert (one is None) == (two is None)
    if one is not None and two is not None:
        assert by_picture(one) == by_picture(two)
        assert one.group_names.tolist() == two.group_names.tolist()


def test_the_seed_decides_everything_that_is_open() -> None:
    shelf = pictures([0, 1, 2] * 40, list(range(1, 121)))
    assert by_picture(plan(shelf, seed=1)) == by_picture(plan(shelf, seed=1))
    assert by_picture(plan(shelf, seed=1)) != by_picture(plan(shelf, seed=2))


def test_the_seed_decides_nothing_that_is_decided() -> None:
    shelf = pictures([0, 1, 2] * 40, list(range(1, 121)))
    known = by_picture(plan(shelf, seed=1))
    assert known == by_picture(plan(shelf, known, seed=2))


@given(
    st.lists(st.integers(1, 12), min_size=3, max_size=60),
    st.floats(0.05, 0.6),
    st.floats(0, 0.5),
    st.integers(0, 9),
)
def test_each_share_is_within_one_group_of_the_request(sizes: list[int], split: float, test: float, seed: int) -> None:
    counts = np.array(sizes, dtype=np.int64)[:, None]
    names = np.array([hash_of(at) for at in range(len(sizes))], dtype=np.uint64)
    blank = np.full(len(sizes), UNDECIDED, dtype=np.int8)
    shares = Shares(split, test)
    splits = split_units(counts, names, blank, shares, seed)
    got = [int(counts[splits == place].sum()) for place in range(3)]
    wanted = shares.targets(sum(sizes))
    assert all(abs(one - other) < max(*sizes, 1) for one, other in zip(got, wanted, strict=True))


@given(st.integers(3, 400), st.integers(0, 20))
def test_single_pictures_meet_the_request_exactly(size: int, seed: int) -> None:
    counts = np.ones((size, 1), dtype=np.int64)
    names = np.array([hash_of(at) for at in range(size)], dtype=np.uint64)
    splits = split_units(counts, names, np.full(size, UNDECIDED, dtype=np.int8), Shares(), seed)
    assert Shares().targets(size) == tuple(int((splits == place).sum()) for place in range(3))


def test_large_groups_reach_every_split() -> None:
    """Filling the emptiest split first would send every large group to train."""
    counts = np.array([[6]] * 60 + [[1]] * 240, dtype=np.int64)
    names = np.array([hash_of(at) for at in range(300)], dtype=np.uint64)
    splits = split_units(counts, names, np.full(300, UNDECIDED, dtype=np.int8), Shares(0.2, 0.2), 42)
    large = [int((splits[:60] == place).sum()) for place in range(3)]
    assert min(large) >= 4


def test_targets_follow_the_notebook_validation_is_a_share_of_what_is_not_test() -> None:
    assert Shares(0.2, 0.1).targets(100) == (72, 18, 10)
    assert Shares(0.2, 0).targets(100) == (80, 20, 0)
    assert Shares(0.2, 0.1).targets(3) == (1, 1, 1)


@pytest.mark.parametrize(
    ("shares", "sentence"),
    [
        ((1.2, 0.1), "--split must be more than 0 and less than 1, got 1.2: 0.2 is usual."),
        ((0.0, 0.1), "--split must be more than 0 and less than 1, got 0: 0.2 is usual."),
        ((0.2, 1.0), "--test must be at least 0 and less than 1, got 1: 0.1 is usual."),
        ((0.2, float("nan")), "--test must be at least 0 and less than 1, got nan: 0.1 is usual."),
    ],
)
def test_shares_that_cannot_be_are_refused_in_a_sentence(shares: tuple[float, float], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        Shares(*shares)
    assert sentence == str(caught.value)


def test_test_beats_val_and_val_beats_train() -> None:
    units = np.array([0, 0, 1, 1, 2])
    splits = np.array([0, 2, 1, 0, 0])
    assert winners(units, splits, 4).tolist() == [2, 1, 0, UNDECIDED]


def test_sources_that_share_a_group_are_one_unit() -> None:
    groups = np.array([1, 2, 3, 4])
    units, _ = units_by_source(groups, [(1, "a"), (2, "a"), (2, "b"), (3, "b"), (4, "c")])
    assert len(set(units[:3].tolist())) == 1
    assert units[3] != units[0]


@given(shelves(), st.integers(1, 12), st.integers(0, 3))
def test_a_test_split_of_a_number_has_that_many_pictures_where_single_ones_can_fill_it(
    shelf: KeptPictures, number: int, more: int
):
    """Groups stay whole, later exports with more pictures keep every split, and the number does not grow."""
    singles = replace(shelf, groups=np.arange(len(shelf.groups), dtype=np.int64))
    made = plan(singles, test_count=number)
    assert np.count_nonzero(made.splits == 2) == number
    shares = [np.count_nonzero((made.splits == 2) & (made.pictures.labels == label)) for label in CLASSES]
    wanted = [number * np.count_nonzero(singles.labels == label) / len(singles.labels) for label in CLASSES]
    assert all(abs(got - wish) <= 1 for got, wish in zip(shares, wanted, strict=True))

    labels = [*singles.labels.tolist(), *([1] * 8 * more)]
    grown = plan(pictures(labels, list(range(len(labels)))), by_picture(made), test_count=number)
    known = by_picture(made)
    assert all(by_picture(grown)[head] == split for head, split in known.items())
    assert np.count_nonzero(grown.splits == 2) == number


@given(shelves(), st.integers(1, 12))
def test_a_test_split_of_a_number_parts_no_group(shelf: KeptPictures, number: int):
    made = planned(shelf, test_count=number)
    if made is not None:
        for group in np.unique(made.pictures.groups):
            assert len(set(made.splits[made.pictures.groups == group].tolist())) == 1


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"test_count": 0}, "--test-count must be at least 1, got 0: --test 0 makes no test split."),
        ({"test_count": 5, "test": 0.2}, "--test and --test-count exclude each other: give one of them."),
    ],
)
def test_a_number_for_test_that_cannot_be_is_refused(settings: dict[str, object], sentence: str):
    with pytest.raises(UsageError) as raised:
        ExportSettings(**settings)  # type: ignore[arg-type]
    assert str(raised.value) == sentence


def test_a_number_for_test_that_leaves_nothing_is_refused():
    shelf = pictures([0] * 8 + [1] * 8 + [2] * 8, list(range(24)))
    with pytest.raises(
        UsageError, match=r"--test-count 24 leaves nothing to learn from: 24 pictures of the classes are there."
    ):
        plan(shelf, test_count=24)
