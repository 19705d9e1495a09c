"""Give pictures the status that follows from all that is known of them, and write what changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, func, or_, select, update

from stj_catalog.catalog import chunks
from stj_catalog.families import FAMILY
from stj_catalog.schema import PRODUCT_PAGE, categories, images, likenesses, pages, products, reviews, sightings, ties
from stj_catalog.status import Bond, Decision, Outcome, Picture, resolve
from stj_catalog.ties import told_pairs
from stj_core.vocabulary import Act, Reason, Status
from stj_images.likeness import DUPLICATE, Thresholds

# A file under so many products is no photograph of any of them.
MANY_PRODUCTS = 3
# A picture without its bytes has no say: it was never fetched, or its file is gone, or it was forgotten.
HAS_BYTES = and_(images.c.phash.is_not(None), images.c.path.is_not(None), images.c.status != Status.FORGOTTEN)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A picture whose status, or what goes with it, should be another one."""

    picture: Picture
    before: Outcome
    after: Outcome


def decide(connection: Connection, ids: Iterable[int], thresholds: Thresholds) -> list[Verdict]:
    """Give the pictures of every duplicate component that `ids` touch their status; returns what changed."""
    changed, mislabelled = find_changes(connection, ids)
    for row, label in mislabelled:
        connection.execute(update(images).where(images.c.id == row).values(label=label))
    values = [
        {
            "row": one.picture.id,
            "new_status": str(one.after.status),
            "new_label": one.after.label,
            "new_reason": one.after.reason,
            "new_duplicate_of": one.after.duplicate_of,
            "new_kind": one.after.kind,
            "new_distance": one.after.distance,
            "new_rule": thresholds.rule,
        }
        for one in changed
    ]
    if values:
        connection.execute(_WRITE_OUTCOME, values)
    return changed


def find_changes(connection: Connection, ids: Iterable[int]) -> tuple[list[Verdict], list[tuple[int, int | None]]]:
    """What `decide` would write: other statuses, and other labels of pictures that could not be had."""
    bonds = _components(connection, ids)
    pictures, present = _load(connection, bonds)
    outcomes = resolve(pictures, bonds)
    changed = [
        Verdict(pictures[row], present[row], outcome) for row, outcome in outcomes.items() if present[row] != outcome
    ]
    # A picture that leaves `kept` goes first: the checksum is unique among the kept ones at every moment.
    changed.sort(key=lambda one: (one.after.status == Status.KEPT, one.picture.id))
    return changed, _mislabelled(connection, sorted(bonds.keys() - pictures.keys()))


def find_doubtful(connection: Connection) -> list[int]:
    """The pictures whose status is not plain: all but those that are kept, and only ever shown as what they are kept as."""
    shown = sightings.c.image_id == images.c.id
    other = or_(sightings.c.reason.is_not(None), categories.c.label.is_(None), categories.c.label != images.c.label)
    against = select(sightings.c.id).join_from(sightings, categories).where(shown, other).exists()
    duplicate = likenesses.c.kind == DUPLICATE
    bound = or_(
        *(
            select(likenesses.c.kind).where(side == images.c.id, duplicate).exists()
            for side in (likenesses.c.image_id, likenesses.c.other_id)
        )
    )
    plain = and_(
        HAS_BYTES,
        images.c.status == Status.KEPT,
        images.c.reason.is_(None),
        images.c.duplicate_of.is_(None),
        images.c.label.is_not(None),
        select(func.count(sightings.c.product_id.distinct())).where(shown).scalar_subquery() < MANY_PRODUCTS,
        select(sightings.c.id).where(shown).exists(),
        ~against,
        ~bound,
        ~select(reviews.c.id).where(reviews.c.image_id == images.c.id).exists(),
        *(
            ~select(ties.c.act_id).where(side == images.c.sha256).exists()
            for side in (ties.c.sha256, ties.c.other_sha256)
        ),
    )
    found = set(connection.execute(select(images.c.id).where(images.c.status != Status.FORGOTTEN, ~plain)).scalars())
    # A product's own page has a say about pictures that listings show.
    denied = (
        select(sightings.c.product_id)
        .join(pages, pages.c.id == sightings.c.page_id)
        .where(pages.c.kind == PRODUCT_PAGE, sightings.c.reason == Reason.TITLE_MISMATCH)
    )
    listed = select(sightings.c.image_id).where(sightings.c.product_id.in_(denied), sightings.c.image_id.is_not(None))
    return sorted(found | set(connection.execute(listed.distinct()).scalars()))


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


