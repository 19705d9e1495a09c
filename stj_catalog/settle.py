"""Keep likenesses, statuses and groups true as pictures and sightings come in.

`settle` does for a few pictures what the whole catalogue would get: it compares those that were never compared, then gives
every picture of the duplicate components they touch its status again, then joins groups. It runs inside an exclusive write
transaction, so that no two newcomers miss each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Text, and_, bindparam, cast, delete, func, insert, or_, select, update

from stj_catalog.catalog import Catalog, chunks, insert_new
from stj_catalog.config import Config
from stj_catalog.likeness import Likeness, Looks, LooksIndex, Thresholds, likenesses_among, likenesses_of
from stj_catalog.neighbours import hashes_from_hex
from stj_catalog.resolve import TITLE_MISMATCH, Bond, Decision, Outcome, Picture, resolve
from stj_catalog.schema import (
    PRODUCT_PAGE,
    Status,
    categories,
    groups,
    images,
    likenesses,
    now,
    pages,
    products,
    reviews,
    sightings,
)

LOOKS = (
    images.c.id,
    images.c.phash,
    images.c.phash_trim,
    images.c.phash256,
    images.c.phash256_mirror,
    images.c.phash256_trim,
    images.c.sha256,
)
# A picture without its bytes has no say: it was never fetched, or its file is gone, or it was forgotten.
HAS_BYTES = and_(images.c.phash.is_not(None), images.c.path.is_not(None), images.c.status != Status.FORGOTTEN)
_ROWS = 50_000


def thresholds_of(config: Config) -> Thresholds:
    """The distances that the configuration gives."""
    return Thresholds(config.duplicate_bits, config.duplicate_bits256, config.related_bits, config.related_bits256)


@dataclass
class Settler:
    """The index of all compared pictures, kept in step with the catalogue, and the thresholds that decide."""

    thresholds: Thresholds
    index: LooksIndex
    _last: int = 0

    @classmethod
    def for_catalog(cls, catalog: Catalog, thresholds: Thresholds) -> Settler:
        """Read every compared hash of the catalogue."""
        settler = cls(thresholds, LooksIndex())
        with catalog.read() as connection:
            settler._refresh(connection)
        return settler

    def settle(self, connection: Connection, ids: Iterable[int]) -> None:
        """Compare what was never compared among `ids`, then decide and group again what that touches.

        Once in a transaction: the newcomers enter the index when the next one finds them committed.
        """
        touched = sorted(set(ids))
        newcomers = self._compare(connection, touched)
        decide(connection, touched, self.thresholds)
        join_groups(connection, touched, newcomers)

    def _refresh(self, connection: Connection) -> None:
        """Add what was compared and committed since the last look, by whomever."""
        some = (
            select(images.c.compared, images.c.id, images.c.phash, images.c.phash_trim)
            .where(images.c.compared > bindparam("last"))
            .order_by(images.c.compared)
            .limit(_ROWS)
            .subquery()
        )
        # A million rows become a few long words inside the database: as objects of Python they would take three times as long.
        words = (func.aggregate_strings(column, "") for column in (some.c.phash, some.c.phash_trim))
        joined = select(func.max(some.c.compared), func.aggregate_strings(cast(some.c.id, Text), ","), *words)
        while True:
            last, ids, plain, trimmed = connection.execute(joined, {"last": self._last}).one()
            if last is None:
                return
            numbers = np.fromstring(ids, dtype=np.int64, sep=",")
            self.index.add(numbers, hashes_from_hex([plain]), hashes_from_hex([trimmed]))
            self._last = last

    def _compare(self, connection: Connection, ids: Sequence[int]) -> list[int]:
        """Find the likenesses of those of `ids` that were never compared; returns them."""
        fresh = and_(images.c.compared.is_(None), HAS_BYTES)
        newcomers = _read_looks(connection, ids, fresh)
        if not len(newcomers):
            return []
        self._refresh(connection)
        number_newcomers(connection, newcomers.ids.tolist(), self._last)
        write_likenesses(connection, self._likenesses(connection, newcomers))
        return [int(row) for row in newcomers.ids]

    def _likenesses(self, connection: Connection, newcomers: Looks) -> list[Likeness]:
        """The likenesses of newcomers among themselves and with everything before them."""
        found = list(likenesses_among(newcomers, self.thresholds))
        pairs = self.index.candidates(newcomers, self.thresholds.reach)
        others = _read_looks(connection, sorted({other for _, other in pairs}))
        place_of = {row: place for place, row in enumerate(others.ids.tolist())}
        one = [place for place, other in pairs if other in place_of]
        two = [place_of[other] for _, other in pairs if other in place_of]
        return found + list(
            likenesses_of(newcomers.take(np.array(one, int)), others.take(np.array(two, int)), self.thresholds)
        )


def _read_looks(connection: Connection, ids: Sequence[int], which: ColumnElement[bool] | None = None) -> Looks:
    """The hashes of those of `ids` that have some, by id."""
    rows: list[Sequence[Any]] = []
    condition = images.c.phash.is_not(None) if which is None else which
    for some in chunks(ids):
        rows += connection.execute(select(*LOOKS).where(images.c.id.in_(some), condition).order_by(images.c.id)).all()
    return Looks.from_hex(rows)


def number_newcomers(connection: Connection, ids: Sequence[int], last: int) -> None:
    """Mark pictures as compared, in this order, after the `last` that was."""
    order = [{"row": row, "number": last + place} for place, row in enumerate(ids, 1)]
    if order:
        numbered = update(images).where(images.c.id == bindparam("row")).values(compared=bindparam("number"))
        connection.execute(numbered, order)


def write_likenesses(connection: Connection, found: Iterable[Likeness]) -> None:
    """Write pairs of look-alikes; a pair that is there already is left alone."""
    rows = []
    for one in found:
        row = asdict(one)
        rows.append({"image_id": row.pop("a"), "other_id": row.pop("b"), **row})
    insert_new(connection, likenesses, rows, ["image_id", "other_id"])


def decide(connection: Connection, ids: Iterable[int], thresholds: Thresholds) -> None:
    """Give the pictures of every duplicate component that `ids` touch their status, and write what changed."""
    bonds = _components(connection, ids)
    pictures, present = _load(connection, bonds)
    _label_unreadable(connection, sorted(bonds.keys() - pictures.keys()))
    outcomes = resolve(pictures, bonds)
    changed = [(row, outcome) for row, outcome in outcomes.items() if present[row] != outcome]
    # A picture that leaves `kept` goes first: the checksum is unique among the kept ones at every moment.
    changed.sort(key=lambda pair: (pair[1].status is Status.KEPT, pair[0]))
    values = [
        {
            "row": row,
            "new_status": outcome.status.value,
            "new_label": outcome.label,
            "new_reason": outcome.reason,
            "new_duplicate_of": outcome.duplicate_of,
            "new_kind": outcome.kind,
            "new_distance": outcome.distance,
            "new_rule": thresholds.rule,
        }
        for row, outcome in changed
    ]
    if values:
        connection.execute(_WRITE_OUTCOME, values)


_WRITE_OUTCOME = (
    update(images)
    .where(images.c.id == bindparam("row"))
    .values(
        status=bindparam("new_status"),
        label=bindparam("new_label"),
        reason=bindparam("new_reason"),
        duplicate_of=bindparam("new_duplicate_of"),
        duplicate_kind=bindparam("new_kind"),
        distance=bindparam("new_distance"),
        rule=bindparam("new_rule"),
    )
)


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
    family = func.coalesce(products.c.parent_asin, products.c.asin)
    sold = sightings.join(products, products.c.id == sightings.c.product_id).join(
        images, images.c.id == sightings.c.image_id
    )
    found: set[tuple[int, int]] = set()
    for some in chunks(ids):
        families = (
            connection.execute(select(family).distinct().select_from(sold).where(sightings.c.image_id.in_(some)))
            .scalars()
            .all()
        )
        for names in chunks(families):
            same = or_(products.c.asin.in_(names), products.c.parent_asin.in_(names))
            query = (
                select(family, images.c.group_id)
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


def _components(connection: Connection, ids: Iterable[int]) -> dict[int, dict[int, Bond]]:
    """The duplicate components that `ids` touch: for each picture in them its duplicates."""
    bonds: dict[int, dict[int, Bond]] = {row: {} for row in ids}
    visited: set[int] = set()
    while frontier := bonds.keys() - visited:
        visited |= frontier
        for some in chunks(sorted(frontier)):
            for side in (likenesses.c.image_id, likenesses.c.other_id):
                for pair in connection.execute(
                    select(likenesses).where(likenesses.c.kind == "duplicate", side.in_(some))
                ):
                    bond = Bond(pair.distance, pair.distance256)
                    bonds.setdefault(pair.image_id, {})[pair.other_id] = bond
                    bonds.setdefault(pair.other_id, {})[pair.image_id] = bond
    return bonds


def _load(
    connection: Connection, bonds: Mapping[int, Mapping[int, Bond]]
) -> tuple[dict[int, Picture], dict[int, Outcome]]:
    """What is known about readable pictures, and the outcome that is written now."""
    ids = sorted(bonds)
    banned = _copies_of_forgotten(connection, bonds)
    trusted: dict[int, set[int]] = defaultdict(set)
    doubts: dict[int, set[tuple[str, int]]] = defaultdict(set)
    decisions: dict[int, Decision] = {}
    pictures: dict[int, Picture] = {}
    present: dict[int, Outcome] = {}
    for some in chunks(ids):
        for image, label, reason in _evidence(connection, some):
            if reason is None:
                trusted[image].add(label)
            else:
                doubts[image].add((reason, label))
        standing = (
            select(reviews).where(reviews.c.image_id.in_(some), reviews.c.undone_at.is_(None)).order_by(reviews.c.id)
        )
        for review in connection.execute(standing):
            decisions[review.image_id] = Decision(review.action, review.label, review.reason)
        for row in connection.execute(select(images).where(images.c.id.in_(some), HAS_BYTES)):
            pictures[row.id] = Picture(
                id=row.id,
                key=row.image_key,
                sha256=row.sha256,
                area=row.width * row.height,
                trusted=frozenset(trusted[row.id]),
                doubts=frozenset(doubts[row.id]),
                decision=decisions.get(row.id),
                banned=row.id in banned,
            )
            present[row.id] = Outcome(
                Status(row.status), row.label, row.reason, row.duplicate_of, row.duplicate_kind, row.distance
            )
    return pictures, present


def _evidence(connection: Connection, ids: Sequence[int]) -> Iterator[tuple[int, int, str | None]]:
    """What every sighting of pictures says: picture, label, and why it says nothing about the label, if so.

    A listing is taken at its word only as long as the product's own page does not contradict the category: that page is
    read later, in the same crawl or another one, and says nothing about the listing's row itself.
    """
    columns = (sightings.c.image_id, sightings.c.category_id, sightings.c.product_id, sightings.c.reason)
    seen = (
        select(*columns, categories.c.label, pages.c.kind)
        .join_from(sightings, categories)
        .join(pages, pages.c.id == sightings.c.page_id)
        .where(sightings.c.image_id.in_(ids))
        .distinct()
    )
    rows = connection.execute(seen).all()
    listed = {row.product_id for row in rows if row.reason is None and row.kind != PRODUCT_PAGE} - {None}
    contradicted = _contradicted(connection, sorted(listed))
    for row in rows:
        vouches = row.reason is None and row.kind != PRODUCT_PAGE
        denied = vouches and (row.product_id, row.category_id) in contradicted
        yield row.image_id, row.label, TITLE_MISMATCH if denied else row.reason


def _contradicted(connection: Connection, ids: Sequence[int]) -> set[tuple[int, int]]:
    """Those of the products `ids`, each with a category, whose own page contradicts the category; the newest page counts."""
    newest: dict[tuple[int, int], str | None] = {}
    for some in chunks(ids):
        said = (
            select(sightings.c.product_id, sightings.c.category_id, sightings.c.page_id, func.max(sightings.c.reason))
            .join(pages, pages.c.id == sightings.c.page_id)
            .where(sightings.c.product_id.in_(some), pages.c.kind == PRODUCT_PAGE)
            .group_by(sightings.c.product_id, sightings.c.category_id, sightings.c.page_id)
            .order_by(sightings.c.page_id)
        )
        for product, category, _, reason in connection.execute(said):
            newest[product, category] = reason
    return {key for key, reason in newest.items() if reason == TITLE_MISMATCH}


def _label_unreadable(connection: Connection, ids: Sequence[int]) -> None:
    """Count pictures that could not be had under the class that showed them."""
    for some in chunks(ids):
        shown = (
            select(func.min(categories.c.label))
            .select_from(sightings.join(categories))
            .where(sightings.c.image_id == images.c.id)
        )
        lost = and_(images.c.id.in_(some), images.c.status == Status.REJECTED)
        connection.execute(update(images).where(lost).values(label=shown.scalar_subquery()))


def _copies_of_forgotten(connection: Connection, bonds: Mapping[int, Mapping[int, Bond]]) -> set[int]:
    """The duplicates of tombstones."""
    found: set[int] = set()
    for some in chunks(sorted(bonds)):
        tombs = select(images.c.id).where(images.c.id.in_(some), images.c.status == Status.FORGOTTEN)
        for tomb in connection.execute(tombs).scalars():
            found |= bonds[tomb].keys()
    return found
