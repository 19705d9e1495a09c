"""A category of none of the classes, tombstones without addresses, and where and when a picture was fetched.

Revision ID: 0004
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

from stj_catalog.migrations import replace_views

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COMMENTS = {
    ("categories", "label"): "number of the class; empty for the category of none of the classes",
    ("export_images", "label"): "empty for a picture of none of the classes",
    ("reviews", "action"): "label, keep, reject or none",
    ("images", "label"): "its class, from its sightings or a person; empty and kept: of none of the classes",
}
ACTIONS = ("label", "keep", "reject", "none")
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


def upgrade() -> None:
    """Let labels be empty where there is none, widen the words of `reviews.action`, and add the columns, the key and the view."""
    with replace_views():
        with op.batch_alter_table("categories") as categories:
            categories.alter_column("label", existing_type=sa.Integer(), nullable=True)
            categories.add_column(
                sa.Column(
                    "role",
                    sa.Text(),
                    nullable=False,
                    server_default="class",
                    comment="class, or none: of none of the classes",
                )
            )
            categories.create_check_constraint(op.f("ck_categories_role_word"), "role IN ('class', 'none')")
        with op.batch_alter_table("export_images") as export_images:
            export_images.alter_column("label", existing_type=sa.Integer(), nullable=True)
        with op.batch_alter_table("reviews") as reviews:
            reviews.drop_constraint(op.f("ck_reviews_action_word"), type_="check")
            reviews.create_check_constraint(
                op.f("ck_reviews_action_word"), f"action IN ({', '.join(repr(word) for word in ACTIONS)})"
            )
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no comments
        for (table, column), comment in COMMENTS.items():
            op.alter_column(table, column, comment=comment)
    op.execute("DROP VIEW image_provenance")
    op.execute(IMAGE_PROVENANCE)
    made = op.create_table(
        "secrets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
        comment="Keys of this catalogue: `tombstones` makes digests of forgotten addresses that nobody can guess.",
    )
    op.bulk_insert(made, [{"name": "tombstones", "value": secrets.token_hex(32)}])
    op.create_table(
        "tombstones",
        sa.Column("digest", sa.Text(), nullable=False, comment="keyed digest of a folded address or an ASIN"),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_tombstones_image_id_images")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_tombstones")),
        comment="By what forgotten pictures are known again; nothing here can be read back.",
    )
    op.create_index(op.f("ix_tombstones_image_id"), "tombstones", ["image_id"], unique=False)