def _components(connection: Connection, ids: Iterable[int]) -> dict[int, dict[int, Bond]]:
    """The duplicate components that `ids` touch: for each picture in them its duplicates."""
    bonds: dict[int, dict[int, Bond]] = {row: {} for row in ids}
    visited: set[int] = set()
    while frontier := bonds.keys() - visited:
        visited |= frontier
        told = told_pairs(connection, frontier)
        found = {
            pair: Bond(said.distance, said.distance256, told=True)
            for pair, said in told.items()
            if said.word == Act.SAME
        }
        for some in chunks(sorted(frontier)):
            for side in (likenesses.c.image_id, likenesses.c.other_id):
                for row in connection.execute(select(likenesses).where(likenesses.c.kind == DUPLICATE, side.in_(some))):
                    pair = (row.image_id, row.other_id)
                    if pair not in told or not told[pair].parts:
                        found[pair] = Bond(row.distance, row.distance256)
        for (one, two), bond in found.items():
            bonds.setdefault(one, {})[two] = bond
            bonds.setdefault(two, {})[one] = bond
    return bonds


def _load(
    connection: Connection, bonds: Mapping[int, Mapping[int, Bond]]
) -> tuple[dict[int, Picture], dict[int, Outcome]]:
    """What is known about readable pictures, and the outcome that is written now."""
    ids = sorted(bonds)
    banned = _copies_of_forgotten(connection, bonds)
    shared = _shared_by_many(connection, ids)
    trusted: dict[int, set[int | None]] = defaultdict(set)
    doubts: dict[int, set[tuple[str, int | None]]] = defaultdict(set)
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
                shared=row.sha256 in shared,
            )
            present[row.id] = Outcome(
                row.status, row.label, row.reason, row.duplicate_of, row.duplicate_kind, row.distance
            )
    return pictures, present


def _evidence(connection: Connection, ids: Sequence[int]) -> Iterator[tuple[int, int | None, str | None]]:
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
        yield row.image_id, row.label, Reason.TITLE_MISMATCH if denied else row.reason


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
    return {key for key, reason in newest.items() if reason == Reason.TITLE_MISMATCH}


def _shared_by_many(connection: Connection, ids: Sequence[int]) -> set[str]:
    """The files, by checksum, that stand under so many products of different titles that they are none of them's.

    A shop's "no image available" has one address or many, but it is one file. Sizes and colours of one product count
    once, and so do products of one title: those may well share a photograph.
    """
    products_of: dict[str, set[str]] = defaultdict(set)
    titles_of: dict[str, set[str]] = defaultdict(set)
    title = func.coalesce(sightings.c.title, products.c.title)
    shown = (
        select(images.c.sha256, FAMILY.label("family"), func.lower(title).label("title"))
        .join(sightings, sightings.c.image_id == images.c.id)
        .join(products, products.c.id == sightings.c.product_id)
        .distinct()
    )
    for some in chunks(ids):
        for row in connection.execute(shown.where(images.c.id.in_(some), images.c.sha256.is_not(None))):
            products_of[row.sha256].add(row.family)
            titles_of[row.sha256].add(row.title or "")
    return {
        checksum
        for checksum, families in products_of.items()
        if min(len(families), len(titles_of[checksum])) >= MANY_PRODUCTS
    }


def _mislabelled(connection: Connection, ids: Sequence[int]) -> list[tuple[int, int | None]]:
    """Pictures that could not be had and are not counted under the class that showed them, with that class."""
    found: list[tuple[int, int | None]] = []
    for some in chunks(ids):
        lost = and_(images.c.id.in_(some), images.c.status == Status.REJECTED)
        query = (
            select(images.c.id, images.c.label, func.min(categories.c.label).label("shown"))
            .join_from(images, sightings, sightings.c.image_id == images.c.id, isouter=True)
            .join(categories, categories.c.id == sightings.c.category_id, isouter=True)
            .where(lost)
            .group_by(images.c.id, images.c.label)
        )
        found += [(row.id, row.shown) for row in connection.execute(query) if row.label != row.shown]
    return found


def _copies_of_forgotten(connection: Connection, bonds: Mapping[int, Mapping[int, Bond]]) -> set[int]:
    """The duplicates of tombstones."""
    found: set[int] = set()
    for some in chunks(sorted(bonds)):
        tombs = select(images.c.id).where(images.c.id.in_(some), images.c.status == Status.FORGOTTEN)
        for tomb in connection.execute(tombs).scalars():
            found |= bonds[tomb].keys()
    return found
