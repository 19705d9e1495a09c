"""The first schema.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table and view."""
    op.create_table(
        "categories",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False, comment="short name, as in labels.toml"),
        sa.Column("label", sa.Integer(), nullable=False, comment="number of the class"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False, comment="browse node of the listing"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_categories")),
        sa.UniqueConstraint("slug", name=op.f("uq_categories_slug")),
        comment="The classes, as labels.toml had them when they were last crawled or imported.",
    )
    op.create_table(
        "exports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("out", sa.Text(), nullable=False),
        sa.Column("scheme", sa.Text(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="sha256 of manifest.csv"),
        sa.Column("pictures", sa.Integer(), nullable=False),
        sa.Column("withheld", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
        comment="One row per export of a dataset.",
    )
    op.create_index(op.f("ix_exports_digest"), "exports", ["digest"], unique=False)
    op.create_table(
        "groups",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
        comment="Pictures that must stay together in every split: duplicates, relatives and pictures of one product.",
    )
    op.create_table(
        "products",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("asin", sa.Text(), nullable=False),
        sa.Column("parent_asin", sa.Text(), nullable=True, comment="the product whose variant this is"),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("brand", sa.Text(), nullable=True),
        sa.Column("breadcrumb", sa.Text(), nullable=True, comment="the shop's own category path, from the detail page"),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("price", sa.Float(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("rating", sa.Float(), nullable=True),
        sa.Column("first_seen_at", sa.Text(), nullable=False),
        sa.Column("last_seen_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
        sa.UniqueConstraint("asin", name=op.f("uq_products_asin")),
        comment="One row per ASIN, with what the last sighting said of it.",
    )
    op.create_index(op.f("ix_products_parent_asin"), "products", ["parent_asin"], unique=False)
    op.create_table(
        "crawls",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("spider", sa.Text(), nullable=False, comment="name of the spider, or 'import'"),
        sa.Column("category_id", sa.Integer(), nullable=False),
        sa.Column(
            "origin", sa.Text(), nullable=False, comment="scheme and host of the shop, or the imported folder's name"
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="one sentence when it did not finish"),
        sa.Column("settings", sa.JSON(), nullable=False, comment="pages, limit, details and pace as they were given"),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('running', 'interrupted', 'blocked', 'finished', 'refused', 'abandoned')",
            name=op.f("ck_crawls_state_word"),
        ),
        sa.ForeignKeyConstraint(["category_id"], ["categories.id"], name=op.f("fk_crawls_category_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_crawls")),
        comment="One row per run of a spider, from its first page to its end; a resumed crawl keeps its row.",
    )
    op.create_table(
        "images",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_key", sa.Text(), nullable=False, comment="the picture's address without size modifiers"),
        sa.Column("url", sa.Text(), nullable=False, comment="the address that was asked for"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it is quarantined or rejected"),
        sa.Column("label", sa.Integer(), nullable=True, comment="its class, from its sightings or a person"),
        sa.Column("duplicate_of", sa.Integer(), nullable=True),
        sa.Column("duplicate_kind", sa.Text(), nullable=True, comment="exact or near"),
        sa.Column(
            "distance", sa.Integer(), nullable=True, comment="bits of pHash-64 between it and the picture it duplicates"
        ),
        sa.Column("group_id", sa.Integer(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True, comment="of the original bytes"),
        sa.Column("path", sa.Text(), nullable=True, comment="place in the image store"),
        sa.Column("format", sa.Text(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True, comment="pixels, as people see it (turned upright)"),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("bytes", sa.Integer(), nullable=True),
        sa.Column("phash", sa.Text(), nullable=True, comment="pHash-64, 16 hex digits"),
        sa.Column("phash256", sa.Text(), nullable=True, comment="pHash-256, 64 hex digits"),
        sa.Column("phash_mirror", sa.Text(), nullable=True),
        sa.Column("phash256_mirror", sa.Text(), nullable=True),
        sa.Column("phash_trim", sa.Text(), nullable=True, comment="pHash-64 without uniform borders"),
        sa.Column("phash256_trim", sa.Text(), nullable=True, comment="pHash-256 without uniform borders"),
        sa.Column("hash_recipe", sa.Integer(), nullable=True, comment="version of the hash recipe"),
        sa.Column("rule", sa.Text(), nullable=True, comment="thresholds that its present status was decided by"),
        sa.Column(
            "compared",
            sa.Integer(),
            nullable=True,
            comment="running number of its comparison with all pictures before it",
        ),
        sa.Column("source", sa.Text(), nullable=True, comment="where an imported picture came from"),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("first_crawl_id", sa.Integer(), nullable=True),
        sa.Column("fetched_at", sa.Text(), nullable=True),
        sa.Column("first_seen_at", sa.Text(), nullable=False),
        sa.Column("last_seen_at", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "status IN ('kept', 'duplicate', 'quarantined', 'rejected', 'forgotten')",
            name=op.f("ck_images_status_word"),
        ),
        sa.ForeignKeyConstraint(["duplicate_of"], ["images.id"], name=op.f("fk_images_duplicate_of")),
        sa.ForeignKeyConstraint(["first_crawl_id"], ["crawls.id"], name=op.f("fk_images_first_crawl_id")),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_images_group_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
        sa.UniqueConstraint("image_key", name=op.f("uq_images_image_key")),
        comment="One row per picture address, with its bytes' fingerprint and its one status.",
    )
    op.create_index("ix_images_compared", "images", ["compared", "id", "phash", "phash_trim"], unique=False)
    op.create_index(op.f("ix_images_duplicate_of"), "images", ["duplicate_of"], unique=False)
    op.create_index(op.f("ix_images_group_id"), "images", ["group_id"], unique=False)
    op.create_index(op.f("ix_images_sha256"), "images", ["sha256"], unique=False)
    op.create_index("ix_images_status_id", "images", ["status", "id"], unique=False)
    op.create_index("ix_images_status_label", "images", ["status", "label", "id"], unique=False)
    op.create_index(
        "uq_images_kept_sha256",
        "images",
        ["sha256"],
        unique=True,
        sqlite_where=sa.text("status = 'kept'"),
        postgresql_where=sa.text("status = 'kept'"),
    )
    op.create_table(
        "pages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("crawl_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="listing or product"),
        sa.Column(
            "number",
            sa.Integer(),
            nullable=False,
            comment="page number in the listing; for a product its order of discovery",
        ),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.Text(), nullable=True, comment="when another process may take it over"),
        sa.Column("lease_host", sa.Text(), nullable=True),
        sa.Column("lease_pid", sa.Integer(), nullable=True),
        sa.Column(
            "lease_started",
            sa.Text(),
            nullable=True,
            comment="start of the holding process: a pid alone may be used again",
        ),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column(
            "verdict",
            sa.Text(),
            nullable=True,
            comment="ok, empty, robot_check, interstitial, challenge, sign_in or unavailable",
        ),
        sa.Column("bytes", sa.Integer(), nullable=True),
        sa.Column("cards", sa.Integer(), nullable=True),
        sa.Column("total_results", sa.Integer(), nullable=True),
        sa.Column("rendered_by", sa.Text(), nullable=True, comment="empty, or the browser that rendered it"),
        sa.Column("fetched_at", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'leased', 'done', 'failed')", name=op.f("ck_pages_state_word")),
        sa.ForeignKeyConstraint(["crawl_id"], ["crawls.id"], name=op.f("fk_pages_crawl_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pages")),
        sa.UniqueConstraint("crawl_id", "url", name=op.f("uq_pages_crawl_id_url")),
        comment="The frontier: every page a crawl knows of, and what the last response to it was.",
    )
    op.create_index("ix_pages_crawl_state", "pages", ["crawl_id", "state"], unique=False)
    op.create_table(
        "assignments",
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column(
            "scheme",
            sa.Text(),
            nullable=False,
            comment="seed, split and test share, such as seed=42 split=0.2 test=0.1 by=group",
        ),
        sa.Column("split", sa.Text(), nullable=False, comment="train, val or test"),
        sa.Column("export_id", sa.Integer(), nullable=True, comment="the export that needed it first"),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.CheckConstraint("split IN ('train', 'val', 'test')", name=op.f("ck_assignments_split_word")),
        sa.ForeignKeyConstraint(["export_id"], ["exports.id"], name=op.f("fk_assignments_export_id")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_assignments_image_id")),
        sa.PrimaryKeyConstraint("image_id", "scheme", name=op.f("pk_assignments")),
        comment="Which split a picture belongs to, for good.",
    )
    op.create_table(
        "export_images",
        sa.Column("export_id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("label", sa.Integer(), nullable=False),
        sa.Column("split", sa.Text(), nullable=True, comment="empty when it was withheld"),
        sa.Column("file", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True, comment="of the written file"),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it was withheld"),
        sa.ForeignKeyConstraint(["export_id"], ["exports.id"], name=op.f("fk_export_images_export_id")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_export_images_image_id")),
        sa.PrimaryKeyConstraint("export_id", "image_id", name=op.f("pk_export_images")),
        comment="Which pictures an export holds, and which it withheld and why.",
    )
    op.create_index(op.f("ix_export_images_image_id"), "export_images", ["image_id"], unique=False)
    op.create_table(
        "likenesses",
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("other_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="duplicate, related or weak"),
        sa.Column("exact", sa.Boolean(), nullable=False, comment="the same bytes"),
        sa.Column(
            "way",
            sa.Text(),
            nullable=False,
            comment="how they are alike: plain, mirrored, or trimmed of uniform borders",
        ),
        sa.Column("distance", sa.Integer(), nullable=False, comment="bits of pHash-64, in that way"),
        sa.Column("distance256", sa.Integer(), nullable=False, comment="bits of pHash-256, in that way"),
        sa.CheckConstraint("kind IN ('duplicate', 'related', 'weak')", name=op.f("ck_likenesses_kind_word")),
        sa.CheckConstraint("way IN ('plain', 'mirrored', 'trimmed')", name=op.f("ck_likenesses_way_word")),
        sa.CheckConstraint("image_id < other_id", name=op.f("ck_likenesses_ordered")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_likenesses_image_id")),
        sa.ForeignKeyConstraint(["other_id"], ["images.id"], name=op.f("fk_likenesses_other_id")),
        sa.PrimaryKeyConstraint("image_id", "other_id", name=op.f("pk_likenesses")),
        comment="Pairs of pictures that look alike; `weak` ones are for people to see and decide nothing.",
    )
    op.create_index(op.f("ix_likenesses_other_id"), "likenesses", ["other_id"], unique=False)
    op.create_table(
        "reviews",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False, comment="label, keep or reject"),
        sa.Column("label", sa.Integer(), nullable=True, comment="the class it was given, for action label"),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.Column(
            "undone_at",
            sa.Text(),
            nullable=True,
            comment="when it was taken back; the newest decision that stands counts",
        ),
        sa.CheckConstraint("action IN ('label', 'keep', 'reject')", name=op.f("ck_reviews_action_word")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_reviews_image_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        comment="What people decided about pictures; nothing is ever deleted here.",
    )
    op.create_index(op.f("ix_reviews_image_id"), "reviews", ["image_id"], unique=False)
    op.create_table(
        "sightings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("crawl_id", sa.Integer(), nullable=False),
        sa.Column("page_id", sa.Integer(), nullable=False),
        sa.Column("category_id", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Integer(), nullable=True),
        sa.Column("image_id", sa.Integer(), nullable=True, comment="empty for a card without a picture"),
        sa.Column("position", sa.Integer(), nullable=False, comment="place on the page, from 1"),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("image_url", sa.Text(), nullable=True, comment="the picture's address on the page"),
        sa.Column("sponsored", sa.Boolean(), nullable=False),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=True,
            comment="why this sighting says nothing about the label: no_image, sponsored, title_mismatch",
        ),
        sa.Column("seen_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["category_id"], ["categories.id"], name=op.f("fk_sightings_category_id")),
        sa.ForeignKeyConstraint(["crawl_id"], ["crawls.id"], name=op.f("fk_sightings_crawl_id")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_sightings_image_id")),
        sa.ForeignKeyConstraint(["page_id"], ["pages.id"], name=op.f("fk_sightings_page_id")),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_sightings_product_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sightings")),
        sa.UniqueConstraint("page_id", "position", name=op.f("uq_sightings_page_id_position")),
        comment="One row per card and crawl: who showed which picture where.",
    )
    op.create_index("ix_sightings_crawl_id", "sightings", ["crawl_id", "image_id"], unique=False)
    op.create_index(op.f("ix_sightings_image_id"), "sightings", ["image_id"], unique=False)
    op.create_index(op.f("ix_sightings_product_id"), "sightings", ["product_id"], unique=False)
    for view in VIEWS:
        op.execute(view)


VIEWS = (
    """
CREATE VIEW image_provenance AS
SELECT s.image_id, c.label, i.status, COALESCE(i.reason, s.reason) AS reason, i.path, i.sha256, i.phash, i.width, i.height,
       p.asin, COALESCE(s.title, p.title) AS title, p.url AS product_url, s.image_url, g.url AS page_url, g.number AS page_number,
       s.position, s.sponsored, s.crawl_id, w.spider, s.seen_at
FROM sightings s
JOIN categories c ON c.id = s.category_id
JOIN pages g ON g.id = s.page_id
JOIN crawls w ON w.id = s.crawl_id
LEFT JOIN images i ON i.id = s.image_id
LEFT JOIN products p ON p.id = s.product_id
""",
    """
CREATE VIEW label_counts AS
SELECT i.label, c.name, i.status, i.reason, COUNT(*) AS images
FROM images i LEFT JOIN (SELECT DISTINCT label, name FROM categories) c ON c.label = i.label
GROUP BY i.label, c.name, i.status, i.reason
""",
    """
CREATE VIEW duplicate_pairs AS
SELECT d.id AS image_id, d.path, d.width, d.height, k.id AS kept_id, k.path AS kept_path, k.width AS kept_width, k.height AS kept_height,
       d.duplicate_kind AS kind, d.distance, d.rule
FROM images d JOIN images k ON k.id = d.duplicate_of
WHERE d.status = 'duplicate'
""",
    """
CREATE VIEW crawl_yield AS
SELECT w.id AS crawl_id, w.spider, w.origin, w.state, w.started_at, w.finished_at,
       (SELECT COUNT(*) FROM pages g WHERE g.crawl_id = w.id AND g.state = 'done') AS pages,
       COUNT(s.id) AS cards,
       COUNT(DISTINCT s.image_id) AS images,
       COUNT(DISTINCT CASE WHEN i.first_crawl_id = w.id THEN i.id END) AS new_images,
       COUNT(DISTINCT CASE WHEN i.status = 'kept' THEN i.id END) AS kept
FROM crawls w LEFT JOIN sightings s ON s.crawl_id = w.id LEFT JOIN images i ON i.id = s.image_id
GROUP BY w.id, w.spider, w.origin, w.state, w.started_at, w.finished_at
""",
)
