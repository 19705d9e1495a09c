"""The price of leakage: what each split lets a head see, and how it is counted."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stj_core.cli import outcome
from stj_core.intervals import wilson
from stj_model import leakage as module
from stj_model.cli import app
from stj_model.leakage import measure, summarise
from stj_model.recipes import TrainingJob
from stj_model.recipes.frozen import FeatureTable, FrozenFeatures
from tests.model.conftest import tiny


def test_a_difference_is_counted_picture_by_picture_and_pooled_over_the_draws():
    """Two relatives that only the naive split names rightly, in both draws; one lone picture that one draw turns."""
    naive = np.array([[1, 1, 1, 0], [1, 1, 1, 0]], dtype=bool)
    grouped = np.array([[0, 0, 1, 0], [0, 0, 1, 1]], dtype=bool)
    found = summarise({"naive": naive, "grouped": grouped}, ["a", "a", "b", "c"], [7, 8], 5)
    first, second = found.draws
    assert (first.seed, first.correct, first.b, first.c, first.p_value) == (7, {"naive": 3, "grouped": 1}, 2, 0, 0.5)
    assert (second.seed, second.correct["grouped"], second.b, second.c) == (8, 2, 2, 1)
    assert found.groups == 3
    assert (found.pooled.n, found.pooled.accuracy) == (4, {"naive": 0.75, "grouped": 0.375})
    assert found.pooled.flattery == pytest.approx(0.375)
    assert found.related is not None
    assert (found.related.n, found.related.accuracy["grouped"], found.related.flattery) == (2, 0.0, 1.0)
    document = found.as_json()
    assert document["pooled"]["naive"] == {"accuracy": 0.75, "interval": [round(end, 4) for end in wilson(3, 4)]}
    assert document["related"]["flattery_interval"] == [1.0, 1.0]


def test_the_interval_draws_groups_whole():
    """Fifty pictures of one group are one witness, fifty alone are fifty."""
    rng = np.random.default_rng(0)
    naive = np.ones((1, 60), dtype=bool)
    grouped = np.array([rng.permutation(np.arange(60) >= 15)])
    lone = summarise({"naive": naive, "grouped": grouped}, [str(n) for n in range(60)], [0], 5).pooled
    few = summarise({"naive": naive, "grouped": grouped}, [str(n // 20) for n in range(60)], [0], 5).pooled
    assert lone.flattery == few.flattery == 0.25
    low, high = lone.interval
    # The bootstrap of a share is close to the normal's interval: 0.25 ± 1.96 · √(0.25 · 0.75 / 60).
    assert (low, high) == pytest.approx((0.14, 0.36), abs=0.02)
    worst = summarise(
        {"naive": naive, "grouped": np.array([np.arange(60) >= 20])}, [str(n // 20) for n in range(60)], [0], 5
    )
    assert worst.pooled.interval == (0.0, 1.0)


def test_the_interval_knows_that_a_draw_decides_many_pictures_at_once():
    """One draw of two flatters everything, the other nothing: nobody knows what a third would do."""
    naive, grouped = np.ones((2, 60), dtype=bool), np.zeros((2, 60), dtype=bool)
    grouped[1] = True
    pooled = summarise({"naive": naive, "grouped": grouped}, [str(n) for n in range(60)], [0, 1], 5).pooled
    assert (pooled.flattery, pooled.interval) == (0.5, (0.0, 1.0))


def test_without_relatives_it_says_that_nothing_can_leak():
    right = np.ones((1, 3), dtype=bool)
    found = summarise({"naive": right, "grouped": right}, ["a", "b", "c"], [0], 5)
    assert found.related is None
    assert found.sentence() == (
        "None of the 3 pictures has a relative in the dataset: a naive split has nothing to leak here, and the figures "
        "differ by the draw alone."
    )


@pytest.mark.parametrize(
    ("missed", "end"),
    [
        (12, ": more than chance, and +30.0 points (95 % interval +10.0 to +50.0) of the whole accuracy."),
        (0, ": not more than chance. Only relatives can leak, and the export has taken the duplicates out already."),
    ],
)
def test_the_sentence_says_whether_it_is_more_than_chance(missed: int, end: str):
    naive = np.ones((2, 40), dtype=bool)
    grouped = np.array([np.arange(40) >= missed] * 2)
    found = summarise({"naive": naive, "grouped": grouped}, [str(n // 2) for n in range(40)], [0, 1], 5)
    assert found.sentence().endswith(end)


@pytest.mark.medium
def test_a_naive_split_flatters_where_relatives_are_all_there_is_to_learn(
    drawn: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    """Relatives look alike and their class is a coin's toss: only who has seen one can name the other."""
    original = module.extract_table

    def alike(job: TrainingJob) -> FrozenFeatures:
        seen = original(job)
        pictures = seen.table.pictures
        _, group = np.unique([picture.group for picture in pictures], return_inverse=True)
        rng = np.random.default_rng(3)
        rows = rng.normal(size=(30, 64))[group] + 0.1 * rng.normal(size=(60, 64))
        classes = rng.permutation(np.arange(30) % 3)[group]
        return replace(
            seen, table=FeatureTable(pictures, classes, 3, rows[None].astype(np.float32), rows.astype(np.float32))
        )

    monkeypatch.setattr(module, "extract_table", alike)
    found = measure(drawn, tiny(), range(2), cache=shared_cache)
    assert found.related is not None
    assert found.related.n == found.pooled.n == 60
    assert found.pooled.accuracy["naive"] > 0.7
    assert found.pooled.accuracy["grouped"] < 0.5
    assert found.pooled.interval[0] > 0.2


