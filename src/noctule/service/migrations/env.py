"""Run by Alembic: migrates the connection that `database.migrate` hands in, inside its transaction."""

from __future__ import annotations

from alembic import context

from noctule.service.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,  # SQLite alters a table by making another
)
context.run_migrations()
