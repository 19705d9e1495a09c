"""Views: the same picture the same way every time, and only the wall is replaced."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from stj_model.augment import FIXED, KINDS, View, find_wall, restage
from stj_model.preprocess import Preprocessing, fit


def studio(wall: tuple[int, int, int] = (250, 250, 248), size: tuple[int, int] = (300, 400)) -> Image.Image:
    """A dark garment with a pattern before an even wall."""
    picture = Image.new("RGB", size, wall)
    pen = ImageDraw.Draw(picture)
    pen.rectangle([90, 60, 210, 400], fill=(40, 50, 90))
    for y in range(70, 400, 14):
        pen.line([(90, y), (210, y)], fill=(90, 100, 150), width=4)
    return picture


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("name", [f"{kind}-{number}" for kind in KINDS for number in range(3)])
def test_the_same_picture_is_always_seen_the_same_way_and_another_one_is_not(name: str):
    picture, how = studio(), Preprocessing(64)
    first = fit(View(name)(picture, sha("a")), how)
    assert np.array_equal(first, fit(View(name)(picture, sha("a")), how))
    assert not np.array_equal(first, fit(View(name)(picture, sha("b")), how))
    assert not np.array_equal(first, fit(picture, how))


def test_views_of_one_kind_differ_from_each_other():
    seen = {fit(View(f"moved-{number}")(studio(), sha("a")), Preprocessing(64)).tobytes() for number in range(5)}
    assert len(seen) == 5


def test_mirroring_before_and_after_resizing_is_the_same():
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (171, 113, 3), dtype=np.uint8))
    how = Preprocessing(64)
    gap = fit(View("mirror")(picture, sha("a")), how).astype(int) - fit(picture, how)[:, ::-1]
    assert np.abs(gap).max() <= 1


@pytest.mark.parametrize("wall", [(250, 250, 248), (128, 130, 127), (20, 22, 20)])
def test_the_wall_is_found_and_the_garment_is_not_part_of_it(wall):
    found = find_wall(studio(wall)) if wall[0] > 100 else find_wall(studio(wall).point(lambda v: 255 - v))
    assert found is not None
    height, width = found.shape
    assert found[: int(0.1 * height)].mean() > 0.95
    assert found[int(0.25 * height) :, int(0.36 * width) : int(0.64 * width)].mean() < 0.02


def test_a_picture_without_an_even_background_stays_as_it_is():
    rng = np.random.default_rng(1)
    noisy = Image.fromarray(rng.integers(0, 256, (200, 160, 3), dtype=np.uint8))
    assert find_wall(noisy) is None
    assert restage(noisy, np.random.default_rng(0)) is noisy


def test_restaging_changes_the_wall_and_leaves_the_garment():
    picture = studio()
    before, after = np.asarray(picture, dtype=int), np.asarray(restage(picture, np.random.default_rng(3)), dtype=int)
    assert np.abs(after[100:, 110:190] - before[100:, 110:190]).max() == 0
    assert np.abs(after[:40] - before[:40]).mean() > 10


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (2000, 9), (900, 1200)])
def test_pictures_of_any_shape_can_be_seen(size):
    for name in (*FIXED, *(f"{kind}-0" for kind in KINDS)):
        assert min(View(name)(Image.new("RGB", size, (9, 200, 30)), sha("x")).size) >= 1


def test_closer_leaves_the_rim_out_and_padded_squashes_nothing():
    picture = studio()
    assert View("closer")(picture, sha("a")).size == (252, 336)
    padded = View("padded")(picture, sha("a"))
    assert padded.size == (400, 400)
    assert np.array_equal(np.asarray(padded)[:, 50:350], np.asarray(picture))
    assert np.asarray(padded)[:, :50].reshape(-1, 3).tolist() == [[250, 250, 248]] * (50 * 400)


@pytest.mark.parametrize("name", ["", "moved", "moved-", "moved-x", "upside-down", "restaged--1"])
def test_an_unknown_view_is_refused(name: str):
    with pytest.raises(ValueError, match="no view"):
        View(name)
