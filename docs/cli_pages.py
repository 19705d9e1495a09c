"""docs/cli.md, made from what the commands say of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import typer

COMMANDS = {"stj": "stj.cli", "stj-dataset": "stj_dataset.cli", "stj-model": "stj_model.cli"}
HEAD = """# Commands

Made from `--help` by `make docs`. stdout is the result, stderr the talk; `--json` prints one JSON document. Exit codes: 0 done,
1 an expected failure in one sentence, 2 wrong usage, 3 a bug (with the log's path), 130 interrupted: the same command goes on.

Every command answers `--version`; `--install-completion`, given to a program, teaches your shell its commands and options.

The crawl's commands are Scrapy's: see [crawl.md](crawl.md).
"""
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def cli_md() -> str:
    """The page."""
    parts = [HEAD]
    for program, module in COMMANDS.items():
        group: Any = typer.main.get_command(import_module(module).app)
        parts.append(f"## {program}\n\n{group.help}\n")
        parts += [f"### {name}\n\n{_command(command)}" for name, command in _commands(program, group)]
    return "\n".join(parts)


def _commands(program: str, group: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - click types are typer's own affair
    """Every command of a program with its whole name, those of its sub-programs too."""
    context = group.make_context(program, [], resilient_parsing=True)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            yield from _commands(f"{program} {name}", command)
        else:
            yield f"{program} {name}", command


def _command(command: Any) -> str:  # noqa: ANN401 - as below
    rows = [_row(parameter) for parameter in command.params if getattr(parameter, "help", None)]
    table = "\n".join(["| | |", "|---|---|", *rows]) + "\n" if rows else ""
    return f"{_clean(command.help or '')}\n\n{table}"


def _row(parameter: Any) -> str:  # noqa: ANN401 - click types are typer's own affair
    if parameter.param_type_name == "argument":
        name = f"`{(parameter.name or '').rstrip('_').upper()}`"
    else:
        name = ", ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts))
    default = parameter.default
    plain = (
        default is not None
        and not callable(default)
        and default not in ("", False, ())
        and not isinstance(default, bool)
    )
    said = f" Default: `{default}`." if plain else ""
    return f"| {name} | {_clean(parameter.help)}{said} |"


def _clean(text: str) -> str:
    return re.sub(r"\s+", " ", _ANSI.sub("", text)).strip().replace("|", "\\|")
