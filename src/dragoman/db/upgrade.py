"""Moves a schema along the chain of migrations with alembic; loaded only when there is something to do."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from dragoman.kit.errors import Unavailable

MIGRATIONS = Path(__file__).parent / "migrations"


def config() -> Config:
    """Alembic's settings, without a file."""
    settings = Config()
    # Percent signs are placeholders to alembic.
    settings.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    return settings


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Applies what lies before the revision, inside the connection's transaction.

    Raises:
        Unavailable: the schema is of a revision that this version does not know.
    """
    settings = config()
    settings.attributes["connection"] = connection
    try:
        command.upgrade(settings, revision)
    except CommandError as error:
        raise Unavailable(
            f"The database was changed by a newer version of Dragoman: {error}", code="database_too_new"
        ) from error


def downgrade(connection: Connection, revision: str) -> None:
    """Undoes what lies after the revision, inside the connection's transaction; ``base`` is before all."""
    settings = config()
    settings.attributes["connection"] = connection
    command.downgrade(settings, revision)
