"""The notebooks, run as a person runs them: from drawn pictures to a judged model, and what each cell shows."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from docs.student_notebook import FIGURES, pictures_of, run_notebook
from tests.model.conftest import make_dataset

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "notebooks" / "stj.ipynb"
STUDENT = ROOT / "notebooks" / "student.ipynb"


@pytest.mark.parametrize("file", [FILE, STUDENT], ids=["stj", "student"])
def test_a_notebook_is_valid_and_holds_no_outputs(file: Path):
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            ast.parse(cell.source)


def test_the_student_s_notebook_is_his_flow():
    code = "\n".join(cell.source for cell in nbformat.read(STUDENT, as_version=4).cells if cell.cell_type == "code")
    for step in (
        "SIZE, BATCH, EPOCHS, PATIENCE = 256, 4, 25, 20",
        "image_dataset_from_directory",
        "validation_split=0.2",
        "pixels / 255",
        "base.layers[-10:]",
        "AveragePooling2D((4, 4))",
        'Dense(256, activation="relu")',
        'Dense(128, activation="relu")',
        "RMSprop(LEARNING_RATE)",
        "EarlyStopping",
        "save_best_only=True",
        "classification_report",
        "ConfusionMatrixDisplay",
    ):
        assert step in code


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_the_student_s_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """At a small size and with random weights: its figures are there, and what it says was counted."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    data = make_dataset(tmp_path / "Drawn", per_class=10, layout="student")
    executed = run_notebook(tmp_path, 600, DATA=str(data), WEIGHTS=None, SIZE=128, EPOCHS=2)
    found = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert (sum(found["counts"]["train"]), sum(found["counts"]["val"]), sum(found["counts"]["test"])) == (20, 4, 6)
    assert found["test"]["n"] == 6
    assert found["test"]["accuracy"] == found["test"]["correct"] / 6
    assert found["test"]["interval"][0] <= found["test"]["accuracy"] <= found["test"]["interval"][1]
    assert len(found["history"]["val_loss"]) == found["epochs"] == 2
    shown = pictures_of(executed)
    assert len(shown) == len(FIGURES)
    assert all(picture.startswith(b"\x89PNG") for picture in shown)
    said = "".join(output.get("text", "") for cell in executed.cells for output in cell.get("outputs", []))
    for words in ("macro avg", "weighted avg", "Saree", "Epoch 1: val_loss improved from", "of 6 right"):
        assert words in said


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The code cells after a run in an empty folder, with random weights."""
    place = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(FILE, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace("WEIGHTS = None", 'WEIGHTS = "random"')
    with pytest.MonkeyPatch.context() as environment:
        for name in ("CATALOG", "IMAGES", "RUNS", "CACHE"):
            environment.delenv(f"STJ_{name}", raising=False)
        environment.setenv("PYTHONPATH", str(ROOT))
        environment.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
        client = NotebookClient(
            notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(place)}}
        )
        client.execute()
    assert (place / "dataset" / "manifest.csv").is_file()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _shown(cells: list[Any], source: str, kind: str) -> list[str]:
    """What a cell shows of one kind, last first."""
    (cell,) = [cell for cell in cells if source in cell.source]
    return [output["data"][kind] for output in reversed(cell.outputs) if kind in output.get("data", {})]


@pytest.mark.slow
@pytest.mark.timeout(900)
# Jupyter's own: its event loop and its paths.
@pytest.mark.filterwarnings("ignore")
def test_every_cell_runs_and_shows_what_it_promises(cells: list[Any]):
    assert not [output for cell in cells for output in cell.outputs if output["output_type"] == "error"]
    for source in ("show_samples", "plot_history", "plot_confusion", "show_results", "answers.show()"):
        assert _shown(cells, source, "image/png"), source
    assert "72 pictures" in _shown(cells, "open_catalogue", "text/html")[0]
    assert "<td>Saree</td>" in _shown(cells, "catalogue.export", "text/html")[0]
    assert "out_of_fold" in _shown(cells, "stj.train", "text/html")[0]
    assert "<progress" in "".join(_shown(cells, "stj.train", "text/html"))
    assert "answers</b>" in _shown(cells, "run.predict", "text/html")[0]
