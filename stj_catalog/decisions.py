"""Decisions made side by side: one is written only if nobody decided about the picture since the reviewer looked at it."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from stj_catalog.catalog import Catalog, chunks
from stj_catalog.decide import decide
from stj_catalog.schema import images, reviews
from stj_core.clock import now
from stj_core.errors import CatalogError, UsageError
from stj_core.vocabulary import Action, Status
from stj_images.likeness import Thresholds

ACTIONS = tuple(action.value for action in Action)
LONGEST = 200


class DecisionError(CatalogError):
    """There is nothing to decide, or to take back."""


class NoPictureError(DecisionError):
    """There is no such picture or decision."""


class OvertakenError(DecisionError):
    """Somebody else decided first; `decision` is theirs."""

    def __init__(self, message: str, decision: dict[str, Any]) -> None:
        super().__init__(message)
        self.decision = decision


@dataclass(frozen=True)
class Decided:
    """A decision that was written, and the picture as it stands now."""

    review: dict[str, Any]
    status: str
    label: int | None
    reason: str | None


def user_name() -> str:
    """Who is logged in on this machine; a service has no $USER, and its account has a name all the same. Empty if none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


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


def decide_if_unchanged(
    catalog: Catalog,
    image_id: int,
    action: str,
    *,
    reviewer: str,
    seen: int,
    thresholds: Thresholds,
    label: int | None = None,
    reason: str | None = None,
) -> Decided:
    """Write a decision, unless another one was made since the reviewer looked.

    Args:
        catalog: where it is written.
        image_id: the picture.
        action: label (it is of class `label`), keep (as it is), or reject (for `reason`).
        reviewer: who decides.
        seen: the newest standing decision that the reviewer saw; 0 for none.
        thresholds: the rule that the new status is recorded with.
        label: the class, for action label.
        reason: why.

    Raises:
        UsageError: the action is none, or lacks its label.
        OvertakenError: somebody else decided first.
        DecisionError: there is no such picture, or nothing to decide about it.
    """
    if action not in ACTIONS or (action == "label") != (label is not None):
        raise UsageError(f"A decision is label with a label, keep, or reject; got {action!r} with label {label}.")
    with catalog.write(exclusive=True) as connection:
        _check(connection, image_id)
        standing = _standing(connection, image_id)
        if standing is not None and standing["id"] != seen:
            raise OvertakenError(
                f"{standing['reviewer']} decided about picture {image_id} meanwhile ({said(standing)}): "
                f"look again, then decide.",
                standing,
            )
        values = {"image_id": image_id, "action": action, "label": label, "reason": (reason or "")[:LONGEST] or None}
        row = connection.execute(
            insert(reviews).values(**values, reviewer=reviewer[:LONGEST], made_at=now()).returning(*reviews.c)
        ).one()
        return _settled(connection, dict(row._mapping), thresholds)


def take_back(catalog: Catalog, review_id: int, thresholds: Thresholds) -> Decided:
    """Take back one decision; the newest of those that still stand counts again.

    Raises:
        DecisionError: there is no such decision, or it was taken back already.
    """
    with catalog.write(exclusive=True) as connection:
        row = connection.execute(select(reviews).where(reviews.c.id == review_id)).first()
        if row is None:
            raise NoPictureError(f"There is no decision {review_id}.")
        if row.undone_at is not None:
            raise DecisionError(f"Decision {review_id} was taken back already, at {row.undone_at}.")
        moment = now()
        connection.execute(update(reviews).where(reviews.c.id == review_id).values(undone_at=moment))
        return _settled(connection, dict(row._mapping) | {"undone_at": moment}, thresholds)


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


def said(decision: dict[str, Any]) -> str:
    """A decision in a few words."""
    # A word that another version of STJ wrote is shown as it is.
    words = f"label {decision['label']}" if decision["action"] == Action.LABEL else str(decision["action"])
    return f"{words}, {decision['reason']}" if decision["reason"] else words


def _check(connection: Connection, image_id: int) -> None:
    row = connection.execute(select(images.c.status, images.c.phash).where(images.c.id == image_id)).first()
    if row is None:
        raise NoPictureError(f"There is no picture {image_id}.")
    if row.status == Status.FORGOTTEN or row.phash is None:
        word = "forgotten" if row.status == Status.FORGOTTEN else "never read"
        raise DecisionError(f"Picture {image_id} was {word}: there is nothing to decide about it.")


def _standing(connection: Connection, image_id: int) -> dict[str, Any] | None:
    mine = select(reviews).where(reviews.c.image_id == image_id, reviews.c.undone_at.is_(None))
    row = connection.execute(mine.order_by(reviews.c.id.desc()).limit(1)).first()
    return None if row is None else dict(row._mapping)


def _settled(connection: Connection, review: dict[str, Any], thresholds: Thresholds) -> Decided:
    decide(connection, [review["image_id"]], thresholds)
    row = connection.execute(select(images).where(images.c.id == review["image_id"])).one()
    return Decided(review, row.status, row.label, row.reason)
