"""A network as a table: its layers with output shapes and parameters, as `keras.Model.summary` has them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stj_model.backbones.registry import find_backbone
from stj_model.backend import KerasLayer, KerasModel
from stj_model.predict import load_model
from stj_model.run_dir import MODEL, Run


@dataclass(frozen=True)
class LayerRow:
    """A layer of a network.

    Attributes:
        name: unique in it.
        kind: Keras' class.
        shape: of its output, None where any number goes.
        parameters: all of them.
        base: whether it is of the base.
        trained: how many of the parameters were trained.
    """

    name: str
    kind: str
    shape: tuple[int | None, ...]
    parameters: int
    base: bool
    trained: int

    def as_json(self) -> dict[str, Any]:
        """The row in the document of `stj-model summary`."""
        return asdict(self)


def list_layers(run: Run) -> list[LayerRow]:
    """The layers of a run's network in order; those up to the backbone's last map are the base.

    Raises:
        ModelError: the run cannot be read.
    """
    document = run.document
    features = document["fit"].get("features", {})
    return layers_of(
        load_model(run.folder / MODEL), str(document["weights"]["architecture"]), str(features.get("layer", ""))
    )


def layers_of(model: KerasModel, architecture: str, feature_layer: str = "") -> list[LayerRow]:
    """The layers of a network in order.

    Args:
        model: a run's.
        architecture: its backbone's name.
        feature_layer: where the base ends if its last stage was left out: with random weights the head stands on an early one.
    """
    names = [layer.name for layer in model.layers]
    last = find_backbone(architecture).last_stage
    end = next((names.index(name) for name in (last, feature_layer) if name in names), -1)
    return [
        LayerRow(
            layer.name,
            type(layer).__name__,
            _shape(layer),
            int(layer.count_params()),
            place <= end,
            sum(math.prod(weight.shape) for weight in layer.trainable_weights),
        )
        for place, layer in enumerate(model.layers)
    ]


def as_lines(rows: Sequence[LayerRow], *, base: bool) -> list[str]:
    """The table for a terminal.

    Args:
        rows: all layers.
        base: name each layer of the base; else the base is one line.
    """
    inside = [row for row in rows if row.base]
    shown = list(rows)
    if not base and inside:
        total = sum(row.parameters for row in inside)
        learned = sum(row.trained for row in inside)
        kind = "trained in part" if learned else "frozen"
        whole = LayerRow(f"base ({len(inside)} layers)", kind, inside[-1].shape, total, base=True, trained=learned)
        shown = [whole, *(row for row in rows if not row.base)]
    cells = [("Layer", "Type", "Output shape", "Parameters")]
    cells += [(row.name, row.kind, str(row.shape), f"{row.parameters:,}") for row in shown]
    wide = [max(len(line[place]) for line in cells) for place in range(4)]
    lines = [
        f"{line[0]:{wide[0]}}  {line[1]:{wide[1]}}  {line[2]:{wide[2]}}  {line[3]:>{wide[3]}}".rstrip()
        for line in cells
    ]
    total, of_base = sum(row.parameters for row in rows), sum(row.parameters for row in inside)
    learned = sum(row.trained for row in rows)
    said = f"{total:,} parameters: {of_base:,} of the base, {total - of_base:,} behind it; {learned:,} were trained"
    return [*lines, said]


def _shape(layer: KerasLayer) -> tuple[int | None, ...]:
    output = layer.output
    return tuple((output[0] if isinstance(output, list | tuple) else output).shape)
