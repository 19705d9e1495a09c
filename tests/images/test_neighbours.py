"""The index answers exactly what a naive loop over all hashes would."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stj_images import neighbours
from stj_images.neighbours import NeighbourIndex, hashes_from_hex, wide_distance, wide_from_hex

WORD = st.integers(0, 2**64 - 1)


@st.composite
def clustered_hashes(draw):
    """Few centres with a few bits turned: random words alone are never near each other."""
    centres = draw(st.lists(WORD, min_size=1, max_size=4))
    turned = st.lists(st.integers(0, 63), max_size=16)
    picks = draw(st.lists(st.tuples(st.sampled_from(centres), turned), max_size=40))
    return [centre ^ sum(1 << bit for bit in set(bits)) for centre, bits in picks]


def naive_pairs(ids, hashes, distance):
    found = []
    for one in range(len(hashes)):
        for two in range(one + 1, len(hashes)):
            far = (hashes[one] ^ hashes[two]).bit_count()
            if far <= distance:
                found.append((ids[one], ids[two], far))
    return found


def index_of(ids, hashes):
    index = NeighbourIndex()
    index.add(np.array(ids, dtype=np.int64), np.array(hashes, dtype=np.uint64))
    return index


def as_tuples(columns):
    return list(zip(*(column.tolist() for column in columns), strict=True))


@given(clustered_hashes(), st.lists(WORD, max_size=3), st.integers(0, 64))
def test_a_query_equals_the_naive_loop(hashes, strangers, distance):
    ids = [7 * place - 3 for place in range(len(hashes))]
    index = index_of(ids, hashes)
    asked = hashes + strangers
    expected = [
        [(number, (one ^ wanted).bit_count()) for number, one in zip(ids, hashes, strict=True)
         if (one ^ wanted).bit_count() <= distance]
        for wanted in asked
    ]  # fmt: skip
    assert expected == [as_tuples(answer) for answer in index.query_batch(np.array(asked, dtype=np.uint64), distance)]


@given(clustered_hashes(), st.integers(0, 64))
def test_all_pairs_equal_the_naive_loop_in_its_order(hashes, distance):
    ids = [1000 - place for place in range(len(hashes))]
    assert naive_pairs(ids, hashes, distance) == as_tuples(index_of(ids, hashes).all_pairs(distance))


@settings(max_examples=40)
@given(clustered_hashes(), st.integers(0, 11))
def test_the_bands_miss_nothing_and_find_nothing_twice(hashes, distance):
    array = np.array(hashes, dtype=np.uint64)
    bands = neighbours._bands(array, distance)
    found = [pair for block in neighbours._banded_pairs(bands, distance) for pair in as_tuples(block)]
    assert naive_pairs(range(len(hashes)), hashes, distance) == sorted(found)


@settings(max_examples=40)
@given(clustered_hashes(), st.integers(0, 40), st.integers(0, 11), st.sampled_from([0, 0x5555_5555_5555_5555]))
def test_pairs_across_two_halves_are_those_of_all_that_are(hashes, across, distance, turned):
    array, across = np.array(hashes, dtype=np.uint64), min(across, len(hashes))
    wanted = sorted(
        (one, two, (hashes[one] ^ hashes[two] ^ turned).bit_count())
        for one in range(across)
        for two in range(across, len(hashes))
        if (hashes[one] ^ hashes[two] ^ turned).bit_count() <= distance
    )
    if across:
        mask = np.uint64(turned)
        brute = [pair for block in neighbours._brute_pairs(array, distance, mask, across) for pair in as_tuples(block)]
        bands = neighbours._bands(array, distance, across)
        banded = [pair for block in neighbours._banded_pairs(bands, distance, mask) for pair in as_tuples(block)]
        blocks = index_of(range(len(hashes)), hashes).pair_blocks(distance, turned=turned, across=across)
        found = [pair for block in blocks for pair in as_tuples(block)]
        assert (sorted(brute), sorted(banded), sorted(found)) == (wanted, wanted, wanted)


@pytest.mark.parametrize("distance", [0, 2, 6, 10])
def test_halves_agree_on_crowded_keys(rng, distance):
    hashes = rng.integers(0, 2**64, 3000, dtype=np.uint64)
    hashes[1500:2500] = hashes[:1000] ^ (np.uint64(1) << rng.integers(0, 64, 1000).astype(np.uint64))
    hashes[1000:1700] = hashes[0]  # more of one key than a cell holds, in both halves
    hashes[2500:] &= np.uint64(0xFFFF)
    brute = [pair for block in neighbours._brute_pairs(hashes, distance, across=1400) for pair in as_tuples(block)]
    bands = neighbours._bands(hashes, distance, 1400)
    banded = [pair for block in neighbours._banded_pairs(bands, distance) for pair in as_tuples(block)]
    assert sorted(brute) == sorted(banded)
    assert brute


@pytest.mark.parametrize("distance", [0, 2, 6, 10])
def test_bands_and_brute_force_agree_on_crowded_keys(rng, distance):
    hashes = rng.integers(0, 2**64, 4000, dtype=np.uint64)
    hashes[1000:2000] = hashes[:1000] ^ (np.uint64(1) << rng.integers(0, 64, 1000).astype(np.uint64))
    hashes[2000:2400] = hashes[0]  # more of one key than a cell holds
    hashes[2400:3000] &= np.uint64(0xFFFF)
    brute = [pair for block in neighbours._brute_pairs(hashes, distance) for pair in as_tuples(block)]
    bands = neighbours._bands(hashes, distance)
    banded = [pair for block in neighbours._banded_pairs(bands, distance) for pair in as_tuples(block)]
    assert sorted(brute) == sorted(banded)


def test_a_large_index_takes_the_bands_and_finds_what_was_planted(rng, monkeypatch):
    hashes = rng.integers(0, 2**64, 60_000, dtype=np.uint64)
    planted = rng.permutation(60_000)[:400].reshape(2, 200)
    flips = [sum(1 << int(bit) for bit in rng.permutation(64)[:6]) for _ in range(200)]
    hashes[planted[1]] = hashes[planted[0]] ^ np.array(flips, dtype=np.uint64)
    monkeypatch.setattr(neighbours, "_brute_pairs", lambda *_: pytest.fail("brute force was taken"))
    found = as_tuples(index_of(range(60_000), hashes).all_pairs(6))
    assert sorted((min(a, b), max(a, b), 6) for a, b in planted.T.tolist()) == [pair for pair in found if pair[2] == 6]


def test_blocks_hold_the_same_pairs(rng):
    index = index_of(range(300), rng.integers(0, 4096, 300, dtype=np.uint64))
    blocks = [pair for block in index.pair_blocks(3) for pair in as_tuples(block)]
    assert as_tuples(index.all_pairs(3)) == sorted(blocks)


def test_adding_keeps_what_is_there_beyond_every_doubling(rng):
    index, hashes = NeighbourIndex(), rng.integers(0, 2**64, 5000, dtype=np.uint64)
    for start in range(0, 5000, 700):
        index.add(np.arange(start, min(start + 700, 5000)), hashes[start : start + 700])
    assert (len(index), (index.hashes == hashes).all(), (index.ids == np.arange(5000)).all()) == (5000, True, True)


def test_an_empty_index_answers_nothing():
    index = NeighbourIndex()
    assert as_tuples(index.query(5, 64)) == []
    assert as_tuples(index.all_pairs(64)) == []
    assert list(index.pair_blocks(64)) == []


def test_one_hash_is_asked_like_many():
    index = index_of([4, 5], [0b1011, 0b0000])
    assert as_tuples(index.query(0b1010, 1)) == [(4, 1)]


def test_vectors_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"two vectors of one length, got \(2,\) and \(1,\)"):
        NeighbourIndex().add(np.arange(2), np.zeros(1, np.uint64))


@given(st.lists(WORD, max_size=8))
def test_hex_words_come_back(words):
    assert words == hashes_from_hex([f"{word:016x}" for word in words]).tolist()


@given(st.lists(st.tuples(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1)), max_size=8))
def test_wide_distance_counts_differing_bits(pairs):
    one, two = (wide_from_hex([f"{pair[side]:064x}" for pair in pairs]) for side in (0, 1))
    assert [(a ^ b).bit_count() for a, b in pairs] == wide_distance(one, two).tolist()
