"""Integrations of a web chat client: the published fields, and which of them are secrets."""

from collections.abc import Mapping
from dataclasses import dataclass

from dragoman.dialects.aivax.chat_parameters import Address
from dragoman.dialects.aivax.fields import Choice, Mapped, Member, Record, Text, at, wrong
from dragoman.dialects.aivax.header_fields import Key
from dragoman.dialects.aivax.inner_addresses import refuse_inner
from dragoman.dialects.aivax.timespans import TimeSpan, write_span
from dragoman.domain.chat.model import Channel, Integration
from dragoman.kit.addresses import AllowList
from dragoman.kit.jsontypes import JsonObject, JsonValue

_SESSION_MS = 3 * 3_600_000
_MARK = "****"
_SHOWN, _LEAST_TO_SHOW = 4, 12
_SPAN = TimeSpan(600_000, 90 * 86_400_000)
_PLAIN = Text(1, 500)
_KEY = Key(1, 500)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its published names and fields. ``secrets`` are among the fields."""

    type: str
    member: str
    channel: Channel
    fields: Record
    secrets: tuple[str, ...]


def _fields(required: Mapping[str, object], optional: tuple[str, ...] = ()) -> Record:
    members = {name: Member(field, required=True) for name, field in required.items()}  # pyright: ignore[reportArgumentType]
    maybe = {name: Member(Text(0, 500, nullable=True), default=None) for name in optional}
    return Record({**members, **maybe, "sessionDuration": Member(_SPAN, default=None)})


KINDS = (
    Kind(
        "Zapi",
        "zapiIntegration",
        "zapi",
        _fields({"instanceId": _PLAIN, "instanceToken": _KEY}, ("clientToken",)),
        ("instanceToken", "clientToken"),
    ),
    Kind("Telegram", "telegramIntegration", "telegram", _fields({"botToken": _KEY}), ("botToken",)),
    Kind(
        "EvolutionApi",
        "evolutionIntegration",
        "evolution",
        _fields({"endpointUrl": Address(), "instanceName": _PLAIN, "apiKey": _KEY}),
        ("apiKey",),
    ),
    Kind(
        "Kapso",
        "kapsoIntegration",
        "kapso",
        _fields(
            {"apiKey": _KEY, "phoneNumberId": _PLAIN}, ("webhookSecretKey", "continuedMessagesTemplateId")
        ),
        ("apiKey", "webhookSecretKey"),
    ),
)
_TYPES = Choice(tuple(kind.type for kind in KINDS))
BODY = Record(
    {
        "integrationType": Member(_TYPES, required=True),
        "integrations": Member(Mapped(maximum=20), required=True),
    }
)


def type_of(channel: Channel) -> str:
    """The published name of a channel."""
    return next(kind.type for kind in KINDS if kind.channel == channel)


def kind_of(name: object, path: str) -> Kind:
    """The kind of that published name, in any case.

    Raises:
        InvalidInput: there is none.
    """
    word = _TYPES.read(name, path)
    return next(kind for kind in KINDS if kind.type == word)


def read_fields(kind: Kind, integrations: JsonObject) -> dict[str, JsonValue]:
    """The fields of that kind out of a body.

    Raises:
        InvalidInput: they are not there, or one is missing or does not fit.
    """
    path = at("integrations", kind.member)
    if integrations.get(kind.member) is None:
        raise wrong(path, "is required")
    fields = kind.fields.read_object(integrations[kind.member], path)
    for name, value in fields.items():
        if value is None and kind.fields.members[name].required:
            raise wrong(at(path, name), "is required")
    return fields


def refuse_inner_fields(kind: Kind, fields: JsonObject, allow: AllowList) -> None:
    """Refuses an address of a service that plainly leads inside.

    Raises:
        InvalidInput: the message names the field.
    """
    for name, member in kind.fields.members.items():
        if isinstance(member.field, Address) and isinstance(url := fields.get(name), str):
            refuse_inner(url, at(at("integrations", kind.member), name), allow)


def merged(kind: Kind, fields: JsonObject, before: Integration | None) -> Integration:
    """The integration of these fields; a masked secret stands for the one there is.

    Raises:
        InvalidInput: a masked secret that stands for none.
    """
    known = {} if before is None else before.secrets
    secrets: dict[str, str] = {}
    for name in kind.secrets:
        value = fields.get(name)
        if isinstance(value, str) and value:
            if value == mask(known.get(name)):
                value = known[name]
            elif value.startswith(_MARK):
                path = at(at("integrations", kind.member), name)
                raise wrong(path, "is masked and is not the end of the stored one; send it in full")
            secrets[name] = value
    span = fields.get("sessionDuration")
    settings = {
        name: value
        for name, value in fields.items()
        if name not in kind.secrets and name != "sessionDuration"
    }
    return Integration(kind.channel, settings, secrets, span if isinstance(span, int) else _SESSION_MS)


def mask(secret: str | None) -> str | None:
    """What is shown of a secret: its end, or of a short one nothing."""
    if secret is None:
        return None
    return _MARK + (secret[-_SHOWN:] if len(secret) >= _LEAST_TO_SHOW else "")


def shown(found: Mapping[Channel, Integration], *, in_full: bool) -> dict[str, JsonValue]:
    """The published object of all integrations, those that are not configured as null."""
    return {
        kind.member: None if kind.channel not in found else _shown(kind, found[kind.channel], in_full)
        for kind in KINDS
    }


def _shown(kind: Kind, integration: Integration, in_full: bool) -> dict[str, JsonValue]:
    result: dict[str, JsonValue] = {}
    for name in kind.fields.members:
        if name == "sessionDuration":
            result[name] = write_span(integration.session_ms)
        elif name in kind.secrets:
            secret = integration.secrets.get(name)
            result[name] = secret if in_full else mask(secret)
        else:
            result[name] = integration.settings.get(name)
    return result
