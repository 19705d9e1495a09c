"""What people decide about pictures: recorded with who, when and why, never deleted, and taken back by a mark."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, insert, or_, select, update

from stj_catalog.catalog import Catalog, chunks
from stj_catalog.errors import CatalogError, UsageError
from stj_catalog.likeness import Thresholds
from stj_catalog.schema import Status, export_images, images, now, reviews
from stj_catalog.settle import decide

ACTIONS = ("label", "keep", "reject")
_CHECKSUM = re.compile(r"[0-9a-f]{6,64}")


@dataclass(frozen=True)
class FoundPicture:
    """A picture that a person meant, and how it stands now."""

    id: int
    sha256: str
    image_key: str
    status: str
    label: int | None
    reason: str | None
    path: str | None


def find_picture(catalog: Catalog, word: str) -> FoundPicture:
    """The picture that `word` means: its sha256 or the beginning of it, of the original or of an exported file, or its address.

    Raises:
        UsageError: there is none, or more than one.
    """
    with catalog.read() as connection:
        rows = connection.execute(_named(connection, word)).all()
    if not rows:
        raise UsageError(
            f"No picture is called {word!r}: give its sha256 (six digits or more), its file or its address."
        )
    if len({row.sha256 for row in rows}) > 1:
        raise UsageError(f"{len(rows)} pictures are called {word!r}: give more digits of the sha256.")
    order = [Status.KEPT, Status.QUARANTINED, Status.REJECTED, Status.DUPLICATE, Status.FORGOTTEN]
    best = min(rows, key=lambda row: (order.index(Status(row.status)), row.id))
    return FoundPicture(best.id, best.sha256, best.image_key, best.status, best.label, best.reason, best.path)


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


def stored_paths(catalog: Catalog, checksums: Sequence[str]) -> dict[str, str]:
    """Where the image store has the pictures of some checksums."""
    found: dict[str, str] = {}
    with catalog.read() as connection:
        for some in chunks(checksums):
            query = select(images.c.sha256, images.c.path).where(images.c.sha256.in_(some), images.c.path.is_not(None))
            found |= {row.sha256: row.path for row in connection.execute(query)}
    return found


def kept_ids(catalog: Catalog, batch: int = 2_000) -> Iterator[list[int]]:
    """The rows of all kept pictures, some at a time, ordered."""
    last = 0
    while True:
        query = select(images.c.id).where(images.c.status == Status.KEPT, images.c.id > last).order_by(images.c.id)
        with catalog.read() as connection:
            found = list(connection.execute(query.limit(batch)).scalars())
        if not found:
            return
        yield found
        last = found[-1]


def _named(connection: Connection, word: str) -> Select[Any]:
    columns = (
        images.c.id,
        images.c.sha256,
        images.c.image_key,
        images.c.status,
        images.c.label,
        images.c.reason,
        images.c.path,
    )
    query = select(*columns).where(images.c.sha256.is_not(None))
    if not _CHECKSUM.fullmatch(word):
        return query.where(or_(images.c.image_key == word, images.c.url == word))
    end = word + "g"  # the first text after everything that begins with `word`
    mine = query.where(images.c.sha256 >= word, images.c.sha256 < end)
    if connection.execute(mine.limit(1)).first() is not None:
        return mine
    written = select(export_images.c.image_id).where(export_images.c.sha256 >= word, export_images.c.sha256 < end)
    return query.where(images.c.id.in_(written))


def _decided(connection: Connection, image_id: int, thresholds: Thresholds) -> FoundPicture:
    decide(connection, [image_id], thresholds)
    row = connection.execute(select(images).where(images.c.id == image_id)).one()
    return FoundPicture(row.id, row.sha256, row.image_key, row.status, row.label, row.reason, row.path)
