"""The catalogue's tables: what was asked for, what was seen, what was fetched and what was decided.

Times are ISO 8601 text in UTC (`2026-05-01T10:00:00.123Z`): they sort, and read the same in every database. Hashes are
lower-case hex text, because an unsigned 64-bit integer overflows SQLite's INTEGER. Migrations are in `migrations/`; this
module is what they lead to, and a test holds the two together.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from stj_core.vocabulary import Act, Action, CrawlState, PageState, Split, Status

# The kind of a page that is about one product; the others list many.
PRODUCT_PAGE = "product"


def _one_of(column: str, words: type[StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_word")


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

categories = Table(
    "categories",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("slug", Text, nullable=False, unique=True, comment="short name, as in labels.toml"),
    Column("label", Integer, comment="number of the class; empty for the category of none of the classes"),
    Column("name", Text, nullable=False),
    Column("node", Text, nullable=False, comment="browse node of the listing"),
    Column("role", Text, nullable=False, server_default="class", comment="class, or none: of none of the classes"),
    CheckConstraint("role IN ('class', 'none')", name="role_word"),
    comment="The classes, as labels.toml had them when they were last crawled or imported.",
)

crawls = Table(
    "crawls",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("spider", Text, nullable=False, comment="name of the spider, or 'import'"),
    Column("category_id", ForeignKey("categories.id"), nullable=False),
    Column("origin", Text, nullable=False, comment="scheme and host of the shop, or the imported folder's name"),
    Column("state", Text, nullable=False),
    Column("reason", Text, comment="one sentence when it did not finish"),
    Column("settings", JSON, nullable=False, comment="pages, limit, details and pace as they were given"),
    Column("started_at", Text, nullable=False),
    Column("finished_at", Text),
    Column("coverage", JSON, comment="share of its cards that had each field: title, picture, link …"),
    Column("parser", Text, comment="version of the parser that read its pages"),
    _one_of("state", CrawlState),
    comment="One row per run of a spider, from its first page to its end; a resumed crawl keeps its row.",
)

pages = Table(
    "pages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("crawl_id", ForeignKey("crawls.id"), nullable=False),
    Column("kind", Text, nullable=False, comment="listing or product"),
    Column(
        "number", Integer, nullable=False, comment="page number in the listing; for a product its order of discovery"
    ),
    Column("url", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("lease_until", Text, comment="when another process may take it over, on the database's clock"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("http_status", Integer),
    Column(
        "verdict", Text, comment="ok, empty, incomplete, robot_check, interstitial, challenge, sign_in or unavailable"
    ),
    Column("bytes", Integer),
    Column("cards", Integer),
    Column("total_results", Integer),
    Column("coverage", JSON, comment="how many of its cards had each field: title, picture, link …"),
    Column("rendered_by", Text, comment="empty, or the browser that rendered it"),
    Column("fetched_at", Text),
    Column("reason", Text, comment="why it was set aside, or asked for again"),
    Column("lease_token", Text, comment="random word of the newest lease: only who knows it writes"),
    Column("lease_worker", Text, comment="random name of the holding process, which renews its leases while it lives"),
    Column("ends", Boolean, comment="whether the listing ended here, by its own mark"),
    UniqueConstraint("crawl_id", "url"),
    Index("ix_pages_crawl_state", "crawl_id", "state"),
    _one_of("state", PageState),
    comment="The frontier: every page a crawl knows of, and what the last response to it was.",
)

products = Table(
    "products",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("asin", Text, nullable=False, unique=True),
    Column("parent_asin", Text, index=True, comment="the product whose variant this is"),
    Column("title", Text),
    Column("brand", Text),
    Column("breadcrumb", Text, comment="the shop's own category path, from the detail page"),
    Column("url", Text),
    Column("price", Float),
    Column("currency", Text),
    Column("rating", Float),
    Column("first_seen_at", Text, nullable=False),
    Column("last_seen_at", Text, nullable=False),
    comment="One row per ASIN, with what the last sighting said of it.",
)

groups = Table(
    "groups",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("made_at", Text, nullable=False),
    comment="Pictures that must stay together in every split: duplicates, relatives and pictures of one product.",
)

images = Table(
    "images",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("image_key", Text, nullable=False, unique=True, comment="the picture's address without size modifiers"),
    Column("url", Text, nullable=False, comment="the address that was asked for"),
    Column("status", Text, nullable=False),
    Column("reason", Text, comment="why it is quarantined or rejected"),
    Column(
        "label", Integer, comment="its class, from its sightings or a person; empty and kept: of none of the classes"
    ),
    Column("duplicate_of", ForeignKey("images.id"), index=True),
    Column("duplicate_kind", Text, comment="exact, near, or told by a person"),
    Column("distance", Integer, comment="bits of pHash-64 between it and the picture it duplicates"),
    Column("group_id", ForeignKey("groups.id"), index=True),
    Column("sha256", Text, index=True, comment="of the original bytes"),
    Column("path", Text, comment="place in the image store"),
    Column("format", Text),
    Column("width", Integer, comment="pixels, as people see it (turned upright)"),
    Column("height", Integer),
    Column("bytes", Integer),
    Column("phash", Text, comment="pHash-64, 16 hex digits"),
    Column("phash256", Text, comment="pHash-256, 64 hex digits"),
    Column("phash_mirror", Text),
    Column("phash256_mirror", Text),
    Column("phash_trim", Text, comment="pHash-64 without uniform borders"),
    Column("phash256_trim", Text, comment="pHash-256 without uniform borders"),
    Column("hash_recipe", Integer, comment="version of the hash recipe"),
    Column("rule", Text, comment="thresholds that its present status was decided by"),
    Column("compared", Integer, comment="running number of its comparison with all pictures before it"),
    Column("source", Text, comment="where an imported picture came from"),
    Column("http_status", Integer),
    Column("first_crawl_id", ForeignKey("crawls.id")),
    Column("fetched_at", Text),
    Column("first_seen_at", Text, nullable=False),
    Column("last_seen_at", Text, nullable=False),
    Column("detail", Text, comment="what the answer said, such as the opt-out"),
    Index("ix_images_status_label", "status", "label", "id"),
    # A gallery's page of one status, in order.
    Index("ix_images_status_id", "status", "id"),
    # All that opening the catalogue for a crawl reads.
    Index("ix_images_compared", "compared", "id", "phash", "phash_trim"),
    Index(
        "uq_images_kept_sha256",
        "sha256",
        unique=True,
        sqlite_where=text(f"status = '{Status.KEPT}'"),
        postgresql_where=text(f"status = '{Status.KEPT}'"),
    ),
    _one_of("status", Status),
    comment="One row per picture address, with its bytes' fingerprint and its one status.",
)

sightings = Table(
    "sightings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("crawl_id", ForeignKey("crawls.id"), nullable=False),
    Column("page_id", ForeignKey("pages.id"), nullable=False),
    Column("category_id", ForeignKey("categories.id"), nullable=False),
    Column("product_id", ForeignKey("products.id"), index=True),
    Column("image_id", ForeignKey("images.id"), index=True, comment="empty for a card without a picture"),
    Column("position", Integer, nullable=False, comment="place on the page, from 1"),
    Column("title", Text),
    Column("image_url", Text, comment="the picture's address on the page"),
    Column("sponsored", Boolean, nullable=False),
    Column(
        "reason", Text, comment="why this sighting says nothing about the label: no_image, sponsored, title_mismatch"
    ),
    Column("seen_at", Text, nullable=False),
    UniqueConstraint("page_id", "position"),
    Index("ix_sightings_crawl_id", "crawl_id", "image_id"),
    comment="One row per card and crawl: who showed which picture where.",
)

likenesses = Table(
    "likenesses",
    metadata,
    Column("image_id", ForeignKey("images.id"), primary_key=True),
    Column("other_id", ForeignKey("images.id"), primary_key=True, index=True),
    Column("kind", Text, nullable=False, comment="duplicate, related or weak"),
    Column("exact", Boolean, nullable=False, comment="the same bytes"),
    Column("way", Text, nullable=False, comment="how they are alike: plain, mirrored, or trimmed of uniform borders"),
    Column("distance", Integer, nullable=False, comment="bits of pHash-64, in that way"),
    Column("distance256", Integer, nullable=False, comment="bits of pHash-256, in that way"),
    CheckConstraint("image_id < other_id", name="ordered"),
    CheckConstraint("kind IN ('duplicate', 'related', 'weak')", name="kind_word"),
    CheckConstraint("way IN ('plain', 'mirrored', 'trimmed')", name="way_word"),
    comment="Pairs of pictures that look alike; `weak` ones are for people to see and decide nothing.",
)

crops = Table(
    "crops",
    metadata,
    Column("image_id", ForeignKey("images.id"), primary_key=True),
    Column("other_id", ForeignKey("images.id"), primary_key=True, index=True),
    Column("distance", Integer, nullable=False, comment="bits of pHash-64 between what both show"),
    Column("distance256", Integer, nullable=False, comment="bits of pHash-256 between what both show"),
    Column("rule", Text, nullable=False, comment="the distances that were allowed"),
    CheckConstraint("image_id < other_id", name="ordered"),
    comment="Pairs of which one shows a part of the other, found by `stj-dataset dedupe --crops`: relatives.",
)

reviews = Table(
    "reviews",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("image_id", ForeignKey("images.id"), nullable=False, index=True),
    Column("action", Text, nullable=False, comment="label, keep, reject or none"),
    Column("label", Integer, comment="the class it was given, for action label"),
    Column("reason", Text),
    Column("reviewer", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    Column("undone_at", Text, comment="when it was taken back; the newest decision that stands counts"),
    _one_of("action", Action),
    comment="What people decided about pictures; nothing is ever deleted here.",
)

acts = Table(
    "acts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("action", Text, nullable=False, comment="tag, untag, same, group or apart"),
    Column("reviewer", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    Column("undone_at", Text, comment="when it was taken back; of several that stand the newest counts"),
    _one_of("action", Act),
    comment="What people did to many pictures at once: tags given and taken, pictures put together or told apart.",
)

tags = Table(
    "tags",
    metadata,
    Column("act_id", ForeignKey("acts.id"), primary_key=True),
    Column("image_id", ForeignKey("images.id"), primary_key=True, index=True),
    Column("tag", Text, nullable=False),
    Index("ix_tags_tag", "tag", "image_id", "act_id"),
    comment="The pictures that an act gave a tag or took it from; only forgetting a picture deletes rows.",
)

ties = Table(
    "ties",
    metadata,
    Column("act_id", ForeignKey("acts.id"), primary_key=True),
    Column("sha256", Text, primary_key=True, index=True, comment="of one picture's original bytes"),
    Column("other_sha256", Text, primary_key=True, index=True, comment="of the other's"),
    CheckConstraint("sha256 < other_sha256", name="ordered"),
    comment="Pairs of pictures that people told the same, of one group, or apart; by their bytes, wherever these come again.",
)

assignments = Table(
    "assignments",
    metadata,
    Column("image_id", ForeignKey("images.id"), primary_key=True),
    Column(
        "scheme",
        Text,
        primary_key=True,
        comment="seed, split and test share, such as seed=42 split=0.2 test=0.1 by=group",
    ),
    Column("split", Text, nullable=False, comment="train, val or test"),
    Column("export_id", ForeignKey("exports.id"), comment="the export that needed it first"),
    Column("made_at", Text, nullable=False),
    _one_of("split", Split),
    comment="Which split a picture belongs to, for good.",
)

exports = Table(
    "exports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("out", Text, nullable=False),
    Column("scheme", Text, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("digest", Text, nullable=False, index=True, comment="sha256 of manifest.csv"),
    Column("pictures", Integer, nullable=False),
    Column("withheld", Integer, nullable=False),
    Column("made_at", Text, nullable=False),
    comment="One row per export of a dataset.",
)

export_images = Table(
    "export_images",
    metadata,
    Column("export_id", ForeignKey("exports.id"), primary_key=True),
    Column("image_id", ForeignKey("images.id"), primary_key=True, index=True),
    Column("label", Integer, comment="empty for a picture of none of the classes"),
    Column("split", Text, comment="empty when it was withheld"),
    Column("file", Text, comment="empty once the picture was forgotten"),
    Column("sha256", Text, comment="of the written file"),
    Column("reason", Text, comment="why it was withheld"),
    comment="Which pictures an export holds, and which it withheld and why.",
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    comment="Keys of this catalogue: `tombstones` makes digests of forgotten addresses that nobody can guess.",
)

hosts = Table(
    "hosts",
    metadata,
    Column("host", Text, primary_key=True, comment="name and port of a server"),
    Column("cool_until", Double, nullable=False, comment="nobody asks before this moment of the database's clock"),
    Column("cooled_at", Double, nullable=False, comment="when the last block was met, on the database's clock"),
    Column("page_blocks", Integer, nullable=False, comment="pages that were turned away in a row"),
    Column("picture_blocks", Integer, nullable=False, comment="pictures that were turned away in a row"),
    comment="How each host that was asked stands, for all crawlers of this catalogue.",
)

lanes = Table(
    "lanes",
    metadata,
    Column("lane", Text, primary_key=True, comment="kind of request to a host"),
    Column("host", Text, nullable=False),
    Column("free_at", Double, nullable=False, comment="when the next request may go, on the database's clock"),
    comment="When each host may be asked again: taken by one conditional update.",
)

tombstones = Table(
    "tombstones",
    metadata,
    Column("digest", Text, primary_key=True, comment="keyed digest of a folded address or an ASIN"),
    Column("image_id", ForeignKey("images.id"), nullable=False, index=True),
    comment="By what forgotten pictures are known again; nothing here can be read back.",
)

IMAGE_PROVENANCE = """
CREATE VIEW image_provenance AS
SELECT s.image_id, c.label, i.status, COALESCE(i.reason, s.reason) AS reason, i.path, i.sha256, i.phash, i.width, i.height,
       p.asin, COALESCE(s.title, p.title) AS title, p.url AS product_url, s.image_url, g.url AS page_url, g.number AS page_number,
       s.position, s.sponsored, s.crawl_id, w.spider, s.seen_at, i.url AS fetched_url, i.fetched_at
