"""Views: the same picture seen in another way, and nothing of it lost."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from stj_model.augment import VIEWS, View
from stj_model.preprocess import Preprocessing, fit


def studio(wall: tuple[int, int, int] = (250, 250, 248), size: tuple[int, int] = (300, 400)) -> Image.Image:
    """A dark garment with a pattern before an even wall."""
    picture = Image.new("RGB", size, wall)
    pen = ImageDraw.Draw(picture)
    pen.rectangle([90, 60, 210, 400], fill=(40, 50, 90))
    for y in range(70, 400, 14):
        pen.line([(90, y), (210, y)], fill=(90, 100, 150), width=4)
    return picture


def test_mirroring_before_and_after_resizing_is_the_same():
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (171, 113, 3), dtype=np.uint8))
    how = Preprocessing(64)
    gap = fit(View("mirror")(picture), how).astype(int) - fit(picture, how)[:, ::-1]
    assert np.abs(gap).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (2000, 9), (900, 1200)])
def test_pictures_of_any_shape_can_be_seen(size):
    for name in VIEWS:
        assert min(View(name)(Image.new("RGB", size, (9, 200, 30))).size) >= 1


def test_closer_leaves_the_rim_out_and_padded_squashes_nothing():
    picture = studio()
    assert View("closer")(picture).size == (252, 336)
    padded = View("padded")(picture)
    assert padded.size == (400, 400)
    assert np.array_equal(np.asarray(padded)[:, 50:350], np.asarray(picture))
    assert np.asarray(padded)[:, :50].reshape(-1, 3).tolist() == [[250, 250, 248]] * (50 * 400)


@pytest.mark.parametrize("name", ["", "moved", "restaged-1", "upside-down", "PLAIN"])
def test_an_unknown_view_is_refused(name: str):
    with pytest.raises(ValueError, match="no view"):
        View(name)
