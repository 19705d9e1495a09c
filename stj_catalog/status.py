"""The one status of every picture, as a pure function of what is known about it and its duplicates.

Nothing here depends on the order in which pictures arrived: the outcome is a greedy choice along one total order (decided
by a person, then with a trustworthy sighting, then the larger, then the smaller checksum). Because the choice falls apart
into the connected components of the duplicate graph, it can be made again for one component when something in it changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stj_core.vocabulary import Action, Reason, Status


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person said about a picture: action label, keep, reject or none."""

    action: str
    label: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known about one picture that could be read.

    Attributes:
        id: its row.
        key: its address, the last tie-breaker.
        sha256: of its bytes.
        area: pixels.
        trusted: labels of the sightings that say something about the label; None is of none of the classes.
        doubts: reasons of the sightings that do not, with their labels.
        decision: the newest decision of a person that stands.
        banned: whether it is a copy of a picture that was to be forgotten.
        shared: whether so many products show it that it is none of them's.
    """

    id: int
    key: str
    sha256: str
    area: int
    trusted: frozenset[int | None] = frozenset()
    doubts: frozenset[tuple[str, int | None]] = frozenset()
    decision: Decision | None = None
    banned: bool = False
    shared: bool = False

    @property
    def labels(self) -> frozenset[int | None]:
        """The classes it is evidence for; None is of none of them."""
        if self.decision and self.decision.label is not None:
            return frozenset({self.decision.label})
        if self.decision and self.decision.action == Action.NONE:
            return frozenset({None})
        return self.trusted

    @property
    def label(self) -> int | None:
        """The class it is counted under, whatever its status; None where nothing says one, or it is of none of them."""
        said = self.labels or {label for _, label in self.doubts}
        return min((one for one in said if one is not None), default=None)

    @property
    def rank(self) -> tuple[bool, bool, int, str, str]:
        """Sort key: of pictures that duplicate each other the one with the smallest is kept."""
        return self.decision is None, not self.trusted, -self.area, self.sha256, self.key


@dataclass(frozen=True, slots=True)
class Outcome:
    """A picture's status and what goes with it; the status of a row that another version wrote may be a word of its own."""

    status: str
    label: int | None
    reason: str | None = None
    duplicate_of: int | None = None
    kind: str | None = None
    distance: int | None = None


@dataclass(frozen=True, slots=True)
class Bond:
    """How near a duplicate is: bits of pHash-64 and pHash-256, and whether a person told that it is one."""

    distance: int
    distance256: int
    told: bool = False


@dataclass
class _Board:
    pictures: Mapping[int, Picture]
    bonds: Mapping[int, Mapping[int, Bond]]
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    def neighbours(self, picture: Picture) -> list[Picture]:
        known = (self.pictures.get(other) for other in self.bonds.get(picture.id, {}))
        return [other for other in known if other is not None and not other.banned]


def resolve(pictures: Mapping[int, Picture], bonds: Mapping[int, Mapping[int, Bond]]) -> dict[int, Outcome]:
    """Give every picture its status.

    Args:
        pictures: by id; whole connected components of the duplicate graph.
        bonds: for each id its duplicates; symmetric.
    """
    board = _Board(pictures, bonds)
    ordered = sorted(pictures.values(), key=lambda one: one.rank)
    for picture in ordered:
        if picture.banned:
            board.outcomes[picture.id] = Outcome(Status.REJECTED, picture.label, Reason.FORGOTTEN_COPY)
        elif picture.shared and picture.decision is None:
            board.outcomes[picture.id] = Outcome(Status.REJECTED, picture.label, Reason.PLACEHOLDER)
        elif _in_conflict(board, picture):
            board.outcomes[picture.id] = Outcome(Status.QUARANTINED, picture.label, Reason.LABEL_CONFLICT)
    keepers: set[int] = set()
    for picture in ordered:
        if picture.id in board.outcomes:
            continue
        keeper = _nearest(board, picture, keepers)
        if keeper is None:
            keepers.add(picture.id)
            board.outcomes[picture.id] = _own_status(picture)
        else:
            bond = bonds[picture.id][keeper.id]
            kind = "exact" if keeper.sha256 == picture.sha256 else "told" if bond.told else "near"
            label = picture.label if picture.label is not None else keeper.label
            board.outcomes[picture.id] = Outcome(Status.DUPLICATE, label, None, keeper.id, kind, bond.distance)
    return board.outcomes


def _in_conflict(board: _Board, picture: Picture) -> bool:
    """Whether the same picture was shown under two labels and no person has settled it."""
    if picture.decision is not None:
        return False
    neighbours = board.neighbours(picture)
    if any(other.decision for other in neighbours):
        return False
    return len(picture.labels.union(*(other.labels for other in neighbours))) > 1


def _nearest(board: _Board, picture: Picture, keepers: set[int]) -> Picture | None:
    bonds = board.bonds.get(picture.id, {})
    near = [board.pictures[other] for other in bonds if other in keepers]
    return min(near, key=lambda one: (bonds[one.id].distance, bonds[one.id].distance256, one.rank), default=None)


def _own_status(picture: Picture) -> Outcome:
    decision = picture.decision
    if decision is not None:
        if decision.action == Action.REJECT:
            return Outcome(Status.REJECTED, picture.label, decision.reason or Reason.REVIEWED)
        if not picture.labels and not picture.doubts:
            # Nothing says its class: kept without a label, it would count as one of none of the classes.
            return Outcome(Status.QUARANTINED, None, Reason.UNSIGHTED)
        return Outcome(Status.KEPT, picture.label)
    if picture.trusted:
        return Outcome(Status.KEPT, picture.label)
    reasons = {reason for reason, _ in picture.doubts}
    reason = Reason.SPONSORED if Reason.SPONSORED in reasons else min(reasons, default=Reason.UNSIGHTED)
    return Outcome(Status.QUARANTINED, picture.label, reason)
