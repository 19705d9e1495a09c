"""How well distance tells something else from the classes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stj_core.cli import outcome
from stj_model.cli import app
from stj_model.out_of_scope import answered_figures, auroc, auroc_interval, rejection_figures
from stj_model.run_dir import Run


def test_the_area_is_the_share_of_pairs_in_order():
    near, far = np.array([0.1, 0.2, 0.4]), np.array([0.2, 0.3])
    pairs = [(a < b) + 0.5 * (a == b) for a in near for b in far]
    assert auroc(near, far) == pytest.approx(sum(pairs) / 6)


def test_the_interval_is_hanley_and_mcneils_and_stays_a_share():
    assert auroc_interval(1.0, 50, 50) == (1.0, 1.0)
    low, high = auroc_interval(0.893, 58, 51)
    assert (high - low) / (2 * 1.96) == pytest.approx(0.032, abs=1e-3), "the standard error of their example"
    assert auroc_interval(0.99, 3, 3)[1] == 1.0


def test_refusal_is_told_at_the_threshold_too():
    found = rejection_figures([0.1, 0.2, 0.6], ["saree", "unsure", "none"], [0.3, 0.5], ["none", "jeans"])
    assert found["auroc"] == pytest.approx(4 / 6, abs=1e-4)
    assert {name: found[name]["n"] for name in ("accepted", "refused", "not_answered")} == {
        "accepted": 2,
        "refused": 1,
        "not_answered": 1,
    }
    assert found["refused"]["share"] == 0.5
    assert found["answers"] == {"jeans": 1, "none": 1}
    assert (found["n_inside"], found["n_outside"]) == (3, 2)


def test_what_the_thresholds_cost_and_bring_are_told_together():
    found = answered_figures(["saree", "unsure", "none", "jeans"], [True, True, False, False])
    assert (found["answered"], found["share"], found["correct"], found["accuracy"]) == (2, 0.5, 1, 0.5)
    assert answered_figures(["none"], [False])["accuracy_interval"] == [0.0, 1.0]


@pytest.mark.medium
def test_evaluate_judges_how_well_it_keeps_out(
    own_run: Run, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    others = tmp_path / "others"
    others.mkdir()
    for number, level in enumerate((0, 128, 255)):
        Image.new("RGB", (64, 64), (level, 0, 255 - level)).save(others / f"{number}.png")
    elsewhere = shutil.copytree(drawn / "test", tmp_path / "elsewhere")
    command = ["evaluate", str(own_run.folder), "--on", str(elsewhere), "--none", str(others)]
    assert outcome(app, [*command, "--json"]) == 0
    scope = json.loads(capsys.readouterr().out)["out_of_scope"]
    assert (scope["n_inside"], scope["n_outside"], sum(scope["answers"].values())) == (12, 3, 3)
    assert 0 <= scope["interval"][0] <= scope["auroc"] <= scope["interval"][1] <= 1
    assert outcome(app, command) == 0
    assert "something else: out-of-distribution AUROC" in capsys.readouterr().out
    report = next((own_run.folder / "evaluations").glob("*/report.html")).read_text(encoding="utf-8")
    assert "before temperature" in report
    assert "12 of the classes, 3 others" in report


def test_a_folder_without_others_is_refused(
    own_run: Run, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "empty").mkdir()
    command = ["evaluate", str(own_run.folder), "--dataset", str(drawn), "--none", str(tmp_path / "empty")]
    assert outcome(app, command) == 1
    sentence = f"There is no picture in {tmp_path / 'empty'}: --none takes a folder of pictures of something else."
    assert capsys.readouterr().err.splitlines()[-1] == sentence
