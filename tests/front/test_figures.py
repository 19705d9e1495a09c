"""The figures of a notebook: axes from zero, and what was named rightly told by more than colour."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from stj.figures import Shown, history, judged, pictures

EPOCHS = [
    {"epoch": 1, "accuracy": 0.96, "val_accuracy": 0.91, "loss": 0.9, "val_loss": 1.1},
    {"epoch": 2, "accuracy": 1.0, "val_accuracy": 0.83, "loss": 0.2, "val_loss": 0.4},
]


def test_accuracy_and_loss_are_drawn_from_zero():
    accuracy, loss = history(EPOCHS, "training").axes
    assert accuracy.get_ylim() == pytest.approx((0, 1.03))
    assert loss.get_ylim() == pytest.approx((0, 1.08 * 1.1))
    assert all(tick == int(tick) for tick in accuracy.get_xticks())
    assert [axes.get_ylabel() for axes in (accuracy, loss)] == ["share named rightly", "mean cross-entropy"]


def test_a_judged_picture_says_by_sign_frame_and_per_cent_whether_it_was_named_rightly(tmp_path: Path):
    file = tmp_path / "wide.png"
    Image.new("RGB", (40, 10), "red").save(file)
    right = judged(file, "Saree", "Saree", 0.964, right=True)
    wrong = judged(file, "Jeans", "Trousers", 0.5, right=False)
    figure = pictures([right, wrong, Shown(file, "Jeans"), Shown(tmp_path / "gone.png", "Jeans")], "some", columns=2)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["Saree\n✓ Saree 96%", "Jeans\n✗ Trousers 50%", "Jeans", "Jeans"]
    frames = [axes.spines["top"] for axes in figure.axes]
    assert [frame.get_visible() for frame in frames] == [True, True, False, False]
    assert frames[0].get_linestyle() != frames[1].get_linestyle()
    assert len({axes.get_xlim() for axes in figure.axes}) == 1, "pictures of any shape stand side by side"
    assert "No such file" in figure.axes[3].texts[0].get_text()
    with Image.open(io.BytesIO(figure.png())) as drawn:
        assert drawn.format == "PNG"
