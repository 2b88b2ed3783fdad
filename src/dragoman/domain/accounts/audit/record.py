"""Writing an event down, in the transaction of the change itself."""

import secrets

from sqlalchemy import Connection

from dragoman.domain.accounts.audit import repository
from dragoman.domain.accounts.audit.chain import Event, Head, Outcome, canonical, digest, row_hash, seal_of
from dragoman.domain.accounts.caller import Caller
from dragoman.kit.clock import now_ms
from dragoman.kit.jsontypes import JsonValue
from dragoman.kit.origin import origin_address


def record(
    connection: Connection,
    caller: Caller,
    action: str,
    target: str,
    *,
    outcome: Outcome = "done",
    **details: JsonValue,
) -> None:
    """Writes down that the caller did this; the last thing in a transaction, as it holds up others of theirs."""
    who: dict[str, JsonValue] = {"actor": caller.email, "actor_id": caller.user_id, "key": caller.key_id}
    _append(
        connection, caller.organisation_id, action, outcome, {**who, "target": target, "details": details}
    )


def record_by_operator(
    connection: Connection, organisation_id: str, action: str, target: str, **details: JsonValue
) -> None:
    """Writes down what the server's operator did to an organisation's things."""
    who: dict[str, JsonValue] = {"actor": "operator", "actor_id": None, "key": None}
    _append(connection, organisation_id, action, "done", {**who, "target": target, "details": details})


def _append(
    connection: Connection,
    organisation_id: str,
    action: str,
    outcome: Outcome,
    content: dict[str, JsonValue],
) -> None:
    head = repository.locked_head(connection, organisation_id)
    # Without the salt, a guess at redacted words could be tried against their hash.
    text = canonical({**content, "address": origin_address(), "salt": secrets.token_hex(16)})
    number, at, content_hash = head.number + 1, now_ms(), digest(text)
    row = row_hash(
        organisation_id=organisation_id,
        number=number,
        at=at,
        action=action,
        outcome=outcome,
        content_hash=content_hash,
        previous=head.hash,
    )
    key = repository.sealing_key(connection)
    seal = None if key is None else seal_of(key, organisation_id, number, row)
    event = Event(organisation_id, number, at, action, outcome, text, content_hash, head.hash, row)
    repository.append(connection, event, Head(organisation_id, number, row, seal))
