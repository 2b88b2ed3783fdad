"""Where a request goes and what is changed on its way."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from dragoman.domain.usage.budgets.limiter import Hold
from dragoman.domain.usage.meter import UsageContext
from dragoman.kit.errors import InvalidInput
from dragoman.kit.http1 import prepare_headers
from dragoman.kit.jsontypes import JsonObject, JsonValue

_FIXED_HEADERS = {
    "content-type": "application/json",
    "accept-encoding": "identity",
    "user-agent": "dragoman",
}


@dataclass(frozen=True, slots=True)
class RelayTarget:
    """A model behind an OpenAI-compatible address, ready to be called. Build it once, use it often.

    Args:
        base_url: up to and with the version part.
        model: the provider's name for the model.
        name: the name the model is metered by.
        extra: settings for the provider's body; what the request sets itself goes before.
        headers: further headers for the provider.
        agent_id: the agent that led here, for the meter.
        user_given: the address comes from a user, so the guarded client calls it.
        asks_usage: whether a stream may be asked for its usage; a few providers refuse the option.

    Raises:
        InvalidInput: a header or the key cannot be sent.
    """

    base_url: str
    model: str
    name: str
    api_key: str | None = field(default=None, repr=False)
    extra: JsonObject = field(default_factory=dict[str, JsonValue])
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    agent_id: str | None = None
    user_given: bool = False
    asks_usage: bool = True
    url: str = field(init=False)
    header_lines: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        headers = dict(_FIXED_HEADERS)
        if self.api_key is not None:
            headers["authorization"] = f"Bearer {self.api_key}"
        headers |= {name.lower(): value for name, value in self.headers.items()}
        try:
            lines = prepare_headers(
                [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
            )
        except ValueError as error:
            raise InvalidInput(
                f"The key or a header for the model {self.name!r} holds what no header can carry.",
                code="provider_misconfigured",
            ) from error
        object.__setattr__(self, "url", self.base_url.rstrip("/") + "/chat/completions")
        object.__setattr__(self, "header_lines", lines)


@dataclass(frozen=True, slots=True)
class RelayCall:
    """One request to relay. ``body`` is the client's, decoded.

    ``shows_usage``: a stream's chunks may say that there is no usage yet; the usage itself is withheld from all streams, for
    whoever shows it to write in its own shape. ``hold``: what was reserved for it.
    """

    target: RelayTarget
    body: JsonObject
    context: UsageContext
    shows_usage: bool = False
    hold: Hold | None = None

    @property
    def streamed(self) -> bool:
        """Whether the client asked for a stream."""
        return self.body.get("stream") is True

    @property
    def wants_usage(self) -> bool:
        """Whether the client asked for usage in its stream."""
        options = self.body.get("stream_options")
        return isinstance(options, Mapping) and options.get("include_usage") is True

    def payload(self) -> bytes:
        """The provider's body.

        It is always written anew: a body that has a name twice, or in escapes, must not mean one model here
        and another one there.
        """
        body = {**self.target.extra, **self.body, "model": self.target.model}
        if self.streamed and self.target.asks_usage and not self.wants_usage:
            options = self.body.get("stream_options")
            given = dict(options) if isinstance(options, Mapping) else dict[str, JsonValue]()
            body["stream_options"] = {**given, "include_usage": True}
        return orjson.dumps(body)
