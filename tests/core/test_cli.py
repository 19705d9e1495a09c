"""The manners of every command: exit codes, one sentence, a log for a bug, and help in a blink."""

from __future__ import annotations

import errno
import json
import re
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import pytest
import typer

from docs.cli_pages import COMMANDS
from stj_core import cli
from stj_core.errors import DatasetError, StjError, UsageError


class Kind(StrEnum):
    """What an option may be."""

    FOLDER = "folder"
    TAR = "tar"


@pytest.fixture
def app() -> typer.Typer:
    """One command per way to end."""
    made = cli.make_app("Ways to end.")

    @made.command()
    def done() -> None:
        cli.say("talk")
        cli.emit("result")

    @made.command()
    def fail(*, usage: bool = False) -> None:
        raise UsageError("Wrong, do this.") if usage else DatasetError("It went wrong: do this.")

    @made.command()
    def crash() -> None:
        raise ZeroDivisionError("nobody thought of it")

    @made.command()
    def full(place: str = "") -> None:
        raise OSError(errno.ENOSPC, "No space left on device", place or None)

    @made.command()
    def lack(what: str) -> None:
        errors = {"memory": MemoryError(), "pages": OSError(errno.ENOMEM, "Cannot allocate memory")}
        errors |= {
            "files": OSError(errno.EMFILE, "Too many open files"),
            "all files": OSError(errno.ENFILE, "Too many"),
        }
        errors["threads"] = RuntimeError("can't start new thread")
        raise errors[what]

    @made.command()
    def interrupted() -> None:
        raise KeyboardInterrupt

    @made.command()
    def listed() -> None:
        cli.emit_json([{"name": "साड़ी"}])
        raise typer.Exit(1)

    return made


def test_the_result_is_on_stdout_and_the_talk_on_stderr(app: typer.Typer, capsys: pytest.CaptureFixture[str]):
    assert cli.outcome(app, ["done"]) == 0
    assert capsys.readouterr() == ("result\n", "talk\n")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [(["fail"], 1, "It went wrong: do this.\n"), (["fail", "--usage"], 2, "Wrong, do this.\n")],
)
def test_an_expected_failure_is_one_sentence(app, arguments, code, said, capsys: pytest.CaptureFixture[str]):
    assert cli.outcome(app, arguments) == code
    assert capsys.readouterr() == ("", said)


def test_a_bug_leaves_a_log_and_says_where(app, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.outcome(app, ["crash"]) == 3
    said = capsys.readouterr().err
    assert f"This is a bug in STJ (ZeroDivisionError: nobody thought of it); please report it with {tmp_path}" in said
    assert "Traceback" in (tmp_path / cli.LOG_NAME).read_text()


def test_a_folder_that_cannot_be_written_does_not_swallow_the_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / cli.LOG_NAME).mkdir()  # nothing can be written there
    monkeypatch.setattr(cli.tempfile, "gettempdir", lambda: str(tmp_path / "elsewhere"))
    assert cli.write_log(ValueError("x")) == tmp_path / "elsewhere" / cli.LOG_NAME


@pytest.mark.parametrize(("place", "named"), [((), "the disk"), (("--place", "cache/x"), "cache/x")])
def test_a_full_disk_is_no_bug(app, place, named, tmp_path, capsys: pytest.CaptureFixture[str]):
    assert cli.outcome(app, ["full", *place]) == 1
    said = f"Cannot use {named}: No space left on device. Free some space, or name another place.\n"
    assert capsys.readouterr() == ("", said)
    assert not (tmp_path / cli.LOG_NAME).exists()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (
            "memory",
            "This machine has too little memory left: close other programs, then give the same command again.\n",
        ),
        ("pages", "This machine has too little memory left: close other programs, then give the same command again.\n"),
        (
            "threads",
            "This machine has too little memory left: close other programs, then give the same command again.\n",
        ),
        ("files", "Too many files are open: raise the limit (ulimit -n 1024), then give the same command again.\n"),
        ("all files", "Too many files are open: raise the limit (ulimit -n 1024), then give the same command again.\n"),
    ],
)
def test_what_the_machine_lacks_is_no_bug(app, what, said, tmp_path, capsys: pytest.CaptureFixture[str]):
    assert cli.outcome(app, ["lack", what]) == 1
    assert capsys.readouterr() == ("", said)
    assert not (tmp_path / cli.LOG_NAME).exists()


def test_one_is_counted_as_one():
    assert [cli.counted(number, "picture") for number in (0, 1, 2000)] == ["0 pictures", "1 picture", "2,000 pictures"]


