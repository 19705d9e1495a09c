"""Exports: each format equals Keras, can be asked without STJ, and is whole or not there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stj_core.cli import outcome
from stj_core.errors import ModelError, UsageError
from stj_core.picture_types import SERVED
from stj_images.decode import MAX_BYTES, MAX_PIXELS
from stj_model import exporting, formats, standalone
from stj_model.cli import app
from stj_model.exporting import Export, export_run, exportable
from stj_model.formats import FORMATS, Format
from stj_model.predict import Predictor
from stj_model.preprocess import Preprocessing, read_pixels
from stj_model.run_dir import Run
from stj_model.standalone import Exported
from tests.model.conftest import draw

pytestmark = pytest.mark.medium


@pytest.fixture(scope="module")
def predictor(run: Run) -> Predictor:
    return Predictor(run)


@pytest.fixture
def loaded(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's network is not loaded again: that takes seconds."""
    monkeypatch.setattr(exporting, "Predictor", lambda run, **_: predictor)


QUICK, DEAR = ["saved_model", "onnx"], ["openvino", "litert"]


@pytest.fixture(scope="module", params=[QUICK, pytest.param(DEAR, marks=pytest.mark.slow)], ids=["quick", "dear"])
def exports(run: Run, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> list[Export]:
    """Two formats, written once; the other two take longer and are left to the slow tests."""
    return export_run(run, request.param, to=tmp_path_factory.mktemp("exports"))


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Three new pictures, and one that is none."""
    files = [tmp_path / f"new-{label}.jpg" for label in range(3)]
    for label, file in enumerate(files):
        file.write_bytes(draw(label, 1001))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    return [*files, tmp_path / "broken.jpg"]


def test_every_format_agrees_with_keras_on_fifty_pictures(exports: list[Export]):
    assert [one.format for one in exports] in (QUICK, DEAR)
    assert [*QUICK, *DEAR] == list(FORMATS)
    for one in exports:
        assert one.pictures == 50
        assert one.probabilities < 1e-4
        assert one.out_of_scope < 1e-4
        about = json.loads((one.folder / "model.json").read_text())
        assert about["labels"] == {"0": "Saree", "1": "Trousers", "2": "Jeans"}
        assert about["weights"]["licence"] == "none needed"
        assert about["largest_difference_to_keras"]["pictures"] == 50
        assert sorted(path.name for path in one.folder.iterdir() if path.suffix != ".bin") == sorted(
            [FORMATS[one.format].file, "model.json", "pixels.py", "predict.py"]
        )
    assert sorted(path.name for path in exports[0].folder.parent.iterdir()) == sorted(one.format for one in exports)


def test_what_was_exported_is_asked_without_stj(exports: list[Export], predictor: Predictor, pictures: list[Path]):
    """The script beside the network answers what `stj-model predict` answers; nothing of STJ is imported."""
    wanted = [answer.as_json() for answer in predictor.answer_files(pictures)]
    folder = exports[-1].folder
    hidden = f"import sys; sys.modules.update(stj_model=None, stj_catalog=None); sys.argv = ['', *{list(map(str, pictures))!r}]"
    code = f"{hidden}; import runpy; runpy.run_path({str(folder / 'predict.py')!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    got = json.loads(done.stdout)
    assert [one["answer"] for one in got] == [one["answer"] for one in wanted]
    for mine, theirs in zip(got[:3], wanted[:3], strict=True):
        assert set(mine) == set(theirs)
        assert mine["probabilities"] == pytest.approx(theirs["probabilities"], abs=1e-4)
        assert mine["out_of_scope"] == pytest.approx(theirs["out_of_scope"], abs=1e-4)
    assert got[3]["answer"] is None
    assert "cannot identify image" in got[3]["error"]


def test_any_number_of_pictures_at_once(exports: list[Export], predictor: Predictor, rng: np.random.Generator):
    size = predictor.preprocessing.size
    pixels = rng.integers(0, 256, (3, size, size, 3)).astype(np.float32)
    for one in exports:
        ask = Exported(one.folder).ask
        together, apart = ask(pixels), [ask(pixels[place : place + 1]) for place in range(3)]
        assert together[0].shape == (3, 3)
        assert np.allclose(together[0], np.concatenate([chances for chances, _ in apart]), atol=1e-5)


@pytest.mark.parametrize("kind", ["turned", "transparent", "palette", "large"])
def test_the_script_reads_pictures_as_stj_does(kind: str, tmp_path: Path, rng: np.random.Generator):
    picture = Image.fromarray(rng.integers(0, 256, (90, 60, 3), dtype=np.uint8))
    file = tmp_path / "picture.png"
    if kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        picture.save(file.with_suffix(".jpg"), exif=exif)
        file = file.with_suffix(".jpg")
    elif kind == "transparent":
        picture.putalpha(Image.fromarray(rng.integers(0, 256, (90, 60), dtype=np.uint8)))
        picture.save(file)
    elif kind == "palette":
        picture.quantize(16).save(file, transparency=3)
    else:
        file = file.with_suffix(".jpg")
        picture.resize((900, 1400)).save(file)
    for how in (Preprocessing(64), Preprocessing(128, "nearest")):
        about = {
            "size": how.size,
            "resample": how.resample,
            "max_bytes": MAX_BYTES,
            "max_pixels": MAX_PIXELS,
            "formats": list(SERVED),
        }
        assert np.array_equal(read_pixels(file, how), standalone.read(file, about))


def test_the_distance_inside_the_network_is_the_one_that_predict_gives(predictor: Predictor, drawn: Path):
    pixels = np.stack([predictor.read(draw(label, 1002)) for label in range(3)])
    wanted, _ = predictor.neighbours.distances(predictor.scores(pixels)[1])
    assert np.allclose(exportable(predictor)(pixels.astype(np.float32))["out_of_scope"], wanted, atol=1e-5)


def writing(change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the format onnx be written by `change`."""
    monkeypatch.setitem(FORMATS, "onnx", Format("model.onnx", (), change))


@pytest.mark.usefixtures("loaded")
def test_an_export_that_differs_is_not_kept(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As a network of other numbers would: well-formed, and wrong."""
    real = formats.write_onnx

    def another(network: Any, path: Path) -> None:
        layer = network.get_layer("logits")
        kept = layer.get_weights()
        layer.set_weights([kept[0] * 0.9, kept[1]])
        real(network, path)
        layer.set_weights(kept)

    writing(another, monkeypatch)
    with pytest.raises(
        ModelError, match=r"The export to onnx differs from Keras by 0\.\d+ on 50 pictures, 0.001 is allowed"
    ):
        export_run(run, ["onnx"], to=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("loaded")
def test_ctrl_c_leaves_nothing_and_the_older_export_stays(
    own_run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def interrupted(network: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    arguments = ["export", str(own_run.folder), "--format", "onnx"]
    before = {path.name for path in own_run.folder.iterdir()}
    with monkeypatch.context() as patch:
        writing(interrupted, patch)
        assert outcome(app, arguments) == 130
    assert {path.name for path in own_run.folder.iterdir()} == before
    assert outcome(app, [*arguments, "--json"]) == 0
    lines = json.loads(capsys.readouterr().out)
    assert [(one["format"], one["pictures"]) for one in lines] == [("onnx", 50)]
    whole = (own_run.folder / "exports" / "onnx" / "model.onnx").read_bytes()
    with monkeypatch.context() as patch:
        writing(interrupted, patch)
        assert outcome(app, arguments) == 130
    assert [path.name for path in (own_run.folder / "exports").iterdir()] == ["onnx"]
    assert (own_run.folder / "exports" / "onnx" / "model.onnx").read_bytes() == whole


@pytest.mark.usefixtures("loaded")
def test_what_a_killed_export_left_goes_with_the_next(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of the same format and of processes that are no more; the others may still be at it."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    dead, other, alive = (tmp_path / f".{name}" for name in (f"onnx.part-{gone.pid}", "litert.part-1", "onnx.part-1"))
    for left in (dead, other, alive):
        (left / "onnx").mkdir(parents=True)
    writing(lambda network, path: (path.write_bytes(b"half"), pytest.fail("disturbed")), monkeypatch)
    with pytest.raises(pytest.fail.Exception, match="disturbed"):
        export_run(run, ["onnx"], to=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {other.name, alive.name}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("onnx", "The format onnx needs onnxruntime: pip install 'stj[model]'."),
        ("openvino", "The format openvino needs openvino: pip install 'stj[export]'."),
        ("litert", "The format litert needs ai_edge_litert: pip install 'stj[export]'."),
    ],
)
def test_a_missing_library_is_a_sentence_before_anything_is_done(
    run: Run, name: str, sentence: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(formats, "find_spec", lambda module: module if module == "onnx" else None)
    monkeypatch.setattr(exporting, "Predictor", None)
    with pytest.raises(ModelError) as error:
        export_run(run, ["saved_model", name])
    assert str(error.value) == sentence


@pytest.mark.usefixtures("loaded")
def test_what_cannot_be_is_a_sentence(own_run: Run, tmp_path: Path, drawn: Path):
    with pytest.raises(UsageError, match="--format cannot be 'torch': it is saved_model, onnx, openvino, litert"):
        export_run(own_run, ["torch"])
    with pytest.raises(ModelError, match=r"No picture of .* is in .*gone any more, .*: give --dataset FOLDER\."):
        export_run(own_run, ["onnx"], dataset=tmp_path / "gone")
    foreign = tmp_path / "out" / "onnx"
    shutil.copytree(drawn / "test", foreign)
    with pytest.raises(ModelError, match="is there and no export of ours: move it away"):
        export_run(own_run, ["onnx"], to=tmp_path / "out")
    assert (foreign / "0").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match=r"Cannot write to .*file.*: name another folder with --to\."):
        export_run(own_run, ["onnx"], to=tmp_path / "file" / "below")
