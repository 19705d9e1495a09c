"""Where a network looked: at the part of the picture that decides, by the logit, once compiled."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stj_core.errors import ModelError
from stj_model import explain
from stj_model.backend import keras, tensorflow
from stj_model.explain import grad_cam, tint
from stj_model.predict import Predictor
from stj_model.run_dir import Run
from tests.model.conftest import draw

SIDE = 32


@dataclass(eq=False)
class Fake:
    """As much of a predictor as the question needs."""

    model: Any
    labels: dict[int, str] = field(default_factory=lambda: {3: "Red", 5: "Blue"})
    run: Any = field(default_factory=lambda: SimpleNamespace(name="fake"))


def maps(x: Any) -> Any:
    """Two maps, an eighth as wide: how red and how blue each place is."""
    conv = keras().layers.Conv2D(2, 8, strides=8, activation="relu", use_bias=False, name="colours")
    y = conv(x)
    kernel = np.zeros((8, 8, 3, 2), np.float32)
    kernel[:, :, 0, 0] = kernel[:, :, 2, 1] = 1 / 64 / 255
    conv.set_weights([kernel])
    return y


def dense(x: Any, activation: str | None = None) -> Any:
    layer = keras().layers.Dense(2, activation=activation)
    y = layer(x)
    layer.set_weights([np.array([[4, -4], [-4, 4]], np.float32), np.array([0.5, 0], np.float32)])
    return y


def plain() -> Any:
    door = keras().Input((SIDE, SIDE, 3))
    x = keras().layers.GlobalAveragePooling2D()(maps(door))
    x = keras().layers.Rescaling(0.5)(dense(x))
    return keras().Model(door, keras().layers.Softmax()(x))


def pooled_and_fused() -> Any:
    """As the paper recipe ends: a pooled map, and the softmax inside the last Dense."""
    door = keras().Input((SIDE, SIDE, 3))
    x = keras().layers.AveragePooling2D(4)(maps(door))
    x = keras().layers.Dropout(0.5)(keras().layers.Flatten()(x))
    return keras().Model(door, dense(x, "softmax"))


def mirrored() -> Any:
    """Each picture and its mirror image in one batch, their features averaged."""
    k = keras()
    door = k.Input((SIDE, SIDE, 3))
    both = k.ops.concatenate([door, k.ops.flip(door, axis=2)], axis=0)
    x = k.layers.GlobalAveragePooling2D()(maps(both))
    x = k.ops.mean(k.ops.reshape(x, (2, -1, 2)), axis=0)
    return k.Model(door, k.layers.Softmax()(dense(x)))


def nested() -> Any:
    """The maps inside a network that is called as a layer."""
    k = keras()
    inner = k.Input((SIDE, SIDE, 3))
    backbone = k.Model(inner, maps(inner))
    door = k.Input((SIDE, SIDE, 3))
    x = k.layers.GlobalAveragePooling2D()(backbone(door))
    return k.Model(door, k.layers.Softmax()(dense(x)))


def red_left_blue_below() -> np.ndarray:
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[:8, :8, 0] = 255
    picture[24:, 8:24, 2] = 255
    return picture


@pytest.mark.parametrize("build", [plain, pooled_and_fused, mirrored, nested])
def test_the_heat_is_where_the_class_is(build: Any):
    keras().utils.set_random_seed(1)
    predictor = Fake(build())
    red, blue = (grad_cam(predictor, red_left_blue_below(), label) for label in (3, 5))
    expected_red, expected_blue = np.zeros((4, 4)), np.zeros((4, 4))
    expected_red[0, 0] = expected_blue[3, 1] = expected_blue[3, 2] = 1
    assert np.allclose(expected_red, red)
    assert np.allclose(expected_blue, blue)


def test_it_survives_being_saved(tmp_path: Any):
    mirrored().save(tmp_path / "m.keras")
    again = Fake(keras().models.load_model(tmp_path / "m.keras"))
    assert grad_cam(again, red_left_blue_below(), 3)[0, 0] == 1


def test_a_sure_answer_is_explained_as_well_as_a_doubtful_one():
    """Of a probability near 1 the gradient is nothing; of the logit it is not."""
    predictor = Fake(plain())
    layer = predictor.model.layers[-3]
    layer.set_weights([1000 * layer.get_weights()[0], np.array([1000, 0], np.float32)])
    assert float(predictor.model(red_left_blue_below()[None].astype(np.float32))[0, 0]) == 1.0
    assert grad_cam(predictor, red_left_blue_below(), 3).max() == 1


def test_where_nothing_speaks_for_a_class_there_is_no_heat():
    assert not grad_cam(Fake(plain()), np.zeros((SIDE, SIDE, 3), np.uint8), 3).any()


def test_a_network_is_compiled_once(monkeypatch: pytest.MonkeyPatch):
    predictor, compiled = Fake(plain()), []
    original = explain._compile
    monkeypatch.setattr(explain, "_compile", lambda model: compiled.append(model) or original(model))
    for label in (3, 5, 3):
        grad_cam(predictor, red_left_blue_below(), label)
    assert len(compiled) == 1
    look = explain._COMPILED[predictor]
    assert [part.experimental_get_tracing_count() for part in look] == [1, 1]  # type: ignore[attr-defined]


def test_what_cannot_be_explained_is_said():
    with pytest.raises(ModelError, match=r"The run fake does not know the label 4: it knows \[3, 5\]\."):
        grad_cam(Fake(plain()), red_left_blue_below(), 4)
    door = keras().Input((SIDE, SIDE, 3))
    flat = keras().layers.Flatten()(door)
    with pytest.raises(ModelError, match="has no convolutional map"):
        grad_cam(
            Fake(keras().Model(door, keras().layers.Dense(2, activation="softmax")(flat))), red_left_blue_below(), 3
        )
    with pytest.raises(ModelError, match="does not end in a softmax"):
        grad_cam(Fake(keras().Model(door, keras().layers.Dense(2)(flat))), red_left_blue_below(), 3)


def test_a_run_with_random_weights_is_explained_too(run: Run):
    predictor = Predictor(run)
    heat = grad_cam(predictor, predictor.read(draw(1, 99)), 1)
    assert heat.shape == (16, 16)
    assert (heat.min() >= 0, heat.max()) == (True, 1.0)


def test_the_layer_is_clear_where_it_is_cold():
    layer = tint(np.array([[0.0, 1.0]]), (40, 20))
    assert (layer.mode, layer.size) == ("RGBA", (40, 20))
    assert layer.getpixel((0, 10))[3] == 0
    assert layer.getpixel((39, 10)) == (255, 29, 30, 255)


def test_explaining_leaves_the_model_as_it_was():
    model = plain()
    before = [np.array(array) for array in model.get_weights()]
    pixels = tensorflow().constant(red_left_blue_below()[None].astype(np.float32))
    said = model(pixels).numpy()
    grad_cam(Fake(model), red_left_blue_below(), 5)
    assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True))
    assert np.array_equal(said, model(pixels).numpy())
