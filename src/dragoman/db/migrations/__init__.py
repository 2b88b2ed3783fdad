"""The database's schema as a chain of changes. ``HEAD`` is its last link, known without loading alembic."""

HEAD = "0031"
