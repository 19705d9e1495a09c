"""`stj-dataset forget`: pictures go for good, and stay out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from stj_core.cli import JsonOption, counted, emit_json, say
from stj_core.console import show
from stj_dataset.cli.common import CatalogOption, ImagesOption, YesOption, confirm, opened


def forget(
    *,
    asin: Annotated[
        list[str] | None, typer.Option(help="Every picture of this product (may be given again).", show_default=False)
    ] = None,
    sha256: Annotated[
        list[str] | None, typer.Option(help="The picture with this checksum (may be given again).", show_default=False)
    ] = None,
    url: Annotated[
        list[str] | None, typer.Option(help="The picture at this address (may be given again).", show_default=False)
    ] = None,
    backups: Annotated[Path, typer.Option(help="Folder of the catalogue's backups.")] = Path("backups"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and what holds it.")] = False,
    catalog: CatalogOption = None,
    images: ImagesOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Forget pictures, as a take-down request asks, with all their duplicates.

    Their bytes, thumbnails and features go; a tombstone with their hashes keeps copies out of later crawls. Lists the exports,
    runs and backups that hold them still: those are yours to remove.
    """
    from stj_catalog.backup import find_backups
    from stj_catalog.forget import forget as bury
    from stj_catalog.lookup import find_pictures
    from stj_core.errors import UsageError
    from stj_images.likeness import thresholds_of
    from stj_images.store import open_store

    if not (asin or sha256 or url):
        raise UsageError("Nothing to forget was named: give --asin, --sha256 or --url.")
    with opened(catalog, images) as (found, config):
        ids = find_pictures(found, asins=asin or (), checksums=sha256 or (), urls=url or ())
        if not dry_run:
            confirm(f"{counted(len(ids), 'picture')} would be forgotten for good, with every copy.", yes=yes)
        gone = bury(
            found,
            open_store(config.images),
            ids,
            thresholds_of(config),
            cache=config.cache,
            runs=config.runs,
            backups=find_backups(found, backups),
            dry_run=dry_run,
        )
    if as_json:
        emit_json({**asdict(gone), "dry_run": dry_run})
        return
    pictures = counted(len(gone.ids), "picture")
    show(
        f"{pictures} would be forgotten."
        if dry_run
        else f"Forgot {pictures}, deleted {counted(len(gone.files), 'file')}."
    )
    for what, places in (("export", gone.exports), ("run", gone.runs), ("backup", gone.backups)):
        show(*(f"still in the {what} {place}" for place in places))
    if gone.exports or gone.runs or gone.backups:
        say("What was made before still holds them: remove it, or make it again.")
