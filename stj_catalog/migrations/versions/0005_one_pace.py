"""One pace for each host, wherever its crawlers run, and leases that only their holder can end.

Revision ID: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the two tables, empty, and the lease's token: nobody holds a page while a catalogue migrates."""
    op.create_table(
        "hosts",
        sa.Column("host", sa.Text(), nullable=False, comment="name and port of a server"),
        sa.Column(
            "cool_until", sa.Double(), nullable=False, comment="nobody asks before this moment of the database's clock"
        ),
        sa.Column(
            "cooled_at", sa.Double(), nullable=False, comment="when the last block was met, on the database's clock"
        ),
        sa.Column("page_blocks", sa.Integer(), nullable=False, comment="pages that were turned away in a row"),
        sa.Column("picture_blocks", sa.Integer(), nullable=False, comment="pictures that were turned away in a row"),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_hosts")),
        comment="How each host that was asked stands, for all crawlers of this catalogue.",
    )
    op.create_table(
        "lanes",
        sa.Column("lane", sa.Text(), nullable=False, comment="kind of request to a host"),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column(
            "free_at", sa.Double(), nullable=False, comment="when the next request may go, on the database's clock"
        ),
        sa.PrimaryKeyConstraint("lane", name=op.f("pk_lanes")),
        comment="When each host may be asked again: taken by one conditional update.",
    )
    op.add_column(
        "pages",
        sa.Column("lease_token", sa.Text(), comment="random word of the present lease: only who knows it writes"),
    )
