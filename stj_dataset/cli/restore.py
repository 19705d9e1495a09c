"""`stj-dataset restore`: the backups of the catalogue, and one of them in its place again."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stj_core.cli import JsonOption, counted, emit, emit_json, say
from stj_core.clock import stamp
from stj_core.console import make_table, show
from stj_dataset.cli.common import CatalogOption, YesOption, confirm

if TYPE_CHECKING:
    from stj_catalog.restore import Backup


def restore(
    backup: Annotated[
        Path | None, typer.Argument(help="The backup to put back; without it, the list of them.", show_default=False)
    ] = None,
    backups: Annotated[Path, typer.Option(help="Folder of the catalogue's backups.")] = Path("backups"),
    catalog: CatalogOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """List the backups of the catalogue, or put one in its place.

    Those that were made without being asked for (before a migration, a repair, a dedupe that moves pictures) lie beside the
    catalogue, the newest three of each kind. The catalogue that is there is kept under another name, also a damaged one; what
    was forgotten since stays forgotten. Pictures are not in a backup: stj-dataset verify says which are missing afterwards.
    """
    from stj_catalog.backup import find_backups
    from stj_catalog.catalog import file_of
    from stj_catalog.restore import describe
    from stj_catalog.restore import restore as put_back
    from stj_core.config import read_config
    from stj_core.errors import UsageError

    config = read_config(catalog=catalog)
    file = file_of(config.catalog_url)
    if file is None:
        raise UsageError(f"The catalogue {config.catalog} is no SQLite file: restore it with its database's own tools.")
    if backup is None:
        _list(describe(find_backups(file, backups)), as_json=as_json)
        return
    if file.exists():
        confirm(f"{backup} takes the place of {file}, which is kept under another name.", yes=yes)
    kept, again = put_back(file, backup)
    if as_json:
        emit_json(
            {
                "catalog": str(file),
                "restored": str(backup),
                "kept": kept and str(kept),
                "forgotten_again": max(again, 0),
            }
        )
    else:
        emit(str(file))
    if kept is not None:
        say(f"What was there is kept as {kept}.")
    if again > 0:
        say(
            f"Forgot {counted(again, 'picture')} again: stj-dataset verify --repair deletes what is left of their files."
        )
    if again < 0:
        say(
            "What was there could not be read: pictures that were forgotten since the backup may be back. Forget them again."
        )


def _list(found: list[Backup], *, as_json: bool) -> None:
    if as_json:
        emit_json([asdict(one) | {"made_at": _moment(one)} for one in found])
        return
    rows = [(one.path, _moment(one), "?" if one.pictures is None else one.pictures, one.bytes) for one in found]
    show(make_table(f"{counted(len(found), 'backup')}", ("file", "made", "pictures", "bytes"), rows, words=2))


def _moment(one: Backup) -> str:
    return stamp(datetime.fromtimestamp(one.made_at, UTC))
