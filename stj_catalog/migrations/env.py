"""Alembic's entry: run the migrations on the connection that `upgrade` opened."""

from __future__ import annotations

from alembic import context

from stj_catalog.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,  # SQLite can, so two processes that meet an old catalogue migrate it once
)
with context.begin_transaction():
    context.run_migrations()
