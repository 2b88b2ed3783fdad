"""SQL of accounts that other servers keep."""

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.accounts.external.model import Flow
from dragoman.domain.accounts.external.tables import identities, sign_in_flows

_MOST_FLOWS = 10_000


def insert_flow(
    connection: Connection, flow: Flow, *, state: bytes, browser: bytes, now: int, expires_at: int
) -> bool:
    """Stores a flow and drops those that are over; False when there are too many."""
    connection.execute(sa.delete(sign_in_flows).where(sign_in_flows.c.expires_at <= now))
    held = connection.execute(sa.select(sa.func.count()).select_from(sign_in_flows)).scalar_one()
    if held >= _MOST_FLOWS:
        return False
    values = {
        "state": state,
        "browser": browser,
        "nonce": flow.nonce,
        "verifier": flow.verifier,
        "expires_at": expires_at,
    }
    connection.execute(sa.insert(sign_in_flows).values(**values))
    return True


def take_flow(connection: Connection, state: bytes, browser: bytes, now: int) -> tuple[str, str] | None:
    """Uses a flow up: its nonce and verifier, None when it does not hold. Another browser's is used up, too."""
    found = connection.execute(
        sa.select(sign_in_flows).where(sign_in_flows.c.state == state, sign_in_flows.c.expires_at > now)
    ).one_or_none()
    gone = connection.execute(sa.delete(sign_in_flows).where(sign_in_flows.c.state == state)).rowcount
    # Of two who use it at once, one finds it gone.
    if found is None or not gone or found.browser != browser:
        return None
    return found.nonce, found.verifier


def user_of(connection: Connection, issuer: str, subject: str) -> str | None:
    """The id of the user to whom an account at an issuer belongs."""
    statement = sa.select(identities.c.user_id).where(
        identities.c.issuer == issuer, identities.c.subject == subject
    )
    return connection.execute(statement).scalar_one_or_none()


def subject_of(connection: Connection, issuer: str, user_id: str) -> str | None:
    """The account at an issuer that belongs to a user."""
    statement = sa.select(identities.c.subject).where(
        identities.c.issuer == issuer, identities.c.user_id == user_id
    )
    return connection.execute(statement.limit(1)).scalar()


def bind(connection: Connection, issuer: str, subject: str, user_id: str, at: int) -> None:
    """Notes that an account at an issuer belongs to a user."""
    values = {"issuer": issuer, "subject": subject, "user_id": user_id, "created_at": at}
    connection.execute(sa.insert(identities).values(**values))
