"""Conversations on messaging services and planned messages: services, and the handlers of their jobs."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx

from dragoman.adapters.channels.evolution import EvolutionChannel
from dragoman.adapters.channels.http import ServiceHttp
from dragoman.adapters.channels.kapso import KapsoChannel
from dragoman.adapters.channels.telegram import TelegramChannel
from dragoman.adapters.channels.zapi import ZapiChannel
from dragoman.bootstrap.chat import ChatParts
from dragoman.db.database import Database
from dragoman.db.jobs import FailedHook, JobHandler
from dragoman.domain.agents.run import AgentRunner
from dragoman.domain.chat.brief import SpokenBrief
from dragoman.domain.chat.channels.answering import ContactAnswers
from dragoman.domain.chat.channels.delivery import ContactDelivery
from dragoman.domain.chat.channels.inbound import InboundMessages
from dragoman.domain.chat.channels.jobs import ANSWER, SEND
from dragoman.domain.chat.channels.media import OwnFile
from dragoman.domain.chat.channels.places import Places
from dragoman.domain.chat.channels.ports import ChannelAdapter
from dragoman.domain.chat.channels.retention import ForgottenMessages
from dragoman.domain.chat.channels.sending import ContactSending
from dragoman.domain.chat.channels.service import ChannelsService
from dragoman.domain.chat.channels.sessions import ContactSessions
from dragoman.domain.chat.channels.takeover import Takeover
from dragoman.domain.chat.channels.watch.repository import note
from dragoman.domain.chat.channels.watch.service import ChannelWatch
from dragoman.domain.chat.model import Channel
from dragoman.domain.inference.speech.service import SpeechService
from dragoman.domain.labels.service import LabelsService
from dragoman.domain.schedules.firing import ScheduleFiring
from dragoman.domain.schedules.jobs import AGAIN, ONCE
from dragoman.kit.crypto import RootKey
from dragoman.kit.egress import EgressPolicy, guarded_client
from dragoman.kit.fetch import Fetcher
from dragoman.kit.jsontypes import JsonObject
from dragoman.kit.tasks import TaskOwner
from dragoman.settings import Settings

_ANSWER_BYTES = 40 * 1024**2


@dataclass(frozen=True, slots=True)
class ChannelParts:
    """What is made here: services for the dialects, handlers and the hook for jobs that failed for good."""

    inbound: InboundMessages
    channels: ChannelsService
    watch: ChannelWatch
    handlers: Mapping[str, JobHandler]
    failed: FailedHook
    forgotten: ForgottenMessages


def channel_adapters(
    settings: Settings, policy: EgressPolicy, stack: AsyncExitStack
) -> dict[Channel, ChannelAdapter]:
    """The messaging services; what needs closing is given to the stack."""
    group = settings.channels

    def client(policy: EgressPolicy, max_bytes: int) -> httpx.AsyncClient:
        made = guarded_client(policy, timeout_seconds=group.timeout_seconds, max_bytes=max_bytes)
        stack.push_async_callback(made.aclose)
        return made

    media = Fetcher(client(policy, group.max_media_bytes))
    operators_media = Fetcher(client(policy.for_operator(), group.max_media_bytes))
    services = client(policy.for_operator(), _ANSWER_BYTES)
    return {
        "telegram": TelegramChannel(ServiceHttp(services, operators_media), group.telegram_url),
        "zapi": ZapiChannel(ServiceHttp(services, media), group.zapi_url),
        "kapso": KapsoChannel(ServiceHttp(services, media), group.kapso_url),
        "evolution": EvolutionChannel(ServiceHttp(client(policy, _ANSWER_BYTES), media)),
    }


def open_channels(
    settings: Settings,
    *,
    database: Database,
    root_key: RootKey,
    policy: EgressPolicy,
    chat: ChatParts,
    runner: AgentRunner,
    speech: SpeechService,
    labels: LabelsService,
    tasks: TaskOwner,
    wake: Callable[[], None],
    told: Callable[[str, str, int], None],
    own: OwnFile,
    stack: AsyncExitStack,
) -> ChannelParts:
    """The parts; what needs closing is given to the stack. ``told`` is given a channel, what became of messages, and how many."""
    group = settings.channels
    adapters = channel_adapters(settings, policy, stack)
    places = Places(database, chat["chat_clients"], adapters, root_key.derive("channel-hooks"))
    sessions = ContactSessions(chat["chat_sessions"])
    takeover = Takeover(sessions, held_ms=group.takeover_seconds * 1000)
    delivery = ContactDelivery(places, sessions, takeover)
    answers = ContactAnswers(
        database=database,
        places=places,
        chat=chat["chat"],
        uploads=chat["chat_uploads"],
        sessions=sessions,
        delivery=delivery,
        takeover=takeover,
        tasks=tasks,
        wake=wake,
    )
    firing = ScheduleFiring(
        database=database, chat=chat["chat"], sessions=chat["chat_sessions"], delivery=delivery, wake=wake
    )
    sending = ContactSending(
        database,
        places,
        most_attempts=group.max_attempts,
        settled=firing.settled,
        speech=speech,
        labels=labels,
        own=own,
        brief=SpokenBrief(runner),
        told=lambda channel, outcome: told(channel, outcome, 1),
    )

    async def failed(kind: str, payload: JsonObject, reason: str) -> None:
        if kind == ANSWER:
            await answers.failed(payload, reason)
        elif kind in (ONCE, AGAIN):
            await firing.failed(payload, reason)

    inbound = InboundMessages(database, places, takeover, wake=wake, told=told, noted=note)
    return ChannelParts(
        inbound=inbound,
        watch=ChannelWatch(database, places, inbound, wake=wake),
        channels=ChannelsService(database, places, takeover, wake=wake),
        handlers={ANSWER: answers.handle, SEND: sending.handle, ONCE: firing.once, AGAIN: firing.again},
        failed=failed,
        forgotten=ForgottenMessages(database, keep_days=group.keep_days),
    )
