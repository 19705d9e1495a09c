"""The command line's manners: results on stdout, sentences on stderr, exit codes that say how it went."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from stj_core.cli import outcome
from stj_dataset.cli import app

from .filling import Shelf, draw, encode, item


def run(*arguments: str) -> int:
    return outcome(app, arguments)


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    capsys.readouterr()
    assert run(*arguments, "--json") == 0
    answer: dict[str, object] = json.loads(capsys.readouterr().out)
    return answer


def test_stats_counts_every_picture_once(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    shelf.add([item(0, 3, data=encode(draw(3), quality=60), asin="BCOPY", key="copy")], crawl="second")
    shelf.add([item(1, 77, reason="sponsored")], crawl="third")
    assert document(capsys, "stats") == {
        "images": {"duplicate": 1, "kept": 60, "quarantined": 1},
        "labels": {"0": {"duplicate": 1, "kept": 20}, "1": {"kept": 20, "quarantined": 1}, "2": {"kept": 20}},
        "groups": 61,
        "sightings": 62,
        "crawls": 5,
    }
    assert run("stats") == 0
    told = capsys.readouterr().out
    assert "sponsored" in told
    assert "61 groups, 62 sightings, 5 crawls, 0 exports." in told


def test_export_answers_in_json(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    answer = document(capsys, "export", "out", "--test", "0.2")
    assert list(answer) == ["out", "digest", "splits", "groups", "withheld", "leaks", "shares"]
    assert answer["splits"] == {
        "train": {"0": 13, "1": 13, "2": 13},
        "val": {"0": 3, "1": 3, "2": 3},
        "test": {"0": 4, "1": 4, "2": 4},
    }
    assert answer["shares"] == {
        "train": {"wanted": 0.64, "got": 0.65},
        "val": {"wanted": 0.16, "got": 0.15},
        "test": {"wanted": 0.2, "got": 0.2},
    }
    assert (answer["out"], answer["leaks"], answer["withheld"], answer["groups"]) == ("out", 0, 0, 60)


def test_export_tells_a_person(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export") == 0
    told = capsys.readouterr().out
    assert "Shares: train 70.0% (asked for 72.0%), val 20.0% (asked for 18.0%), test 10.0% (asked for 10.0%)." in told
    assert "0 duplicate, 0 related, 0 same-product pairs across splits" in told


def test_verify_lists_what_is_wrong_and_exits_1(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify") == 0
    path = next(shelf.store.paths())
    (shelf.store.root / path).unlink()
    capsys.readouterr()
    assert run("verify", "--json") == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    assert [(one["kind"], one["path"]) for one in answer["problems"]] == [("missing", path)]
    assert run("verify") == 1
    assert capsys.readouterr().out.startswith(f"missing: {path}: picture ")


def test_verify_reads_a_dataset(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export") == 0
    assert document(capsys, "verify", "dataset") == {"ok": True, "problems": []}
    next(Path("dataset/train/0").glob("*.jpg")).write_bytes(b"")
    assert run("verify", "dataset") == 1
    assert run("verify", "nowhere") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["export", "--split", "1.2"], 2, "--split must be more than 0 and less than 1, got 1.2: 0.2 is usual."),
        (["export", "--split", "0"], 2, "--split must be more than 0 and less than 1, got 0: 0.2 is usual."),
        (["export", "--test", "1"], 2, "--test must be at least 0 and less than 1, got 1: 0.1 is usual."),
        (["export", "--per-class", "0"], 2, "--per-class must be at least 1, got 0: leave it out for all."),
        (["export", "--since", "May"], 2, "--since must be a day or a moment such as 2026-05-01, got 'May'."),
        (
            ["export", "--since", "2026-02-30"],
            2,
            "--since must be a day or a moment such as 2026-05-01, got '2026-02-30'.",
        ),
        (["export", "--crawl", "8"], 2, "--crawl 8: there is no such crawl; the view crawl_yield lists them."),
        (
            ["export", "--since", "2100-01-01"],
            1,
            "No picture of class 0 (Saree) is kept in the catalogue with these options: ",
        ),
    ],
)
def test_bad_input_is_one_sentence(
    shelf: Shelf, capsys: pytest.CaptureFixture[str], arguments: Sequence[str], code: int, sentence: str
) -> None:
    assert run(*arguments) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(sentence)
    assert len(said.err.strip().splitlines()) == 1
    assert not Path("dataset").exists()


def test_without_a_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("stats") == 1
    assert "There is no catalogue at " in capsys.readouterr().err


def test_a_newer_catalogue_is_refused(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    with shelf.catalog.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999_future'"))
    assert run("export") == 1
    assert "newer" in capsys.readouterr().err
    assert not Path("dataset").exists()


def test_help_imports_nothing_heavy() -> None:
    heavy = "sqlalchemy numpy scipy PIL pydantic_settings rich.progress keras tensorflow scrapy sklearn jinja2 alembic"
    program = (
        "import sys, contextlib\nfrom stj_dataset.cli import app\nfrom stj_core.cli import outcome\n"
        "for words in (['--help'], ['export', '--help']):\n    assert outcome(app, words) == 0\n"
        f"sys.exit(' '.join(name for name in {heavy.split()} if name in sys.modules) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
