"""A table of pairs of which one shows a part of the other.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, empty: nobody has looked for such pairs yet."""
    op.create_table(
        "crops",
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("other_id", sa.Integer(), nullable=False),
        sa.Column("distance", sa.Integer(), nullable=False, comment="bits of pHash-64 between what both show"),
        sa.Column("distance256", sa.Integer(), nullable=False, comment="bits of pHash-256 between what both show"),
        sa.Column("rule", sa.Text(), nullable=False, comment="the distances that were allowed"),
        sa.CheckConstraint("image_id < other_id", name=op.f("ck_crops_ordered")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_crops_image_id_images")),
        sa.ForeignKeyConstraint(["other_id"], ["images.id"], name=op.f("fk_crops_other_id_images")),
        sa.PrimaryKeyConstraint("image_id", "other_id", name=op.f("pk_crops")),
        comment="Pairs of which one shows a part of the other, found by `stj-dataset dedupe --crops`: relatives.",
    )
    op.create_index(op.f("ix_crops_other_id"), "crops", ["other_id"], unique=False)
