"""Answers without TensorFlow: the ONNX file of a run says what Keras says, and is used only where it belongs to the run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stj_model.data import open_dataset
from stj_model.fast import ABOUT, ALLOWED, HEAD, TRUNK, open_fast
from stj_model.predict import Predictor
from stj_model.run_dir import Run
from stj_model.training import train
from tests.model.conftest import tiny

pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")


@pytest.fixture(scope="module")
def quick(drawn: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with an ONNX file."""
    runs = tmp_path_factory.mktemp("quick") / "runs"
    return train(drawn, tiny(), runs=runs, cache=shared_cache, fast=True)


def test_it_says_what_keras_says(quick: Run, drawn: Path):
    fast, plain = Predictor(quick), Predictor(quick, fast=False)
    assert fast.fast is not None
    assert plain.fast is None
    pixels = np.stack([plain.read(one.path.read_bytes()) for one in open_dataset(drawn).pictures[:20]])
    for some in (pixels[:1], pixels):
        found, wanted = fast.scores(some), plain.scores(some)
        assert np.abs(found.chances - wanted.chances).max() <= ALLOWED
        assert np.abs(found.features - wanted.features).max() <= 1e-3
    assert json.loads((quick.folder / ABOUT).read_text())["largest_difference_to_keras"] <= ALLOWED


def test_no_tensorflow_is_imported_to_answer(quick: Run, drawn: Path):
    picture = next((drawn / "test" / "0").iterdir())
    code = (
        "import sys; from stj_core.cli import outcome; from stj_model.cli import app; "
        f"code = outcome(app, ['predict', {str(quick.folder)!r}, {str(picture)!r}]); "
        "print([name for name in ('tensorflow', 'keras', 'matplotlib') if name in sys.modules]); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert done.stdout.startswith(f"{picture}\t")


@pytest.mark.parametrize("name", ["model.keras", TRUNK, HEAD, ABOUT])
def test_a_file_that_does_not_belong_to_the_run_is_not_used(name: str, quick: Run, tmp_path: Path):
    """Linked files are copied before they are changed: another run may share them."""
    run = Run(tmp_path / "mine")
    run.folder.mkdir()
    for path in quick.folder.iterdir():
        if path.is_file():
            (run.folder / path.name).write_bytes(path.read_bytes())
    assert open_fast(run.folder) is not None
    if name == "model.keras":  # another network: the archive's directory, which tells one from another, is another
        with zipfile.ZipFile(run.folder / name, "a") as archive:
            archive.writestr("more", b"")
    else:
        data = bytearray((run.folder / name).read_bytes())
        data[len(data) // 2] ^= 0xFF
        (run.folder / name).write_bytes(data)
    assert open_fast(run.folder) is None
    (run.folder / name).unlink()
    os.mkfifo(run.folder / name)
    assert open_fast(run.folder) is None, "a pipe is not waited for"


def test_where_the_network_looked_is_still_asked_of_keras(quick: Run, drawn: Path):
    from stj_model.explain import grad_cam

    predictor = Predictor(quick)
    pixels = predictor.read(open_dataset(drawn).pictures[0].path.read_bytes())
    assert grad_cam(predictor, pixels, 0).max() <= 1
