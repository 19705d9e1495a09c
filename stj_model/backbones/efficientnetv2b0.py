"""EfficientNetV2-B0 (Tan and Le 2021) as Keras has it: with random weights or a file; no accuracy was measured with it."""

from __future__ import annotations

from stj_model.backbones.base import Backbone
from stj_model.backend import Tensor, keras


def _body(scaled: Tensor, drawn: bool) -> Tensor:  # noqa: ARG001 - every body is told; Keras draws always
    build = keras().applications.EfficientNetV2B0
    return build(include_top=False, weights=None, input_tensor=scaled, include_preprocessing=False).output


EFFICIENTNETV2B0 = Backbone(
    name="efficientnetv2b0",
    body=_body,
    scaling="torch",  # what its own preprocessing layers do for B0 to B3
    stem="stem_conv",
    first_convolution="stem_conv",
    early_stage="block2b_add",
    last_stage="top_activation",
)
