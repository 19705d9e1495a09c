"""Leases that are renewed while their holder lives and name no host, and where a listing ended.

Revision ID: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give every page back: nobody holds one while a catalogue migrates. The comments follow schema.py."""
    op.execute("UPDATE pages SET state = 'pending', lease_until = NULL WHERE state = 'leased'")
    for column in ("lease_host", "lease_pid", "lease_started"):
        op.drop_column("pages", column)
    op.add_column(
        "pages",
        sa.Column(
            "lease_worker",
            sa.Text(),
            comment="random name of the holding process, which renews its leases while it lives",
        ),
    )
    op.add_column("pages", sa.Column("ends", sa.Boolean(), comment="whether the listing ended here, by its own mark"))
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(
            "pages", "lease_until", comment="when another process may take it over, on the database's clock"
        )
        op.alter_column("pages", "lease_token", comment="random word of the newest lease: only who knows it writes")
