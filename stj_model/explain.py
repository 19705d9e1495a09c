"""Where a network looked: Grad-CAM over its last convolutional map, and the same as a warm layer to lay over a picture."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from stj_catalog.errors import ModelError
from stj_model.backend import KerasLayer, KerasModel, Tensor, keras, tensorflow
from stj_model.preprocess import Pixels

if TYPE_CHECKING:
    from stj_model.predict import Predictor

Heat = npt.NDArray[np.float64]
_Look = Callable[[Any, Any], tuple[Any, Any]]

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
    labels = list(predictor.labels)
    if label not in labels:
        raise ModelError(f"The run {predictor.run.name} does not know the label {label}: it knows {labels}.")
    look = _COMPILED.get(predictor)
    if look is None:
        look = _COMPILED[predictor] = _compile(predictor.model)
    tf = tensorflow()
    found = look(tf.constant(pixels[None].astype(np.float32)), tf.constant(labels.index(label)))
    maps, slopes = (np.asarray(part, dtype=np.float64)[0] for part in found)
    gradients = np.nan_to_num(slopes, nan=0, posinf=0, neginf=0)  # a root has no slope at 0, where nothing was seen
    warmth: Heat = np.maximum((maps * gradients.mean(axis=(0, 1))).sum(axis=2), 0)
    return warmth / warmth.max() if warmth.max() > 0 else warmth


def tint(heat: Heat, size: tuple[int, int]) -> Image.Image:
    """A heat map as an RGBA picture, from clear through yellow to red.

    Args:
        heat: values from 0 to 1, (h, w).
        size: width and height of the picture that it will lie on, in pixels.
    """
    levels = Image.fromarray((heat.clip(0, 1) * 255).round().astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    red, blue = levels.point(lambda _: 255), levels.point(lambda _: 30)
    return Image.merge("RGBA", (red, levels.point(lambda level: 220 - int(0.75 * level)), blue, levels))


def _compile(model: KerasModel) -> _Look:
    """The compiled way from pixels (1, h, w, 3) and a class's place to the last map and the gradient of the logit on it."""
    tf = tensorflow()
    before, linear = _logits(model)
    network = keras().Model(model.inputs[0], [_last_map(before, model), before])

    def look(pixels: Any, place: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tensors
        with tf.GradientTape() as tape:
            tape.watch(pixels)  # a frozen network records nothing of its own accord
            maps, last = network(pixels, training=False)
            logit = linear(last)[0, place]
        return maps, tape.gradient(logit, maps)

    return tf.function(look)  # type: ignore[no-any-return]


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
