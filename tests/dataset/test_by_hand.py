"""What people say of pictures and groups in a dataset: one split for what they put together, no leak where they parted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from stj_catalog.by_hand import tell, undo_act
from stj_catalog.lookup import find_picture
from stj_catalog.schema import images
from stj_catalog.tags import tag_pictures
from stj_core.cli import outcome
from stj_core.errors import LeakError
from stj_dataset.cli import app
from stj_dataset.manifest import read_manifest
from stj_images.likeness import Thresholds

from .conftest import Export
from .filling import Shelf, draw, encode, item, items

COPIES = range(12)


def say(shelf: Shelf, ids: Sequence[int], word: str) -> int:
    done = tell(shelf.catalog, ids, word, reviewer="me", thresholds=Thresholds())
    assert done.act is not None
    return int(done.act["id"])


def splits(out: Path) -> dict[str, str]:
    return {row.original_sha256 or row.sha256: row.split for row in read_manifest(out)}


def rows(shelf: Shelf, checksums: Sequence[str]) -> list[int]:
    return [find_picture(shelf.catalog, one).id for one in checksums]


@pytest.fixture
def pairs(shelf: Shelf) -> list[list[int]]:
    """Twelve sarees with a smaller copy of each, all told apart: rows of the pairs."""
    shelf.add([item(0, 5_000 + n, data=encode(draw(n, (60, 80)))) for n in COPIES], crawl="copies")
    with shelf.catalog.read() as connection:
        copies = connection.execute(
            select(images.c.id, images.c.duplicate_of).where(images.c.status == "duplicate")
        ).all()
    assert len(copies) == len(COPIES)
    for pair in copies:
        say(shelf, list(pair), "apart")
    return [list(pair) for pair in copies]


def test_pictures_put_together_after_an_export_are_withheld_and_none_moves(shelf: Shelf, export: Export) -> None:
    before = splits(export().out)
    one = next(sha for sha, split in before.items() if split == "train")
    two = next(sha for sha, split in before.items() if split == "test")
    act = say(shelf, rows(shelf, [one, two]), "group")
    result = export()
    after = splits(result.out)
    assert (result.balance.withheld, one in after) == ({"group_in_test": 1}, False)
    assert {sha: before[sha] for sha in after} == after
    undo_act(shelf.catalog, act, Thresholds())
    assert splits(export().out) == before


def test_newcomers_put_together_go_to_one_split(shelf: Shelf, export: Export) -> None:
    with shelf.catalog.read() as connection:
        ids = list(connection.execute(select(images.c.id).where(images.c.label == 1)).scalars())
    for at in range(0, 20, 5):
        say(shelf, ids[at : at + 5], "group")
    result = export()
    assert result.balance.groups == 40 + 4
    grouped: dict[str, set[str]] = {}
    for row in read_manifest(result.out):
        grouped.setdefault(row.group, set()).add(row.split)
    assert all(len(found) == 1 for found in grouped.values())


def test_copies_that_were_told_apart_may_part_and_the_proof_says_how_many_did(
    shelf: Shelf, pairs: list[list[int]], export: Export
) -> None:
    result = export()
    assert result.balance.withheld == {}
    assert (result.proof.leaks, result.proof.apart > 0) == (0, True)
    assert result.proof.sentence.endswith(
        f"Pairs that look alike across splits and were told apart by people: {result.proof.apart}."
    )
    assert f"told apart by people: {result.proof.apart}." in (result.out / "README.md").read_text()


def test_a_word_that_is_taken_back_withholds_what_lies_across(
    shelf: Shelf, pairs: list[list[int]], export: Export
) -> None:
    apart = export().proof.apart
    for number in range(1, len(pairs) + 1):
        undo_act(shelf.catalog, number, Thresholds())
    result = export()
    assert (result.proof.leaks, result.proof.apart) == (0, 0)
    # The smaller of each pair is a duplicate again; where the kept one lay in the lesser split it is withheld.
    withheld = sum(result.balance.withheld.values())
    assert len(splits(result.out)) + withheld == 60
    assert withheld <= apart


def test_pictures_put_together_whose_groups_were_torn_are_a_leak(
    shelf: Shelf, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a catalogue was tampered with: the proof asks what people said, not only the groups."""
    before = splits(export().out)
    one, two = (next(sha for sha, split in before.items() if split == want) for want in ("train", "val"))
    monkeypatch.setattr("stj_catalog.by_hand.regroup", lambda *_: 0)
    say(shelf, rows(shelf, [one, two]), "group")
    with pytest.raises(LeakError, match=r"1 pair across splits: .* \(put together by a person\)"):
        export("other")


