"""All SQL of conversations on messaging services."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.upsert import upsert
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.tables import users
from dragoman.domain.chat.channels.model import Contact, OutgoingSource, Received, Sending, Unsent
from dragoman.domain.chat.channels.ports import Inbound, MediaRef, Outgoing, OutgoingMedia
from dragoman.domain.chat.channels.tables import channel_contacts, channel_inbound, channel_outbound
from dragoman.domain.chat.model import Channel, ChatClient
from dragoman.domain.chat.repository.clients import read_client
from dragoman.domain.chat.tables import chat_clients, chat_integrations
from dragoman.kit.ids import uuid7

_CONTACT = [channel_contacts.c[one.name] for one in fields(Contact)]
_RECEIVED = [channel_inbound.c[one.name] for one in fields(Received)]
_SENDING = [channel_outbound.c[one.name] for one in fields(Sending)]


def _contact(row: sa.Row[tuple[object, ...]]) -> Contact:
    return Contact(*row)  # pyright: ignore[reportArgumentType]


def _received(row: sa.RowMapping) -> Received:
    values = {column.name: row[column] for column in _RECEIVED}
    values["media"] = tuple(MediaRef(**media) for media in values["media"])
    return Received(**values)


def _sending(row: Sequence[Any]) -> Sending:
    piece = Sending(*row)
    # What the database gives for a column of JSON is what was written.
    media = cast("Mapping[str, Any] | None", piece.media)
    return piece if media is None else replace(piece, media=OutgoingMedia(**media))


def _written(media: OutgoingMedia) -> dict[str, str | None]:
    return {name: getattr(media, name) for name in ("kind", "reference", "filename", "mime")}


def client_and_owner(connection: Connection, client_id: str) -> tuple[ChatClient, Caller] | None:
    """A client that somebody answers for, with its owner; None when there is none or the owner is locked out."""
    owner = [users.c.number, users.c.email, users.c.role, users.c.organisation_id.label("owner_organisation")]
    statement = (
        sa.select(*chat_clients.c, *owner)
        .join(users, users.c.id == chat_clients.c.owner_id)
        .where(chat_clients.c.id == client_id, users.c.disabled.is_(False))
    )
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        return None
    client = read_client(row)
    return client, Caller(
        row["owner_organisation"], client.owner_id, row["number"], row["email"], row["role"], visitor=True
    )


def contact_of(
    connection: Connection, client_id: str, channel: Channel, address: str, name: str | None, now: int
) -> Contact:
    """The contact at an address, made when it is new; nobody else changes it before the transaction ends."""
    values = {
        "id": uuid7(),
        "client_id": client_id,
        "channel": channel,
        "address": address,
        "name": name,
        "created_at": now,
    }
    connection.execute(
        upsert(connection.dialect.name, channel_contacts)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["client_id", "channel", "address"])
    )
    statement = sa.select(*_CONTACT).where(
        channel_contacts.c.client_id == client_id,
        channel_contacts.c.channel == channel,
        channel_contacts.c.address == address,
    )
    found = _contact(connection.execute(statement.with_for_update()).one())
    if name and found.name != name:
        change_contact(connection, found.key, {"name": name})
    return found


def contact_at(connection: Connection, client_id: str, channel: Channel, address: str) -> Contact | None:
    """The contact at an address; None when nobody wrote from there yet."""
    statement = sa.select(*_CONTACT).where(
        channel_contacts.c.client_id == client_id,
        channel_contacts.c.channel == channel,
        channel_contacts.c.address == address,
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else _contact(row)


def contact(connection: Connection, key: int, *, lock: bool = False) -> Contact | None:
    """The contact with that key."""
    statement = sa.select(*_CONTACT).where(channel_contacts.c.key == key)
    row = connection.execute(statement.with_for_update() if lock else statement).one_or_none()
    return None if row is None else _contact(row)


def writers(connection: Connection, client_id: str, person: str | None) -> list[Contact]:
    """The contacts of a client who wrote, or those of one person: channel and address with ``:`` between them."""
    statement = sa.select(*_CONTACT).where(
        channel_contacts.c.client_id == client_id, channel_contacts.c.last_inbound_at.is_not(None)
    )
    if person is not None:
        channel, _, address = person.partition(":")
        # Addresses may have a part behind an ``@``, which tells nothing about the person.
        place = channel_contacts.c.address
        statement = statement.where(
            channel_contacts.c.channel == channel,
            sa.or_(place == address, place.startswith(f"{address}@", autoescape=True)),
        )
    return [_contact(row) for row in connection.execute(statement)]


def contact_in(connection: Connection, session_id: str) -> str | None:
    """The id of the contact that talks in a session, which was got for the caller before."""
    statement = sa.select(channel_contacts.c.id).where(channel_contacts.c.session_id == session_id)
    return connection.execute(statement.limit(1)).scalar()


def contact_by_id(
    connection: Connection, client_id: str, contact_id: str, *, lock: bool = False
) -> Contact | None:
    """One of the contacts of a client, which was got for the caller before."""
    statement = sa.select(*_CONTACT).where(
        channel_contacts.c.client_id == client_id, channel_contacts.c.id == contact_id
    )
    row = connection.execute(statement.with_for_update() if lock else statement).one_or_none()
    return None if row is None else _contact(row)


def contacts(
    connection: Connection, client_id: str, wanted: str | None, *, limit: int, offset: int
) -> list[Contact]:
    """The contacts of a client, which was got for the caller before, who wrote last first."""
    statement = sa.select(*_CONTACT).where(channel_contacts.c.client_id == client_id)
    if wanted:
        statement = statement.where(
            sa.or_(
                channel_contacts.c.address.icontains(wanted, autoescape=True),
                channel_contacts.c.name.icontains(wanted, autoescape=True),
            )
        )
    newest = sa.func.coalesce(channel_contacts.c.last_inbound_at, channel_contacts.c.created_at)
    statement = statement.order_by(newest.desc(), channel_contacts.c.key.desc()).limit(limit).offset(offset)
    return [_contact(row) for row in connection.execute(statement)]


def change_contact(connection: Connection, key: int, values: Mapping[str, object]) -> None:
    """Sets columns of a contact that was got before."""
    connection.execute(sa.update(channel_contacts).where(channel_contacts.c.key == key).values(**values))


def receive(connection: Connection, contact_key: int, message: Inbound, state: str, now: int) -> bool:
    """Whether the message is new; it is stored then."""
    values = {
        "contact_key": contact_key,
        "message_id": message.message_id,
        "text": message.text,
        "media": [asdict(media) for media in message.media],
        "sent_at": message.sent_at,
        "received_at": now,
        "state": state,
    }
    statement = (
        upsert(connection.dialect.name, channel_inbound)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["contact_key", "message_id"])
        .returning(channel_inbound.c.key)
    )
    return connection.execute(statement).first() is not None


def received(connection: Connection, contact_key: int, states: Sequence[str]) -> list[Received]:
    """The contact's messages in these states, in the order they were sent in."""
    statement = (
        sa.select(*_RECEIVED)
        .where(channel_inbound.c.contact_key == contact_key, channel_inbound.c.state.in_(states))
        .order_by(channel_inbound.c.sent_at, channel_inbound.c.key)
    )
    return [_received(row) for row in connection.execute(statement).mappings()]


