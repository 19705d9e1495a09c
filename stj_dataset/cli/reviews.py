"""`stj-dataset reviews`: people's decisions out and in as CSV, so that a team can judge elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from stj_core.cli import JsonOption, counted, emit, emit_json, say
from stj_dataset.cli.common import CatalogOption, class_reader, confirm, opened
from stj_dataset.cli.label import meant_label


def reviews(
    *,
    action: Annotated[
        Literal["export", "import"], typer.Argument(help="Write the file, or read it.", show_default=False)
    ],
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="The CSV file; - is standard output or input.")] = "-",
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=VALUE",
            help="export: all pictures of a status, reason, label, source, crawl, group, tag or text, judged or not; "
            "without it those that a decision stands about. May be repeated.",
            show_default=False,
        ),
    ] = None,
    reviewer: Annotated[
        str,
        typer.Option(
            "--by", metavar="NAME", help="import: who decides where a line names nobody.  [you]", show_default=False
        ),
    ] = "",
    overrule: Annotated[
        bool, typer.Option("--overrule", help="import: also where somebody decided since the file was written.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="import: more than twenty decisions without being asked.")] = False,
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take decisions out of a catalogue, or into one, as a CSV file.

    In the file `action` is label, keep, reject or none, `to` the class (number, slug or name), `why` a reason; lines without an
    action decide nothing. An import is checked line by line and written whole or not at all; what stands already is left.
    """
    if action == "export":
        _export(file, where or [], catalog, as_json=as_json)
    else:
        _import(file, reviewer, catalog, overrule=overrule, yes=yes, as_json=as_json)


def _export(file: str, where: list[str], catalog: str | None, *, as_json: bool) -> None:
    from stj_core.errors import UsageError
    from stj_core.files import explained, write_text
    from stj_dataset.picking import read_filter
    from stj_dataset.review_table import csv_text, review_lines

    with opened(catalog) as (found, config):
        lines = list(review_lines(found, read_filter(where, class_reader(config)) if where else None))
    if file == "-":
        if as_json:
            raise UsageError("--json tells about a file: name one.")
        emit(csv_text(lines).removesuffix("\n"))
    else:
        with explained(UsageError, file, "Free some space, or name another place."):
            write_text(Path(file), csv_text(lines))
        if as_json:
            emit_json({"file": file, "pictures": len(lines), "decided": sum(1 for line in lines if line[5])})
    say(f"{counted(len(lines), 'picture')}, {sum(1 for line in lines if line[5]):,} of them decided.")


def _import(file: str, reviewer: str, catalog: str | None, *, overrule: bool, yes: bool, as_json: bool) -> None:
    from dataclasses import replace

    from stj_catalog.reviews import record_each, user_name
    from stj_core.errors import CatalogError
    from stj_core.spreadsheet import read_text
    from stj_dataset.review_table import read_wishes
    from stj_images.likeness import thresholds_of

    text = read_text(file)
    with opened(catalog) as (found, config):
        by = reviewer or user_name() or "unknown"
        wishes, empty = read_wishes(found, text, file, by, lambda word: meant_label(word, config))
        if len(wishes) > 20:
            confirm(f"This decides about {len(wishes):,} pictures.", yes=yes)
        if overrule:
            wishes = [replace(wish, stood=None) for wish in wishes]
        done, overtaken = record_each(found, wishes, thresholds_of(config))
    if overtaken:
        told = " ".join(str(one) for one in overtaken[:5])
        raise CatalogError(
            f"{counted(len(overtaken), 'line')} of {file} would overrule decisions made since it was written; nothing was "
            f"changed: {told} Write the file again, or give --overrule."
        )
    if as_json:
        emit_json({"decided": len(done), "unchanged": len(wishes) - len(done), "empty": empty})
    else:
        emit(
            f"{counted(len(done), 'decision')} written, {len(wishes) - len(done):,} stood already, "
            f"{counted(empty, 'line')} decided nothing."
        )
