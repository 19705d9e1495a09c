"""`stj-dataset dedupe`: likenesses, statuses and groups of the whole catalogue, worked out anew."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stj_core.cli import ClusterOption, JsonOption, counted, emit_json, say
from stj_core.console import bars, make_table, show
from stj_dataset.cli.common import CatalogOption, ImagesOption, opened

if TYPE_CHECKING:
    from stj_catalog.dedupe import DedupeReport

_SHOWN = 20


def dedupe(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    crops: Annotated[
        bool,
        typer.Option(
            "--crops", help="Look at every picture again, for those that show a part of another (needs stj[crops])."
        ),
    ] = False,
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a contact sheet (HTML) of the groups of two and more.", show_default=False
        ),
    ] = None,
    catalog: CatalogOption = None,
    images: ImagesOption = None,
    cluster: ClusterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find duplicates and groups in the whole catalogue, from the hashes, sightings and reviews alone.

    The authority on sameness: the result does not depend on the order in which pictures came, and a second run changes nothing.
    Crops that were found once are kept until --crops looks again.
    """
    from stj_catalog.backup import backup_before
    from stj_catalog.dedupe import dedupe as recompute
    from stj_catalog.group_members import by_group
    from stj_core.cluster import open_cluster
    from stj_images.likeness import thresholds_of
    from stj_images.store import open_store

    with opened(catalog, images, cluster) as (found, config):
        look = None
        if crops:
            from stj_catalog.dedupe import look_again

            with bars() as progress:
                look = look_again(found, open_store(config.images), progress)
        kept = None if dry_run else backup_before(found, "dedupe")
        with open_cluster(config.cluster, say) as workers, bars() as progress:
            report, members = recompute(
                found,
                thresholds_of(config),
                look=look,
                dry_run=dry_run,
                members=sheet is not None,
                workers=workers,
                bars=progress,
            )
        if kept is not None and not (report.changes or report.regrouped):
            kept.unlink(missing_ok=True)  # nothing moved: there is nothing to go back to
        pages = []
        if sheet is not None:
            from stj_dataset.contact_sheet import write_sheet

            pages = write_sheet(sheet, by_group(members), report, open_store(config.images), dry_run=dry_run)
    if as_json:
        emit_json({**asdict(report), "dry_run": dry_run, "sheet": [str(one) for one in pages]})
        return
    _show(report, dry_run=dry_run)
    if pages:
        say(f"Contact sheet: {pages[0]} ({counted(len(pages), 'page')}).")


def _show(report: DedupeReport, *, dry_run: bool) -> None:
    counts = [(f"{kind} pairs", number) for kind, number in report.likenesses.items()]
    rows = [("pictures", report.pictures), *report.statuses.items(), *counts]
    rows += [("groups", report.groups), ("groups of two and more", report.shared_groups)]
    rows += [("changed", len(report.changes)), ("in another group now", report.regrouped)]
    show(make_table("Would be" if dry_run else "Catalogue", ("what", "how many"), rows))
    show(*(f"{one.key}: {one.before} -> {one.after}" for one in report.changes[:_SHOWN]))
    if len(report.changes) > _SHOWN:
        show(f"… and {len(report.changes) - _SHOWN} more (--json lists all)")
