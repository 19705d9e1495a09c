"""Groups: pictures that must stay together in every split.

Likenesses, products and people tie pictures together. Where people told two pictures apart, their likeness ties them no more;
a product, or a third picture that is like both, still does.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import (
    Connection,
    Table,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from stj_catalog.catalog import chunks
from stj_catalog.families import FAMILY
from stj_catalog.schema import (
    crops,
    groups,
    images,
    likenesses,
    products,
    sightings,
)
from stj_catalog.ties import TOGETHER, parted, told_pairs
from stj_core.clock import now


def join_groups(connection: Connection, ids: Sequence[int], newcomers: Sequence[int]) -> None:
    """Give each newcomer a group, then make one of the groups that a likeness or a product ties together."""
    if newcomers:
        # Which new number is whose does not matter: sorted here, they come in one statement.
        made = connection.execute(insert(groups).returning(groups.c.id), [{"made_at": now()} for _ in newcomers])
        numbers = sorted(made.scalars())
        pairs = [{"row": row, "number": number} for row, number in zip(newcomers, numbers, strict=True)]
        connection.execute(
            update(images).where(images.c.id == bindparam("row")).values(group_id=bindparam("number")), pairs
        )
    edges = _likeness_edges(connection, newcomers) | _product_edges(connection, ids)
    _merge(connection, edges)


def _likeness_edges(connection: Connection, ids: Sequence[int]) -> set[tuple[int, int]]:
    """Pairs of different groups tied by a likeness of one of `ids`, or by what people told of it."""
    one, two = images.alias("one"), images.alias("two")
    query = (
        select(likenesses.c.image_id, likenesses.c.other_id, one.c.group_id, two.c.group_id)
        .select_from(
            likenesses.join(one, one.c.id == likenesses.c.image_id).join(two, two.c.id == likenesses.c.other_id)
        )
        .where(likenesses.c.kind != "weak", one.c.group_id != two.c.group_id)
    )
    told = told_pairs(connection, ids)
    apart = parted(told)
    found = _told_edges(connection, [pair for pair, said in told.items() if said.word in TOGETHER])
    for some in chunks(ids):
        for side in (likenesses.c.image_id, likenesses.c.other_id):
            rows = connection.execute(query.where(side.in_(some)))
            found |= {(a, b) for mine, other, a, b in rows if (mine, other) not in apart}
    return found


def _told_edges(connection: Connection, pairs: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """The different groups of pairs of pictures."""
    group_of: dict[int, int] = {}
    for some in chunks(sorted({one for pair in pairs for one in pair})):
        mine = select(images.c.id, images.c.group_id).where(images.c.id.in_(some), images.c.group_id.is_not(None))
        group_of |= dict(connection.execute(mine).all())
    known = [(group_of[a], group_of[b]) for a, b in pairs if a in group_of and b in group_of]
    return {(a, b) for a, b in known if a != b}


def _product_edges(connection: Connection, ids: Sequence[int]) -> set[tuple[int, int]]:
    """Pairs of different groups tied by a product, or a product's family, of one of `ids`."""
    sold = sightings.join(products, products.c.id == sightings.c.product_id).join(
        images, images.c.id == sightings.c.image_id
    )
    found: set[tuple[int, int]] = set()
    for some in chunks(ids):
        families = (
            connection.execute(select(FAMILY).distinct().select_from(sold).where(sightings.c.image_id.in_(some)))
            .scalars()
            .all()
        )
        for names in chunks(families):
            same = or_(products.c.asin.in_(names), products.c.parent_asin.in_(names))
            query = (
                select(FAMILY, images.c.group_id)
                .select_from(sold)
                .where(same, images.c.group_id.is_not(None))
                .distinct()
            )
            first: dict[str, int] = {}
            for name, group in connection.execute(query):
                if first.setdefault(name, group) != group:
                    found.add((first[name], group))
    return found


def _merge(connection: Connection, edges: Iterable[tuple[int, int]]) -> None:
    """Make each connected component of groups one group: the oldest."""
    for component in components(edges):
        keeper, *rest = sorted(component)
        for some in chunks(rest):
            connection.execute(update(images).where(images.c.group_id.in_(some)).values(group_id=keeper))
            connection.execute(delete(groups).where(groups.c.id.in_(some)))