@pytest.mark.medium
def test_the_grouped_figure_is_the_runs_own_out_of_fold_figure(run, drawn: Path, shared_cache: Path):
    found = measure(drawn, tiny(), [42], cache=shared_cache)
    figures = run.read_json("metrics.json")["figures"]
    assert found.draws[0].correct["grouped"] == figures["out_of_fold"]["correct"]
    assert found.draws[0].correct["shops"] == figures["leave_sources_out"]["correct"]
    assert found.groups == 30


def test_the_command_gives_one_json_document_or_words(drawn: Path, capsys: pytest.CaptureFixture[str], monkeypatch):
    """Counted from given answers, so that the words are known."""
    right = np.ones((2, 4), dtype=bool)
    missed = np.array([[0, 0, 1, 1], [0, 0, 1, 1]], dtype=bool)
    found = summarise({"naive": right, "grouped": missed, "shops": missed}, ["a", "a", "b", "c"], [42, 43], 5)
    asked = []
    monkeypatch.setattr("stj_model.leakage.measure", lambda *args, **kwargs: asked.append(args) or found)
    assert outcome(app, ["leakage", str(drawn), "--seeds", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found.as_json()
    assert (asked[0][0], list(asked[0][2])) == (drawn, [42, 43])
    assert outcome(app, ["leakage", str(drawn), "--seeds", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        found.sentence(),
        "Mean of 2 draws of 5 folds, 3 groups:",
        f"  all 4 pictures: the naive split is {found.pooled.in_points()} above the grouped one",
        "    naive random split    1.000 [0.510, 1.000] of 4",
        "    grouped split         0.500 [0.150, 0.850] of 4",
        "    whole shops held out  0.500 [0.150, 0.850] of 4",
        "  the 2 with a relative: the naive split is +100.0 points (95 % interval +100.0 to +100.0) above the grouped one",
        "    naive random split    1.000 [0.342, 1.000] of 2",
        "    grouped split         0.000 [0.000, 0.658] of 2",
        "    whole shops held out  0.000 [0.000, 0.658] of 2",
        "  the 2 without, which cannot leak: the naive split is +0.0 points (95 % interval +0.0 to +0.0) above the grouped one",
        "    naive random split    1.000 [0.342, 1.000] of 2",
        "    grouped split         1.000 [0.342, 1.000] of 2",
        "    whole shops held out  1.000 [0.342, 1.000] of 2",
        *(
            f"  seed {seed}: naive 1.000 [0.510, 1.000], grouped 0.500 [0.150, 0.850], shops 0.500 [0.150, 0.850]; "
            "right only naively 2, only grouped 0 (McNemar's p = 0.5)"
            for seed in (42, 43)
        ),
    ]


def test_what_cannot_be_measured_is_refused_in_a_sentence(dataset: Path, capsys: pytest.CaptureFixture[str]):
    assert outcome(app, ["leakage", str(dataset), "--recipe", "paper"]) == 2
    assert "which has no head on frozen features" in capsys.readouterr().err
    shutil.rmtree(dataset)
    assert outcome(app, ["leakage", str(dataset)]) == 1
    assert str(dataset) in capsys.readouterr().err
