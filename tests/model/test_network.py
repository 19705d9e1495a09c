"""The backbone: Keras' own graph, its v1.5 sister, and the scaling inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stj_core.errors import WeightsError
from stj_model.backbones.base import build as build_backbone
from stj_model.backbones.registry import BACKBONES
from stj_model.backend import keras, make_deterministic
from stj_model.network import centred_features, estimate_norms, load_backbone, weights_digest
from stj_model.predict import pooled
from stj_model.weights import find_weights

SIZE = 64


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (4, SIZE, SIZE, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def stock():
    make_deterministic(3)
    return build_backbone(BACKBONES["resnet50"], "caffe", SIZE)


@pytest.mark.medium
def test_resnet50_with_its_scaling_is_what_keras_computes(stock, pixels):
    plain = keras().applications.ResNet50(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    plain.set_weights(stock.get_weights())
    scaled = keras().applications.resnet50.preprocess_input(pixels.copy())
    assert np.allclose(np.asarray(plain(scaled)), np.asarray(stock(pixels)), rtol=1e-5, atol=1e-5)


def test_v1_5_has_the_same_layers_weights_and_map_but_strides_in_the_3x3(stock):
    ours = build_backbone(BACKBONES["resnet50_v1_5"], "caffe", SIZE)
    named = {layer.name: [tuple(w.shape) for w in layer.weights] for layer in stock.layers if layer.weights}
    assert {layer.name: [tuple(w.shape) for w in layer.weights] for layer in ours.layers if layer.weights} == named
    assert list(named) == [layer.name for layer in ours.layers if layer.weights]
    assert ours.output_shape == stock.output_shape
    for stage in (3, 4, 5):
        assert ours.get_layer(f"conv{stage}_block1_1_conv").strides == (1, 1)
        assert ours.get_layer(f"conv{stage}_block1_2_conv").strides == (2, 2)
        assert ours.get_layer(f"conv{stage}_block1_0_conv").strides == (2, 2)


@pytest.mark.slow
def test_a_weights_file_of_one_architecture_loads_into_both(stock, pixels, tmp_path: Path):
    path = tmp_path / "net.weights.h5"
    stock.save_weights(path)
    for architecture in ("resnet50", "resnet50_v1_5"):
        loaded = load_backbone(find_weights(str(path), architecture), SIZE)
        assert weights_digest(loaded) == weights_digest(stock)
    same = load_backbone(find_weights(str(path), "resnet50"), SIZE)
    assert np.array_equal(np.asarray(stock(pixels)), np.asarray(same(pixels)))


@pytest.mark.medium
def test_weights_of_another_network_are_a_sentence(tmp_path: Path):
    layers = keras().layers
    other = keras().Sequential([keras().Input((8, 8, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2)])
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(WeightsError, match="does not hold the weights of resnet50 without its top"):
        load_backbone(find_weights(str(tmp_path / "other.weights.h5"), "resnet50"), SIZE)
    (tmp_path / "torn.weights.h5").write_bytes(b"half a file")
    with pytest.raises(WeightsError, match="does not hold the weights of resnet50"):
        load_backbone(find_weights(str(tmp_path / "torn.weights.h5"), "resnet50"), SIZE)


@pytest.mark.slow
def test_the_same_seed_draws_the_same_random_weights():
    digests = []
    for seed in (5, 5, 6):
        make_deterministic(seed)
        digests.append(weights_digest(load_backbone(find_weights("random"), SIZE)))
    assert digests[0] == digests[1] != digests[2]


def test_estimated_norms_make_each_channel_standard(pixels):
    layers = keras().layers
    door = keras().Input((SIZE, SIZE, 3))
    norm = layers.BatchNormalization(name="n")
    norm.trainable = False
    network = keras().Model(door, norm(layers.Conv2D(5, 3, name="c")(door)))
    estimate_norms(network, [pixels[:2], pixels[2:]])
    out = np.asarray(network(pixels, training=False))
    assert np.allclose(0, out.mean(axis=(0, 1, 2)), atol=1e-3)
    assert np.allclose(1, out.std(axis=(0, 1, 2)), atol=0.05)
    assert norm.momentum == 0.99
    assert not norm.trainable


@pytest.mark.parametrize(("size", "middle"), [(224, (slice(1, 6), slice(2, 5))), (64, (slice(0, 2), slice(0, 2)))])
def test_the_centre_stands_beside_the_whole_under_a_root(size: int, middle: tuple[slice, slice]):
    """Of a 7×7 map the middle 5×3; of a 2×2 map, which has no middle, everything."""
    door = keras().Input((size, size, 3))
    out = keras().layers.AveragePooling2D(32, name="last")(door)
    pixels = np.random.default_rng(2).uniform(0, 9, (3, size, size, 3)).astype(np.float32)
    network = keras().Model(door, out)
    found = np.asarray(keras().Model(door, centred_features(network, "last"))(pixels))
    maps = np.asarray(network(pixels))
    wanted = np.sqrt(np.concatenate([maps.mean(axis=(1, 2)), maps[:, *middle].mean(axis=(1, 2))], axis=1))
    assert np.allclose(wanted, found, rtol=1e-5)


@pytest.mark.medium
def test_the_shared_weights_compute_sensible_features(shared: Path):
    weights = find_weights(str(shared / "weights" / "resnet50_v1_5_imagenet_pqf.weights.h5"))
    assert (weights.architecture, weights.preprocessing) == ("resnet50_v1_5", "caffe")
    backbone = load_backbone(weights, SIZE)
    kernel = backbone.get_layer("conv5_block3_3_conv").get_weights()[0]
    assert np.isfinite(kernel).all()
    assert kernel.std() > 0


def test_a_map_is_pooled_whatever_the_names_in_the_file_are():
    """Keras counts names up by process: a file may hold the very one that is next."""
    k = keras()
    k.backend.clear_session()
    door = k.Input((SIZE, SIZE, 3))
    maps = k.layers.Conv2D(2, 3, name="maps")(door)
    network = k.Model(door, k.layers.GlobalAveragePooling2D(name="global_average_pooling2d")(maps))
    assert k.Model(door, [network.output, pooled(network, "maps")]).output_shape == [(None, 2), (None, 2)]