FROM sightings s
JOIN categories c ON c.id = s.category_id
JOIN pages g ON g.id = s.page_id
JOIN crawls w ON w.id = s.crawl_id
LEFT JOIN images i ON i.id = s.image_id
LEFT JOIN products p ON p.id = s.product_id
"""
LABEL_COUNTS = """
CREATE VIEW label_counts AS
SELECT i.label, c.name, i.status, i.reason, COUNT(*) AS images
FROM images i LEFT JOIN (SELECT DISTINCT label, name FROM categories) c ON c.label = i.label
GROUP BY i.label, c.name, i.status, i.reason
"""
DUPLICATE_PAIRS = """
CREATE VIEW duplicate_pairs AS
SELECT d.id AS image_id, d.path, d.width, d.height, k.id AS kept_id, k.path AS kept_path, k.width AS kept_width, k.height AS kept_height,
       d.duplicate_kind AS kind, d.distance, d.rule
FROM images d JOIN images k ON k.id = d.duplicate_of
WHERE d.status = 'duplicate'
"""
CRAWL_YIELD = """
CREATE VIEW crawl_yield AS
SELECT w.id AS crawl_id, w.spider, w.origin, w.state, w.started_at, w.finished_at,
       (SELECT COUNT(*) FROM pages g WHERE g.crawl_id = w.id AND g.state = 'done') AS pages,
       COUNT(s.id) AS cards,
       COUNT(DISTINCT s.image_id) AS images,
       COUNT(DISTINCT CASE WHEN i.first_crawl_id = w.id THEN i.id END) AS new_images,
       COUNT(DISTINCT CASE WHEN i.status = 'kept' THEN i.id END) AS kept
FROM crawls w LEFT JOIN sightings s ON s.crawl_id = w.id LEFT JOIN images i ON i.id = s.image_id
GROUP BY w.id, w.spider, w.origin, w.state, w.started_at, w.finished_at
"""
VIEWS = {
    "image_provenance": IMAGE_PROVENANCE,
    "label_counts": LABEL_COUNTS,
    "duplicate_pairs": DUPLICATE_PAIRS,
    "crawl_yield": CRAWL_YIELD,
}
