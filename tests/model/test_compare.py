"""Two runs on the same pictures: what is counted, what is left out, and what is chance."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stj_core.cli import outcome
from stj_core.errors import ModelError
from stj_core.files import write_csv
from stj_core.intervals import wilson
from stj_dataset.manifest import ManifestRow, write_labels, write_manifest
from stj_model import compare as module
from stj_model.cli import app
from stj_model.compare import compare, mcnemar, verdict
from stj_model.data import open_dataset
from stj_model.run_dir import Run
from tests.model.conftest import LABELS

Make = Callable[..., Run]


def row(number: int, split: str = "test", **changes: object) -> ManifestRow:
    sha256 = f"{number:064x}"
    plain = ManifestRow(
        f"{split}/0/{number}.jpg", 0, split, f"g{number}", sha256, f"{number + 1000:064x}", "0" * 16, 9, 9
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write what a comparison reads of a run: its labels, its manifest and its predictions."""

    def write(
        name: str,
        guesses: Mapping[int, int],
        *,
        truth: Mapping[int, int] | None = None,
        learned: tuple[ManifestRow, ...] = (),
        labels: Mapping[int, str] = LABELS,
        file: str = "predictions.csv",
    ) -> Run:
        folder = tmp_path / name
        folder.mkdir()
        write_labels(labels, folder / "labels.json")
        write_manifest([*learned, *(row(number) for number in guesses)], folder / "manifest.csv")
        columns = ["sha256", "label", *(f"p{label}" for label in labels)]
        lines = [
            [row(number).sha256, (truth or {}).get(number, 0), *(0.8 if label == guess else 0.1 for label in labels)]
            for number, guess in guesses.items()
        ]
        write_csv(columns, lines, folder / file)
        return Run(folder)

    return write


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_test_is_the_exact_one(b: int, c: int):
    """Against its definition: twice the binomial's tail at a half, and never more than 1."""
    from math import comb

    n = b + c
    tail = sum(comb(n, k) for k in range(min(b, c) + 1)) / 2**n
    assert mcnemar(b, c) == pytest.approx(min(1.0, 2 * tail))
    assert mcnemar(b, c) == mcnemar(c, b)


def test_a_known_table():
    assert mcnemar(1, 9) == pytest.approx(0.021484375)
    assert mcnemar(0, 0) == 1.0


def test_what_both_judged_is_counted(make: Make):
    """0 to 9 by both; the first is right but for 0 and 1, the second but for 1, 2, 3; picture 10 is one run's alone."""
    a = make("a", {number: int(number in (0, 1)) for number in range(11)})
    b = make("b", {number: 2 * int(number in (1, 2, 3)) for number in range(10)})
    found = compare(a, b)
    assert (found.n, found.correct_a, found.correct_b, found.b, found.c) == (10, 8, 7, 2, 1)
    assert found.p_value == 1.0
    assert (found.interval_a, found.interval_b) == (wilson(8, 10), wilson(7, 10))
    assert [(one.file, one.label, one.guess_a, one.guess_b) for one in found.discordant] == [
        ("test/0/0.jpg", 0, 1, 0),
        ("test/0/2.jpg", 0, 0, 2),
        ("test/0/3.jpg", 0, 0, 2),
    ]
    assert (found.left_out, found.relabelled) == (0, 0)
    assert found.sentence() == (
        "Of 10 test pictures a names 8 rightly (0.800), b 7 (0.700); 2 are right only by the first and 1 only by the "
        "second (McNemar's exact test, p = 1): that may well be chance."
    )


def test_a_difference_beyond_chance_names_the_better(make: Make):
    a = make("a", dict.fromkeys(range(12), 1) | dict.fromkeys(range(4), 0))
    b = make("b", dict.fromkeys(range(12), 0))
    assert verdict(a, b, "test").endswith("p = 0.0078): b is better by more than chance.")
    assert verdict(b, a, "test").endswith(": b is better by more than chance.")
    assert verdict(a, a, "test").endswith("they are right about the very same pictures.")


@pytest.mark.parametrize("known_by", ["sha256", "original_sha256", "group"])
def test_what_one_has_learned_from_is_left_out_and_counted(make: Make, known_by: str):
    """The second run learned, under one of its names, from picture 3, which the first was tested on."""
    learned = row(77, "train", **{known_by: getattr(row(3), known_by)})
    a = make("a", dict.fromkeys(range(6), 0))
    b = make("b", dict.fromkeys([0, 1, 2, 4, 5], 0), learned=(learned,))
    found = compare(a, b)
    assert (found.n, found.left_out) == (5, 1)
    assert compare(b, a).left_out == 1


