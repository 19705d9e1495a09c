"""One decoder: predict, evaluate --on and an exported predict.py see equal pixels, whatever the picture's mode."""

from __future__ import annotations

import csv
import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from stj_core.cli import outcome
from stj_core.picture_types import FORMATS
from stj_images import pixels
from stj_images.decode import MAX_BYTES, MAX_PIXELS, decode
from stj_model import standalone
from stj_model.cli import app
from stj_model.predict import Predictor
from stj_model.preprocess import Preprocessing, read_pixels
from stj_model.run_dir import Run
from tests.copies import copies, saved

HOW = Preprocessing(64)
ABOUT = {
    "size": 64,
    "resample": "bilinear",
    "max_bytes": MAX_BYTES,
    "max_pixels": MAX_PIXELS,
    "formats": [one for one in FORMATS if one != "HEIF"],
}


def photograph() -> Image.Image:
    """A picture with every level of grey in it, and no symmetry."""
    rng = np.random.default_rng(5)
    rows = np.linspace(0, 255, 90)[:, None] * np.linspace(0.2, 1, 70)[None]
    return Image.fromarray(np.clip(rows[..., None] + rng.integers(-8, 9, (90, 70, 3)), 0, 255).astype(np.uint8))


GREY = np.asarray(photograph().convert("L"))
COPIES = copies(photograph())


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """predict.py as an export puts it beside its network, with the decoder it ships."""
    folder = tmp_path_factory.mktemp("export")
    shutil.copyfile(standalone.__file__, folder / "predict.py")
    shutil.copyfile(pixels.__file__, folder / "pixels.py")
    spec = importlib.util.spec_from_file_location("exported_predict", folder / "predict.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert Path(module.pixels_module().__file__) == folder / "pixels.py", "the shipped one, not the installed one"
    return module


@pytest.mark.parametrize("mode", list(COPIES))
def test_an_exported_network_is_given_the_very_pixels_of_training(mode: str, exported: ModuleType, tmp_path: Path):
    path = tmp_path / "picture"
    path.write_bytes(COPIES[mode])
    assert np.array_equal(read_pixels(COPIES[mode], HOW), exported.read(path, ABOUT))
    assert np.array_equal(read_pixels(path, HOW), standalone.read(path, ABOUT))


@pytest.mark.parametrize("mode", ["L", "I;16", "I", "F", "turned", "animated"])
def test_a_copy_in_another_mode_is_the_same_picture(mode: str):
    plain = photograph() if mode in {"turned", "animated"} else Image.fromarray(GREY).convert("RGB")
    gap = np.asarray(decode(COPIES[mode]), dtype=int) - np.asarray(plain, dtype=int)
    assert np.abs(gap).max() <= 1


@pytest.mark.medium
def test_predict_and_evaluate_on_a_folder_answer_every_mode_alike(
    own_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "elsewhere"
    for label in (0, 1, 2):
        (folder / str(label)).mkdir(parents=True)
    for number, (mode, data) in enumerate(COPIES.items()):
        (folder / str(number % 3) / f"{mode.replace(';', '_')}.picture").write_bytes(data)
    files = sorted(folder.glob("*/*"))
    predictor = Predictor(own_run)
    read = {str(path): predictor.answer(read_pixels(path, HOW)[None], [str(path)])[0] for path in files}
    for answer in predictor.answer_files(files):
        wanted = read[answer.file].probabilities
        assert wanted is not None
        assert answer.probabilities == pytest.approx(wanted, abs=1e-5)
    assert outcome(app, ["evaluate", str(own_run.folder), "--on", str(folder)]) == 0
    assert f" of {len(COPIES)} right" in capsys.readouterr().out
    with (own_run.folder / "evaluations" / "on-elsewhere" / "predictions.csv").open(newline="") as stream:
        lines = {str(folder / line["file"]): line for line in csv.DictReader(stream)}
    for name, answer in read.items():
        assert answer.probabilities is not None
        found = [float(lines[name][f"p{label}"]) for label in (0, 1, 2)]
        assert found == pytest.approx(list(answer.probabilities.values()), abs=1e-5)


@pytest.mark.parametrize(
    ("data", "why"),
    [(bytes(MAX_BYTES + 1), "over 20 MiB"), (saved(Image.new("1", (9000, 9000)), "PNG"), "over 64 megapixels")],
    ids=["bytes", "pixels"],
)
def test_one_limit_of_size_holds_everywhere(data: bytes, why: str, exported: ModuleType, tmp_path: Path):
    (tmp_path / "huge.png").write_bytes(data)
    with pytest.raises(Exception, match=why):
        exported.read(tmp_path / "huge.png", ABOUT)
    with pytest.raises(Exception, match=why):
        read_pixels(tmp_path / "huge.png", HOW)
