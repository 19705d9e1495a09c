"""Forgotten pictures: every door that hands out a picture asks here, and a person can forget one from its page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stj_catalog.backup import find_backups
from stj_catalog.forget import Forgotten, forget
from stj_catalog.forgotten import forgotten_among
from stj_catalog.gallery import Tile
from stj_catalog.lookup import find_pictures
from stj_catalog.provenance import whole_picture
from stj_core.vocabulary import Reason, Status
from stj_dataset.manifest import ManifestRow
from stj_web.errors import RefusalError, not_found
from stj_web.studio import Studio

BACKUPS = Path("backups")


def is_forgotten(status: str, reason: str | None) -> bool:
    """Whether a row of the catalogue is a tombstone, or a copy of what lies under one."""
    return status == Status.FORGOTTEN or reason == Reason.FORGOTTEN_COPY


def told_of(tile: Tile) -> dict[str, Any]:
    """What a list says of a picture; of a forgotten one nothing by which it, or a file of it, could be found."""
    told = asdict(tile)
    if tile.status == Status.FORGOTTEN:
        told |= dict.fromkeys(("sha256", "path", "title", "asin"))
    return told


def forgotten_ones(here: Studio, checksums: Iterable[str]) -> set[str]:
    """Those of some checksums, of original bytes or of exported files, whose picture was forgotten.

    Raises:
        CatalogError: the catalogue cannot be asked; then nothing is handed out.
    """
    catalog = here.catalog_or_none
    return forgotten_among(catalog, checksums) if catalog is not None else set()


def forgotten_rows(here: Studio, rows: Iterable[ManifestRow]) -> set[str]:
    """The checksums of those written files of a dataset whose picture was forgotten."""
    listed = list(rows)
    gone = forgotten_ones(here, {sha256 for row in listed for sha256 in (row.sha256, row.original_sha256) if sha256})
    return {row.sha256 for row in listed if row.sha256 in gone or row.original_sha256 in gone}


def refuse_forgotten(here: Studio, *checksums: str) -> None:
    """Stop before a forgotten picture is handed out.

    Raises:
        RefusalError: one of these was forgotten.
    """
    if forgotten_ones(here, [one for one in checksums if one]):
        raise gone()


def gone() -> RefusalError:
    """The picture was forgotten."""
    return RefusalError(
        410, "forgotten", "This picture was forgotten: its bytes are gone for good, and nothing shows it."
    )


def forget_pictures(here: Studio, ids: Sequence[int], *, dry_run: bool = False) -> Forgotten:
    """Forget pictures with all their duplicates, or say what would go and what holds it.

    Args:
        here: the studio.
        ids: rows of the catalogue.
        dry_run: only say it.

    Raises:
        RefusalError: there is no such picture, or it was forgotten already.
    """
    catalog = here.catalog
    checksums, addresses = [], []
    for image_id in ids:
        whole = whole_picture(catalog, image_id, most=1)
        if whole is None:
            raise not_found(f"There is no picture {image_id} in the catalogue.")
        if whole.row["status"] == Status.FORGOTTEN:
            raise gone()
        if whole.row["sha256"]:
            checksums.append(whole.row["sha256"])
        else:
            addresses.append(whole.row["url"])
    return forget(
        catalog,
        here.store,
        find_pictures(catalog, checksums=checksums, urls=addresses),
        here.thresholds,
        cache=here.config.cache,
        runs=here.config.runs,
        backups=find_backups(catalog, BACKUPS),
        archives=here.config.warc,
        features=here.config.features,
        dry_run=dry_run,
    )
