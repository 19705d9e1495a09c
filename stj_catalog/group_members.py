"""The pictures of groups of two and more, for a person to look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, or_, select

from stj_catalog.schema import crops, images, likenesses
from stj_catalog.ties import TOGETHER, told_pairs
from stj_core.vocabulary import Act, Status


@dataclass(frozen=True)
class GroupMember:
    """A picture of a group, for a person to look at."""

    group: int
    id: int
    path: str | None
    status: str
    reason: str | None
    label: int | None
    width: int
    height: int
    key: str
    alike: str


def members_of_groups(connection: Connection) -> list[GroupMember]:
    """The pictures of groups of two and more, group by group, the kept and the large first."""
    shared = select(images.c.group_id).group_by(images.c.group_id).having(func.count() > 1)
    wanted = select(images).where(images.c.group_id.in_(shared), images.c.status != Status.FORGOTTEN)
    rows = connection.execute(wanted).all()
    alike = _nearest(connection)
    members = [
        GroupMember(
            row.group_id, row.id, row.path, row.status, row.reason, row.label, row.width or 0, row.height or 0,
            row.image_key, alike.get(row.id, "same product"),
        )
        for row in rows
    ]  # fmt: skip
    return sorted(members, key=lambda one: (one.group, one.status != Status.KEPT, -one.width * one.height, one.key))


def _nearest(connection: Connection) -> dict[int, str]:
    """For each picture its strongest likeness, in words."""
    words: dict[int, str] = {}
    for (one_id, two_id), said in sorted(told_pairs(connection).items()):
        if said.word in TOGETHER:
            how = "the same" if said.word == Act.SAME else "of one group"
            words.setdefault(one_id, f"a person says {how}, with {two_id}")
            words.setdefault(two_id, f"a person says {how}, with {one_id}")
    order = (likenesses.c.distance256, likenesses.c.distance, likenesses.c.image_id, likenesses.c.other_id)
    one, two = images.alias("one"), images.alias("two")
    same_group = and_(one.c.id == likenesses.c.image_id, two.c.id == likenesses.c.other_id)
    strong = select(likenesses).join(one, one.c.id == likenesses.c.image_id).join(two, same_group)
    strong = strong.where(likenesses.c.kind != "weak", or_(one.c.group_id == two.c.group_id))
    for pair in connection.execute(strong.order_by(*order)):
        how = "same bytes" if pair.exact else f"{pair.kind}, {pair.way}, {pair.distance}/{pair.distance256} bits"
        for number, other in ((pair.image_id, pair.other_id), (pair.other_id, pair.image_id)):
            words.setdefault(number, f"{how}, to {other}")
    for pair in connection.execute(select(crops).order_by(crops.c.distance256, crops.c.image_id, crops.c.other_id)):
        for number, other in ((pair.image_id, pair.other_id), (pair.other_id, pair.image_id)):
            words.setdefault(number, f"a part in common, {pair.distance}/{pair.distance256} bits, with {other}")
    return words


def by_group(members: Sequence[GroupMember]) -> dict[int, list[GroupMember]]:
    """The members of each group."""
    found: dict[int, list[GroupMember]] = defaultdict(list)
    for one in members:
        found[one.group].append(one)
    return dict(found)
