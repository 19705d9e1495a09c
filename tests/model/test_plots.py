"""Figures that stand alone in print: in grey, in any script, whatever a machine's matplotlib is set to."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stj_core.cli import outcome
from stj_model.architecture import boxes_of, draw_architecture
from stj_model.cli import app
from stj_model.layers import LayerRow
from stj_model.plots import BAD, GOOD, TRAIN, VAL, draw_confusion, draw_curve, draw_reliability
from stj_model.sheets import Tile, answered, draw_sheet, rows_of_samples
from stj_model.thumbnails import ReportThumbnails
from tests.model.conftest import draw

HISTORY = [
    {"epoch": epoch, "accuracy": 0.9, "loss": 0.2, "val_accuracy": 0.91, "val_loss": 0.25} for epoch in range(1, 6)
]


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    files = [tmp_path / f"{number}.png" for number in range(4)]
    for number, file in enumerate(files):
        file.write_bytes(draw(0, number))
    return files


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


def grey(colour: str) -> int:
    pixel = Image.new("RGB", (1, 1), colour).convert("L").getpixel((0, 0))
    assert isinstance(pixel, int)
    return pixel


def test_a_judged_picture_says_class_answer_and_per_cent_beside_its_colour(pictures: list[Path]):
    assert answered(pictures[0], "Saree", "Saree", 0.984, right=True).lines == ("Saree", "✓ Saree 98%")
    wrong = answered(pictures[0], "Saree", "Jeans", 0.61, right=False, instead="unsure")
    assert wrong.lines == ("Saree", "✗ Jeans 61%", "answered: unsure")


def test_right_and_wrong_differ_in_more_than_colour(pictures: list[Path]):
    """In grey, a right tile's frame is a whole line and a wrong one's is dashed."""
    thumbs = ReportThumbnails()

    def frame(*, right: bool) -> np.ndarray:
        tile = Tile(pictures[0], ("a", "b"), right)
        sheet = np.asarray(opened(draw_sheet([tile], thumbs, "t", 1)).convert("L"))
        dark = sheet[:, : sheet.shape[1] // 3] < 200
        return dark[dark.sum(axis=1).argmax()]

    assert frame(right=True)[10:150].all()
    assert 0.3 < frame(right=False)[10:150].mean() < 0.9
    assert abs(grey(GOOD) - grey(BAD)) > 15
    assert abs(grey(TRAIN) - grey(VAL)) > 15


@pytest.mark.parametrize("name", ["साड़ी", "$x$ & <b>", "A class with a very long name indeed", "サリー\u202e"])
def test_a_class_may_be_called_anything(name: str, pictures: list[Path]):
    tiles = [
        answered(pictures[0], name, name, 0.5, right=True),
        answered(Path("gone.jpg"), name, name, 0.5, right=False),
    ]
    assert opened(draw_sheet(tiles, ReportThumbnails(), name, 6)).width == 3 * 164
    assert opened(draw_confusion([[1, 0], [0, 1]], [name, "b"], name).png).width > 300


def test_a_title_is_never_cut(pictures: list[Path]):
    tile = [Tile(pictures[0], ("a",))]
    short, long = (opened(draw_sheet(tile, ReportThumbnails(), text, 6)) for text in ("short", "a long title " * 12))
    assert long.height > short.height + 50
    assert long.width == short.width


def test_each_class_begins_a_line_of_its_own(pictures: list[Path]):
    rows = rows_of_samples({"Saree": pictures[:2], "Jeans": pictures[2:]}, 3)
    assert [tile.lines[:1] for tile in rows] == [("Saree",), ("Saree",), (), ("Jeans",), ("Jeans",)]


def test_every_axis_begins_at_zero():
    """The lowest tick of each is 0, also where all values lie far above."""
    sure = np.linspace(0.9, 1, 40)
    for drawing in (draw_curve(HISTORY, "accuracy", 3), draw_reliability(sure, sure > 0.92, 10)):
        assert ">0.0</text>" in drawing.svg
        assert ">1.0</text>" in drawing.svg
    assert ">0.00</text>" in draw_curve(HISTORY, "loss", 3).svg
    assert "kept: epoch 3" in draw_curve(HISTORY, "loss", 3).svg


def test_the_architecture_counts_every_parameter_and_shows_where_training_begins():
    def row(name: str, parameters: int, *, base: bool = True, trained: bool = False) -> LayerRow:
        kind = "Dense" if not base else "Conv2D" if parameters else "Activation"
        return LayerRow(name, kind, (None, 8, 8, 16), parameters, base, parameters if trained else 0)

    rows = [
        row("pixels", 0),
        row("conv1_conv", 10),
        row("conv5_block1_1_conv", 20),
        row("conv5_block1_out", 0),
        row("conv5_block2_1_conv", 30, trained=True),
        row("conv5_block2_out", 0),
        row("dense", 40, base=False, trained=True),
    ]
    boxes = boxes_of(rows)
    assert [(box.title, box.trained) for box in boxes] == [
        ("pixels", None),
        ("stage 1", False),
        ("stage 5", False),
        ("stage 5", True),
        ("dense", True),
    ]
    assert [box.lines[2] for box in boxes[1:]] == ["10 frozen", "20 frozen", "30 trained", "40 trained"]
    assert boxes[3].lines[:2] == ("block 2, 1 conv.", "→ 8 × 8 × 16")
    assert "paper: 100 parameters, 70 of them trained" in draw_architecture(rows, "paper").svg


def test_a_figure_is_the_same_whatever_a_machine_asks_of_matplotlib(tmp_path: Path):
    code = (
        "import hashlib; from stj_model.plots import check_drawing, draw_confusion; check_drawing(); "
        "print(hashlib.sha256(draw_confusion([[3, 1], [0, 2]], ['a', 'b'], 't').png).hexdigest())"
    )
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfigure.dpi: 300\naxes.facecolor: black\nfont.size: 30\n")
    settings = {"MPLBACKEND": "nonsense", "MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, env={**os.environ, **settings}
    )
    assert done.returncode == 0, done.stderr
    here = hashlib.sha256(draw_confusion([[3, 1], [0, 2]], ["a", "b"], "t").png).hexdigest()
    assert done.stdout.strip() == here


def test_that_nothing_can_be_drawn_is_said_before_a_training(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setenv("STJ_RUNS", str(tmp_path / "runs"))
    assert outcome(app, ["train", str(drawn), "--weights", "random"]) == 1
    assert capsys.readouterr().err == (
        "There is no module matplotlib.figure, with which the report is drawn: pip install 'stj[model]', and train then.\n"
    )
    assert not (tmp_path / "runs").exists()
