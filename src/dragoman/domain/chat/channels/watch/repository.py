"""All SQL of the calls of messaging services, and of what became of messages on them."""

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.db.upsert import upsert
from dragoman.domain.chat.channels.model import SIMULATED
from dragoman.domain.chat.channels.tables import channel_contacts, channel_inbound, channel_outbound
from dragoman.domain.chat.channels.watch.model import HookCalls, Said, Traffic
from dragoman.domain.chat.channels.watch.tables import channel_hooks
from dragoman.domain.chat.model import Channel


def note(connection: Connection, client_id: str, channel: Channel, refused: str | None, now: int) -> None:
    """Keeps that the service called, and why the call was refused when it was."""
    told: dict[str, object] = (
        {"called_at": now} if refused is None else {"refused_at": now, "refused_why": refused}
    )
    connection.execute(
        upsert(connection.dialect.name, channel_hooks)
        .values(client_id=client_id, channel=channel, **told)
        .on_conflict_do_update(index_elements=["client_id", "channel"], set_=told)
    )


def calls(connection: Connection, client_id: str, channel: Channel) -> HookCalls:
    """The latest calls, for a client that was got for the caller before."""
    columns = [channel_hooks.c[name] for name in HookCalls.__slots__]
    statement = sa.select(*columns).where(
        channel_hooks.c.client_id == client_id, channel_hooks.c.channel == channel
    )
    row = connection.execute(statement).mappings().one_or_none()
    return HookCalls() if row is None else HookCalls(**row)


def traffic(connection: Connection, client_id: str, channel: Channel) -> Traffic:
    """What became of messages of people, for a client that was got for the caller before."""
    theirs = sa.select(channel_contacts.c.key).where(
        channel_contacts.c.client_id == client_id,
        channel_contacts.c.channel == channel,
        channel_contacts.c.address != SIMULATED,
    )
    out, come = channel_outbound.c, channel_inbound.c
    failing = sa.and_(out.state.in_(["queued", "sending"]), out.error.is_not(None))
    sent = connection.execute(
        sa.select(
            sa.func.max(out.sent_at),
            sa.func.coalesce(sa.func.sum(sa.case((failing, 1), else_=0)), 0),
            sa.func.coalesce(sa.func.sum(sa.case((out.state == "dead", 1), else_=0)), 0),
        ).where(out.contact_key.in_(theirs))
    ).one()
    received = connection.execute(
        sa.select(
            sa.func.max(come.received_at),
            sa.func.coalesce(sa.func.sum(sa.case((come.state == "failed", 1), else_=0)), 0),
        ).where(come.contact_key.in_(theirs))
    ).one()
    latest = (
        sa.select(out.error)
        .where(out.contact_key.in_(theirs), out.error.is_not(None))
        .order_by(out.key.desc())
        .limit(1)
    )
    return Traffic(
        received_at=received[0],
        sent_at=sent[0],
        waiting=int(sent[1]),
        failure=connection.execute(latest).scalar(),
        dead=int(sent[2]),
        unanswered=int(received[1]),
    )


def said(connection: Connection, contact_key: int, *, limit: int) -> list[Said]:
    """The latest messages from and to a contact that was got before, oldest first."""
    come, out = channel_inbound.c, channel_outbound.c
    asked = sa.select(come.message_id, come.text, come.state, come.error, come.received_at)
    # Of media only what they are called: they may stand in the row with all their bytes.
    filename = out.media["filename"].as_string()
    told = sa.select(out.id, out.text, out.state, out.error, out.created_at, filename)
    asked = asked.where(come.contact_key == contact_key).order_by(come.key.desc()).limit(limit)
    told = told.where(out.contact_key == contact_key).order_by(out.key.desc()).limit(limit)
    found = [Said(f"user:{row[0]}", "user", *row[1:]) for row in connection.execute(asked)]
    found += [Said(f"assistant:{row[0]}", "assistant", *row[1:]) for row in connection.execute(told)]
    # What is answered comes before its answer also within one millisecond.
    found.reverse()
    return sorted(found, key=lambda one: (one.at, one.role == "assistant"))[-limit:]
