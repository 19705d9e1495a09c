"""All pairs of a large catalogue by workers: each compares two blocks of the array of hashes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from itertools import combinations_with_replacement

from stj_core.errors import CatalogError
from stj_core.partitions import Partition, SetAside, Workers, content_name
from stj_images.likeness import Likeness, Looks, Thresholds, likenesses_among

BLOCK = 100_000
"""Pictures of a block: 152 bytes each go over, as often as there are blocks."""


def likenesses_by(
    workers: Workers, looks: Looks, thresholds: Thresholds, tick: Callable[[int], None] = lambda _: None
) -> Iterator[Likeness]:
    """Every pair of pictures that is at least weakly alike, once, as `likenesses_among` finds them, in another order.

    Args:
        workers: who compares.
        looks: how the pictures look.
        thresholds: what counts as alike.
        tick: told how many pairs of blocks were compared.

    Raises:
        CatalogError: workers failed three times on some blocks, so that nobody knows all pairs.
    """
    blocks = [slice(start, start + BLOCK) for start in range(0, len(looks), BLOCK)]
    lost: list[SetAside] = []
    for found in workers.stream(_pairs_of_blocks(looks, blocks, thresholds)):
        if isinstance(found, SetAside):
            lost.append(found)
        else:
            yield from found
        tick(1)
    if lost:
        raise CatalogError(
            f"Workers failed three times to compare {len(lost):,} of {count_pairs(len(looks)):,} pairs of blocks "
            f"({lost[0].reason}), so no status and no group was changed: the same command tries again."
        )


def count_pairs(pictures: int) -> int:
    """How many pairs of blocks so many pictures are."""
    blocks = -(-pictures // BLOCK)
    return blocks * (blocks + 1) // 2


def compare_blocks(one: Looks, two: Looks | None, thresholds: Thresholds) -> list[Likeness]:
    """The pairs within one block, or those of a picture of one with a picture of the other. Pure."""
    if two is None:
        return list(likenesses_among(one, thresholds))
    return list(likenesses_among(Looks.join([one, two]), thresholds, across=len(one)))


def _pairs_of_blocks(looks: Looks, blocks: list[slice], thresholds: Thresholds) -> Iterator[Partition[list[Likeness]]]:
    for first, second in combinations_with_replacement(blocks, 2):
        one = _part(looks, first)
        two = None if first is second else _part(looks, second)
        data = [getattr(part, column.name).tobytes() for part in (one, two) if part for column in fields(Looks)]
        name = content_name("likenesses", repr(thresholds), *data)
        yield Partition(name, compare_blocks, (one, two, thresholds), sum(map(len, data)))


def _part(looks: Looks, rows: slice) -> Looks:
    return Looks(*(getattr(looks, column.name)[rows] for column in fields(Looks)))