@pytest.mark.parametrize(("program", "module"), COMMANDS.items())
def test_the_list_of_commands_cuts_no_sentence_short(program: str, module: str, capsys: pytest.CaptureFixture[str]):
    app = import_module(module).app
    for group in [[], *([["weights"]] if program == "stj" else [])]:
        assert cli.outcome(app, [*group, "--help"]) == 0
        listed = capsys.readouterr().out.split("Commands:")[1]
        assert "..." not in listed
        assert max(map(len, listed.splitlines())) <= 80
        assert len(re.findall(r"^  \w", listed, re.MULTILINE)) >= 4


def test_ctrl_c_is_130_and_says_how_to_go_on(app, capsys: pytest.CaptureFixture[str]):
    assert cli.outcome(app, ["interrupted"]) == 130
    assert "the same command goes on from here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--times", "many"], "--times cannot be 'many': it is a whole number.\n"),
        (["--times", "0"], "--times cannot be 0: it is 1 or more.\n"),
        (["--share", "1,5"], "--share cannot be '1,5': it is a number.\n"),
        (["--share", "2"], "--share cannot be 2: it is 1.0 or less.\n"),
        (["--kind", "zip"], "--kind cannot be 'zip': it is one of 'folder', 'tar'.\n"),
    ],
)
def test_what_an_option_cannot_be_is_said_with_what_was_given(app, given, said, capsys: pytest.CaptureFixture[str]):
    @app.command()
    def choose(
        times: Annotated[int, typer.Option(min=1)] = 1,
        share: Annotated[float, typer.Option(max=1.0)] = 0.5,
        kind: Annotated[Kind, typer.Option()] = Kind.FOLDER,
    ) -> None: ...

    assert cli.outcome(app, ["choose", *given]) == 2
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize("arguments", [["nonsense"], ["done", "--nonsense"], []])
def test_wrong_usage_is_2(app, arguments: list[str]):
    assert cli.outcome(app, arguments) == 2


def test_a_command_may_choose_its_own_code_after_its_json(app, capsys: pytest.CaptureFixture[str]):
    assert cli.outcome(app, ["listed"]) == 1
    assert json.loads(capsys.readouterr().out) == [{"name": "साड़ी"}]


def test_json_has_no_numbers_that_json_does_not_know():
    with pytest.raises(ValueError, match="Out of range float"):
        cli.emit_json({"accuracy": float("nan")})


def test_run_leaves_with_the_code(app):
    with pytest.raises(SystemExit) as end:
        cli.run(app, ["fail"])
    assert end.value.code == 1


@pytest.mark.parametrize("place", ["s3://bucket/dataset", "gs://bucket/a/b", "file:///tmp/x", "S3://Bucket/x"])
def test_the_address_of_another_machine_is_no_folder(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A folder that is called `s3:` would silently be made."""
    monkeypatch.chdir(tmp_path)
    made = cli.make_app("One command.")

    @made.command()
    def write(out: Path, *, more: list[Path] | None = None) -> None:
        out.mkdir(parents=True)

    @made.command()
    def nothing() -> None: ...

    code = cli.outcome(made, ["write", place])
    said = capsys.readouterr().err.strip()
    assert (code, list(tmp_path.iterdir())) == (2, [])
    assert said.endswith(
        "is an address, and a folder or file of this machine is meant here: only the catalogue (STJ_CATALOG), pictures "
        "(STJ_IMAGES), datasets and runs may lie elsewhere."
    )
    assert said.startswith(place)
    assert cli.outcome(made, ["write", "here", "--more", place]) == 2
    assert cli.outcome(made, ["write", "C:/here"]) == 0


@pytest.mark.parametrize("number", [errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR])
def test_a_name_that_no_file_can_have_is_no_bug(number: int):
    sentence = cli.machines_fault(OSError(number, "It cannot be", "a" * 300))
    assert sentence == f"There can be no file '{'a' * 200}': It cannot be. Name another place."


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (MemoryError(), "too little memory"),
        (RuntimeError("can't start new thread"), "too little memory"),
        (OSError(errno.ENOSPC, "No space left on device", "images"), "Cannot use images: No space left on device"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many files are open"),
    ],
)
def test_what_the_machine_lacks_is_one_of_our_errors(fault: Exception, word: str) -> None:
    """For commands of another program, which would show a traceback."""
    with pytest.raises(StjError, match=word) as raised, cli.in_words():
        raise fault
    assert raised.value.__cause__ is fault


@pytest.mark.parametrize(
    "error", [UsageError("It is no number."), KeyError("a bug"), OSError(errno.ENOENT, "No such file")]
)
def test_any_other_error_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, cli.in_words():
        raise error
    assert raised.value is error
