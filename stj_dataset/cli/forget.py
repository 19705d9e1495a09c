"""`stj-dataset forget`: pictures go for good, and stay out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stj_core.cli import JsonOption, counted, emit_json, say
from stj_core.console import show
from stj_dataset.cli.common import CatalogOption, ImagesOption, YesOption, confirm, opened, picture_word

if TYPE_CHECKING:
    from stj_catalog.forget import Forgotten


def forget(
    *,
    pictures: Annotated[
        list[str] | None,
        typer.Argument(
            help="Each by its sha256 (six digits or more), an exported file's name, or its address.", show_default=False
        ),
    ] = None,
    asin: Annotated[
        list[str] | None, typer.Option(help="Every picture of this product (may be given again).", show_default=False)
    ] = None,
    sha256: Annotated[
        list[str] | None, typer.Option(help="The picture with this checksum (may be given again).", show_default=False)
    ] = None,
    url: Annotated[
        list[str] | None, typer.Option(help="The picture at this address (may be given again).", show_default=False)
    ] = None,
    purge: Annotated[
        bool,
        typer.Option(
            "--purge",
            help="Take them out of datasets and runs too; without a picture, everything that was ever forgotten.",
        ),
    ] = False,
    backups: Annotated[Path, typer.Option(help="Folder of the catalogue's backups.")] = Path("backups"),
    archives: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", envvar="STJ_WARC", help="Folder of the crawls' WARC files.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and what holds it.")] = False,
    catalog: CatalogOption = None,
    images: ImagesOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Forget pictures, as a take-down request asks, with all their duplicates.

    Their bytes, titles, addresses, thumbnails and features go, and the pages of web archives that hold them; hashes and keyed
    digests keep copies out of later crawls. Datasets and runs that hold them are marked as stale; with --purge such datasets are
    removed (export again), and runs lose their rows, features and pages about them (a model has learned from them all the same:
    train again). Says what remains. Asks first.
    """
    from stj_catalog.backup import find_backups
    from stj_catalog.forget import forget as bury
    from stj_catalog.forget import forgotten_ids
    from stj_catalog.lookup import find_picture, find_pictures
    from stj_core.errors import UsageError
    from stj_images.likeness import thresholds_of
    from stj_images.store import open_store

    named = bool(pictures or asin or sha256 or url)
    if not (named or purge):
        raise UsageError("Nothing to forget was named: give a picture, --asin, --sha256 or --url.")
    with opened(catalog, images) as (found, config):
        words = [find_picture(found, picture_word(one)).sha256 for one in pictures or ()]
        checksums = [*words, *(sha256 or ())]
        ids = (
            find_pictures(found, asins=asin or (), checksums=checksums, urls=url or ())
            if named
            else forgotten_ids(found)
        )

        def go(*, dry: bool) -> Forgotten:
            return bury(
                found,
                open_store(config.images),
                ids,
                thresholds_of(config),
                cache=config.cache,
                runs=config.runs,
                backups=find_backups(found, backups),
                archives=archives,
                features=config.features,
                purge=purge,
                dry_run=dry,
            )

        if not (dry_run or yes):
            confirm(_question(go(dry=True), named=named, purge=purge), yes=False)
        gone = go(dry=dry_run)
    if as_json:
        emit_json({**asdict(gone), "dry_run": dry_run})
    else:
        _tell(gone, dry_run=dry_run, purge=purge)


def _question(coming: Forgotten, *, named: bool, purge: bool) -> str:
    pictures = counted(len(coming.ids), "picture")
    what = f"{pictures} would be forgotten for good, with every copy" if named else f"{pictures} were forgotten"
    if purge and (coming.exports or coming.runs):
        what += f"; the datasets and runs that hold them would lose them ({', '.join([*coming.exports, *coming.runs])})"
    if coming.archives:
        what += f"; the pages that hold them would be taken out of {counted(len(coming.archives), 'web archive')}"
    return f"{what}."


def _tell(gone: Forgotten, *, dry_run: bool, purge: bool) -> None:
    pictures = counted(len(gone.ids), "picture")
    show(
        f"{pictures} would be forgotten."
        if dry_run
        else f"Forgot {pictures}, deleted {counted(len(gone.files), 'file')}."
    )
    show(*(f"purged {place}" for place in gone.purged))
    show(*(f"took {counted(n, 'record')} out of the web archive {place}" for place, n in gone.rewritten.items()))
    runs = () if purge and not dry_run else gone.runs
    held = (("export", gone.exports), ("run", runs), ("backup", gone.backups), ("web archive", gone.archives))
    for what, places in held:
        show(*(f"still in the {what} {place}" for place in places))
    for sentence in gone.remaining:
        say(sentence)
    if any(places for _, places in held):
        purges = "" if purge else " stj-dataset forget --purge takes them out of datasets and runs;"
        say(f"What was made before still holds them:{purges} backups, and archives that remain, are yours to remove.")
