"""What holds for every command of every program: it says its version, completes itself, and names the extra that it lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from stj_core import __version__, cli
from stj_core.extras import EXTRAS, missing_extra

PROGRAMS = {
    "stj": "stj.cli",
    "stj-dataset": "stj_dataset.cli",
    "stj-model": "stj_model.cli",
    "stj-web": "stj_web.cli",
    "python -m stj_spiders": "stj_spiders.__main__",
    "python -m stj_demo": "stj_demo.cli",
    "python -m stj_demo.walk": "stj_demo.walk",
}


HEAVY = (
    "PIL",
    "flask",
    "jinja2",
    "keras",
    "numpy",
    "rich",
    "scipy",
    "scrapy",
    "sqlalchemy",
    "tensorflow",
    "twisted",
)


def _paths(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """A program, and every command and sub-command of it."""
    yield path
    for name, sub in getattr(command, "commands", {}).items():
        yield from _paths(sub, (*path, name))


def _commands() -> list[Any]:
    return [
        pytest.param(module, path, id=" ".join((program, *path)))
        for program, module in PROGRAMS.items()
        for path in _paths(typer.main.get_command(import_module(module).app))
    ]


def run(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(("module", "path"), _commands())
def test_every_command_says_its_version(module, path, capsys: pytest.CaptureFixture[str]):
    assert cli.outcome(import_module(module).app, [*path, "--version"]) == 0
    said = capsys.readouterr()
    assert (said.out.split()[-1], said.err) == (__version__, "")


@pytest.mark.parametrize(("module", "path"), _commands())
def test_every_command_tells_of_version_in_its_help(module, path, capsys: pytest.CaptureFixture[str]):
    assert cli.outcome(import_module(module).app, [*path, "--help"]) == 0
    assert "--version" in capsys.readouterr().out


def test_what_comes_after_two_dashes_is_a_name_and_no_option(capsys: pytest.CaptureFixture[str]):
    from stj_model.cli import app

    assert cli.outcome(app, ["predict", "--", "--version"]) == 1
    assert __version__ not in capsys.readouterr().out


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom stj.cli import app\nfrom stj_core.cli import outcome\noutcome(app, sys.argv[1:])\n"
        "print(sorted(set(HEAVY) & set(sys.modules)), file=sys.stderr)\n".replace("HEAVY", repr(HEAVY))
    )
    for arguments in (["--help"], ["demo", "--help"], ["shop", "--help"], ["weights", "--help"], ["studio", "--help"]):
        done = run(code, *arguments)
        assert done.stderr == "[]\n", arguments


@pytest.mark.parametrize(
    ("program", "words", "offered"),
    [
        ("stj", "stj we", ["weights"]),
        ("stj", "stj weights ", ["list", "fetch", "add", "check"]),
        ("stj-dataset", "stj-dataset ex", ["export"]),
        ("stj-dataset", "stj-dataset export --lay", ["--layout"]),
        ("stj-model", "stj-model tr", ["train"]),
    ],
)
def test_the_shell_is_offered_what_can_come_next(program, words, offered):
    code = f"from {PROGRAMS[program]} import app; app(prog_name={program!r})"
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    done = run(code, **asked, **{f"_{program.replace('-', '_').upper()}_COMPLETE": "complete_bash"})
    assert done.stdout.split() == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_printed(shell):
    done = run("from stj.cli import app; app(prog_name='stj')", _STJ_COMPLETE=f"source_{shell}")
    assert done.returncode == 0
    assert {"bash": "_stj_completion()", "zsh": "#compdef stj", "fish": "complete --command stj"}[shell] in done.stdout


def test_the_shell_that_asks_is_recognised():
    stj = f"{sys.executable} -c \"from stj.cli import app; app(['--show-completion'], prog_name='stj')\""
    done = subprocess.run(["bash", "-c", f"{stj}; exit $?"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "_stj_completion()" in done.stdout) == (0, True)


# A program, and a module whose absence it meets; `None` in sys.modules is how Python itself says that one is not there.
_WITHOUT = """
import runpy, sys
lacking, module, sys.argv = sys.argv[1], sys.argv[2], sys.argv[2:]
sys.modules[lacking] = None
if module.endswith(".cli"):
    import importlib
    importlib.import_module(module).main()
runpy.run_module(module, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("lacking", "command", "remedy"),
    [
        ("scrapy", ["stj_spiders"], "pip install 'stj[spiders]'"),
        ("scrapy", ["stj.cli", "demo"], "pip install 'stj[spiders]'"),
        ("tensorflow", ["stj.cli", "demo"], "pip install 'stj[model]'"),
        ("keras", ["stj.cli", "weights", "check", "random"], "pip install 'stj[model]'"),
        ("flask", ["stj_web.cli", "--port", "0"], "pip install 'stj[web]'"),
        ("waitress", ["stj.cli", "studio", "--port", "0"], "pip install 'stj[web]'"),
        ("flask_limiter", ["stj_web.cli", "--port", "0"], "pip install 'stj[web]'"),
        ("s3fs", ["stj_dataset.cli", "import", "pictures", "--images", "s3://a/b"], "pip install 'stj[s3]'"),
        (
            "psycopg",
            ["stj_dataset.cli", "stats", "--catalog", "postgresql+psycopg://127.0.0.1/x"],
            "pip install 'stj[postgres]'",
        ),
    ],
)
def test_a_missing_extra_is_one_sentence_and_no_bug(lacking, command, remedy, tmp_path: Path):
    (tmp_path / "pictures" / "0").mkdir(parents=True)
    done = run(_WITHOUT, lacking, *command)
    assert done.returncode == 1, done.stderr
    assert remedy in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("*.log"))


def test_a_module_that_no_extra_brings_is_a_bug():
    assert missing_extra(ModuleNotFoundError("No module named 'stj_core.nothing'", name="stj_core.nothing")) is None
    assert missing_extra(ImportError("cannot import name 'x' from 'keras'", name="keras")) is None
    for extra, modules in EXTRAS.items():
        sentence = missing_extra(ModuleNotFoundError(f"No module named {modules[0]!r}", name=f"{modules[0]}.part"))
        assert sentence is not None
        assert f"pip install 'stj[{extra}]'" in sentence
