"""No command takes the address of another machine for a folder of this one; those that read one say what is there."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from stj_core.cli import outcome
from stj_core.config import Config

PROGRAMS = {
    "stj": "stj.cli",
    "stj-dataset": "stj_dataset.cli",
    "stj-model": "stj_model.cli",
    "stj-web": "stj_web.cli",
    "stj-demo": "stj_demo.cli",
}
ADDRESS = "s3://bucket/place"
NOWHERE = "memory://nowhere/place"
# What is no place: a word, or something that may indeed lie elsewhere. All else is refused.
WORDS = {
    "images": "the image store may lie anywhere",
    "dataset": "a digest, too",
    "image": "a picture may be named by its address",
    "word": "so it may, and what is told of pictures",
    "pictures": "so it may",
    "url": "a picture's address",
    "asin": "a shop's number",
    "sha256": "a checksum",
    "as_label": "a class",
    "where": "a filter",
    "reject": "a reason",
    "reason": "a text",
    "reviewer": "a name",
    "architecture": "a network's name",
    "format_": "a format's name",
    "hosts": "names of hosts",
    "retry_after": "a header",
    "add": "a tag",
    "remove": "a tag",
}
# What a command has to be told before it looks at a place.
BEFORE = {"label": ["--keep"], "forget": ["--asin", "B1"], "group": ["abcdef", "--as", "same"]}
GIVEN = {"action": "export"}


def parameters() -> Iterator[Any]:
    """Every parameter of every command that takes text or a path."""
    for program, module in PROGRAMS.items():
        root = typer.main.get_command(importlib.import_module(module).app)
        for name, command in getattr(root, "commands", {"": root}).items():
            for one in command.params:
                kind = str(one.type_descriptor.annotation)
                is_text = "str" in kind and "Literal" not in kind
                if ("Path" in kind or is_text) and not one.is_eager:
                    if "Path" not in kind and (one.name in WORDS or one.name in GIVEN):
                        continue
                    if (name, one.name) == ("diff", "catalog"):
                        continue  # its folders are read first
                    yield pytest.param(module, name, command, one, id=f"{program} {name} {one.name}")


@pytest.mark.parametrize(("module", "name", "command", "parameter"), list(parameters()))
def test_an_address_is_wrong_usage_and_makes_nothing(
    module: str, name: str, command: Any, parameter: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = list(BEFORE.get(name, ()))
    for one in command.params:
        if one is parameter or one.required:
            value = ADDRESS if one is parameter else GIVEN.get(one.name, "1")
            given += [value] if one.param_type_name == "argument" else [max(one.opts, key=len), value]
    app = importlib.import_module(module).app
    assert outcome(app, [*([name] if name else []), *given]) == 2
    said = capsys.readouterr().err.strip()
    assert ADDRESS in said
    assert "bug" not in said
    assert list(tmp_path.iterdir()) == []


def places() -> Iterator[Any]:
    """Every parameter that may be an address: of a dataset, of a run, or of runs."""
    for program, module in PROGRAMS.items():
        root = typer.main.get_command(importlib.import_module(module).app)
        for name, command in getattr(root, "commands", {"": root}).items():
            for one in command.params:
                if "Location" in str(one.type_descriptor.annotation):
                    yield pytest.param(module, name, command, one, id=f"{program} {name} {one.name}")


@pytest.mark.parametrize(("module", "name", "command", "parameter"), list(places()))
def test_an_address_where_nothing_is_is_a_sentence_and_makes_nothing(
    module: str, name: str, command: Any, parameter: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = []
    for one in command.params:
        if one is parameter or one.required:
            value = NOWHERE if one is parameter else "1"
            given += [value] if one.param_type_name == "argument" else [max(one.opts, key=len), value]
    app = importlib.import_module(module).app
    assert outcome(app, [name, *given]) in {1, 2}
    said = capsys.readouterr().err.strip()
    assert "bug" not in said
    assert len(said.splitlines()) == 1
    assert not {one.name for one in tmp_path.iterdir()} - {"cache"}
    assert not list(tmp_path.rglob("*memory*"))


def test_all_commands_that_read_a_dataset_or_a_run_are_among_them() -> None:
    found = {one.id.rpartition(" ")[0] for one in places()}
    model = ("train", "evaluate", "predict", "compare", "export", "summary", "leakage", "runs")
    assert found == {f"stj-dataset {one}" for one in ("export", "verify", "diff", "audit")} | {
        f"stj-model {one}" for one in model
    }


@pytest.mark.parametrize(
    "name", sorted(name for name, field in Config.model_fields.items() if "Path" in str(field.annotation))
)
def test_an_address_in_the_environment_is_wrong_usage(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from stj_dataset.cli import app

    monkeypatch.setenv(f"STJ_{name.upper()}", ADDRESS)
    assert outcome(app, ["stats"]) == 2
    assert f"STJ_{name.upper()} cannot be" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_list_answers_an_address_beside_its_pictures() -> None:
    """One line of many must not lose the others."""
    from stj_model.inputs import collect

    assert collect(["-"], f"{ADDRESS}\n{ADDRESS}/b\n".encode()).names == [ADDRESS, f"{ADDRESS}/b"]
