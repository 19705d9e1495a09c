"""Tags, and pairs of pictures that people told the same, of one group, or apart.

Revision ID: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, empty: nobody has said anything yet. Exports stop naming the files of forgotten pictures."""
    op.create_table(
        "acts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False, comment="tag, untag, same, group or apart"),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.Column("undone_at", sa.Text(), comment="when it was taken back; of several that stand the newest counts"),
        sa.CheckConstraint("action IN ('tag', 'untag', 'same', 'group', 'apart')", name=op.f("ck_acts_action_word")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acts")),
        comment="What people did to many pictures at once: tags given and taken, pictures put together or told apart.",
    )
    op.create_table(
        "tags",
        sa.Column("act_id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["act_id"], ["acts.id"], name=op.f("fk_tags_act_id_acts")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_tags_image_id_images")),
        sa.PrimaryKeyConstraint("act_id", "image_id", name=op.f("pk_tags")),
        comment="The pictures that an act gave a tag or took it from; only forgetting a picture deletes rows.",
    )
    op.create_index(op.f("ix_tags_image_id"), "tags", ["image_id"], unique=False)
    op.create_index(op.f("ix_tags_tag"), "tags", ["tag", "image_id", "act_id"], unique=False)
    op.create_table(
        "ties",
        sa.Column("act_id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False, comment="of one picture's original bytes"),
        sa.Column("other_sha256", sa.Text(), nullable=False, comment="of the other's"),
        sa.CheckConstraint("sha256 < other_sha256", name=op.f("ck_ties_ordered")),
        sa.ForeignKeyConstraint(["act_id"], ["acts.id"], name=op.f("fk_ties_act_id_acts")),
        sa.PrimaryKeyConstraint("act_id", "sha256", "other_sha256", name=op.f("pk_ties")),
        comment="Pairs of pictures that people told the same, of one group, or apart; by their bytes, wherever these come again.",
    )
    op.create_index(op.f("ix_ties_sha256"), "ties", ["sha256"], unique=False)
    op.create_index(op.f("ix_ties_other_sha256"), "ties", ["other_sha256"], unique=False)
    op.execute(
        "UPDATE export_images SET file = NULL WHERE image_id IN (SELECT id FROM images WHERE status = 'forgotten')"
    )
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("export_images", "file", comment="empty once the picture was forgotten")
        op.alter_column("images", "duplicate_kind", comment="exact, near, or told by a person")
