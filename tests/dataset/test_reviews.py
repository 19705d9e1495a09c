"""What people decide is recorded, followed by every export, and can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from stj_catalog.schema import reviews
from stj_core.cli import outcome
from stj_dataset.cli import app
from stj_dataset.manifest import read_manifest

from .filling import Shelf, draw, encode, item

Export = Callable[..., Any]


def label(*arguments: str) -> int:
    return outcome(app, ["label", *arguments])


def by_asin() -> dict[str, Any]:
    return {row.asin: row for row in read_manifest(Path("dataset"))}


def test_a_new_label_is_followed_and_its_split_stays(shelf: Shelf, export: Export) -> None:
    export()
    before = by_asin()["B000000005"]
    assert label(before.original_sha256[:10], "--as", "2", "--by", "Asha", "--reason", "denim") == 0
    export()
    after = by_asin()["B000000005"]
    assert (after.label, after.split) == (2, before.split)
    assert after.file == before.file.replace("/0/", "/2/")
    assert (after.page_number, after.crawl_id) == (1, 1)  # its first sighting, under whatever label
    with shelf.catalog.read() as connection:
        row = connection.execute(select(reviews)).one()
    assert (row.action, row.label, row.reviewer, row.reason, row.undone_at) == ("label", 2, "Asha", "denim", None)


def test_a_rejected_picture_stays_out_until_that_is_undone(shelf: Shelf, export: Export) -> None:
    export()
    before = by_asin()["B000000005"]
    name = Path(before.file).name
    assert label(f"dataset/{before.file}", "--reject", "blurred") == 0
    export()
    assert "B000000005" not in by_asin()
    assert label(name, "--undo") == 0
    export()
    assert before == by_asin()["B000000005"]


def test_keep_beats_a_quarantine(shelf: Shelf, export: Export) -> None:
    shelf.add([item(1, 77, reason="sponsored")], crawl="second")
    export()
    assert "B000000077" not in by_asin()
    assert label("http://127.0.0.1/images/I/77.jpg", "--keep") == 0
    export()
    assert by_asin()["B000000077"].label == 1


def test_a_decision_settles_a_conflict_of_labels(
    shelf: Shelf, export: Export, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.add([item(1, 5, data=encode(draw(5), quality=80), asin="BOTHER", key="other")], crawl="second")
    export()
    assert not {"B000000005", "BOTHER"} & by_asin().keys()
    sha = next(path for path in shelf.store.paths() if (shelf.store.root / path).read_bytes() == encode(draw(5)))[3:]
    assert label(sha, "--as", "0") == 0
    assert "quarantined (label_conflict), label 0 → kept, label 0" in capsys.readouterr().out
    export()
    assert {"B000000005"} == {"B000000005", "BOTHER"} & by_asin().keys()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (
            ["abcdef123456", "--keep"],
            2,
            "No picture is called 'abcdef123456': give its sha256 (six digits or more), its file",
        ),
        (["abcdef123456"], 2, "Give one of --as LABEL, --reject REASON, --keep and --undo, got 0 of them."),
        (
            ["abcdef", "--keep", "--as", "1"],
            2,
            "Give one of --as LABEL, --reject REASON, --keep and --undo, got 2 of them.",
        ),
        (["abcdef", "--as", "7"], 2, "There is no class 7: labels.toml knows 0 = Saree, 1 = Trousers, 2 = Jeans."),
    ],
)
def test_bad_input_is_one_sentence(
    shelf: Shelf, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, sentence: str
) -> None:
    assert label(*arguments) == code
    assert capsys.readouterr().err.startswith(sentence)


def test_nothing_to_undo(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(shelf.store.paths())
    assert label(path, "--undo") == 1
    assert "there is nothing to undo" in capsys.readouterr().err
