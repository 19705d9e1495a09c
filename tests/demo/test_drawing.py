"""Drawn garments: repeatable, different from each other, and told apart by what they are rather than by their colour."""

from __future__ import annotations

import io

import imagehash
import numpy as np
import pytest
from PIL import Image

from stj_demo.drawing import KINDS, colour_name, draw
from stj_demo.sources import Drawn, encode

GARMENTS = ("saree", "trousers", "jeans")


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_and_number_draw_the_same_bytes(kind):
    assert encode(draw(kind, 7, 3)) == encode(draw(kind, 7, 3))


@pytest.mark.parametrize("other", [(8, 3, 0), (7, 4, 0), (7, 3, 1)])
def test_another_seed_number_or_view_draws_another_picture(other):
    assert encode(draw("saree", 7, 3)) != encode(draw("saree", *other))


def test_a_garment_keeps_its_colour_in_every_view():
    assert colour_name("jeans", 42, 5) == colour_name("jeans", 42, 5)
    assert len({colour_name("jeans", 42, index) for index in range(60)}) > 8


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawing_is_a_picture_of_shop_size(kind):
    picture = draw(kind, 42, 0)
    assert picture.mode == "RGB"
    assert 400 <= min(picture.size) <= max(picture.size) <= 640


def test_a_kept_drawing_is_the_drawing(tmp_path):
    kept = Drawn("trousers", 42, 1, cache=tmp_path)
    assert kept.read() == kept.read() == Drawn("trousers", 42, 1).read()
    assert len(list(tmp_path.rglob("*.jpg"))) == 1
    assert not list(tmp_path.rglob("*.part"))


@pytest.fixture(scope="module")
def some(drawings) -> dict[str, list[Image.Image]]:
    """The first 60 drawings of each garment, as the shop sells them."""
    read = lambda kind, index: Image.open(io.BytesIO(Drawn(kind, 42, index, cache=drawings).read()))  # noqa: E731
    return {kind: [read(kind, index) for index in range(60)] for kind in GARMENTS}


def _bits(picture: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    grey = picture.convert("L").resize((256, 256))
    return imagehash.phash(grey, 8).hash.ravel(), imagehash.phash(grey, 16).hash.ravel()


def _assert_no_duplicates(pictures: list[Image.Image]) -> None:
    coarse, fine = (np.array(bits) for bits in zip(*map(_bits, pictures), strict=True))
    apart = [(bits[:, None] != bits[None]).sum(-1) for bits in (coarse, fine)]
    pairs = np.triu((apart[0] <= 8) & (apart[1] <= 22), 1)
    assert not pairs.any(), np.argwhere(pairs)


@pytest.mark.medium
def test_no_two_drawings_are_duplicates(some):
    _assert_no_duplicates([picture for kind in GARMENTS for picture in some[kind]])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [42, 7])
def test_no_two_drawings_of_a_whole_shop_are_duplicates(seed):
    _assert_no_duplicates([draw(kind, seed, index) for kind in GARMENTS for index in range(260)])


def _out_of_fold_accuracy(features: np.ndarray, labels: np.ndarray, ridge: float) -> float:
    """Five folds of a linear least-squares classifier."""
    features = np.c_[(features - features.mean(0)) / (features.std(0) + 1e-6), np.ones(len(features))]
    fold = np.random.default_rng(0).permutation(len(labels)) % 5
    right = []
    for number in range(5):
        train, test = fold != number, fold == number
        squares = features[train].T @ features[train] + ridge * np.eye(features.shape[1])
        weights = np.linalg.solve(squares, features[train].T @ np.eye(3)[labels[train]])
        right += list((features[test] @ weights).argmax(1) == labels[test])
    return float(np.mean(right))


def _texture(picture: Image.Image) -> np.ndarray:
    """How often steps of each strength and direction occur at three sizes, in the middle of the picture."""
    grey = picture.convert("L")
    features = []
    for size in (256, 128, 64):
        small = np.asarray(grey.resize((size, size), Image.Resampling.BOX), float)[
            size // 5 : -size // 10, size // 4 : -size // 4
        ]
        down, across = np.gradient(small)
        angle, strength = np.arctan2(down, across) % np.pi, np.log1p(np.hypot(down, across))
        features.append(
            np.histogram2d(angle.ravel(), strength.ravel(), bins=(6, 5), range=((0, np.pi), (0, 4)))[0].ravel()
            / small.size
        )
    return np.concatenate(features)


@pytest.mark.medium
def test_the_mean_colour_does_not_tell_the_classes_apart(some):
    labels = np.repeat([0, 1, 2], 60)
    means = np.array([np.asarray(picture).mean((0, 1)) for kind in GARMENTS for picture in some[kind]]) / 255
    assert _out_of_fold_accuracy(np.c_[means, means**2], labels, 1.0) < 0.6


@pytest.mark.medium
def test_texture_does(some):
    labels = np.repeat([0, 1, 2], 60)
    features = np.array([_texture(picture) for kind in GARMENTS for picture in some[kind]])
    assert _out_of_fold_accuracy(features, labels, 10.0) > 0.7
