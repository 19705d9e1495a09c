"""The backbones that there are, by name. Another one is a module beside this and a line here."""

from __future__ import annotations

from stj_core.errors import UsageError
from stj_model.backbones.base import Backbone
from stj_model.backbones.efficientnetv2b0 import EFFICIENTNETV2B0
from stj_model.backbones.resnet50 import RESNET50, RESNET50_V1_5

BACKBONES: dict[str, Backbone] = {one.name: one for one in (RESNET50, RESNET50_V1_5, EFFICIENTNETV2B0)}
DEFAULT = RESNET50.name
"""Also whose weights are meant by `imagenet` alone."""


def find_backbone(name: str) -> Backbone:
    """The backbone of this name.

    Raises:
        UsageError: there is none.
    """
    if name not in BACKBONES:
        raise UsageError(f"--backbone cannot be {name!r}: it is {', '.join(BACKBONES)}.")
    return BACKBONES[name]
