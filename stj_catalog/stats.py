"""Counts of what the catalogue holds: pictures by class and status, reasons, groups, sightings, crawls and exports."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Table, func, select

from stj_catalog.catalog import Catalog
from stj_catalog.schema import crawls, exports, groups, images, sightings
from stj_core.vocabulary import Status


@dataclass(frozen=True)
class Counts:
    """What a catalogue holds.

    Attributes:
        images: how many pictures for each label (None: no label) and status.
        reasons: how many of the quarantined and rejected ones for each status and reason.
        groups: groups of pictures that stay together.
        sightings: cards seen.
        crawls: crawls and imports.
        exports: datasets made.
    """

    images: dict[tuple[int | None, str], int]
    reasons: dict[tuple[str, str], int]
    groups: int
    sightings: int
    crawls: int
    exports: int


def count_all(catalog: Catalog) -> Counts:
    """Count everything, in one state of the catalogue."""
    # Status and label are answered by one index alone; reasons only where there are any.
    by_label = select(images.c.label, images.c.status, func.count()).group_by(images.c.status, images.c.label)
    by_reason = (
        select(images.c.status, images.c.reason, func.count())
        .where(images.c.status.in_([Status.QUARANTINED, Status.REJECTED]))
        .group_by(images.c.status, images.c.reason)
    )
    with catalog.read() as connection:

        def size(table: Table) -> int:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

        return Counts(
            images={(label, status): n for label, status, n in connection.execute(by_label)},
            reasons={(status, reason or ""): n for status, reason, n in connection.execute(by_reason)},
            groups=size(groups),
            sightings=size(sightings),
            crawls=size(crawls),
            exports=size(exports),
        )
