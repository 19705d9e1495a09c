"""A ResNet50 that learns from an exported dataset and tells the truth about itself; nothing heavy until it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stj_model.api import evaluate, export, load, train

__all__ = ["evaluate", "export", "load", "train"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - one of the functions named above
    """Import the Python API when one of its functions is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from stj_model import api

    return getattr(api, name)


def __dir__() -> list[str]:
    """What a notebook offers after `stj_model.`."""
    return sorted(__all__)
