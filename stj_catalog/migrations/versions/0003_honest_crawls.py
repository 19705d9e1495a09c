"""More ways for a crawl to end, what it could read of its cards, and what an answer said of a page or a picture.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from stj_catalog.migrations import replace_views

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATES = ("running", "interrupted", "blocked", "finished", "refused", "drifted", "empty", "abandoned")


def upgrade() -> None:
    """Widen the words of `crawls.state`, and add the columns, empty for all that is there."""
    with replace_views():
        with op.batch_alter_table("crawls") as crawls:
            crawls.drop_constraint(op.f("ck_crawls_state_word"), type_="check")
            crawls.create_check_constraint(
                op.f("ck_crawls_state_word"), f"state IN ({', '.join(repr(word) for word in STATES)})"
            )
            crawls.add_column(
                sa.Column(
                    "coverage", sa.JSON(), comment="share of its cards that had each field: title, picture, link …"
                )
            )
            crawls.add_column(sa.Column("parser", sa.Text(), comment="version of the parser that read its pages"))
        if op.get_bind().dialect.name == "postgresql":  # SQLite has no comments
            verdicts = "ok, empty, incomplete, robot_check, interstitial, challenge, sign_in or unavailable"
            op.alter_column("pages", "verdict", existing_type=sa.Text(), comment=verdicts)
        op.add_column(
            "pages",
            sa.Column("coverage", sa.JSON(), comment="how many of its cards had each field: title, picture, link …"),
        )
        op.add_column("pages", sa.Column("reason", sa.Text(), comment="why it was set aside, or asked for again"))
        op.add_column("images", sa.Column("detail", sa.Text(), comment="what the answer said, such as the opt-out"))
