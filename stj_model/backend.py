"""Keras and TensorFlow, imported only here and only when asked for: that costs seconds and half a gigabyte."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from stj_core.errors import ModelError
from stj_model.damage import reason

if TYPE_CHECKING:
    import numpy.typing as npt

KerasModel: TypeAlias = Any
KerasLayer: TypeAlias = Any
Tensor: TypeAlias = Any
"""Keras and TensorFlow ship without types: these names say at least what is meant."""

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}
PINNED = {"KERAS_BACKEND": "tensorflow", "TF_USE_LEGACY_KERAS": "0"}
"""Settings of a machine that would change which library computes; a person's `keras.json` is overruled in `_pin`."""
FLOAT, LAYOUT, FUZZ = "float32", "channels_last", 1e-7
"""The numbers' type, the order of a picture's axes and Keras' small constant, whatever `keras.json` says of them."""
JUST_IN_CASE = ("cv2", "matplotlib", "pandas", "sklearn")
"""What Keras imports where it finds it, in case it is handed a table of theirs or asked for a plot.

Neither Keras nor TensorFlow requires one of them: they are brought by other packages, and a machine may well be without.
"""

_spared: list[str] = []


def spare_keras() -> None:
    """Let Keras be imported without the large libraries that no command of ours hands it anything of.

    For a process of our own only: a notebook's Keras may be given a DataFrame later on.
    """
    _spared[:] = JUST_IN_CASE


@cache
def keras() -> Any:  # noqa: ANN401 - a module without types
    """Import Keras on TensorFlow, in float32 and channels last, without its start-up chatter.

    Raises:
        ModelError: somebody has imported Keras on another library before, there is none, or its settings are damaged.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if "keras" not in sys.modules:
        os.environ.update(PINNED)
    try:
        with hushed(), hidden(_spared), uncollected():
            import keras
            import tensorflow as tf  # noqa: F401 - loaded here, so that its first words are hushed too
    except ModuleNotFoundError as error:
        raise ModelError(f"There is no module {error.name}: pip install 'stj[model]'.") from error
    except Exception as error:  # a keras.json may hold anything, and an installation may be broken in any way
        settings = keras_home() / "keras.json"
        advice = f"mend {settings}, or take it away" if settings.exists() else "install keras and tensorflow anew"
        raise ModelError(f"Keras cannot be loaded ({reason(error)}): {advice}.") from error
    _pin(keras)
    return keras


def keras_home() -> Path:
    """Where Keras keeps its settings and the weights that it fetched."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser()


def _pin(module: Any) -> None:  # noqa: ANN401 - a module without types
    """Overrule what `keras.json` or a notebook has set: features are kept, and must not depend on it."""
    config = module.config
    if config.backend() != PINNED["KERAS_BACKEND"]:
        raise ModelError(
            f"Keras runs on {config.backend()} in this process, and STJ needs it on TensorFlow: "
            "set KERAS_BACKEND=tensorflow before Keras is imported."
        )
    config.set_floatx(FLOAT)
    config.set_image_data_format(LAYOUT)
    config.set_epsilon(FUZZ)
    config.set_dtype_policy(FLOAT)


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
def hidden(names: Sequence[str]) -> Iterator[None]:
    """Make modules that are not imported yet look as if they were not installed."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None is the import system's word for it
    try:
        yield
    finally:
        for name in absent:
            sys.modules.pop(name, None)


@contextmanager
def uncollected() -> Iterator[None]:
    """Import without looking for garbage, and never look for it again among what was imported.

    A million objects that stay for good would be gone through a dozen times: a quarter of the import, and as much once more
    when the process ends.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


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
