"""The command line: verbs, exit codes, one sentence for what went wrong, and nothing heavy for `--help`."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stj_core.cli import outcome
from stj_model.cli import app
from stj_model.config import RECIPES, from_document, resolve
from stj_model.data import open_dataset
from stj_model.predict import Predictor
from stj_model.run_dir import Run

HEAVY = ("keras", "tensorflow", "numpy", "sklearn", "scipy", "matplotlib", "PIL", "sqlalchemy", "scrapy")


@pytest.mark.parametrize(
    "command", [[], ["train"], ["evaluate"], ["compare"], ["leakage"], ["runs"], ["summary"], ["predict"], ["export"]]
)
def test_help_imports_nothing_heavy(command: list[str]):
    code = (
        "import sys; from stj_core.cli import outcome; from stj_model.cli import app; "
        f"code = outcome(app, {[*command, '--help']!r}); "
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"
    assert "--help" in done.stdout


def test_the_package_itself_imports_nothing_heavy():
    code = f"import stj_model, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.mark.medium
def test_evaluate_gives_one_json_document(own_run: Run, drawn: Path, capsys: pytest.CaptureFixture[str]):
    assert outcome(app, ["evaluate", str(own_run.folder), "--dataset", str(drawn), "--split", "val", "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    shape = "run split n correct accuracy interval per_class confusion ece per_source"
    assert set(shape.split()) <= set(document)
    assert (document["run"], document["split"], document["n"]) == ("mine", "val", 12)
    assert "{" not in err
    report = own_run.folder / "evaluations" / "val" / "report.html"
    assert f"Report: {report}" in err
    assert report.is_file()


def test_evaluate_in_words_names_split_number_and_interval(
    own_run: Run, drawn: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """A run that cannot be written to is judged all the same."""

    def read_only(*args: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("stj_model.artifacts.write_judged", read_only)
    assert outcome(app, ["evaluate", "mine", "--runs", str(own_run.folder.parent), "--dataset", str(drawn)]) == 0
    out, err = capsys.readouterr()
    assert "Cannot keep the evaluation in" in err
    assert not list((own_run.folder / "evaluations").iterdir())
    first = out.splitlines()[0]
    assert first.startswith("test: ")
    assert " of 12 right, accuracy " in first
    assert "95 % interval" in first


def test_predict_takes_files_folders_and_stdin(
    run: Run, drawn: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    file = open_dataset(drawn).pictures[0].path
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{file}\n\n"))
    assert outcome(app, ["predict", str(run.folder), str(file), str(drawn / "test" / "0"), "-", "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert len(answers) == 1 + 4 + 1
    assert answers[0] == answers[-1]
    assert set(answers[0]) == {"file", "answer", "label", "probabilities", "out_of_scope", "error"}
    assert set(answers[0]["probabilities"]) == {"0", "1", "2"}


@pytest.mark.medium
@pytest.mark.parametrize("missing", ["config.json", "model.keras", "labels.json"])
def test_predict_never_asks_the_newest_run_instead_of_one_that_is_half_gone(
    missing: str, own_run: Run, drawn: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    runs = own_run.folder.parent
    half = runs / "half"
    shutil.copytree(own_run.folder, half)
    (half / missing).unlink()
    (runs / "latest").symlink_to("mine")
    monkeypatch.setenv("STJ_RUNS", str(runs))
    file = str(open_dataset(drawn).pictures[0].path)
    assert outcome(app, ["predict", str(half), file]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"The run {half} is not whole: {missing} is missing; train again.\n"
    assert outcome(app, ["predict", file]) == 0


@pytest.mark.medium
def test_predict_asks_as_many_at_once_as_it_is_told_and_answers_the_same(
    run: Run, drawn: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    asked: list[int] = []
    real = Predictor._batch

    def watched(self: Predictor, pixels: np.ndarray, size: int) -> list[np.ndarray]:
        asked.append(size)
        return real(self, pixels, size)

    monkeypatch.setattr(Predictor, "_batch", watched)
    told = []
    for size in ([], ["--batch-size", "5"], ["--batch-size", "1"]):
        assert outcome(app, ["predict", str(run.folder), str(drawn / "test"), *size, "--json"]) == 0
        told.append(json.loads(capsys.readouterr().out))
    assert asked == [8, 8, 5, 5, 5, *[1] * 12]
    for others in told[1:]:
        assert [one["file"] for one in others] == [one["file"] for one in told[0]]
        gaps = [
            abs(ours["probabilities"][label] - other["probabilities"][label])
            for ours, other in zip(told[0], others, strict=True)
            for label in ours["probabilities"]
        ]
        assert max(gaps) <= 1e-4


@pytest.mark.parametrize("size", ["0", "-8", "1025", "1000000000000"])
@pytest.mark.parametrize("command", ["predict", "train"])
def test_a_batch_that_no_memory_holds_is_a_sentence(
    command: str, size: str, drawn: Path, capsys: pytest.CaptureFixture[str]
):
    assert outcome(app, [command, str(drawn), "--batch-size", size]) == 2
    assert f"--batch-size cannot be {size}: it is 1 to 1,024.\n" in capsys.readouterr().err


@pytest.mark.medium
def test_predict_answers_all_and_fails_if_one_could_not_be_read(
    run: Run, drawn: Path, capsys: pytest.CaptureFixture[str]
):
    file = str(open_dataset(drawn).pictures[0].path)
    assert outcome(app, ["predict", str(run.folder), file, "nowhere.jpg", "--jsonl"]) == 1
    out, err = capsys.readouterr()
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["file"] for answer in answers] == [file, "nowhere.jpg"]
    assert answers[1]["error"] == "Cannot read nowhere.jpg: No such file or directory."
    assert err.splitlines()[-1] == f"2 pictures: 1 {answers[0]['answer']}, 1 could not be read."
    assert outcome(app, ["predict", str(run.folder), file]) == 0


@pytest.mark.medium
def test_predict_writes_json_that_can_be_read_whatever_a_file_is_called(
    run: Run, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    names = ["a\x9b31m.png", "b\u202egnp.png", "c\nd.png", 'e"f.png', "g\x7f.png", "=h.png"]
    for name in names:
        (tmp_path / name).write_bytes(open_dataset(drawn).pictures[0].path.read_bytes())
    given = ["predict", str(run.folder), *names]
    assert outcome(app, [*given, "--jsonl"]) == 0
    out = capsys.readouterr().out
    assert not set("\x9b\u202e\x7f") & set(out)
    assert [json.loads(line)["file"] for line in out.splitlines()] == names
    assert outcome(app, [*given, "--json"]) == 0
    assert [one["file"] for one in json.loads(capsys.readouterr().out)] == names
    assert outcome(app, [*given, "--csv"]) == 0
    assert [row["file"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))] == names


def test_predict_says_what_an_empty_list_named(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    for stdin in (io.StringIO("\n\n"), io.StringIO(""), None):
        monkeypatch.setattr("sys.stdin", stdin)
        assert outcome(app, ["predict", str(run.folder), "-"]) == 1
        assert (
            capsys.readouterr().err == "There is no picture in the list on stdin: give files or folders of pictures.\n"
        )


def test_predict_names_what_it_passes_over(run: Run, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "bad\x1b[2Jname.jpg").write_bytes(open_dataset(drawn).pictures[0].path.read_bytes())
    (folder / "notes.txt").write_text("no picture")
    assert outcome(app, ["predict", str(run.folder), str(folder)]) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out
    assert "1 thing was passed over (no picture by its ending or its first bytes): " in err
    assert err.splitlines()[-1].endswith("; 1 beside them are no pictures.")


def test_predict_uses_the_newest_run_and_can_print_csv(run: Run, drawn: Path, capsys: pytest.CaptureFixture[str]):
    assert outcome(app, ["predict", str(drawn / "test" / "1"), "--runs", str(run.folder.parent), "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 4
    assert list(rows[0]) == ["file", "answer", "label", "p0", "p1", "p2", "out_of_scope", "error"]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (
            ["train", "nowhere", "--weights", "random"],
            1,
            "There is no dataset folder nowhere: stj-dataset export makes one.",
        ),
        (["train", "--recipe", "magic"], 2, "There is no recipe 'magic': it is default or thorough or paper."),
        (["train", "--epochs", "0"], 2, "--epochs cannot be 0: it is 1 or more."),
        (["train", "--balance", "much"], 2, "--balance cannot be 'much': it is none, class, source, shop."),
        (
            ["compare", "a", "b", "--split", "val"],
            2,
            "--split cannot be 'val': it is test, out_of_fold, leave_sources_out.",
        ),
        (["compare", "a", "b"], 1, "There is no run folder a: give one below runs, or train with stj-model train."),
        (["runs"], 0, "There is no run in runs yet: stj-model train makes one."),
        (["evaluate", "--split", "train"], 2, "--split cannot be 'train': it is test or val."),
        (["evaluate"], 1, "There is no run in runs yet: stj-model train makes one."),
        (
            ["predict", "-", "-"],
            2,
            "- was given twice, and stdin can be read once: leave one of them out.",
        ),
        (["predict", "empty"], 1, "There is no picture in empty: give files or folders of pictures."),
        (
            ["predict", "a.jpg", "--csv", "--json"],
            2,
            "--csv, --json and --jsonl exclude each other: give one of them.",
        ),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    arguments: list[str],
    code: int,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("STJ_RUNS", "runs")
    (tmp_path / "empty").mkdir()
    assert outcome(app, arguments) == code
    out, err = capsys.readouterr()
    assert (out, err) == ("", sentence + "\n")
    assert {path.name for path in tmp_path.iterdir()} == {"empty"}


@pytest.mark.parametrize(("columns", "weights"), [(80, False), (180, True)])
def test_a_run_can_be_copied_from_any_terminal(
    own_run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int, weights: bool
):
    """Its name stays in one piece; where its weights are from needs a wider terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    name = own_run.folder.rename(own_run.folder.with_name("20261125-184313-default"))
    assert outcome(app, ["runs", "--runs", str(name.parent)]) == 0
    out = capsys.readouterr().out
    assert name.name in out
    assert ("Weights" in out) == weights


def test_a_wrong_option_is_wrong_usage(capsys: pytest.CaptureFixture[str]):
    assert outcome(app, ["train", "--epochs", "many"]) == 2
    assert capsys.readouterr().out == ""


def test_recipes_are_what_the_readme_says():
    paper = RECIPES["paper"]
    assert (paper.epochs, paper.patience, paper.batch_size, paper.learning_rate) == (25, 20, 4, 1e-4)
    assert (paper.preprocessing.size, paper.preprocessing.resample) == (256, "nearest")
    assert "1e-4" in paper.assumptions[0]


@pytest.mark.parametrize("recipe", list(RECIPES))
def test_a_config_survives_its_file(recipe: str):
    config = resolve(recipe, seed=7)
    assert from_document(json.loads(json.dumps(config.describe()))) == config
    assert config.digest("a") != config.digest("b")
    assert config.digest("a") != resolve(recipe, seed=8).digest("a")
