"""Runs by alembic for each upgrade: works on the connection it is given, inside its transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
context.run_migrations()