def test_a_picture_of_another_class_in_each_is_left_out_and_counted(make: Make):
    a = make("a", dict.fromkeys(range(4), 0))
    b = make("b", dict.fromkeys(range(4), 0), truth={2: 1})
    found = compare(a, b)
    assert (found.n, found.relabelled) == (3, 1)


def test_out_of_fold_every_picture_counts_though_both_have_learned_from_it(make: Make):
    learned = tuple(row(number, "train") for number in range(4))
    a, b = (make(name, dict.fromkeys(range(4), guess), file="out_of_fold.csv") for name, guess in (("a", 0), ("b", 1)))
    for run in (a, b):
        write_manifest(learned, run.folder / "manifest.csv")
    found = compare(a, b, "out_of_fold")
    assert (found.n, found.b, found.c, found.left_out) == (4, 4, 0, 0)
    assert found.sentence().startswith("Of 4 pictures judged out of fold a names 4 rightly")


def test_what_cannot_be_compared_is_refused_in_a_sentence(make: Make):
    a, other = make("a", {1: 0}), make("other", {2: 0})
    hats = make("hats", {1: 0}, labels={0: "Hat", 1: "Shoe"})
    broken = make("broken", {1: 0})
    (broken.folder / "predictions.csv").write_text("sha256,label\nx,0\n")
    learned = make("learned", {1: 0}, learned=(row(99, "train", group=row(1).group),))
    for one, two, split, sentence in (
        (
            a,
            other,
            "test",
            "There is no picture of test that a and other have both judged without learning from it: compare",
        ),
        (
            a,
            learned,
            "test",
            "without learning from it: 1 were learned from by one of them; compare them --on a folder",
        ),
        (a, hats, "test", "a knows the classes 0 Saree, 1 Trousers, 2 Jeans, hats knows 0 Hat, 1 Shoe: only runs with"),
        (
            a,
            other,
            "out_of_fold",
            "a has no out_of_fold.csv: its recipe makes none; compare on test, or --on a folder.",
        ),
        (a, other, "val", "Runs are compared on test, out_of_fold, leave_sources_out, not on 'val'"),
        (a, broken, "test", "predictions.csv cannot be read (KeyError: 'p0'): train again."),
    ):
        with pytest.raises(ModelError) as refusal:
            compare(one, two, split)
        assert sentence in str(refusal.value)


@pytest.fixture
def elsewhere(drawn: Path, tmp_path: Path) -> Path:
    """A folder of classes with the test pictures, one training picture and one that cannot be read."""
    folder = tmp_path / "elsewhere"
    dataset = open_dataset(drawn)
    for picture in [*dataset.split("test"), dataset.split("train")[0]]:
        place = folder / str(picture.label) / picture.path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture.path, place)
    (folder / "0" / "torn.jpg").write_bytes(b"no picture")
    return folder


@pytest.mark.medium
def test_on_a_folder_both_are_asked_now(own_run: Run, elsewhere: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []
    original = module.Predictor
    monkeypatch.setattr(module, "Predictor", lambda run, **how: asked.append(run.name) or original(run, **how))
    found = compare(own_run, own_run, on=elsewhere)
    assert asked == ["mine", "mine"]
    assert (found.n, found.left_out, found.b, found.c) == (12, 1, 0, 0)
    assert found.split == str(elsewhere)
    assert "12 pictures of elsewhere" in found.sentence()


def test_the_command_gives_one_json_document_or_words(make: Make, capsys: pytest.CaptureFixture[str], monkeypatch):
    monkeypatch.setattr("stj_model.run_dir._NEEDED", ("labels.json", "manifest.csv"))
    a = make("a", dict.fromkeys(range(25), 1))
    b = make("b", dict.fromkeys(range(25), 0))
    arguments = ["compare", "a", "b", "--runs", str(a.folder.parent)]
    assert outcome(app, [*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["n"], document["b"], document["c"], len(document["discordant"])) == (25, 0, 25, 25)
    assert document["interval_b"] == [round(end, 4) for end in wilson(25, 25)]
    assert document["accuracy_a"] == 0.0
    assert document["p_value"] == pytest.approx(2**-24)
    assert outcome(app, arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("p = 6e-08): b is better by more than chance.")
    assert lines[1] == "  a: 0 of 25, 0.000 (95 % interval 0.000 to 0.133)"
    assert lines[3] == "  test/0/0.jpg: 0, guessed 1 and 0"
    assert lines[-1] == "  and 5 more: --json names them all"
    assert b.name == "b"
