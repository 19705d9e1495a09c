"""The notebook, run as a person runs it: from drawn pictures to a judged model, and what each cell shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "notebooks" / "stj.ipynb"


def test_the_notebook_is_valid_and_holds_no_outputs():
    notebook = nbformat.read(FILE, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells)


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
