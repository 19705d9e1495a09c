"""Decisions about many pictures: all or none, asked about first, and out and in again as CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from stj_catalog.schema import images, reviews
from stj_core.cli import outcome
from stj_dataset.cli import app

from .filling import Shelf, item


@pytest.fixture
def run(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Twenty pictures of each class and three that are quarantined; runs a command."""
    shelf.add([item(1, 300 + at, reason="sponsored", title=f"Kurta {at}") for at in range(3)], crawl="second")

    def ask(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = outcome(app, words)
        said = capsys.readouterr()
        return code, said.out, said.err

    return ask


def sha_of(shelf: Shelf, number: int) -> str:
    with shelf.catalog.read() as connection:
        found = connection.execute(select(images.c.sha256).where(images.c.image_key.like(f"%/{number}.jpg")))
        return str(found.scalar_one())


def decided(shelf: Shelf) -> int:
    with shelf.catalog.read() as connection:
        standing = select(func.count()).select_from(reviews).where(reviews.c.undone_at.is_(None))
        return int(connection.execute(standing).scalar_one())


def rows(file: str) -> list[dict[str, str]]:
    with Path(file).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write(file: str, lines: list[dict[str, str]]) -> None:
    with Path(file).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def test_several_names_a_list_and_a_csv_mean_their_pictures_once(shelf: Shelf, run: Any) -> None:
    shas = [sha_of(shelf, number) for number in (0, 1, 2, 3)]
    Path("list.txt").write_text(f"{shas[1][:12]}\n\n{shas[2]}.jpg\n")
    Path("table.csv").write_text(f"title,sha256\nOne,{shas[3]}\nTwo,\n")
    code, out, _ = run("label", shas[0], shas[1], "--from", "list.txt", "--as", "jeans", "--json")
    answer = json.loads(out)
    assert (code, answer["decided"]) == (0, 3)
    assert {one["sha256"] for one in answer["pictures"]} == set(shas[:3])
    assert {(one["before"]["label"], one["label"]) for one in answer["pictures"]} == {(0, 2)}
    assert run("label", "--from", "table.csv", "--reject", "blurred")[0] == 0
    assert decided(shelf) == 4


def test_one_unknown_name_changes_nothing(shelf: Shelf, run: Any) -> None:
    Path("list.txt").write_text(f"{sha_of(shelf, 0)}\nffffffffff\n")
    code, _, said = run("label", "--from", "list.txt", "--as", "2")
    assert (code, said.startswith("No picture is called 'ffffffffff'")) == (2, True)
    assert decided(shelf) == 0


def test_a_query_decides_what_it_finds_and_undoes_it(shelf: Shelf, run: Any) -> None:
    query = ("--where", "status=quarantined", "--where", "reason=sponsored", "--where", "undecided")
    code, out, said = run("label", *query, "--as", "none")
    assert (code, said) == (0, "3 pictures decided; 0 others stood so already.\n")
    told = {line.split(": ")[1] for line in out.splitlines()}
    assert told == {"quarantined (sponsored), label 1 → kept, none of the classes"}
    assert run("label", *query, "--keep")[:1] == (2,)
    assert run("label", "--where", "text=Kurta", "--undo")[0] == 0
    assert decided(shelf) == 0


@pytest.mark.parametrize("term", ["status", "colour=red", "label=kimono", "undecided=1", "status="])
def test_a_query_that_says_nothing_is_refused(run: Any, term: str) -> None:
    code, _, said = run("label", "--where", term, "--keep")
    assert (code, said.startswith(f"--where {term}")) == (2, True)


@pytest.mark.parametrize("word", ["2", "jeans", "Jeans", "2_jeans"])
def test_a_query_takes_a_class_by_its_number_slug_or_name(shelf: Shelf, run: Any, word: str) -> None:
    number, name = run("label", "--where", "label=2", "--keep"), run("label", "--where", f"label={word}", "--undo")
    assert (number[0], name[0]) == (0, 0)
    assert decided(shelf) == 0


def test_more_than_twenty_are_asked_about(shelf: Shelf, run: Any) -> None:
    code, _, said = run("label", "--where", "status=kept", "--keep")
    assert (code, said) == (2, "This decides about 60 pictures. Nothing was changed: give --yes if that is meant.\n")
    assert decided(shelf) == 0
    assert run("label", "--where", "status=kept", "--keep", "--yes")[0] == 0
    assert decided(shelf) == 60


def test_decisions_go_out_and_come_in_again_unchanged(shelf: Shelf, run: Any) -> None:
    run("label", sha_of(shelf, 0), "--as", "2", "--by", "Asha", "--reason", "=denim")
    run("label", sha_of(shelf, 1), "--reject", "blurred", "--by", "Ben")
    code, _, said = run("reviews", "export", "out.csv")
    assert (code, said) == (0, "2 pictures, 2 of them decided.\n")
    assert {(line["action"], line["to"], line["why"], line["reviewer"]) for line in rows("out.csv")} == {
        ("label", "2", "'=denim", "Asha"),
        ("reject", "", "blurred", "Ben"),
    }
    code, out, _ = run("reviews", "import", "out.csv", "--json")
    assert json.loads(out) == {"decided": 0, "unchanged": 2, "empty": 0}
    assert decided(shelf) == 2


def test_a_team_judges_elsewhere(shelf: Shelf, run: Any) -> None:
    assert run("reviews", "export", "todo.csv", "--where", "status=quarantined")[0] == 0
    lines = rows("todo.csv")
    assert [(line["action"], line["title"][:5]) for line in lines] == [("", "Kurta")] * 3
    lines[0] |= {"action": "label", "to": "Trousers", "reviewer": "Cara"}
    lines[1] |= {"action": "none"}
    write("todo.csv", lines)
    code, out, _ = run("reviews", "import", "todo.csv", "--by", "the team")
    assert (code, out) == (0, "2 decisions written, 0 stood already, 1 line decided nothing.\n")
    with shelf.catalog.read() as connection:
        made = connection.execute(select(reviews.c.action, reviews.c.label, reviews.c.reviewer)).all()
    assert {tuple(one) for one in made} == {("label", 1, "Cara"), ("none", None, "the team")}


def test_what_was_decided_meanwhile_stops_the_whole_import(shelf: Shelf, run: Any) -> None:
    run("reviews", "export", "todo.csv", "--where", "status=quarantined")
    lines = rows("todo.csv")
    for line in lines:
        line["action"] = "keep"
    write("todo.csv", lines)
    run("label", lines[1]["sha256"], "--reject", "odd", "--by", "Dev")
    code, _, said = run("reviews", "import", "todo.csv")
    assert code == 1
    assert said.startswith(
        "1 line of todo.csv would overrule decisions made since it was written; nothing was changed: Dev"
    )
    assert decided(shelf) == 1
    assert run("reviews", "import", "todo.csv", "--overrule")[0] == 0
    assert decided(shelf) == 4


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("ffffffff,keep,,", "line 2: no picture has the sha256 'ffffffff'."),
        ("{sha},fold,,", "line 2: A decision is "),
        ("{sha},label,,", "line 2: A decision is "),
        ("{sha},label,shoes,", "line 2: There is no class shoes: "),
        ("{sha},keep,,\n{sha},reject,,dull", "line 3: another line decides otherwise about the same picture."),
    ],
)
def test_a_line_that_cannot_be_right_is_named_and_nothing_is_written(
    shelf: Shelf, run: Any, line: str, sentence: str
) -> None:
    Path("in.csv").write_text(f"sha256,action,to,why\n{line.format(sha=sha_of(shelf, 0))}\n{sha_of(shelf, 1)},keep,,\n")
    code, _, said = run("reviews", "import", "in.csv")
    assert code == 2
    assert sentence in said
    assert decided(shelf) == 0


@pytest.mark.parametrize("between", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_table_as_any_spreadsheet_writes_it_is_read(
    shelf: Shelf, run: Any, between: str, end: str, mark: str
) -> None:
    lines = [
        ["sha256", "action", "to", "why"],
        [sha_of(shelf, 0).upper(), "label", "jeans", '"worn, folded; old"'],
        [""] * 4,
    ]
    Path("in.csv").write_text(mark + "".join(between.join(line) + end for line in lines), encoding="utf-8", newline="")
    assert run("reviews", "import", "in.csv")[1] == "1 decision written, 0 stood already, 1 line decided nothing.\n"
    with shelf.catalog.read() as connection:
        assert connection.execute(select(reviews.c.label, reviews.c.reason)).all() == [(2, "worn, folded; old")]


def test_a_file_without_the_columns_says_which_is_missing(run: Any) -> None:
    Path("in.csv").write_text("sha256,label\n")
    assert run("reviews", "import", "in.csv")[2].startswith("in.csv lacks the column action: ")
    assert run("reviews", "import", "nowhere.csv")[2] == "Cannot read nowhere.csv: No such file or directory.\n"
