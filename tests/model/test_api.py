"""The Python API, as a notebook uses it: train, load, evaluate and export, with paths as text."""

from __future__ import annotations

import inspect
import typing
from pathlib import Path

import numpy as np
import pytest

import stj_model
from stj_core.errors import StjError
from stj_model import api
from stj_model.config import TrainConfig
from tests.model.conftest import make_dataset


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_notebook_from_a_dataset_to_an_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from stj_model import evaluate, export, load, train

    make_dataset(tmp_path / "dataset", per_class=10)
    run = train("dataset", weights="random", epochs=3)
    assert run.folder.parent == tmp_path / "runs"
    assert (run.config().weights, run.config().epochs) == ("random", 3)
    predictor = load()
    assert predictor.run.name == run.name
    first = run.manifest()[0]
    answers = list(predictor.answer_files([f"dataset/{first.file}", "nowhere.jpg"]))
    assert answers[0].answer in {"saree", "trousers", "jeans", "unsure", "none"}
    assert answers[1].error == "Cannot read nowhere.jpg: No such file or directory."
    pixels = predictor.read(Path("dataset", first.file).read_bytes())
    assert (pixels.shape, pixels.dtype) == ((64, 64, 3), np.uint8)
    chances, features, _ = predictor.scores(pixels[None])
    assert chances.shape == (1, 3)
    assert features.shape[0] == 1
    assert np.isclose(chances.sum(), 1)
    assert evaluate(str(run.folder))["n"] == len([row for row in run.manifest() if row.split == "test"])
    assert evaluate(run.name, split="val")["split"] == "val"
    done = export(run.name, to="out")
    assert [(one.format, one.folder) for one in done] == [("saved_model", Path("out/saved_model"))]
    assert capsys.readouterr().out == ""


def test_what_goes_wrong_is_an_error_with_a_sentence():
    with pytest.raises(StjError, match="There is no dataset folder nowhere"):
        stj_model.train("nowhere", weights="random")
    with pytest.raises(StjError, match=r"There is no run in .* yet: stj-model train makes one"):
        stj_model.load()


@pytest.mark.parametrize("name", stj_model.__all__)
def test_every_function_is_typed_and_documented(name: str):
    function = getattr(stj_model, name)
    assert function is getattr(api, name)
    hints = typing.get_type_hints(function)
    assert set(hints) == {*inspect.signature(function).parameters, "return"}
    assert "Returns:" in function.__doc__
    assert "Raises:" in function.__doc__


def test_train_takes_every_setting_that_a_recipe_has():
    """But those that nobody should need: how pictures are read and pooled, the number of folds, and what is only recorded."""
    given = set(inspect.signature(stj_model.train).parameters) - {"dataset", "none", "talk"}
    assert given | {"views", "pooling", "folds", "preprocessing", "assumptions"} == set(
        TrainConfig.__dataclass_fields__
    )