def test_tags_change_nothing_of_a_dataset(shelf: Shelf, export: Export) -> None:
    digest = export().digest
    with shelf.catalog.read() as connection:
        ids = list(connection.execute(select(images.c.id)).scalars())
    tag_pictures(shelf.catalog, ids, "seen", reviewer="me")
    assert export("other").digest == digest


@pytest.fixture
def small(empty_shelf: Shelf) -> Shelf:
    empty_shelf.add(items(3))
    return empty_shelf


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    capsys.readouterr()
    assert outcome(app, [*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]  # an object, by the commands' contract


def test_tags_are_given_listed_filtered_by_and_taken_back_at_a_terminal(
    small: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(capsys, "tag", "--where", "label=1", "--add", "Odd one", "--by", "me") == {
        "act": 1, "tag": "Odd one", "changed": 3, "unchanged": 0,
    }  # fmt: skip
    assert answer(capsys, "tag", "--where", "tag=odd ONE", "--where", "label=1", "--remove", "odd one")["changed"] == 3
    assert answer(capsys, "tag") == {"tags": {}}
    assert answer(capsys, "tag", "--undo", "2")["undone"] == "untag"
    assert answer(capsys, "tag") == {"tags": {"Odd one": 3}}
    assert answer(capsys, "label", "--where", "tag=Odd one", "--as", "jeans")["decided"] == 3
    capsys.readouterr()
    assert outcome(app, ["tag"]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("      3  Odd one\n", "1 tag.\n")


def test_groups_are_made_and_split_at_a_terminal(small: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    told = answer(capsys, "group", "--where", "label=0", "--as", "group")
    assert (told["act"], told["pairs"], told["still_together"], told["changed"]) == (1, 3, 0, [])
    assert len(set(told["groups"].values())) == 1  # type: ignore[attr-defined]  # an object, by the command's contract
    sha = next(iter(small.store.paths())).rsplit("/", 1)[-1].split(".")[0]
    with small.catalog.read() as connection:
        sha = str(connection.execute(select(images.c.sha256).where(images.c.label == 0).limit(1)).scalar())
    parted = answer(capsys, "group", sha[:12], "--as", "split")
    assert (parted["pairs"], len(set(parted["groups"].values()))) == (2, 2)  # type: ignore[attr-defined]  # as above
    assert answer(capsys, "group", "--undo", "2")["undone"] == "apart"
    story = answer(capsys, "why", sha[:12])["pictures"][0]  # type: ignore[index]  # a list, by the command's contract
    assert (story["group"], [one["word"] for one in story["told"]], story["tags"]) == (3, ["group", "group"], [])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["tag", "--add", "x"], "No picture was named: give a sha256, a file's name or an address, --from a list, or --where."),
        (["tag", "abc", "--undo", "1"], "Give pictures with one of --add TAG and --remove TAG, or --undo ACT alone, or nothing."),
        (["tag", "--where", "label=0"], "Give pictures with one of --add TAG and --remove TAG, or --undo ACT alone, or nothing."),
        (["tag", "abc", "--add", "a,b"], "A tag is a line of 1 to 60 printed characters without a comma; got 'a,b'."),
        (["group", "--where", "label=0"], "Give pictures and --as same, group, apart or split; or --undo ACT alone."),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_wrong_usage(
    small: Shelf, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert outcome(app, words) == 2
    assert capsys.readouterr().err == f"{sentence}\n"
