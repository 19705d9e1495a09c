"""A picture that a person moved to another class's folder and imports again is a correction, not a conflict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, select

from stj_catalog.catalog import Catalog, chunks
from stj_catalog.reviews import write_review
from stj_catalog.schema import categories, images, reviews, sightings
from stj_core.labels import NONE, Category
from stj_core.vocabulary import Action, Status
from stj_images.likeness import Thresholds

REVIEWER = "import"
_REASON = "moved from {old} to {new}"
_LONGEST_NAME = 80


@dataclass(frozen=True)
class Moved:
    """A picture that lies in another class's folder than it did when it was imported last.

    Attributes:
        image_id: the row that a decision is about: the best one of its bytes.
        old: where it lay.
        new: where it lies.
    """

    image_id: int
    old: str
    new: str


def find_moved(
    catalog: Catalog, prefix: str, names: Mapping[str, str], category: Category, is_there: Callable[[str], bool]
) -> list[Moved]:
    """Find the pictures of one class that another class's folder held when they were imported last, and holds no more.

    Args:
        catalog: what was imported before.
        prefix: what the addresses of this folder's pictures begin with.
        names: for each address of a picture that lies in the folder now its name below it.
        category: the class of these pictures.
        is_there: whether the picture of an address still lies where it did.
    """
    found: list[Moved] = []
    with catalog.read() as connection:
        for some in chunks(sorted(names)):
            mine = select(images.c.image_key, images.c.sha256)
            mine = mine.where(images.c.image_key.in_(some), images.c.sha256.is_not(None))
            now = {row.sha256: row.image_key for row in connection.execute(mine)}
            for sha256, rows in _imported(connection, prefix, sorted(now)).items():
                newest = max(rows, key=lambda row: row.sighting)
                other = newest.slug != category.slug and newest.image_key not in names
                if other and not is_there(newest.image_key):
                    old = newest.image_key.removeprefix(prefix).rsplit("#", 1)[0]
                    best = min(rows, key=lambda row: (row.status != Status.KEPT, row.image_id))
                    found.append(Moved(best.image_id, old, names[now[sha256]]))
    return found


def correct_moved(catalog: Catalog, moved: Sequence[Moved], category: Category, thresholds: Thresholds) -> int:
    """Record a decision about each picture that was moved; returns how many. They can be taken back like any other."""
    action, label = (Action.NONE, None) if category.role == NONE else (Action.LABEL, category.label)
    if not moved:
        return 0
    with catalog.write(exclusive=True) as connection:
        for one in moved:
            reason = _REASON.format(old=one.old[-_LONGEST_NAME:], new=one.new[-_LONGEST_NAME:])
            if _said(connection, one.image_id) != (REVIEWER, str(action), label, reason):  # as after a crash in between
                write_review(
                    connection,
                    one.image_id,
                    action,
                    reviewer=REVIEWER,
                    thresholds=thresholds,
                    label=label,
                    reason=reason,
                )
    return len(moved)


def _said(connection: Connection, image_id: int) -> tuple[object, ...] | None:
    """The decision that stands about a picture."""
    mine = select(reviews.c.reviewer, reviews.c.action, reviews.c.label, reviews.c.reason)
    mine = mine.where(reviews.c.image_id == image_id, reviews.c.undone_at.is_(None)).order_by(reviews.c.id.desc())
    row = connection.execute(mine.limit(1)).first()
    return None if row is None else tuple(row)


def _imported(connection: Connection, prefix: str, checksums: Sequence[str]) -> dict[str, list[Any]]:
    """Every sighting of pictures of some checksums by imports of one folder."""
    query = (
        select(
            images.c.sha256,
            images.c.image_key,
            images.c.id.label("image_id"),
            images.c.status,
            categories.c.slug,
            sightings.c.id.label("sighting"),
        )
        .join_from(sightings, images, images.c.id == sightings.c.image_id)
        .join(categories, categories.c.id == sightings.c.category_id)
        .where(and_(images.c.image_key.startswith(prefix, autoescape=True), images.c.status != Status.FORGOTTEN))
    )
    found: dict[str, list[Any]] = {}
    for some in chunks(checksums):
        for row in connection.execute(query.where(images.c.sha256.in_(some))):
            found.setdefault(row.sha256, []).append(row)
    return found
