"""The pieces of an ONNX graph: nodes, constants, and values that are turned only where they must be.

Keras keeps maps as (n, h, w, c), ONNX convolves (n, c, h, w). A value stays in the order in which it was made until something
needs the other one: in a ResNet that is once, before the first convolution.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from stj_core.errors import ModelError
from stj_model.backend import KerasLayer

TO_FIRST, TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
"""The axes of (n, h, w, c) as (n, c, h, w), and back."""
NEVER_NEGATIVE = ("Relu", "Sigmoid")

Sides = tuple[int, int, int, int]
"""Rows and columns at the top, the left, the bottom and the right."""


@dataclass(frozen=True)
class Value:
    """What a call gave.

    Attributes:
        name: in the graph.
        shape: as Keras has it, channels last; None where it is known only when asked.
        channels_first: whether its channels come before height and width in the graph.
    """

    name: str
    shape: tuple[int | None, ...]
    channels_first: bool = False

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)


@dataclass(frozen=True)
class Call:
    """A layer or an operation, applied once.

    Attributes:
        kind: the class, as Keras calls it.
        name: of the layer.
        config: its settings.
        given: what it is given, flat: values of the graph, arrays, numbers.
        layer: the layer itself, for its weights; None for an operation, which has none.
    """

    kind: str
    name: str
    config: Mapping[str, Any]
    given: Sequence[Any]
    layer: KerasLayer | None = None

    @property
    def only(self) -> Value:
        """The one value that it is given."""
        if len(self.given) != 1 or not isinstance(self.given[0], Value):
            raise self.refused("more than one input")
        return self.given[0]

    def refused(self, why: str) -> ModelError:
        """The error where it asks for what is not written."""
        return ModelError(
            f"The network cannot be written to ONNX: its layer {self.name} is a {self.kind} with {why}. Another format may do."
        )


@dataclass
class Graph:
    """An `onnx.GraphProto` that grows.

    Attributes:
        proto: the graph so far.
        norms: the BatchNorm that is computed with the weights of a convolution, by the convolution's name.
    """

    proto: Any
    norms: Mapping[str, KerasLayer] = field(default_factory=dict)
    _padded: dict[str, tuple[Value, Sides]] = field(default_factory=dict)
    _turned: dict[str, str] = field(default_factory=dict)

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - what ONNX knows
        """Add a node of one output, and say what that is called."""
        from onnx import helper

        output = f"{operator.lower()}_{len(self.proto.node)}"
        self.proto.node.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, values: npt.ArrayLike) -> str:
        """Keep float32 numbers in the graph, and say what they are called."""
        return self._keep(np.asarray(values, dtype=np.float32))

    def integers(self, values: npt.ArrayLike) -> str:
        """Keep int64 numbers in the graph, such as axes and shapes."""
        return self._keep(np.asarray(values, dtype=np.int64))

    def pad(self, value: Value, sides: Sides) -> str:
        """Put zeros around a map; what looks at windows of it may rather take the map and do so itself."""
        top, left, bottom, right = sides
        before, after = (0, 0, top, left), (0, 0, bottom, right)
        if not value.channels_first:
            before, after = (0, top, left, 0), (0, bottom, right, 0)
        name = self.add("Pad", value.name, self.integers([*before, *after]))
        self._padded[name] = value, sides
        return name

    def unpadded(self, value: Value) -> tuple[Value, Sides | None]:
        """A map without the zeros that were put around it, and how many those were, if any."""
        return self._padded.get(value.name, (value, None))

    def never_negative(self, value: Value) -> bool:
        """Whether a value is known to be 0 or more everywhere."""
        return any(value.name in node.output and node.op_type in NEVER_NEGATIVE for node in self.proto.node)

    def prune(self, wanted: Iterable[str]) -> None:
        """Take out the nodes and constants that lead to none of these values."""
        used, nodes, constants = set(wanted), self.proto.node, self.proto.initializer
        for place in reversed(range(len(nodes))):
            if used.isdisjoint(nodes[place].output):
                del nodes[place]
            else:
                used.update(nodes[place].input)
        for place in reversed(range(len(constants))):
            if constants[place].name not in used:
                del constants[place]

    def last(self, value: Value) -> str:
        """A value in Keras' order."""
        return self._turn(value.name, TO_LAST) if value.channels_first else value.name

    def first(self, value: Value) -> str:
        """A value of four axes, its channels before height and width."""
        return value.name if value.channels_first else self._turn(value.name, TO_FIRST)

    def _keep(self, values: npt.NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"constant_{len(self.proto.initializer)}"
        self.proto.initializer.append(numpy_helper.from_array(values, name))
        return name

    def _turn(self, name: str, axes: Sequence[int]) -> str:
        if name not in self._turned:
            self._turned[name] = self.add("Transpose", name, perm=axes)
        return self._turned[name]
