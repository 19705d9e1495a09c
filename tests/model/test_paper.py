"""The student's recipe: the tail on the cached tensor is the whole network, and an interruption changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stj_core.console import SILENT
from stj_model.backbones.base import build as build_backbone
from stj_model.backbones.registry import BACKBONES
from stj_model.backend import as_array, make_deterministic
from stj_model.data import open_dataset
from stj_model.recipes import TrainingJob, paper
from stj_model.recipes.paper import build, compile_as_notebook, notebook_cut
from stj_model.training import summary, train
from stj_model.weights import find_weights
from tests.model.conftest import make_dataset, tiny

SIZE = 128
WHERE = notebook_cut(BACKBONES["resnet50"])


@pytest.fixture(scope="module")
def networks():
    make_deterministic(11)
    backbone = build_backbone(BACKBONES["resnet50"], "unit", SIZE)
    return build(backbone, WHERE, 3, 1e-4, 11)


@pytest.mark.medium
def test_all_but_the_last_ten_layers_are_frozen(networks):
    names = [layer.name for layer in networks.whole.layers]
    cut = names.index(WHERE.layer)
    assert names[cut + 1 : cut + 11] == list(WHERE.trained)
    assert not any(layer.trainable for layer in networks.whole.layers[: cut + 1] if layer.weights)
    assert all(layer.trainable for layer in networks.whole.layers[cut + 1 :])


def test_exactly_one_tensor_crosses_the_cut(networks):
    behind = set(WHERE.trained)
    crossing = {
        tensor._keras_history.operation.name
        for layer in networks.whole.layers
        if layer.name in behind
        for tensor in (layer.input if isinstance(layer.input, list) else [layer.input])
        if tensor._keras_history.operation.name not in behind
    }
    assert crossing == {WHERE.layer}


def test_the_head_is_the_notebooks(networks):
    head = networks.whole.layers[-7:]
    assert [type(layer).__name__ for layer in head] == [
        "AveragePooling2D",
        "Flatten",
        "Dense",
        "Dropout",
        "Dense",
        "Dropout",
        "Dense",
    ]
    assert (head[0].pool_size, head[2].units, head[3].rate, head[4].units, head[5].rate) == ((4, 4), 256, 0.3, 128, 0.2)
    assert head[-1].activation.__name__ == "softmax"
    assert type(networks.tail.optimizer).__name__ == "RMSprop"
    assert float(networks.tail.optimizer.learning_rate) == pytest.approx(1e-4)


@pytest.mark.slow
def test_one_step_of_the_tail_on_the_cache_equals_one_step_of_the_whole_network(networks):
    """Loss, weights and BatchNorm statistics after the step are the same bits."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (4, SIZE, SIZE, 3)).astype(np.float32)
    classes = np.array([0, 1, 2, 1])
    compile_as_notebook(networks.whole, 1e-4)
    before = [as_array(variable) for variable in networks.whole.variables]

    whole_loss = networks.whole.train_on_batch(pixels, classes, return_dict=True)["loss"]
    after_whole = {variable.path: as_array(variable) for variable in networks.tail.variables}
    for variable, value in zip(networks.whole.variables, before, strict=True):
        variable.assign(value)

    cached = np.asarray(networks.front(pixels, training=False))
    tail_loss = networks.tail.train_on_batch(cached, classes, return_dict=True)["loss"]
    after_tail = {variable.path: as_array(variable) for variable in networks.tail.variables}

    assert float(tail_loss) == float(whole_loss)
    changed = 0
    for variable, value in zip(networks.whole.variables, before, strict=True):
        if variable.path in after_tail:
            assert np.array_equal(after_whole[variable.path], after_tail[variable.path]), variable.path
            changed += not np.array_equal(value, after_tail[variable.path])
    assert changed > 10


@pytest.mark.medium
def test_an_epochs_figures_count_every_picture_the_same(drawn: Path, tmp_path: Path):
    """Keras tells them batch by batch, and the last batch may be a small one."""
    opened = open_dataset(drawn)
    tail = build(build_backbone(BACKBONES["resnet50"], "unit", SIZE), WHERE, 3, 1e-4, 5).tail
    store = Cached(tail.input_shape[1:])
    job = TrainingJob(opened, tiny("paper", epochs=1), find_weights("random"), tmp_path, tmp_path, SILENT)
    val = opened.split("val")[:5]
    loop = paper._Loop(job, tail, store, opened.split("train")[:4], val)
    accuracy, loss = loop._pass(tail.test_on_batch, val)
    chances = np.asarray(tail(store.rows([picture.sha256 for picture in val]), training=False))
    truth = np.array([picture.label for picture in val])
    assert accuracy == pytest.approx((chances.argmax(axis=1) == truth).mean())
    assert loss == pytest.approx(-np.log(chances[np.arange(5), truth]).mean(), rel=1e-4)


class Cached:
    """A store of made-up cached tensors."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def rows(self, names):
        """Random numbers that depend on the name alone."""
        return np.stack([np.random.default_rng(list(name.encode())).random(self.shape, np.float32) for name in names])


@pytest.mark.slow
def test_an_interrupted_training_goes_on_and_ends_with_the_same_bits(drawn: Path, tmp_path: Path):
    opened = open_dataset(drawn)
    weights = find_weights("random")

    def train_tail(folder: Path, epochs: int):
        """Epochs of a fresh tail on made-up tensors, going on from what lies in `folder`."""
        folder.mkdir(exist_ok=True)
        make_deterministic(5)
        tail = build(build_backbone(BACKBONES["resnet50"], "unit", SIZE), WHERE, 3, 1e-4, 5).tail
        job = TrainingJob(opened, tiny("paper", epochs=epochs), weights, folder, tmp_path, SILENT)
        loop = paper._Loop(job, tail, Cached(tail.input_shape[1:]), opened.split("train")[:8], opened.split("val")[:4])
        loop.run()
        return loop, [as_array(variable) for variable in tail.variables]

    straight, ours = train_tail(tmp_path / "straight", 3)
    train_tail(tmp_path / "broken", 1)
    resumed, theirs = train_tail(tmp_path / "broken", 3)
    assert [line["epoch"] for line in resumed.history] == [1, 2, 3]
    assert straight.history == resumed.history
    assert straight.state == resumed.state
    assert all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))


@pytest.mark.slow
def test_a_run_of_the_paper_recipe_after_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The same command goes on, and leaves a whole run without `out_of_fold.csv`."""
    folder = make_dataset(tmp_path / "dataset", per_class=10)
    epoch = paper._Loop._epoch

    def broken(self):
        epoch(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(paper._Loop, "_epoch", broken)
    with pytest.raises(KeyboardInterrupt):
        train(folder, tiny("paper", epochs=2), runs=tmp_path / "runs", cache=tmp_path / "cache")
    assert not (tmp_path / "runs" / "latest").exists()
    monkeypatch.setattr(paper._Loop, "_epoch", epoch)
    run = train(folder, tiny("paper", epochs=2), runs=tmp_path / "runs", cache=tmp_path / "cache")
    assert [line["epoch"] for line in run.history()] == [1, 2]
    assert not (run.folder / "out_of_fold.csv").exists()
    assert not list(run.folder.glob("*.state.npz"))
    assert set(summary(run)) == {"run", "train", "val", "test"}
    assert "learning rate is 1e-4" in (run.folder / "report.html").read_text()
    assert run.document["fit"]["epochs_run"] == 2
