"""What a machine has set for Keras changes no answer: it is overruled, or said in one sentence."""

from __future__ import annotations

import json
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


def ask(code: str = PROBE, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
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


TRAIN = """
import sys
from pathlib import Path
from stj_model.training import train
from tests.model.conftest import tiny
dataset, runs, cache = map(Path, sys.argv[1:])
print(train(dataset, tiny(), runs=runs, cache=cache, fast=True).folder)
"""
PREDICT = "import sys; from stj_model.cli import main; main()"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ('{"image_data_format": "channels_first", "floatx": "float16", "epsilon": 0.01, "backend": "torch"}', {}),
        ('{"dtype_policy": "mixed_float16"}', {"KERAS_BACKEND": "torch", "TF_USE_LEGACY_KERAS": "1"}),
    ],
    ids=["keras.json", "environment"],
)
def test_what_a_machine_has_set_changes_no_bit_of_a_training_and_no_answer(
    tmp_path: Path, drawn: Path, text: str, settings: dict[str, str], plain: Path
):
    """A cache that was filled under the settings is gone on with without them, and the other way round."""
    keras_json(tmp_path, text)
    home = {"HOME": str(tmp_path), **settings}
    odd = trained(drawn, tmp_path / "odd", tmp_path / "cache", **home)
    after = trained(drawn, tmp_path / "after", tmp_path / "cache")
    pictures = sorted(str(path) for path in (drawn / "test").rglob("*.*"))[:3]
    wanted = ask(PREDICT, "predict", str(plain), *pictures, "--json").stdout
    assert len(json.loads(wanted)) == 3
    for run in (odd, after):
        assert numbers(run) == numbers(plain)
        assert ask(PREDICT, "predict", str(run), *pictures, "--json", **home).stdout == wanted
    (odd / "fast.onnx").unlink()
    by_keras = ask(PREDICT, "predict", str(odd), *pictures, "--json", **home)
    assert by_keras.returncode == 0, by_keras.stderr
    for ours, others in zip(json.loads(by_keras.stdout), json.loads(wanted), strict=True):
        assert ours["answer"] == others["answer"]
        assert ours["probabilities"] == pytest.approx(others["probabilities"], abs=1e-4)


@pytest.fixture(scope="module")
def plain(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a machine on which nothing is set."""
    folder = tmp_path_factory.mktemp("plain")
    return trained(drawn, folder / "runs", folder / "cache")


def trained(dataset: Path, runs: Path, cache: Path, **settings: str) -> Path:
    done = ask(TRAIN, str(dataset), str(runs), str(cache), **settings)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def numbers(run: Path) -> list[bytes]:
    """All that a training has computed, without what tells when and how long."""
    figures = json.dumps(json.loads((run / "metrics.json").read_bytes())["figures"], sort_keys=True)
    files = ("predictions.csv", "out_of_fold.csv", "history.csv", "neighbours.npz", "fast.npz", "calibration.json")
    return [figures.replace(run.name, "").encode(), *((run / name).read_bytes() for name in files)]
