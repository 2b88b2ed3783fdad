"""A text with a NUL character, which PostgreSQL cannot hold."""

import pytest
import sqlalchemy as sa

from dragoman.db.database import Database
from dragoman.kit.errors import InvalidInput


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.postgres
async def test_a_text_with_nul_is_refused_as_the_callers_mistake(database: Database) -> None:
    with pytest.raises(InvalidInput, match="NUL"):
        await database.read(lambda connection: connection.execute(sa.text("select :t"), {"t": "a\0b"}).all())
