"""Where a network looked: Grad-CAM over its last convolutional map, and the same as a warm layer to lay over a picture."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from stj_core.errors import ModelError
from stj_model.backend import KerasLayer, KerasModel, Tensor, keras, tensorflow
from stj_model.preprocess import Pixels

if TYPE_CHECKING:
    from stj_model.predict import Predictor

Heat = npt.NDArray[np.float64]
Maps = npt.NDArray[np.float32]


class _Look(NamedTuple):
    """The compiled ways from pixels (1, h, w, 3) to the last maps, and from these and a class's place to the logit's gradient."""

    see: Callable[[Any], Any]
    ask: Callable[[Any, Any], Any]


_COMPILED: weakref.WeakKeyDictionary[Predictor, _Look] = weakref.WeakKeyDictionary()
"""The compiled network of each predictor that was asked: tracing one costs seconds, asking it again a tenth of one."""


def grad_cam(predictor: Predictor, pixels: Pixels, label: int) -> Heat:
    """Where a network looked for a class: Grad-CAM (Selvaraju et al. 2017, equations 1 and 2), scaled to a maximum of 1.

    The gradient is of the class's logit: a probability near 1 has hardly any left. Where the network sees a picture and
    its mirror image, the map of the picture is taken.

    Args:
        predictor: a loaded run.
        pixels: uint8 of shape (h, w, 3), as `predictor.read` gives them.
        label: the class.

    Returns:
        Values from 0 to 1, of shape (h', w'), the size of the network's last convolutional map; all 0 where nothing in
        the picture speaks for the class.

    Raises:
        ModelError: the run does not know the label, or its network has no map or no softmax.
    """
    return warmth(predictor, last_maps(predictor, pixels), label)


def last_maps(predictor: Predictor, pixels: Pixels) -> Maps:
    """The network's last convolutional map of a picture, (1, h', w', d); (2, …) where it sees the mirror image too.

    Raises:
        ModelError: the network has no map or no softmax.
    """
    tf = tensorflow()
    result: Maps = _look(predictor).see(tf.constant(pixels[None].astype(np.float32))).numpy()
    return result


def warmth(predictor: Predictor, maps: Maps, label: int) -> Heat:
    """Grad-CAM of `last_maps`, as `grad_cam` gives it: nothing before the maps has a part in it, so that they can be kept.

    Raises:
        ModelError: as in `grad_cam`.
    """
    labels = list(predictor.labels)
    if label not in labels:
        raise ModelError(f"The run {predictor.run.name} does not know the label {label}: it knows {labels}.")
    tf = tensorflow()
    slopes = _look(predictor).ask(tf.constant(maps), tf.constant(labels.index(label))).numpy()[0].astype(np.float64)
    gradients = np.nan_to_num(slopes, nan=0, posinf=0, neginf=0)  # a root has no slope at 0, where nothing was seen
    warm: Heat = np.maximum((maps[0].astype(np.float64) * gradients.mean(axis=(0, 1))).sum(axis=2), 0)
    return warm / warm.max() if warm.max() > 0 else warm


def tint(heat: Heat, size: tuple[int, int]) -> Image.Image:
    """A heat map as an RGBA picture, from clear through yellow to red.

    Args:
        heat: values from 0 to 1, (h, w).
        size: width and height of the picture that it will lie on, in pixels.
    """
    levels = Image.fromarray((heat.clip(0, 1) * 255).round().astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    red, blue = levels.point(lambda _: 255), levels.point(lambda _: 30)
    return Image.merge("RGBA", (red, levels.point(lambda level: 220 - int(0.75 * level)), blue, levels))


def _look(predictor: Predictor) -> _Look:
    look = _COMPILED.get(predictor)
    if look is None:
        look = _COMPILED[predictor] = _compile(predictor.model)
    return look


def _compile(model: KerasModel) -> _Look:
    tf = tensorflow()
    before, linear = _logits(model)
    last = _last_map(before, model)
    front, back = keras().Model(model.inputs[0], last), keras().Model(last, before)

    def see(pixels: Any) -> Any:  # noqa: ANN401 - tensors
        return front(pixels, training=False)

    def ask(maps: Any, place: Any) -> Any:  # noqa: ANN401 - tensors
        with tf.GradientTape() as tape:
            tape.watch(maps)
            logit = linear(back(maps, training=False))[0, place]
        return tape.gradient(logit, maps)

    return _Look(tf.function(see, autograph=False), tf.function(ask, autograph=False))


def _logits(model: KerasModel) -> tuple[Tensor, Callable[[Any], Any]]:
    """The tensor that the logits are made of, and how: as it is before a Softmax, times the weights of a last Dense layer."""
    softmax = keras().activations.softmax
    for layer, inputs in map(_maker, _upstream(model.outputs[0])):
        if isinstance(layer, keras().layers.Dense) and layer.activation is softmax:
            return inputs[0], lambda x, dense=layer: keras().ops.matmul(x, dense.kernel) + dense.bias
        if type(layer).__name__ == "Softmax" or getattr(layer, "activation", None) is softmax:
            return inputs[0], lambda x: x
    raise ModelError(f"The network {model.name} does not end in a softmax: train again to see where it looks.")


def _last_map(start: Tensor, model: KerasModel) -> Tensor:
    """The last map that a layer gives on the way to `start`; what only pools a map is passed by: it is coarser."""
    layers = keras().layers
    for tensor in _upstream(start):
        layer, _ = _maker(tensor)
        drawn = isinstance(layer, layers.Layer) and not isinstance(layer, layers.InputLayer)
        if drawn and len(tensor.shape) == 4 and not type(layer).__name__.endswith(("Pooling2D", "Dropout2D")):
            return tensor
    raise ModelError(f"The network {model.name} has no convolutional map: nothing can be said of where it looks.")


def _upstream(tensor: Tensor) -> Iterator[Tensor]:
    """A tensor and all that it is made of, the nearest first."""
    waiting, seen = [tensor], {id(tensor)}
    while waiting:
        one = waiting.pop(0)
        yield one
        for given in _maker(one)[1]:
            if id(given) not in seen:
                seen.add(id(given))
                waiting.append(given)


def _maker(tensor: Tensor) -> tuple[KerasLayer, list[Tensor]]:
    """The layer or operation that a tensor comes from, and what it was given: Keras has no public name for either."""
    operation, node, _ = tensor._keras_history
    return operation, operation._inbound_nodes[node].input_tensors