def settle(connection: Connection, keys: Sequence[int], state: str, error: str | None = None) -> None:
    """Notes what became of messages."""
    statement = sa.update(channel_inbound).where(channel_inbound.c.key.in_(keys))
    connection.execute(statement.values(state=state, error=error))


def put_out(
    connection: Connection,
    contact_key: int,
    source: OutgoingSource,
    pieces: Sequence[Outgoing],
    now: int,
    *,
    cause: str | None = None,
) -> list[str]:
    """Puts pieces behind those that wait to be sent; gives their ids."""
    ids: list[str] = []
    for piece in pieces:
        ids.append(uuid7())
        values = {
            "id": ids[-1],
            "contact_key": contact_key,
            "source": source,
            "cause": cause,
            "text": piece.text,
            "audio": None if piece.audio is None else b64encode(piece.audio).decode("ascii"),
            "mime": piece.mime,
            "media": None if piece.media is None else _written(piece.media),
            "state": "queued",
            "attempts": 0,
            "created_at": now,
        }
        connection.execute(sa.insert(channel_outbound).values(**values))
    return ids


def next_out(connection: Connection, contact_key: int) -> Sending | None:
    """The oldest piece that is not sent yet."""
    statement = (
        sa.select(*_SENDING)
        .where(
            channel_outbound.c.contact_key == contact_key, channel_outbound.c.state.in_(["queued", "sending"])
        )
        .order_by(channel_outbound.c.key)
        .limit(1)
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else _sending(row)


def change_out(connection: Connection, key: int, values: Mapping[str, object]) -> None:
    """Sets columns of a piece."""
    connection.execute(sa.update(channel_outbound).where(channel_outbound.c.key == key).values(**values))


def own_message(connection: Connection, contact_key: int, message: Inbound, since: int) -> Sending | None:
    """The piece of ours that the service tells of as a message of the business; None when a person wrote it."""
    table = channel_outbound
    same = sa.and_(
        table.c.text == message.text,
        # What was sent again after a crash may have arrived twice, under two ids.
        sa.or_(table.c.message_id.is_(None), table.c.attempts > 1),
        table.c.state.in_(["sending", "sent"]),
        table.c.tried_at >= since,
    )
    statement = (
        sa.select(*_SENDING)
        .where(table.c.contact_key == contact_key, sa.or_(table.c.message_id == message.message_id, same))
        .order_by(table.c.key)
        .limit(1)
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else _sending(row)


def unsent(connection: Connection, client_id: str, *, limit: int) -> list[tuple[Contact, Unsent]]:
    """Pieces that were given up, newest first, for a client that was got for the caller before."""
    out = channel_outbound.c
    named = (out.media["kind"].as_string(), out.media["filename"].as_string())
    statement = (
        sa.select(*_CONTACT, out.id, out.text, *named, out.attempts, out.error, out.created_at)
        .join(channel_contacts, channel_contacts.c.key == out.contact_key)
        .where(channel_contacts.c.client_id == client_id, out.state == "dead")
        .order_by(out.key.desc())
        .limit(limit)
    )
    return [
        (Contact(*row[: len(_CONTACT)]), Unsent(*row[len(_CONTACT) :]))
        for row in connection.execute(statement)
    ]


def unanswered(connection: Connection, client_id: str, *, limit: int) -> list[tuple[Contact, Received]]:
    """Messages that nobody could answer, newest first, for a client that was got for the caller before."""
    statement = (
        sa.select(*_CONTACT, *_RECEIVED)
        .join(channel_contacts, channel_contacts.c.key == channel_inbound.c.contact_key)
        .where(channel_contacts.c.client_id == client_id, channel_inbound.c.state == "failed")
        .order_by(channel_inbound.c.key.desc())
        .limit(limit)
    )
    return [
        (Contact(*(row[column] for column in _CONTACT)), _received(row))
        for row in connection.execute(statement).mappings()
    ]


def out_by_id(connection: Connection, client_id: str, outgoing_id: str) -> Sending | None:
    """One piece to a contact of a client, which was got for the caller before."""
    statement = (
        sa.select(*_SENDING)
        .join(channel_contacts, channel_contacts.c.key == channel_outbound.c.contact_key)
        .where(channel_contacts.c.client_id == client_id, channel_outbound.c.id == outgoing_id)
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else _sending(row)


def forget(connection: Connection, before: int, *, limit: int) -> int:
    """Deletes messages that were dealt with before that moment; gives how many."""
    removed = 0
    for table, moment, states in (
        (channel_inbound, channel_inbound.c.received_at, ["done"]),
        (channel_outbound, channel_outbound.c.created_at, ["sent"]),
    ):
        old = sa.select(table.c.key).where(moment < before, table.c.state.in_(states)).limit(limit)
        removed += connection.execute(sa.delete(table).where(table.c.key.in_(old))).rowcount
    return removed


def integrations_of(connection: Connection, organisation_id: str) -> list[tuple[str, Channel]]:
    """Where the clients of an organisation answer on messaging services, by client. For the operator."""
    statement = (
        sa.select(chat_integrations.c.client_id, chat_integrations.c.channel)
        .join(chat_clients, chat_clients.c.id == chat_integrations.c.client_id)
        .where(chat_clients.c.organisation_id == organisation_id)
        .order_by(chat_integrations.c.client_id, chat_integrations.c.channel)
    )
    return [(row.client_id, row.channel) for row in connection.execute(statement)]
