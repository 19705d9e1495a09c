"""`import stj`: the road in a notebook or a script, typed, with tables and figures that show themselves."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import stj
from stj.figures import confusion, history, spread
from stj.tables import html_table, table
from stj_core.vocabulary import SPLITS


@pytest.fixture
def pictures(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Eight pictures of noise for each class."""
    for label in range(3):
        (tmp_path / "pictures" / str(label)).mkdir(parents=True)
        for number in range(8):
            Image.fromarray(rng.integers(0, 256, (90, 80, 3), dtype=np.uint8)).save(
                tmp_path / f"pictures/{label}/{number}.png"
            )
    return tmp_path / "pictures"


def test_importing_it_imports_nothing_heavy():
    code = "import stj, sys; print(sorted({'numpy', 'PIL', 'sqlalchemy', 'matplotlib', 'keras', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_everything_that_is_offered_is_there_and_documented():
    for name in stj.__all__:
        offered = getattr(stj, name)
        if inspect.isclass(offered) or inspect.isfunction(offered):
            assert inspect.getdoc(offered), name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = stj.nothing


def test_from_a_folder_to_a_dataset(pictures: Path, tmp_path: Path):
    with stj.open_catalogue() as catalogue:
        report = catalogue.import_folder(pictures)
        assert {label: sum(tally.values()) for label, tally in report.labels.items()} == {0: 8, 1: 8, 2: 8}
        assert catalogue.counts()["images"] == {"kept": 24}
        assert list(catalogue.table()["kept"]) == [8, 8, 8]
        assert "24 pictures" in catalogue._repr_html_()
        dataset = catalogue.export("dataset", split=0.3, test=0.2)
        assert catalogue.import_folder(pictures).known == 24
    assert stj.open_dataset("dataset") == dataset
    assert len(dataset.table()) == len(dataset.rows()) == 24
    assert set(dataset.table()["split"]) == set(SPLITS)
    assert "<td>Saree</td>" in dataset._repr_html_()
    figure = dataset.show_samples(each=3)
    assert isinstance(figure, Figure)
    assert [axes.get_title() for axes in figure.axes] == ["0 Saree"] * 3 + ["1 Trousers"] * 3 + ["2 Jeans"] * 3
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_decision_counts_in_the_next_export(pictures: Path):
    with stj.open_catalogue() as catalogue:
        catalogue.import_folder(pictures)
        first = catalogue.export("dataset").rows()[0]
        assert catalogue.label(first.file, reject="blurred") == "rejected"
        assert first.sha256 not in {row.sha256 for row in catalogue.export("dataset").rows()}
        other = (first.label + 1) % 3
        assert catalogue.label(first.original_sha256, label=other) == "kept"
        assert {row.label for row in catalogue.export("dataset").rows() if row.sha256 == first.sha256} == {other}


@pytest.mark.medium
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Give one of label, reject and keep, got 0 of them."),
        ({"label": 1, "keep": True}, "got 2 of them"),
        ({"label": 7}, "no class 7"),
    ],
)
def test_a_decision_is_one_and_about_a_class_that_there_is(pictures: Path, given: dict[str, Any], said: str):
    with stj.open_catalogue() as catalogue:
        catalogue.import_folder(pictures)
        with pytest.raises(stj.StjError, match=said):
            catalogue.label("0.png", **given)


def test_what_is_not_there_is_said(tmp_path: Path):
    with pytest.raises(stj.StjError, match="There is no catalogue"):
        stj.open_catalogue(create=False)
    with pytest.raises(stj.StjError, match="stj-dataset export makes one"):
        stj.open_dataset("nowhere")
    with pytest.raises(stj.StjError, match="There is no run"):
        stj.open_run()


def test_a_split_without_pictures_is_no_empty_figure(pictures: Path):
    with stj.open_catalogue() as catalogue:
        catalogue.import_folder(pictures)
        dataset = catalogue.export("dataset", test=0)
    for split in ("test", "nonsense"):
        with pytest.raises(stj.StjError, match="train, val, test"):
            dataset.show_samples(split)


def test_a_table_is_a_list_where_pandas_is_not(monkeypatch: pytest.MonkeyPatch):
    rows = [{"a": 1}, {"a": 2}]
    assert list(table(rows)["a"]) == [1, 2]
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert table(rows) == rows


def test_text_from_a_shop_is_inert_in_a_notebook():
    page = html_table("<b>x</b>", [{"title": "<script>alert(1)</script>"}] * 3, most=2)
    assert "<script>" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "… and 1 more" in page


def test_the_cells_of_a_confusion_can_be_read_in_grey():
    figure = confusion([[9, 1], [4, 6]], ["Saree", "Jeans"], "test")
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("taken for", "is")
    assert [(text.get_text(), text.get_color()) for text in axes.texts] == [
        ("9\n90%", "white"),
        ("1\n10%", "black"),
        ("4\n40%", "black"),
        ("6\n60%", "black"),
    ]


def test_training_and_validation_differ_in_more_than_colour():
    lines = [{"epoch": 1, "accuracy": 0.5, "loss": 1.0, "val_accuracy": 0.4, "val_loss": 1.1}]
    for axes in history(lines, "run").axes:
        training, validation = axes.get_lines()
        assert training.get_linestyle() != validation.get_linestyle()
        assert axes.get_xlabel() == "epoch"


def test_pictures_are_taken_from_everywhere():
    assert spread(list(range(10)), 3) == [0, 3, 6]
    assert spread([1, 2], 6) == [1, 2]


def test_a_notebook_is_offered_the_whole_api_before_any_of_it_is_imported() -> None:
    """`stj.` and the tab key; a new process, for here everything was asked for already."""
    code = "import stj, stj_model, sys; print(*dir(stj)); print(*dir(stj_model)); print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    offered, of_the_model, heavy = done.stdout.splitlines()
    assert offered.split() == sorted(stj.__all__)
    assert of_the_model.split() == ["evaluate", "export", "load", "train"]
    assert heavy == "False"
