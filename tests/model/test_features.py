"""The feature store: computed once, only what is new, safe to interrupt and to delete."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stj_core.errors import DatasetError
from stj_model import features as module
from stj_model.augment import View
from stj_model.backend import keras
from stj_model.data import open_dataset
from stj_model.features import Extractor, FeatureStore, compute_features, compute_views, read_batches
from stj_model.preprocess import Preprocessing


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    keras().utils.set_random_seed(0)
    door = keras().Input((64, 64, 3))
    features = keras().layers.GlobalAveragePooling2D()(keras().layers.Conv2D(7, 3, strides=2)(door))
    return Extractor(keras().Model(door, features), Preprocessing(64), {"weights": "a"})


def test_a_second_computation_computes_nothing(drawn: Path, extractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pictures = open_dataset(drawn).pictures
    first = compute_features(pictures, extractor, tmp_path)
    names = [picture.sha256 for picture in pictures]
    assert first.rows(names).shape == (len(pictures), 7)
    monkeypatch.setattr(module, "compiled", lambda model: pytest.fail("computed again"))
    again = compute_features(pictures, extractor, tmp_path)
    assert np.array_equal(first.rows(names), again.rows(names))


def test_only_new_pictures_are_computed(drawn: Path, extractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pictures = open_dataset(drawn).pictures
    compute_features(pictures[:-5], extractor, tmp_path)
    asked: list[int] = []

    def watched(new, how, together):
        asked.append(len(new))
        yield from read_batches(new, how, together)

    monkeypatch.setattr(module, "read_batches", watched)
    assert len(compute_features(pictures, extractor, tmp_path)) == len(pictures)
    assert asked == [5]


def test_views_share_the_batch_in_which_one_ends(drawn: Path, extractor, tmp_path: Path):
    pictures, asked = open_dataset(drawn).pictures[: module.BATCH + 2], []

    def counted(pixels):
        asked.append(len(pixels))
        return extractor.run(pixels)

    both = [
        Extractor(extractor.model, Preprocessing(64), {"a": 1}, View(view), counted) for view in ("plain", "mirror")
    ]
    stores = compute_views(pictures, both, tmp_path)
    assert asked == [module.BATCH] * 3
    names = [picture.sha256 for picture in pictures]
    for store, view in zip(stores, both, strict=True):
        alone = compute_features(pictures, replace(view, run=extractor.run), tmp_path / view.view.name)
        assert np.array_equal(alone.rows(names), store.rows(names))
    assert not np.array_equal(stores[0].rows(names), stores[1].rows(names))


def test_another_batch_is_another_store_and_says_the_same_but_for_rounding(drawn: Path, extractor, tmp_path: Path):
    pictures = open_dataset(drawn).pictures[:20]
    larger = replace(extractor, batch=3 * module.BATCH)
    assert larger.key != extractor.key
    names = [picture.sha256 for picture in pictures]
    usual, other = (compute_features(pictures, one, tmp_path).rows(names) for one in (extractor, larger))
    assert np.allclose(usual, other, atol=1e-3)


def test_a_shard_that_is_a_pipe_or_without_end_is_left_alone(tmp_path: Path):
    store = FeatureStore(tmp_path)
    store.add(["a"], np.ones((1, 3), np.float32))
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "endless.json").symlink_to("/dev/zero")
    (tmp_path / "half.json").write_text('["b"]')
    os.mkfifo(tmp_path / "half.npy")
    assert len(FeatureStore(tmp_path)) == 1


def test_a_feature_does_not_depend_on_its_company(drawn: Path, extractor, tmp_path: Path):
    pictures = open_dataset(drawn).pictures
    together = compute_features(pictures, extractor, tmp_path / "a")
    alone = compute_features(pictures[7:8], extractor, tmp_path / "b")
    name = [pictures[7].sha256]
    assert np.array_equal(together.rows(name), alone.rows(name))


def test_what_was_computed_before_an_interruption_is_kept(drawn: Path, extractor, tmp_path: Path, monkeypatch):
    pictures = open_dataset(drawn).pictures

    def interrupted(new, how, together):
        yield next(iter(read_batches(new, how, together)))
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "read_batches", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compute_features(pictures, extractor, tmp_path)
    assert len(FeatureStore(tmp_path / "features" / extractor.key)) == module.BATCH


def test_what_took_long_is_on_disk_before_the_next_batch(drawn: Path, extractor, tmp_path: Path, monkeypatch):
    """Nothing that runs at the end is needed for it: kill -9 would leave it there."""
    pictures, held = open_dataset(drawn).pictures, []

    def watched(new, how, together):
        for batch in read_batches(new, how, together):
            held.append(len(FeatureStore(tmp_path / "features" / extractor.key)))
            yield batch

    monkeypatch.setattr(module, "read_batches", watched)
    monkeypatch.setattr(module, "SHARD_SECONDS", 0.0)
    compute_features(pictures, extractor, tmp_path)
    assert held == list(range(0, len(pictures), module.BATCH))


def test_half_a_shard_is_left_alone(tmp_path: Path):
    store = FeatureStore(tmp_path)
    store.add(["a", "b"], np.ones((2, 3), np.float32))
    (tmp_path / "torn.json").write_text('["c"]')
    (tmp_path / "short.json").write_text('["d", "e"]')
    np.save(tmp_path / "short.npy", np.zeros((1, 3), np.float32))
    again = FeatureStore(tmp_path)
    assert len(again) == 2
    assert "c" not in again
    assert "d" not in again
    assert again.rows(["b", "a"]).shape == (2, 3)


def test_everything_that_decides_a_feature_is_in_the_key(extractor):
    others = [
        Extractor(extractor.model, Preprocessing(64, "nearest"), extractor.record),
        Extractor(extractor.model, Preprocessing(96), extractor.record),
        Extractor(extractor.model, Preprocessing(64), {"weights": "b"}),
        Extractor(extractor.model, Preprocessing(64), extractor.record, View("mirror")),
        Extractor(extractor.model, Preprocessing(64), extractor.record, View("closer")),
    ]
    assert len({extractor.key, *(other.key for other in others)}) == 6


def test_a_picture_that_changed_since_the_export_is_not_learned(dataset: Path, extractor, tmp_path: Path):
    pictures = open_dataset(dataset).pictures
    pictures[0].path.write_bytes(pictures[1].path.read_bytes())
    with pytest.raises(DatasetError, match="is not the picture that the manifest names: export the dataset again"):
        compute_features(pictures, extractor, tmp_path)
