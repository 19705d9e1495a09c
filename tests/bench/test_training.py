"""Time to an accuracy is told as it was recorded, what no way reached is said, and drawn pictures claim nothing."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from bench.predicting import agree
from bench.tables import Spent, Way, write_page
from bench.training import GUIDE, NOTEBOOK, OURS, Judged, Trained, drawn_pictures, prepare, reached, told, write
from stj_dataset.manifest import read_manifest

GIVEN = argparse.Namespace(test=0.4, per_class=8, epochs=25)
COUNTS = {"train": 10, "val": 2, "shops": 4, "unseen": 100, "unseen shops": 3}


def way(name: str, *right: int) -> Trained:
    """A way whose epochs each cost ten CPU-seconds."""
    epochs = [Judged(n, "all", 10.0 * n, 5.0 * n, correct, 100, 1 / n) for n, correct in enumerate(right, 1)]
    return Trained(name, epochs, epochs[-1], epochs[-1].cpu, epochs[-1].seconds, 900.0)


WAYS = way(OURS, 91), way(NOTEBOOK, 60, 82, 79), way(GUIDE, 70, 75)


def test_the_first_epoch_that_reached_an_accuracy_counts_and_none_is_said() -> None:
    assert [one.epoch if (one := reached(found, 0.8)) else None for found in WAYS] == [1, 2, None]
    text = told(WAYS, COUNTS, [0.8, 0.9], GIVEN, drawn=False)
    assert f"| {NOTEBOOK} | 20 (epoch 2) | never reached | 82 of 100, 0.820 [0.733, 0.883] |" in text
    assert f"| {OURS} | 10 (epoch 1) | 10 (epoch 1) | 91 of 100, 0.910 [0.838, 0.952] |" in text
    assert f"| {NOTEBOOK} | 30 | 15 | 900 | 3 | 3.0 | 79 of 100, 0.790 [0.700, 0.858] |" in text

    assert "here 3.0 times at 12 points more, not reached" in text


def test_of_drawn_pictures_no_accuracy_is_told_and_the_page_s_other_part_stays(tmp_path: Path) -> None:
    text = told(WAYS, COUNTS, [], GIVEN, drawn=True)
    assert "**No accuracy is claimed of either**" in text
    assert "of 100" not in text
    write_page("training", "Training", "what was measured on real pictures", tmp_path)
    for _ in range(2):
        write(WAYS, text, tmp_path, drawn=True)
    page = (tmp_path / "training.md").read_text(encoding="utf-8")
    assert page.count("what was measured on real pictures") == page.count("No accuracy is claimed") == 1


@pytest.mark.slow
def test_no_shop_is_both_learned_from_and_judged_by(tmp_path: Path) -> None:
    dataset, unseen = prepare(tmp_path, drawn_pictures(tmp_path, 12), 12, 0.4)
    rows = read_manifest(tmp_path / "whole")
    shops = {split: {row.source for row in rows if row.split == split} for split in ("train", "val", "test")}
    assert not shops["test"] & (shops["train"] | shops["val"])
    assert {row.split for row in read_manifest(dataset)} == {"train", "val"}
    judged = sum(1 for _ in unseen.rglob("*.jpg"))
    assert judged == sum(row.split == "test" for row in rows) > 0


def test_networks_that_answer_differently_are_not_compared() -> None:
    def said(answer: float) -> Way:
        return Way(str(answer), [], [Spent(1, 1, 1, json.dumps({"seconds": 1, "cpu": 1, "answers": [[answer]]}))])

    assert agree([said(0.5), said(0.5004), Way("gone", [], missing="not here")]) == pytest.approx(4e-4)
    with pytest.raises(RuntimeError, match=r"answer differently, by 0\.100"):
        agree([said(0.5), said(0.6)])
