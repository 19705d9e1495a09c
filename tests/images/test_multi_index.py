"""What bands look up is what a look at everything finds: at any distance, however uneven the hashes, whatever comes later."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stj_images import multi_index, neighbours
from stj_images.likeness import MIRROR, Looks, LooksIndex, Thresholds
from stj_images.multi_index import MultiIndex, ball, ball_size, reaches, runs, scatter
from stj_images.neighbours import NeighbourIndex
from tests.images.test_neighbours import WORD, clustered_hashes

WIDTHS = [(16, 16, 16, 16), (22, 21, 21)]


def bands_at_once(patch):
    """Bands are made of whatever is there, at the first question, and always used."""
    patch.setattr(neighbours, "LOOKED_THROUGH", 0)
    patch.setattr(neighbours, "_PAID_BY", 0)
    patch.setattr(multi_index, "_WORTHWHILE", float("inf"))
    patch.setattr(multi_index, "_NARROW", (8,) * 8)


def brute(index, asked, distance, since=0):
    """What is within reach, in order of addition, by the plainest loop."""
    return [
        [
            (number, (one ^ word).bit_count())
            for number, one in list(zip(index.ids.tolist(), index.hashes.tolist(), strict=True))[since:]
            if (one ^ word).bit_count() <= distance
        ]
        for word in asked
    ]


def told(index, asked, distance, since=0):
    answers = index.query_batch(np.array(asked, dtype=np.uint64), distance, since=since)
    return [list(zip(ids.tolist(), far.tolist(), strict=True)) for ids, far in answers]


def index_of(hashes, first=0):
    index = NeighbourIndex()
    index.add(np.arange(first, first + len(hashes)), np.array(hashes, dtype=np.uint64))
    return index


@settings(max_examples=25)
@given(st.data(), st.integers(0, 11))
def test_what_was_added_in_pieces_is_found_as_by_a_look_at_everything(data, distance):
    with pytest.MonkeyPatch.context() as patch:
        bands_at_once(patch)
        index, asked = NeighbourIndex(), []
        for _ in range(data.draw(st.integers(1, 4))):
            hashes = data.draw(clustered_hashes())
            index.add(np.arange(len(index), len(index) + len(hashes))[::-1], np.array(hashes, dtype=np.uint64))
            asked = (asked + hashes)[:12] + data.draw(st.lists(WORD, max_size=2))
            since = data.draw(st.integers(0, len(index)))
            assert brute(index, asked, distance) == told(index, asked, distance)
            assert brute(index, asked, distance, since) == told(index, asked, distance, since)
        assert sum(len(one) for one in index._banded) == len(index) or not len(index)


@settings(max_examples=40)
@given(clustered_hashes(), st.sampled_from([Thresholds(), Thresholds(duplicate=4, related=4), Thresholds(related=11)]))
def test_every_way_in_which_pictures_are_alike_finds_the_same_candidates(hashes, thresholds):
    words = np.array(hashes, dtype=np.uint64)
    ids = np.arange(len(words))
    # Mirrored, bordered and plain copies of one another.
    plain = np.where(ids % 3 == 1, words ^ np.uint64(MIRROR), words)
    trimmed = np.where(ids % 3 == 2, words, ~words)
    wide = np.zeros((len(words), 4), dtype=np.uint64)
    looks = Looks(ids, plain, trimmed, wide, wide, wide, wide)
    seen = LooksIndex()
    seen.add(ids, plain, trimmed)
    expected = seen.candidates(looks, thresholds.reach)
    with pytest.MonkeyPatch.context() as patch:
        bands_at_once(patch)
        banded = LooksIndex()
        banded.add(ids, plain, trimmed)
        assert expected == banded.candidates(looks, thresholds.reach)
        assert len(ids) == sum(len(one) for one in banded.plain._banded)


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("distance", [0, 1, 5, 8, 10])
def test_crowded_and_even_keys_are_looked_up_alike(rng, widths, distance, monkeypatch):
    hashes = rng.integers(0, 2**64, 60_000, dtype=np.uint64)
    hashes[:5_000] = hashes[0]
    hashes[5_000:9_000] &= np.uint64(0xFFFF)
    copies = hashes[-500:].copy()
    for _ in range(distance):
        copies ^= np.uint64(1) << rng.integers(0, 64, 500).astype(np.uint64)
    asked = np.concatenate([copies[:40], hashes[:2], hashes[6_000:6_010], rng.integers(0, 2**64, 5, dtype=np.uint64)])
    index = index_of(hashes)
    expected = [(ids.tolist(), far.tolist()) for ids, far in index.query_batch(asked, distance)]
    monkeypatch.setattr(neighbours, "LOOKED_THROUGH", 0)
    monkeypatch.setattr(neighbours, "_PAID_BY", 0)
    monkeypatch.setattr(multi_index, "_NARROW", widths)
    assert expected == [(ids.tolist(), far.tolist()) for ids, far in index.query_batch(asked, distance)]
    assert len(index._banded) == 1


def test_where_a_look_at_everything_is_quicker_the_bands_say_so(rng):
    even, alike = rng.integers(0, 2**64, 100_000, dtype=np.uint64), np.zeros(100_000, dtype=np.uint64)
    bands = MultiIndex(even)
    assert bands.near(even, even[7], 10).tolist() == [7]
    assert bands.near(even, even[7], 30) is None  # too many keys are within reach
    assert MultiIndex(alike).near(alike, alike[0], 10) is None  # too many hashes have one key


def test_bands_are_made_when_enough_was_asked_of_many_and_not_before(rng, monkeypatch):
    monkeypatch.setattr(neighbours, "LOOKED_THROUGH", 1_000)
    index = index_of(rng.integers(0, 2**64, 1_000, dtype=np.uint64))
    asked = rng.integers(0, 2**64, 100, dtype=np.uint64)
    made = []
    for number in range(8):
        index.query_batch(asked, 10)
        made.append([len(one) for one in index._banded])
        if number == 3:
            index.add(np.arange(3_000), rng.integers(0, 2**64, 3_000, dtype=np.uint64))
    assert made == [[], [], [], [], [], [], [4_000], [4_000]]
    for size, expected in (
        (1_500, [4_000, 1_500]),
        (1_001, [6_501]),
        (3_000, [6_501, 3_000]),
        (1_400, [6_501, 3_000, 1_400]),
    ):
        index.add(np.arange(size), rng.integers(0, 2**64, size, dtype=np.uint64))
        for _ in range(3):
            index.query_batch(asked, 10)
        assert [len(one) for one in index._banded] == expected


def test_what_was_added_lately_is_looked_through_without_bands(rng, monkeypatch):
    monkeypatch.setattr(neighbours, "LOOKED_THROUGH", 1_000)
    monkeypatch.setattr(neighbours, "_PAID_BY", 0)
    index = index_of(rng.integers(0, 2**64, 5_000, dtype=np.uint64))
    assert told(index, [int(index.hashes[4_500])], 0, since=4_000) == [[(4_500, 0)]]
    assert index._banded == []


@given(WORD, st.integers(0, 11), st.sampled_from(WIDTHS), st.lists(st.integers(0, 63), max_size=11, unique=True))
def test_what_differs_by_few_bits_is_within_reach_in_some_band(word, distance, widths, turned):
    other = word ^ sum(1 << bit for bit in turned[:distance])
    a, b = (int(one) for one in scatter(np.array([word, other], dtype=np.uint64)))
    apart = []
    for place, width in enumerate(widths):
        apart.append((((a ^ b) >> sum(widths[:place])) & ((1 << width) - 1)).bit_count())
    assert sum(apart) == min(distance, len(turned))
    assert any(far <= reach for far, reach in zip(apart, reaches(distance, len(widths)), strict=True))


@pytest.mark.parametrize(("width", "reach"), [(16, 2), (13, 3), (14, 0), (8, -1)])
def test_a_ball_holds_every_key_of_few_bits_once(width, reach):
    keys = ball(width, reach).tolist()
    assert sorted(keys) == [key for key in range(1 << width) if key.bit_count() <= reach]
    assert len(keys) == ball_size(width, reach)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 5)), max_size=6))
def test_runs_are_laid_end_to_end(pairs):
    first, many = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    assert runs(first, many).tolist() == [start + step for start, length in pairs for step in range(length)]
