"""Groups: pictures that must stay together in every split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from stj_catalog.catalog import chunks
from stj_catalog.schema import (
    crops,
    groups,
    images,
    likenesses,
    products,
    sightings,
)
from stj_core.clock import now

FAMILY = func.coalesce(products.c.parent_asin, products.c.asin)
"""A product's family: the product that it is a variant of, or itself."""


def join_groups(connection: Connection, ids: Sequence[int], newcomers: Sequence[int]) -> None:
    """Give each newcomer a group, then make one of the groups that a likeness or a product ties together."""
    if newcomers:
        made = connection.execute(
            insert(groups).returning(groups.c.id, sort_by_parameter_order=True), [{"made_at": now()} for _ in newcomers]
        ).scalars()
        pairs = [{"row": row, "number": number} for row, number in zip(newcomers, made, strict=True)]
        connection.execute(
            update(images).where(images.c.id == bindparam("row")).values(group_id=bindparam("number")), pairs
        )
    edges = _likeness_edges(connection, newcomers) | _product_edges(connection, ids)
    _merge(connection, edges)


def _likeness_edges(connection: Connection, ids: Sequence[int]) -> set[tuple[int, int]]:
    """Pairs of different groups tied by a likeness of one of `ids`."""
    one, two = images.alias("one"), images.alias("two")
    query = (
        select(one.c.group_id, two.c.group_id)
        .select_from(
            likenesses.join(one, one.c.id == likenesses.c.image_id).join(two, two.c.id == likenesses.c.other_id)
        )
        .where(likenesses.c.kind != "weak", one.c.group_id != two.c.group_id)
    )
    found: set[tuple[int, int]] = set()
    for some in chunks(ids):
        for side in (likenesses.c.image_id, likenesses.c.other_id):
            found |= {(a, b) for a, b in connection.execute(query.where(side.in_(some)))}
    return found


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


def regroup(connection: Connection) -> None:
    """Make the groups that likenesses and products give, each under the oldest number that its pictures had."""
    wanted = select(images.c.id, images.c.group_id).where(images.c.compared.is_not(None))
    present: dict[int, int | None] = {row.id: row.group_id for row in connection.execute(wanted)}
    ties = select(likenesses.c.image_id, likenesses.c.other_id).where(likenesses.c.kind != "weak")
    edges = [(a, b) for a, b in connection.execute(ties.union_all(select(crops.c.image_id, crops.c.other_id)))]
    edges += _family_edges(connection, present.keys())
    together = components(edges)
    alone = present.keys() - {one for component in together for one in component}
    taken: set[int] = set()
    moved: list[tuple[int, list[int]]] = []
    homeless: list[list[int]] = []
    for component in sorted([*map(sorted, together), *([one] for one in alone)]):
        free = {number for one in component if (number := present[one]) is not None} - taken
        if free:
            taken.add(min(free))
            moved.append((min(free), component))
        else:
            homeless.append(component)
    moved += [(_new_group(connection), component) for component in homeless]
    for number, component in moved:
        for some in chunks([one for one in component if present[one] != number]):
            connection.execute(update(images).where(images.c.id.in_(some)).values(group_id=number))
    used = select(images.c.group_id).where(images.c.group_id == groups.c.id).exists()
    connection.execute(delete(groups).where(~used))


def _new_group(connection: Connection) -> int:
    made: int = connection.execute(insert(groups).values(made_at=now()).returning(groups.c.id)).scalar_one()
    return made


def _family_edges(connection: Connection, known: Iterable[int]) -> list[tuple[int, int]]:
    """Pairs of pictures of one product or product family, enough of them to tie each family together."""
    sold = select(FAMILY, sightings.c.image_id).join_from(sightings, products).distinct()
    known = set(known)
    first: dict[str, int] = {}
    edges = []
    for name, image in connection.execute(sold.where(sightings.c.image_id.is_not(None)).order_by(sightings.c.image_id)):
        if image in known and first.setdefault(name, image) != image:
            edges.append((first[name], image))
    return edges
