"""Answers without TensorFlow: the ONNX file of a run says what Keras says, and is used only where it belongs to the run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stj_core.console import Talk
from stj_model.data import open_dataset
from stj_model.fast import ABOUT, ALLOWED, HEAD, TRUNK, open_fast, write_fast
from stj_model.onnx_writer.layers import WRITERS
from stj_model.predict import Predictor
from stj_model.run_dir import Run
from stj_model.training import train
from tests.model.conftest import tiny

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


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


def half(path: Path) -> None:
    """As a full disk leaves a file."""
    path.write_bytes(path.read_bytes()[:5000])


def another(path: Path) -> None:
    """A network like it, of other weights."""
    import onnx

    model = onnx.load(path)
    filters = next(one for one in model.graph.initializer if len(one.dims) == 4)
    filters.CopyFrom(onnx.numpy_helper.from_array(1.5 * onnx.numpy_helper.to_array(filters), filters.name))
    onnx.save(model, path)


@pytest.mark.medium
@pytest.mark.parametrize(
    ("damage", "said"), [(half, "The ONNX file cannot be used ("), (another, "The ONNX file differs from Keras by ")]
)
def test_a_kept_network_that_does_not_say_what_keras_says_is_said_and_gone(
    damage: Callable[[Path], None],
    said: str,
    quick: Run,
    drawn: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    """Also of a head so sure that its probabilities are the same: its logits are not."""
    plain, fast, sure = Predictor(quick, fast=False), open_fast(quick.folder), 1e-6
    assert fast is not None
    plain.model.get_layer("temperature").scale = 1 / sure
    pixels = np.stack([plain.read(one.path.read_bytes()) for one in open_dataset(drawn).pictures[:8]])
    kept, folder = tmp_path / "kept.onnx", tmp_path / "run"
    folder.mkdir()
    shutil.copyfile(quick.folder / TRUNK, kept)
    shutil.copyfile(quick.folder / "model.keras", folder / "model.keras")

    def write() -> bool:
        head = replace(fast.head, temperature=sure)
        return write_fast(folder, plain.model, head, plain.neighbours.layer, kept, pixels, Talk())

    assert write()
    damage(kept)
    capsys.readouterr()
    assert not write()
    told = capsys.readouterr().err
    assert told.startswith(said)
    assert told.endswith(": predict will use Keras.\n")
    assert len(told.splitlines()) == 1
    assert open_fast(folder) is None
    assert not kept.exists(), "it is converted anew the next time"
    assert write()


def test_a_network_that_cannot_be_written_is_said_and_not_kept(
    quick: Run, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delitem(WRITERS, "MaxPooling2D")
    plain, fast = Predictor(quick, fast=False), open_fast(quick.folder)
    assert fast is not None
    pixels = plain.read(open_dataset(drawn).pictures[0].path.read_bytes())[None]
    assert not write_fast(
        tmp_path, plain.model, fast.head, plain.neighbours.layer, tmp_path / "kept.onnx", pixels, Talk()
    )
    assert capsys.readouterr().err == (
        "Converting the frozen network to ONNX, once …\n"
        "The network cannot be written to ONNX: its layer pool1_pool is a MaxPooling2D "
        "with no counterpart there that STJ knows. Another format may do. Predict will use Keras.\n"
    )
    assert not list(tmp_path.iterdir())
