"""What a prediction pass leaves behind: an evaluation's folder, heat maps of mistakes, TensorBoard's events."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stj_core.errors import ModelError
from stj_core.files import write_json
from stj_dataset.manifest import read_manifest, write_manifest
from stj_model import artifacts as results
from stj_model.artifacts import worst_first, write_evaluation
from stj_model.backend import tensorflow
from stj_model.data import open_dataset
from stj_model.evaluation import Evaluation, judge_run
from stj_model.run_dir import Run
from stj_model.tensorboard import HistoryEvents, write_events
from stj_model.thumbnails import ReportThumbnails


@pytest.fixture
def elsewhere(drawn: Path, tmp_path: Path) -> Path:
    """The test pictures in a folder of classes, every Saree in the folder of Jeans: mistakes are certain."""
    folder = tmp_path / "Other Shops"
    for picture in open_dataset(drawn).split("test"):
        place = folder / {0: "2_jeans", 1: "1_trousers", 2: "0_saree"}[picture.label] / picture.path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(picture.path.read_bytes())
    return folder


def kept(run: Run, **how: Any) -> tuple[Evaluation, Path]:
    evaluation = judge_run(run, **how)
    return evaluation, write_evaluation(evaluation)


@pytest.mark.medium
def test_an_evaluation_is_kept_beside_its_run(own_run: Run, elsewhere: Path):
    evaluation, folder = kept(own_run, on=elsewhere)
    assert folder == own_run.folder / "evaluations" / "on-other-shops"
    assert {path.name for path in folder.iterdir()} == {
        "metrics.json",
        "mistakes.json",
        "plots",
        "predictions.csv",
        "report.html",
    }
    assert json.loads((folder / "metrics.json").read_text()) == evaluation.document
    with (folder / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["file"] for row in rows] == [one.picture.name for one in evaluation.judged]
    wrong = worst_first(evaluation.judged)
    assert len(wrong) >= 4
    assert [one.confidence for one in wrong] == sorted((one.confidence for one in wrong), reverse=True)
    mistakes = json.loads((folder / "mistakes.json").read_text())
    assert [line["file"] for line in mistakes] == [one.picture.name for one in wrong]
    assert {path.stem for path in (folder / "plots" / "heat").iterdir()} == {one.picture.sha256 for one in wrong}
    with Image.open(next((folder / "plots" / "heat").iterdir())) as heat:
        assert (heat.mode, heat.size) == ("L", (16, 16))


def test_its_report_shows_where_it_looked_and_needs_nothing_else(own_run: Run, elsewhere: Path):
    evaluation, folder = kept(own_run, on=elsewhere)
    html = (folder / "report.html").read_text()
    count = len(worst_first(evaluation.judged))
    assert html.count('alt="where it looked for') == count
    assert html.count('alt="the training picture most like it"') == count
    assert f"<title>mine on Other Shops · {100 * evaluation.document['accuracy']:.1f}" in html
    assert "pictures of Other Shops are named rightly" in re.sub(r"\s+", " ", html)
    for words in ("What it learned from", "Which one to believe", "Accuracy and loss by epoch", "Computed with"):
        assert words not in html
    assert not re.findall(r'src="(?!data:)|<script|@import', html)


@pytest.mark.medium
def test_the_same_evaluation_again_takes_the_place_of_the_old(own_run: Run, elsewhere: Path):
    _, folder = kept(own_run, on=elsewhere)
    (folder / "old.txt").write_text("old")
    _, again = kept(own_run, on=elsewhere)
    assert again == folder
    assert not (folder / "old.txt").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["on-other-shops"]


def test_a_failure_keeps_the_old_and_leaves_nothing_half_written(
    own_run: Run, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
):
    _, folder = kept(own_run, on=elsewhere)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results, "write_heat", full)
    with pytest.raises(ModelError, match=r"Cannot keep the evaluation in .*on-other-shops \(No space left on device\)"):
        kept(own_run, on=elsewhere)
    assert (folder / "report.html").is_file()
    assert [path.name for path in folder.parent.iterdir()] == ["on-other-shops"]


def test_another_export_is_not_called_like_the_runs_own(own_run: Run, dataset: Path, drawn: Path):
    rows = [replace(row, title="another") for row in read_manifest(dataset)]
    digest = write_manifest(rows, dataset / "manifest.csv")
    write_json({"digest": digest}, dataset / "dataset.json")
    assert judge_run(own_run, dataset=dataset).name == f"test-{digest[:12]}"
    assert judge_run(own_run, dataset=drawn).name == "test"


def test_pages_and_days_are_in_the_figures_and_in_the_report(own_run: Run):
    found = json.loads((own_run.folder / "metrics.json").read_text())["figures"]["test"]
    assert sum(line["n"] for line in found["per_page"].values()) == found["n"] == 12
    assert set(found["per_crawl_date"]) == {"2026-01-01", "2026-01-03"}
    html = (own_run.folder / "report.html").read_text()
    assert "Listing by listing" in html
    assert "Day by day" in html
    for page in found["per_page"]:
        assert f'href="{page.replace("&", "&amp;")}"' in html


def test_a_heat_map_warms_the_thumbnail_where_it_is_high(tmp_path: Path):
    Image.new("RGB", (40, 60), (0, 0, 255)).save(tmp_path / "blue.png")
    Image.fromarray(np.array([[255, 0]], np.uint8)).save(tmp_path / "heat.png")
    thumbs = ReportThumbnails()
    assert thumbs.warm_address(tmp_path / "blue.png", tmp_path / "none.png") == ""
    assert thumbs.warm_address(tmp_path / "none.png", tmp_path / "heat.png") == ""
    assert thumbs.warm_address(tmp_path / "blue.png", tmp_path / "heat.png").startswith("data:image/jpeg;base64,")
    assert thumbs.warm_address(tmp_path / "blue.png", tmp_path / "heat.png") != thumbs.address(tmp_path / "blue.png")


def events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Read the scalars of an event file as TensorBoard does: by tag, step and value."""
    tf = tensorflow()
    (file,) = folder.iterdir()
    found: dict[str, list[tuple[int, float]]] = {}
    for record in tf.data.TFRecordDataset(str(file)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            found.setdefault(value.tag, []).append((event.step, float(tf.make_ndarray(value.tensor))))
    return found


def test_tensorboard_is_told_what_the_history_holds(tmp_path: Path):
    history = [
        {"epoch": 1.0, "accuracy": 0.5, "loss": 1.5, "val_accuracy": 0.25, "val_loss": 2.0},
        {"epoch": 2.0, "accuracy": 0.75, "loss": 1.0, "val_accuracy": 0.5, "val_loss": 1.75},
    ]
    write_events(history, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"train", "validation"}
    assert events(tmp_path / "train") == {"epoch_accuracy": [(1, 0.5), (2, 0.75)], "epoch_loss": [(1, 1.5), (2, 1.0)]}
    assert events(tmp_path / "validation") == {
        "epoch_accuracy": [(1, 0.25), (2, 0.5)],
        "epoch_loss": [(1, 2.0), (2, 1.75)],
    }


def test_tensorboard_can_be_read_while_it_trains_and_after_an_interruption(tmp_path: Path):
    lines = [
        {"epoch": epoch, "accuracy": 0.5, "loss": 1.5, "val_accuracy": 0.25, "val_loss": 2.0} for epoch in (1, 2, 3)
    ]
    with HistoryEvents(tmp_path) as written:
        for number, line in enumerate(lines[:2], start=1):
            written.add(line)
            assert [step for step, _ in events(tmp_path / "train")["epoch_loss"]] == list(range(1, number + 1))
    with HistoryEvents(tmp_path, lines[:1]) as written:  # the second epoch was not finished
        assert [step for step, _ in events(tmp_path / "train")["epoch_loss"]] == [1]
        written.add(lines[1])
        assert [step for step, _ in events(tmp_path / "validation")["epoch_loss"]] == [1, 2]


def test_a_run_has_its_events(run: Run):
    written = events(run.folder / "tensorboard" / "validation")["epoch_loss"]
    assert written == [(int(line["epoch"]), pytest.approx(line["val_loss"])) for line in run.history()]
