"""What a machine has set for Keras changes no answer: it is overruled, or said in one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import sys
from stj_core.errors import ModelError
from stj_model.backend import keras
try:
    config = keras().config
except ModelError as error:
    sys.exit(str(error))
print(config.backend(), config.floatx(), config.image_data_format(), config.epsilon(), config.dtype_policy().name)
"""
PINNED = "tensorflow float32 channels_last 1e-07 float32\n"


def ask(code: str = PROBE, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, **settings},
    )


def keras_json(home: Path, text: str) -> Path:
    file = home / ".keras" / "keras.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ('{"image_data_format": "channels_first", "floatx": "float16", "epsilon": 0.1, "backend": "torch"}', {}),
        ('{"floatx": "float64"', {}),
        ("{}", {"KERAS_BACKEND": "torch", "TF_USE_LEGACY_KERAS": "1"}),
        ("{}", {"KERAS_BACKEND": "no such library", "KERAS_HOME": "/proc/nowhere"}),
    ],
    ids=["keras.json", "half a keras.json", "environment", "nonsense"],
)
def test_what_a_machine_has_set_is_overruled(tmp_path: Path, text: str, settings: dict[str, str]):
    keras_json(tmp_path, text)
    done = ask(HOME=str(tmp_path), **settings)
    assert (done.stdout, done.returncode) == (PINNED, 0), done.stderr


@pytest.mark.parametrize("text", ["[]", '{"floatx": "float8"}', '{"epsilon": "small"}', "[" * 100_000])
def test_a_keras_json_that_keras_cannot_read_is_one_sentence(tmp_path: Path, text: str):
    file = keras_json(tmp_path, text)
    done = ask(HOME=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("Keras cannot be loaded (")
    assert done.stderr.endswith(f"): mend {file}, or take it away.\n")
    assert len(done.stderr.splitlines()) == 1
