"""What people told of pairs of pictures: the same, of one group, or apart. The word wins over what the hashes say of the pair.

A pair is known by the checksums of its pictures, so that a copy of the same bytes under another address is told already, and
other bytes under the same address are not. Pictures of the same bytes cannot be told apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from stj_catalog.catalog import chunks
from stj_catalog.schema import acts, images, ties
from stj_core.vocabulary import TOLD, Act

TOGETHER = frozenset({Act.SAME.value, Act.GROUP.value})
"""The words by which a pair stays in one split."""
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Told:
    """The newest word that stands about a pair.

    Attributes:
        word: same, group or apart.
        act: the act that said it.
        distance: bits of pHash-64 between the two, plain.
        distance256: bits of pHash-256 between the two, plain.
    """

    word: str
    act: int
    distance: int
    distance256: int

    @property
    def parts(self) -> bool:
        """Whether the two are not the same picture by this word."""
        return self.word != Act.SAME


def told_pairs(connection: Connection, ids: Iterable[int] | None = None) -> dict[Pair, Told]:
    """What stands about pairs, by the rows that have their bytes, the smaller row first.

    Args:
        connection: in a transaction.
        ids: only pairs that have one of these rows; None asks for all.
    """
    if connection.execute(select(ties.c.act_id).limit(1)).first() is None:
        return {}  # nobody ever told anything: no crawl pays for it
    one, two = images.alias("one"), images.alias("two")
    query = (
        select(one.c.id, two.c.id, acts.c.id, acts.c.action, one.c.phash, two.c.phash, one.c.phash256, two.c.phash256)
        .select_from(ties)
        .join(acts, acts.c.id == ties.c.act_id)
        .join(one, one.c.sha256 == ties.c.sha256)
        .join(two, two.c.sha256 == ties.c.other_sha256)
        .where(acts.c.undone_at.is_(None), acts.c.action.in_(TOLD))
    )
    # A picture that nothing could be read of has no hash, and nobody can tell anything of it.
    query = query.where(one.c.phash256.is_not(None), two.c.phash256.is_not(None)).order_by(acts.c.id)
    some = [] if ids is None else list(chunks(sorted(set(ids))))
    queries = [query] if ids is None else [query.where(side.c.id.in_(part)) for part in some for side in (one, two)]
    found: dict[Pair, Told] = {}
    for each in queries:
        for a, b, act, word, hash_a, hash_b, wide_a, wide_b in connection.execute(each):
            pair = (min(a, b), max(a, b))
            if pair not in found or found[pair].act < act:
                found[pair] = Told(word, act, _bits(hash_a, hash_b), _bits(wide_a, wide_b))
    return found


def parted(told: Mapping[Pair, Told]) -> set[Pair]:
    """The pairs that are neither the same nor of one group."""
    return {pair for pair, said in told.items() if said.word not in TOGETHER}


def _bits(one: str, two: str) -> int:
    return (int(one, 16) ^ int(two, 16)).bit_count()
