"""What people decide about pictures: recorded with who, when and why, never deleted, and taken back by a mark."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select, update

from stj_catalog.catalog import Catalog, chunks
from stj_catalog.decide import decide
from stj_catalog.lookup import FoundPicture
from stj_catalog.schema import images, reviews
from stj_core.clock import now
from stj_core.errors import CatalogError
from stj_core.vocabulary import Status
from stj_images.likeness import Thresholds

ACTIONS = ("label", "keep", "reject")


def record_review(
    catalog: Catalog,
    image_id: int,
    action: str,
    *,
    reviewer: str,
    thresholds: Thresholds,
    label: int | None = None,
    reason: str | None = None,
) -> FoundPicture:
    """Record a decision and give the picture, and its duplicates, the status that follows from it.

    Args:
        catalog: where it is written.
        image_id: the picture.
        action: label (it is of class `label`), keep (as it is), or reject (for `reason`).
        reviewer: who decided.
        thresholds: the rule that the new status is recorded with.
        label: the class, for action label.
        reason: why.

    Returns:
        the picture as it stands now.

    Raises:
        CatalogError: the picture was forgotten or could never be read.
    """
    with catalog.write(exclusive=True) as connection:
        standing = connection.execute(select(images.c.status, images.c.phash).where(images.c.id == image_id)).one()
        if standing.status == Status.FORGOTTEN or standing.phash is None:
            word = "forgotten" if standing.status == Status.FORGOTTEN else "never read"
            raise CatalogError(f"Picture {image_id} was {word}: there is nothing to decide about it.")
        values = {"image_id": image_id, "action": action, "label": label, "reason": reason}
        connection.execute(insert(reviews).values(**values, reviewer=reviewer, made_at=now()))
        return _decided(connection, image_id, thresholds)


def undo_review(catalog: Catalog, image_id: int, thresholds: Thresholds) -> FoundPicture:
    """Take back the newest decision that stands; the one before it counts again.

    Raises:
        CatalogError: there is none.
    """
    with catalog.write(exclusive=True) as connection:
        newest = (
            select(reviews.c.id)
            .where(reviews.c.image_id == image_id, reviews.c.undone_at.is_(None))
            .order_by(reviews.c.id.desc())
            .limit(1)
        )
        found = connection.execute(newest).scalar()
        if found is None:
            raise CatalogError(f"No decision about picture {image_id} stands: there is nothing to undo.")
        connection.execute(update(reviews).where(reviews.c.id == found).values(undone_at=now()))
        return _decided(connection, image_id, thresholds)


def reviewed(catalog: Catalog, checksums: Sequence[str]) -> set[str]:
    """Those of some pictures, by sha256, that a decision stands about."""
    found: set[str] = set()
    query = select(images.c.sha256).join_from(images, reviews).where(reviews.c.undone_at.is_(None))
    with catalog.read() as connection:
        for some in chunks(checksums):
            found |= set(connection.execute(query.where(images.c.sha256.in_(some))).scalars())
    return found


def _decided(connection: Connection, image_id: int, thresholds: Thresholds) -> FoundPicture:
    decide(connection, [image_id], thresholds)
    row = connection.execute(select(images).where(images.c.id == image_id)).one()
    return FoundPicture(row.id, row.sha256, row.image_key, row.status, row.label, row.reason, row.path)
