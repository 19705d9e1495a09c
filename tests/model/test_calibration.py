"""The thresholds of unsure and none, what they promise, and what a damaged file of them says."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stj_core.errors import ModelError
from stj_model.calibration import (
    Calibration,
    Neighbours,
    choose_thresholds,
    fit_scope,
    held_out_distances,
    threshold_for,
)


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
    assert share >= 0.8 or found == min(table.max(), 0.999)


@given(st.integers(20, 200), st.integers(0, 10_000))
def test_of_what_was_held_out_at_least_95_per_cent_is_answered(n: int, seed: int):
    rng = np.random.default_rng(seed)
    sure = rng.uniform(0.4, 1, n)
    truth = (rng.uniform(size=n) > sure).astype(int)
    scores = rng.uniform(size=n)
    below, above = choose_thresholds(chances(sure.tolist()), truth, scores, rng.uniform(size=30))
    answered = (scores <= above) & (np.maximum(sure, 1 - sure) >= below)
    assert answered.mean() >= 0.95 - 1e-9


@given(st.integers(20, 200), st.integers(1, 12), st.integers(0, 10_000), st.booleans())
def test_of_the_pictures_of_an_average_shop_at_least_95_per_cent_are_answered(
    n: int, many: int, seed: int, learned: bool
):
    rng = np.random.default_rng(seed)
    sure = rng.uniform(0.5, 1, n)
    shops = (rng.uniform(size=n) ** 3 * many).astype(int)  # some have most of the pictures
    truth = (rng.uniform(size=n) > sure).astype(int)
    scores = rng.uniform(size=n)
    table, named = chances(sure.tolist()), shops.astype(str).tolist()
    below, above = choose_thresholds(table, truth, scores, np.empty(0), shops=named)
    answered = (scores <= above) & (sure >= below)
    assert answered.mean() >= 0.95 - 1e-9
    assert np.mean([answered[shops == shop].mean() for shop in np.unique(shops)]) >= 0.95 - 1e-9


def test_a_studio_of_hundreds_does_not_set_the_distance_for_all_other_shops():
    studio, others = 400, 30
    shops = [*["studio"] * studio, *(f"shop {number % 15}" for number in range(others))]
    scores = np.concatenate([np.linspace(0.1, 0.2, studio), np.linspace(0.3, 0.45, others)])
    table, truth = chances([0.9] * (studio + others)), np.zeros(studio + others, dtype=int)
    assert choose_thresholds(table, truth, scores, np.empty(0))[1] < 0.45
    _, above = choose_thresholds(table, truth, scores, np.empty(0), shops=shops)
    assert (scores[studio:] <= above).mean() >= 0.95


def test_a_promise_that_was_asked_for_is_kept_at_whatever_price():
    rng = np.random.default_rng(1)
    sure = rng.uniform(0.5, 1, 400)
    truth = (rng.uniform(size=400) > sure).astype(int)
    below, above = choose_thresholds(chances(sure.tolist()), truth, np.zeros(400), np.empty(0), 0.97)
    given = sure >= below
    assert (truth[given] == 0).mean() >= 0.97
    assert given.mean() < 0.95
    assert above >= 0.1, "a distance of almost nothing is no reason to refuse"


def test_classes_that_anything_can_tell_apart_do_not_make_the_thresholds_unreachable():
    table, truth = chances([1.0] * 60), np.zeros(60, dtype=int)
    below, above = choose_thresholds(table, truth, np.full(60, 1e-9), np.full(20, 1 - 1e-9))
    assert below < 0.9999, "a network in single precision says 0.9999999"
    assert 1e-3 < above < 1


def test_both_the_head_and_the_distance_speak_for_something_else():
    rng = np.random.default_rng(0)
    outside = np.arange(200) < 60
    margins = rng.normal(size=200) + np.where(outside, 1.5, -1.5)
    distances = rng.uniform(0.2, 0.4, 200) + np.where(outside, 0.1, 0)
    margin, distance, offset = fit_scope(margins, distances, outside)
    assert margin > 0
    assert distance > 0
    fitted = Calibration(none_learned=True, margin_weight=margin, distance_weight=distance, offset=offset)
    scores = fitted.out_of_scope(distances, margins)
    assert 0 <= scores.min() <= scores.max() <= 1
    assert scores[outside].mean() > 0.8
    assert scores[~outside].mean() < 0.2


def test_a_held_out_distance_is_to_what_is_known_in_other_folds():
    points = np.array([[1.0, 0], [1, 0], [0, 1], [0.6, 0.8]])
    found = held_out_distances(points, np.array([0, 0, 1, 1]), np.array([True, True, True, False]))
    assert found == pytest.approx([1.0, 1.0, 1.0, 0.4])


BAD_CALIBRATIONS = {
    "deep": b"[" * 100_000,
    "a list": b"[1]",
    "no JSON": b"\xff\xfe\x00",
    "nothing": b"{}",
    "half": b'{"temperature": 1, "abstain_below": 0.5}',
    "learned, and not what": b'{"temperature": 1, "abstain_below": 0, "out_of_scope_above": 1, "none_learned": true}',
    **{
        name: b'{"temperature": 1, "abstain_below": 0, "out_of_scope_above": 1, ' + one + b"}"
        for name, one in {
            "text": b'"temperature": "x"',
            "NaN": b'"temperature": NaN',
            "infinite": b'"out_of_scope_above": 1e999',
            "a truth": b'"abstain_below": true',
            "out of range": b'"abstain_below": 1.5',
            "a promise of words": b'"promise": {"n": "many"}',
        }.items()
    },
}


@pytest.mark.parametrize("kind", list(BAD_CALIBRATIONS))
def test_a_damaged_calibration_is_one_typed_sentence(kind: str, tmp_path: Path):
    path = tmp_path / "calibration.json"
    path.write_bytes(BAD_CALIBRATIONS[kind])
    with pytest.raises(ModelError, match=r"calibration\.json cannot be read \(.+\): train again\.$"):
        Calibration.load(path)


def test_an_older_calibration_still_opens(tmp_path: Path):
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({"temperature": 0.5, "abstain_below": 0.7, "out_of_scope_above": 0.4, "fitted_on": "x"}))
    assert Calibration.load(path) == Calibration(0.5, 0.7, 0.4, "x")


def neighbours(path: Path, **changes: np.ndarray) -> None:
    arrays = {
        "layer": np.array("features"),
        "mean": np.zeros(4),
        "scale": np.ones(4),
        "points": np.eye(3, 4, dtype=np.float32),
        "names": np.array(["a", "b", "c"]),
    }
    np.savez(path, **(arrays | changes))


def test_neighbours_are_found_in_single_precision(tmp_path: Path):
    neighbours(tmp_path / "n.npz")
    found = Neighbours.load(tmp_path / "n.npz")
    assert found.points.dtype == np.float32
    distances, nearest = found.distances(np.array([[0, 3.0, 0, 0]]))
    assert (distances[0], found.names[nearest[0]]) == (pytest.approx(0, abs=1e-6), "b")


@pytest.mark.parametrize(
    "changes",
    [
        {"points": np.ones((3, 5), np.float32)},
        {"points": np.ones(3, np.float32)},
        {"points": np.empty((0, 4), np.float32), "names": np.array([], dtype=str)},
        {"points": np.full((3, 4), np.nan, np.float32)},
        {"names": np.array(["a"])},
        {"names": np.arange(3)},
        {"scale": np.zeros(4)},
        {"mean": np.array(["x"] * 4)},
    ],
)
def test_neighbours_of_other_shapes_are_one_typed_sentence(changes: dict[str, np.ndarray], tmp_path: Path):
    neighbours(tmp_path / "n.npz", **changes)
    with pytest.raises(ModelError, match=r"n\.npz cannot be read \(.+\): train again\.$"):
        Neighbours.load(tmp_path / "n.npz")


def test_neighbours_that_unfold_or_promise_terabytes_are_refused(tmp_path: Path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 44,)})
    for name, how in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
        path = tmp_path / f"{name}.npz"
        neighbours(path)
        with zipfile.ZipFile(path) as archive:
            members = {one: archive.read(one) for one in archive.namelist()}
        with zipfile.ZipFile(path, "w", how) as archive:
            for one, data in (members | {"points.npy": header.getvalue() + bytes(1000)}).items():
                archive.writestr(one, data)
        with pytest.raises(ModelError, match="cannot be read"):
            Neighbours.load(path)
    (tmp_path / "garbage.npz").write_bytes(b"PK\x03\x04xxxx")
    with pytest.raises(ModelError, match="cannot be read"):
        Neighbours.load(tmp_path / "garbage.npz")
