"""The matrices' pixels are Pillow's own, whatever the size, the shape and the content of a picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stj_images.shrinking import shrunk

SIDES = (32, 64)


def noise(width, height, seed=0, extremes=False):
    dice = np.random.default_rng(seed)
    levels = dice.integers(0, 256, (height, width), dtype=np.uint8)
    return Image.fromarray(np.where(levels > 127, 255, 0).astype(np.uint8) if extremes else levels)


def by_pillow(grey, side):
    return np.asarray(grey.resize((side, side), Image.Resampling.LANCZOS))


def assert_alike(grey):
    for side, ours in zip(SIDES, shrunk(grey, SIDES), strict=True):
        np.testing.assert_array_equal(ours, by_pillow(grey, side))


@pytest.mark.medium
@pytest.mark.parametrize("extremes", [False, True])
def test_every_length_that_a_draft_has_across_and_down(extremes):
    for length in range(1, 515):
        assert_alike(noise(length, 33, seed=length, extremes=extremes))
        assert_alike(noise(33, length, seed=length, extremes=extremes))


def test_shapes_at_which_pillow_changes_the_order_of_its_passes():
    for width in (40, 100, 150, 256, 300):
        for height in range(max(1, 2 * width - 70), min(512, 2 * width + 3), 3):
            assert_alike(noise(width, height, seed=height))


@given(st.integers(1, 700), st.integers(1, 700), st.integers(0, 2**32), st.booleans())
def test_any_size_and_content(width, height, seed, extremes):
    assert_alike(noise(width, height, seed, extremes))


@pytest.mark.parametrize("level", [0, 1, 127, 254, 255])
def test_a_blank_picture_stays_as_blank(level):
    assert_alike(Image.new("L", (300, 400), level))
