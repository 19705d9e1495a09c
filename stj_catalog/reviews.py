"""What people decide about pictures: recorded with who, when and why, never deleted, and taken back by a mark.

The terminal, the studio and the import all decide here. Whoever says which decision they saw last is told when somebody else
decided meanwhile; whoever says nothing decides anyway.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from stj_catalog.catalog import Catalog
from stj_catalog.decide import decide
from stj_catalog.decisions import said
from stj_catalog.schema import images, reviews
from stj_core.clock import now
from stj_core.errors import CatalogError, UsageError
from stj_core.vocabulary import Action, Status, find_word
from stj_images.likeness import Thresholds

LONGEST = 200
"""So many characters a reviewer's name and a reason may have."""


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
    """A decision that was written or taken back, and the picture as it stands now."""

    review: dict[str, Any]
    sha256: str
    status: str
    label: int | None
    reason: str | None


def user_name() -> str:
    """Who is logged in on this machine; a service has no $USER, and its account has a name all the same. Empty if none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def record_review(
    catalog: Catalog,
    image_id: int,
    action: str,
    *,
    reviewer: str,
    thresholds: Thresholds,
    seen: int | None = None,
    label: int | None = None,
    reason: str | None = None,
) -> Decided:
    """Record a decision and give the picture, and its duplicates, the status that follows from it.

    Args:
        catalog: where it is written.
        image_id: the picture.
        action: label (it is of class `label`), keep (as it is), reject (for `reason`) or none (of none of the classes).
        reviewer: who decides.
        thresholds: the rule that the new status is recorded with.
        seen: the newest standing decision that the reviewer saw, 0 for none; None writes whatever stands.
        label: the class, for action label.
        reason: why.

    Raises:
        UsageError: the action is none, lacks its label, or a text is too long.
        OvertakenError: somebody else decided first.
        DecisionError: there is no such picture, or nothing to decide about it.
    """
    check_decision(action, label, reviewer, reason)
    with catalog.write(exclusive=True) as connection:
        return write_review(
            connection,
            image_id,
            action,
            reviewer=reviewer,
            thresholds=thresholds,
            seen=seen,
            label=label,
            reason=reason,
        )


def write_review(
    connection: Connection,
    image_id: int,
    action: str,
    *,
    reviewer: str,
    thresholds: Thresholds,
    seen: int | None = None,
    label: int | None = None,
    reason: str | None = None,
) -> Decided:
    """What `record_review` does, inside a transaction; the decision was checked (`check_decision`)."""
    row = connection.execute(select(images.c.status, images.c.phash).where(images.c.id == image_id)).first()
    if row is None:
        raise NoPictureError(f"There is no picture {image_id}.")
    if row.status == Status.FORGOTTEN or row.phash is None:
        word = "forgotten" if row.status == Status.FORGOTTEN else "never read"
        raise DecisionError(f"Picture {image_id} was {word}: there is nothing to decide about it.")
    _check_seen(connection, image_id, seen)
    values = {"image_id": image_id, "action": str(action), "label": label, "reason": reason or None}
    made = connection.execute(insert(reviews).values(**values, reviewer=reviewer, made_at=now()).returning(*reviews.c))
    decided = _settled(connection, made.one(), thresholds)
    if action == Action.KEEP and decided.status == Status.QUARANTINED and decided.label is None:
        raise DecisionError(
            f"Nothing says what picture {image_id} shows: give its label instead of keeping it as it is."
        )
    return decided


def check_decision(action: str, label: int | None, reviewer: str, reason: str | None) -> None:
    """Refuse what is no decision.

    Raises:
        UsageError: the action is none, a label is missing or too many, or a text is too long.
    """
    if find_word(Action, action) is None or (action == Action.LABEL) != (label is not None):
        known = [f"{word} with a label" if word is Action.LABEL else str(word) for word in Action]
        raise UsageError(f"A decision is {', '.join(known[:-1])} or {known[-1]}; got {action!r} with label {label}.")
    for what, text in (("reviewer's name", reviewer), ("reason", reason or "")):
        if len(text) > LONGEST:
            raise UsageError(f"A {what} has at most {LONGEST} characters, and this one has {len(text)}: shorten it.")


def undo_review(catalog: Catalog, image_id: int, thresholds: Thresholds, *, seen: int | None = None) -> Decided:
    """Take back the newest decision about a picture that stands; the one before it counts again.

    Args:
        catalog: where it is written.
        image_id: the picture.
        thresholds: the rule that the new status is recorded with.
        seen: as in `record_review`.

    Raises:
        OvertakenError: another decision than the one that was seen stands.
        DecisionError: none stands.
    """
    with catalog.write(exclusive=True) as connection:
        _check_seen(connection, image_id, seen)
        standing = _standing(connection, image_id)
        if standing is None:
            raise DecisionError(f"No decision about picture {image_id} stands: there is nothing to undo.")
        return _take_back(connection, standing, thresholds)


def take_back(catalog: Catalog, review_id: int, thresholds: Thresholds) -> Decided:
    """Take back one decision; the newest of those that still stand counts again.

    Raises:
        DecisionError: there is no such decision, or it was taken back already.
    """
    with catalog.write(exclusive=True) as connection:
        return _take_back_one(connection, review_id, thresholds)


def record_many(
    catalog: Catalog,
    seen: Mapping[int, int],
    action: str,
    *,
    reviewer: str,
    thresholds: Thresholds,
    label: int | None = None,
    reason: str | None = None,
) -> list[Decided]:
    """Record the same decision about many pictures: about all of them, or about none.

    Args:
        catalog: where it is written.
        seen: the pictures, each with the newest standing decision that the reviewer saw, 0 for none.
        action: as in `record_review`, like the rest.
        reviewer: who decides.
        thresholds: the rule that the new statuses are recorded with.
        label: the class, for action label.
        reason: why.

    Raises:
        UsageError: the action is none, lacks its label, or a text is too long.
        OvertakenError: somebody else decided first about one of them.
        DecisionError: one of them does not exist, or there is nothing to decide about it.
    """
    check_decision(action, label, reviewer, reason)
    with catalog.write(exclusive=True) as connection:
        return [
            write_review(
                connection,
                one,
                action,
                reviewer=reviewer,
                thresholds=thresholds,
                seen=seen[one],
                label=label,
                reason=reason,
            )
            for one in sorted(seen)
        ]


@dataclass(frozen=True)
class Wish:
    """A decision that somebody wants to be written.

    Attributes:
        image_id: the picture.
        action: as in `record_review`, like the rest.
        reviewer: who decides.
        label: the class, for action label.
        reason: why.
        stood: when the decision was made that the reviewer saw standing, empty for none; None writes whatever stands.
    """

    image_id: int
    action: str
    reviewer: str
    label: int | None = None
    reason: str | None = None
    stood: str | None = None


def record_each(
    catalog: Catalog, wishes: Sequence[Wish], thresholds: Thresholds
) -> tuple[list[Decided], list[OvertakenError]]:
    """Write many different decisions: all of them, or none.

    What stands already, word for word, is not written again.

    Returns:
        what was written, and who decided meanwhile; where anybody did, nothing was written.

    Raises:
        UsageError: one of them is no decision.
        DecisionError: there is no such picture, or nothing to decide about it.
    """
    for wish in wishes:
        check_decision(wish.action, wish.label, wish.reviewer, wish.reason)
    with catalog.write(exclusive=True) as connection:
        fresh: list[Wish] = []
        overtaken: list[OvertakenError] = []
        for wish in wishes:
            standing = _standing(connection, wish.image_id)
            if standing is not None and _says(standing) == (wish.action, wish.label, wish.reason, wish.reviewer):
                continue
            if standing is not None and wish.stood is not None and standing.made_at != wish.stood:
                overtaken.append(_overtaken(wish.image_id, standing))
            fresh.append(wish)
        if overtaken:
            return [], overtaken
        return [
            write_review(
                connection,
                wish.image_id,
                wish.action,
                reviewer=wish.reviewer,
                thresholds=thresholds,
                label=wish.label,
                reason=wish.reason,
            )
            for wish in fresh
        ], []


def take_back_many(catalog: Catalog, review_ids: Sequence[int], thresholds: Thresholds) -> list[Decided]:
    """Take back some decisions: all of them, or none.

    Raises:
        DecisionError: one of them does not exist, or was taken back already.
    """
    with catalog.write(exclusive=True) as connection:
        return [_take_back_one(connection, one, thresholds) for one in sorted(set(review_ids))]


def _check_seen(connection: Connection, image_id: int, seen: int | None) -> None:
    if seen is None:
        return
    standing = _standing(connection, image_id)
    if standing is not None and standing.id != seen:
        raise _overtaken(image_id, standing)


def _overtaken(image_id: int, standing: Row[Any]) -> OvertakenError:
    decision = dict(standing._mapping)
    return OvertakenError(
        f"{standing.reviewer} decided about picture {image_id} meanwhile ({said(decision)}): look again, then decide.",
        decision,
    )


def _says(standing: Row[Any]) -> tuple[str, int | None, str | None, str]:
    return standing.action, standing.label, standing.reason, standing.reviewer


def _standing(connection: Connection, image_id: int) -> Row[Any] | None:
    mine = select(reviews).where(reviews.c.image_id == image_id, reviews.c.undone_at.is_(None))
    return connection.execute(mine.order_by(reviews.c.id.desc()).limit(1)).first()


def _take_back_one(connection: Connection, review_id: int, thresholds: Thresholds) -> Decided:
    row = connection.execute(select(reviews).where(reviews.c.id == review_id)).first()
    if row is None:
        raise NoPictureError(f"There is no decision {review_id}.")
    if row.undone_at is not None:
        raise DecisionError(f"Decision {review_id} was taken back already, at {row.undone_at}.")
    return _take_back(connection, row, thresholds)


def _take_back(connection: Connection, review: Row[Any], thresholds: Thresholds) -> Decided:
    taken = update(reviews).where(reviews.c.id == review.id).values(undone_at=now()).returning(*reviews.c)
    return _settled(connection, connection.execute(taken).one(), thresholds)


def _settled(connection: Connection, review: Row[Any], thresholds: Thresholds) -> Decided:
    decide(connection, [review.image_id], thresholds)
    row = connection.execute(select(images).where(images.c.id == review.image_id)).one()
    return Decided(dict(review._mapping), row.sha256, row.status, row.label, row.reason)
