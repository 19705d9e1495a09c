"""Keras and TensorFlow, imported only here and only when asked for: that costs seconds and half a gigabyte."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeAlias

import numpy.typing as npt

KerasModel: TypeAlias = Any
KerasLayer: TypeAlias = Any
Tensor: TypeAlias = Any
"""Keras and TensorFlow ship without types: these names say at least what is meant."""

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}


@cache
def keras() -> Any:  # noqa: ANN401 - a module without types
    """Import Keras on TensorFlow without its start-up chatter."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    with hushed():
        import keras
        import tensorflow as tf  # noqa: F401 - loaded here, so that its first words are hushed too

    return keras


@cache
def tensorflow() -> Any:  # noqa: ANN401 - a module without types
    """Import TensorFlow."""
    keras()
    import tensorflow as tf

    return tf


def as_array(variable: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - a Keras variable
    """A variable's numbers, copied."""
    result: npt.NDArray[Any] = variable.value.numpy()
    return result


def make_deterministic(seed: int) -> None:
    """Seed Python, numpy and TensorFlow and ask for repeatable kernels: the same seed gives the same bits."""
    keras().utils.set_random_seed(seed)
    tensorflow().config.experimental.enable_op_determinism()


@contextmanager
def hushed() -> Iterator[None]:
    """Hold back what native code writes to stderr, and give it back only if something fails."""
    sys.stderr.flush()
    try:
        original = os.dup(2)
    except OSError:  # no stderr at all
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            os.dup2(original, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
