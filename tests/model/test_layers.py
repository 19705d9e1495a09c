"""The network as a table, its weights as a file of their own, and another backbone through the same seam."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stj_core.cli import outcome
from stj_core.errors import UsageError
from stj_model.backbones.registry import BACKBONES
from stj_model.cli import app
from stj_model.exporting import WEIGHTS, save_weights
from stj_model.predict import Predictor, load_model
from stj_model.recipes.paper import epoch_lines
from stj_model.run_dir import MODEL, Run
from stj_model.training import train
from tests.model.conftest import tiny


def test_summary_counts_what_keras_counts(run: Run, capsys: pytest.CaptureFixture[str]):
    assert outcome(app, ["summary", str(run.folder), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    model = load_model(run.folder / MODEL)
    assert sum(row["parameters"] for row in rows) == model.count_params()
    assert sum(row["trained"] for row in rows) == sum(math.prod(one.shape) for one in model.trainable_weights)
    assert rows[0]["shape"] == [None, 64, 64, 3]
    assert [row["name"] for row in rows if not row["base"]][-1] == "probabilities"


def test_summary_folds_the_base_unless_it_is_asked_for(run: Run, capsys: pytest.CaptureFixture[str]):
    assert outcome(app, ["summary", str(run.folder)]) == 0
    short = capsys.readouterr().out
    assert outcome(app, ["summary", str(run.folder), "--base"]) == 0
    long = capsys.readouterr().out
    assert "base (" in short
    assert "conv1_conv" not in short
    assert "conv1_conv" in long
    assert short.splitlines()[-1] == long.splitlines()[-1]


def test_the_weights_alone_are_the_network_again(own_run: Run):
    path = save_weights(own_run)
    assert path == own_run.folder / WEIGHTS
    assert path.read_bytes()[1:4] == b"HDF"
    model = load_model(own_run.folder / MODEL)
    wanted = [one.copy() for one in model.get_weights()]
    model.set_weights([np.zeros_like(one) for one in wanted])
    model.load_weights(path)
    assert all(np.array_equal(one, other) for one, other in zip(wanted, model.get_weights(), strict=True))
    assert not list(own_run.folder.glob(".part-*"))


def test_an_epoch_speaks_as_keras_does():
    found = {"epoch": 3, "accuracy": 0.5, "loss": 1.25, "val_accuracy": 0.25, "val_loss": 0.75}
    first, second = epoch_lines(found, 25, 0.875, 4.2)
    assert first == "Epoch 3/25 - 4s - accuracy: 0.5000 - loss: 1.2500 - val_accuracy: 0.2500 - val_loss: 0.7500"
    assert second == "Epoch 3: val_loss improved from 0.8750 to 0.7500, saved"
    assert epoch_lines(found, 25, 0.5, 4)[1] == "Epoch 3: val_loss did not improve from 0.5000"
    assert epoch_lines(found, 25, float("inf"), 4)[1] == "Epoch 3: val_loss improved from inf to 0.7500, saved"


@pytest.mark.slow
def test_a_second_backbone_trains_and_answers(drawn: Path, tmp_path: Path):
    config = replace(tiny(), architecture="efficientnetv2b0")
    run = train(drawn, config, runs=tmp_path / "runs", cache=tmp_path / "cache")
    assert run.document["weights"]["architecture"] == "efficientnetv2b0"
    answer = next(iter(Predictor(run).answer_files([next((drawn / "test" / "0").iterdir())])))
    assert answer.error is None
    assert sum((answer.probabilities or {}).values()) == pytest.approx(1, abs=1e-5)


def test_the_notebook_is_cut_on_resnet50_only(drawn: Path, tmp_path: Path):
    config = replace(tiny("paper"), architecture="efficientnetv2b0")
    with pytest.raises(UsageError, match="cannot be done with efficientnetv2b0: leave --backbone out"):
        train(drawn, config, runs=tmp_path / "runs", cache=tmp_path / "cache")


@pytest.mark.medium
@pytest.mark.parametrize("name", list(BACKBONES))
def test_every_backbone_has_the_layers_that_it_names(name: str):
    from stj_model.backbones.base import build

    backbone = BACKBONES[name]
    network = build(backbone, backbone.scaling, 64, drawn=False)
    for layer in (backbone.stem, backbone.first_convolution, backbone.early_stage, backbone.last_stage):
        network.get_layer(layer)
    assert tuple(network.output.shape) == tuple(network.get_layer(backbone.last_stage).output.shape)
