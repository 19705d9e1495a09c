"""The decisions that people made, to be read: which stand, about what, by whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from stj_catalog.catalog import Catalog, chunks
from stj_catalog.schema import images, reviews
from stj_core.vocabulary import Action


def newest_decisions(catalog: Catalog, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The newest decision that stands about each of some pictures, for those that have one."""
    found: dict[int, dict[str, Any]] = {}
    with catalog.read() as connection:
        for some in chunks(list(ids)):
            query = (
                select(reviews)
                .where(reviews.c.image_id.in_(some), reviews.c.undone_at.is_(None))
                .order_by(reviews.c.id)
            )
            found |= {row.image_id: dict(row._mapping) for row in connection.execute(query)}
    return found


def decided_rows(catalog: Catalog) -> set[int]:
    """Every picture that a decision stands about."""
    query = select(reviews.c.image_id).where(reviews.c.undone_at.is_(None)).distinct()
    with catalog.read() as connection:
        return set(connection.execute(query).scalars())


def decisions_page(
    catalog: Catalog, *, image: int | None = None, after: int | None = None, limit: int = 60
) -> list[dict[str, Any]]:
    """Decisions, newest first, those taken back too.

    Args:
        catalog: where they are.
        image: about this picture only.
        after: the last decision of the page before this one.
        limit: so many at most.
    """
    query = select(reviews).order_by(reviews.c.id.desc()).limit(limit)
    query = query if image is None else query.where(reviews.c.image_id == image)
    query = query if after is None else query.where(reviews.c.id < after)
    with catalog.read() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def count_decided(catalog: Catalog) -> dict[str, int]:
    """How many pictures each reviewer's standing decisions are about."""
    query = select(reviews.c.reviewer, func.count(reviews.c.image_id.distinct())).where(reviews.c.undone_at.is_(None))
    with catalog.read() as connection:
        return dict(connection.execute(query.group_by(reviews.c.reviewer).order_by(reviews.c.reviewer)).all())


def reviewed(catalog: Catalog, checksums: Sequence[str]) -> set[str]:
    """Those of some pictures, by sha256, that a decision stands about."""
    found: set[str] = set()
    query = select(images.c.sha256).join_from(images, reviews).where(reviews.c.undone_at.is_(None))
    with catalog.read() as connection:
        for some in chunks(checksums):
            found |= set(connection.execute(query.where(images.c.sha256.in_(some))).scalars())
    return found


def said(decision: dict[str, Any]) -> str:
    """A decision in a few words, whatever its action."""
    words = f"label {decision['label']}" if decision["action"] == Action.LABEL else str(decision["action"])
    return f"{words}, {decision['reason']}" if decision["reason"] else words