def components(edges: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The connected components, of two nodes and more, that undirected edges make."""
    pairs = np.array(sorted(set(edges)), dtype=np.int64).reshape(-1, 2)
    if not len(pairs):
        return []
    # Imported where it is used: most pages tie nothing together, and it costs a tenth of a crawl's start.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    nodes, places = np.unique(pairs, return_inverse=True)
    places = places.reshape(-1, 2)
    graph = coo_array(
        (np.ones(len(pairs), dtype=np.int8), (places[:, 0], places[:, 1])), shape=(len(nodes), len(nodes))
    )
    _, names = connected_components(graph, directed=False)
    found: dict[int, list[int]] = defaultdict(list)
    for node, name in zip(nodes.tolist(), names.tolist(), strict=True):
        found[name].append(node)
    return list(found.values())


@dataclass(frozen=True)
class Regrouping:
    """Pictures that should be in one group, and in which.

    Attributes:
        number: the group; None for one that is not made yet.
        before: each picture's group as it was when this was found, for those that are in another one.
    """

    number: int | None
    before: Mapping[int, int | None]


def find_regroupings(connection: Connection, only: Sequence[int] | None = None) -> list[Regrouping]:
    """What would make the groups that likenesses, products and people give, each under the oldest number of its pictures.

    Args:
        connection: in a transaction.
        only: look at the pictures of these groups alone, which nothing ties to others; None looks at all.
    """
    present = _present_groups(connection, only)
    rows = None if only is None else sorted(present)
    told = told_pairs(connection, rows)
    apart = parted(told)
    edges = [
        pair for table in (likenesses, crops) for pair in _table_edges(connection, table, rows) if pair not in apart
    ]
    edges += [pair for pair, said in told.items() if said.word in TOGETHER and present.keys() >= set(pair)]
    together = components([*edges, *_family_edges(connection, rows)])
    tied = {one for component in together for one in component}
    # How many components have pictures in a group: a picture alone in a group of its own is as it should be.
    holders: Counter[int] = Counter()
    for component in together:
        holders.update({number for one in component if (number := present.get(one)) is not None})
    alone = [one for one in present if one not in tied]
    holders.update(number for one in alone if (number := present[one]) is not None)
    settled = {number for number, count in holders.items() if count == 1}
    taken: set[int] = set()
    found: list[Regrouping] = []
    unsettled = [[one] for one in alone if present[one] not in settled]
    for component in sorted([*map(sorted, together), *unsettled]):
        free = {number for one in component if (number := present.get(one)) is not None} - taken
        number = min(free, default=None)
        taken |= set() if number is None else {number}
        before = {
            one: present[one] for one in component if one in present and (number is None or present[one] != number)
        }
        if before:
            found.append(Regrouping(number, before))
    return found


def regroup(connection: Connection, wanted: Sequence[Regrouping]) -> int:
    """Move pictures to their groups, but those that somebody moved meanwhile; returns how many were moved."""
    ids = sorted({one for each in wanted for one in each.before})
    now_in: dict[int, int | None] = {}
    for some in chunks(ids):
        rows = connection.execute(select(images.c.id, images.c.group_id).where(images.c.id.in_(some)))
        now_in |= {row.id: row.group_id for row in rows}
    moved = 0
    for each in wanted:
        if any(now_in.get(one) != group for one, group in each.before.items()):
            continue
        number = _new_group(connection) if each.number is None else each.number
        for some in chunks(sorted(each.before)):
            connection.execute(update(images).where(images.c.id.in_(some)).values(group_id=number))
        moved += len(each.before)
    return moved


def tie_newcomers(connection: Connection, last: int) -> None:
    """Join the groups of pictures that came after the `last` compared one with those that they belong to."""
    ids = connection.execute(select(images.c.id).where(images.c.compared > last)).scalars().all()
    _merge(connection, _likeness_edges(connection, ids) | _product_edges(connection, ids))


def find_empty_groups(connection: Connection) -> list[int]:
    """Groups that no picture is in."""
    used = select(images.c.group_id).where(images.c.group_id == groups.c.id).exists()
    return list(connection.execute(select(groups.c.id).where(~used)).scalars())


def remove_empty_groups(connection: Connection, numbers: Sequence[int]) -> None:
    """Delete those of some groups that still no picture is in."""
    used = select(images.c.group_id).where(images.c.group_id == groups.c.id).exists()
    for some in chunks(numbers):
        connection.execute(delete(groups).where(groups.c.id.in_(some), ~used))


def _present_groups(connection: Connection, only: Sequence[int] | None) -> dict[int, int | None]:
    wanted = select(images.c.id, images.c.group_id).where(images.c.compared.is_not(None))
    if only is None:
        rows = connection.execute(wanted.execution_options(yield_per=5_000))
        return {row.id: row.group_id for row in rows}
    found: dict[int, int | None] = {}
    for some in chunks(sorted(only)):
        found |= {row.id: row.group_id for row in connection.execute(wanted.where(images.c.group_id.in_(some)))}
    return found


def _table_edges(connection: Connection, table: Table, ids: Sequence[int] | None) -> set[tuple[int, int]]:
    """The pairs of `likenesses` that tie, or of `crops`; of some pictures, or of all."""
    query = select(table.c.image_id, table.c.other_id)
    query = query.where(table.c.kind != "weak") if table is likenesses else query
    if ids is None:
        return {(a, b) for a, b in connection.execute(query)}
    known = set(ids)
    found: set[tuple[int, int]] = set()
    for some in chunks(ids):
        rows = connection.execute(query.where(table.c.image_id.in_(some)))
        found |= {(a, b) for a, b in rows if b in known}
    return found


def _new_group(connection: Connection) -> int:
    made: int = connection.execute(insert(groups).values(made_at=now()).returning(groups.c.id)).scalar_one()
    return made


def _family_edges(connection: Connection, ids: Sequence[int] | None = None) -> list[tuple[int, int]]:
    """Pairs of compared pictures of one product or product family, enough of them to tie each family together.

    Args:
        connection: in a transaction.
        ids: only among these pictures; None for all.
    """
    sold = sightings.join(products, products.c.id == sightings.c.product_id).join(
        images, images.c.id == sightings.c.image_id
    )
    compared = images.c.compared.is_not(None)
    if ids is not None:
        first_of: dict[str, int] = {}
        found: set[tuple[int, int]] = set()
        for some in chunks(ids):
            named = select(FAMILY, images.c.id).select_from(sold).where(compared, images.c.id.in_(some)).distinct()
            for family, row in connection.execute(named.order_by(images.c.id)):
                if first_of.setdefault(family, row) != row:
                    found.add((first_of[family], row))
        return sorted(found)
    first = func.min(images.c.id).label("first")
    many = (
        select(FAMILY.label("family"), first)
        .select_from(sold)
        .where(compared)
        .group_by(FAMILY)
        .having(func.count(images.c.id.distinct()) > 1)
        .subquery()
    )
    pairs = (
        select(many.c.first, images.c.id)
        .select_from(sold.join(many, many.c.family == FAMILY))
        .where(compared, images.c.id != many.c.first)
        .distinct()
    )
    return [(a, b) for a, b in connection.execute(pairs)]
