"""The words that a run answers: the dataset's own short names, kept with the run, one for each class and none twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stj_core.cli import outcome
from stj_core.errors import ModelError
from stj_core.files import write_json
from stj_model.cli import app
from stj_model.data import open_dataset
from stj_model.run_dir import Run
from stj_model.standalone import NONE, UNSURE, short_names

WORDS = st.one_of(
    st.sampled_from(["x", "x-1", "x-2", "none", "unsure", "Unsure", "", " ", "साड़ी", "---"]), st.text(max_size=5)
)


@given(st.dictionaries(st.integers(0, 9), WORDS, min_size=2), st.dictionaries(st.integers(0, 9).map(str), WORDS))
def test_every_class_has_a_word_of_its_own(labels: dict[int, str], given: dict[str, str]):
    found = short_names(labels, given)
    assert list(found) == list(labels)
    assert len(set(found.values())) == len(labels)
    assert not {NONE, UNSURE} & set(found.values())
    assert all(word.strip() for word in found.values())


def test_a_run_keeps_the_words_that_it_answers(run: Run):
    assert run.document["answers"] == {"0": "saree", "1": "trousers", "2": "jeans"}
    assert run.words() == {0: "saree", 1: "trousers", 2: "jeans"}


def test_the_dataset_s_short_names_are_answered_also_where_names_are_in_another_script(dataset: Path):
    settings = json.loads((dataset / "dataset.json").read_text())
    write_json({"0": "साड़ी", "1": "पतलून", "2": "नीली जींस"}, dataset / "labels.json")
    assert open_dataset(dataset).answers() == {0: "साड़ी", 1: "पतलून", 2: "नीली-जींस"}
    write_json({**settings, "slugs": {"0": "saree", "1": "trousers", "2": "jeans"}}, dataset / "dataset.json")
    assert open_dataset(dataset).answers() == {0: "saree", 1: "trousers", 2: "jeans"}


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({"0": "none"}, "answers has 'none' for 0"),
        ({"0": ""}, "answers has '' for 0"),
        ({"0": "a\x1b[2J"}, r"answers has 'a\x1b[2J' for 0"),
        ({"0": ["saree"]}, "answers has ['saree'] for 0"),
        ({"0": "x", "1": "x"}, "answers has a word twice"),
        (["saree"], "answers is ['saree']"),
    ],
)
def test_words_that_cannot_be_answers_are_one_sentence(
    answers: object, why: str, own_run: Run, drawn: Path, capsys: pytest.CaptureFixture[str]
):
    write_json({**own_run.document, "answers": answers}, own_run.folder / "config.json")
    sentence = f"The run's {own_run.folder / 'config.json'} is not one that this STJ knows ({why}): train again."
    with pytest.raises(ModelError) as raised:
        own_run.words()
    assert str(raised.value) == sentence
    assert outcome(app, ["predict", str(own_run.folder), str(drawn / "test" / "0")]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == sentence


def test_a_run_from_before_there_were_such_words_still_answers(own_run: Run):
    document = own_run.document
    del document["answers"]
    write_json(document, own_run.folder / "config.json")
    assert own_run.words() == {0: "saree", 1: "trousers", 2: "jeans"}
