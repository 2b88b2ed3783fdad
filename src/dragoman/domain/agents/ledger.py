"""Asking models on behalf of one run: everything asked is metered and priced."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

import orjson
import structlog

from dragoman.domain.agents.habits import shaped
from dragoman.domain.agents.request import RunReport
from dragoman.domain.inference.asking import Ask
from dragoman.domain.inference.chat import complete
from dragoman.domain.inference.ports import ChatModel, ChatRequest
from dragoman.domain.inference.pricing import PriceTable
from dragoman.domain.labels.handling import Handling
from dragoman.domain.messages.events import Event, Finished, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from dragoman.domain.messages.fold import Answer, fold_stream
from dragoman.domain.messages.parts import TextPart
from dragoman.domain.usage.budgets.limiter import Hold
from dragoman.domain.usage.meter import Meter, UsageContext
from dragoman.kit.errors import DeadlineExceeded, DragomanError, ProviderError, QuotaExceeded, Unavailable
from dragoman.kit.slip import current_slip

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 600.0
_ANSWER = "answer"
# With less time left no other model is asked.
_LEAST_SECONDS = 1.0
_CLIENT_GONE = 499
_MESSAGE_TOKENS = 8
_MEDIA_TOKENS = 1500


class Ledger:
    """The meter and the price table of one run.

    Args:
        flags: the habits of the agent's models; every call is shaped by them.
        handling: has the labels of what was used; no model gets what they forbid.
        report: gets the priced lines, and what could not be offered.
        fallbacks: the models that are asked when one has failed before it said anything.
    """

    def __init__(
        self,
        meter: Meter,
        prices: PriceTable,
        context: UsageContext,
        *,
        flags: tuple[str, ...],
        handling: Handling,
        report: RunReport,
        fallbacks: Callable[[ChatModel], Sequence[ChatModel]] = lambda _: (),
    ) -> None:
        slip = current_slip()
        self._meter = meter
        self._prices = prices
        report.receipt_id = report.run_id if slip is None else slip.id
        self._context = replace(context, receipt_id=report.receipt_id)
        self._flags = flags
        self.handling = handling
        self._fallbacks = fallbacks
        self.report = report

    @property
    def spent_usd(self) -> float:
        """What has been used so far, in US dollars."""
        return sum(charge.amount for charge in self.report.charges)

    def asker(self, model: ChatModel, item: str, *, deadline_seconds: float) -> Ask:
        """The model behind one call, for a question beside the answer; ``item`` names its lines."""

        async def ask(request: ChatRequest) -> Answer:
            return await fold_stream(
                self.stream(model, request, item=item, deadline_seconds=deadline_seconds)
            )

        return ask

    async def stream(
        self,
        model: ChatModel,
        request: ChatRequest,
        *,
        item: str = _ANSWER,
        deadline_seconds: float = ANSWER_SECONDS,
    ) -> AsyncGenerator[Event]:
        """The model's answer as events; closing the iterator early meters what was produced.

        Raises:
            PaymentRequired: a limit of tokens or money is used up.
            QuotaExceeded: a limit of requests is.
            Forbidden: a label of what was used forbids this model.
            DragomanError: the model failed; it is metered. Where a stand-in may not be asked, the first failure.
        """
        end = time.monotonic() + deadline_seconds
        candidates = self._candidates(model, request)
        failure: DragomanError | None = None
        while True:
            one = candidates.pop(0)
            call, begun = shaped(self._flags, request), False
            try:
                await self.allowed(one)
                hold = await self._reserved(one, call)
            except DragomanError as refusal:
                if one is not model and candidates:
                    log.info("chat.fallback_refused", model=one.name, code=refusal.code)
                    continue
                raise failure or refusal from None
            left = end - time.monotonic()
            events = self._metered(one, call, hold, item=item, deadline_seconds=left)
            try:
                async with aclosing(events):
                    async for event in events:
                        if not begun and one is not model and item == _ANSWER:
                            self.report.model = one.name
                        begun = True
                        yield event
                return
            except DragomanError as error:
                if begun or not candidates or end - time.monotonic() < _LEAST_SECONDS or not _passing(error):
                    raise
                failure = failure or error
                self.report.tried.append((one.name, error.code))
                log.warning("chat.fallback", model=one.name, code=error.code, to=candidates[0].name)

    def _candidates(self, model: ChatModel, request: ChatRequest) -> list[ChatModel]:
        """The model, and after it those that may answer in its stead; whoever has failed in this run comes last."""
        media = any(not isinstance(part, TextPart) for turn in request.messages for part in turn.parts)
        others = [
            one
            for one in self._fallbacks(model)
            if (one.profile.tools or not request.tools)
            and (one.profile.images or one.profile.outside or not media)
            and not (one.profile.outside and self.handling.forbids("outside"))
        ]
        failed = {name for name, _ in self.report.tried}
        found = [model, *others]
        return sorted(found, key=lambda one: one.name in failed)

    async def _metered(
        self,
        model: ChatModel,
        call: ChatRequest,
        hold: Hold | None,
        *,
        item: str,
        deadline_seconds: float,
    ) -> AsyncGenerator[Event]:
        written: list[str] = []
        settled = False
        try:
            async with aclosing(complete(model, call, deadline_seconds=deadline_seconds)) as events:
                async for event in events:
                    _keep(event, written)
                    if isinstance(event, Finished):
                        settled = True
                        self._record(model.name, event.usage, 200, item=item, hold=hold)
                    yield event
        except (GeneratorExit, asyncio.CancelledError):
            if not settled:
                self._record(model.name, _produced(call, written), _CLIENT_GONE, item=item, hold=hold)
            raise
        except DragomanError as error:
            usage = _produced(call, written) if written else Usage(estimated=True)
            self._record(model.name, usage, error.status, item=item, hold=hold)
            raise
        finally:
            self._meter.release(hold)

    async def allowed(self, model: ChatModel) -> None:
        """Returns when the model may be given what was used.

        Raises:
            Forbidden: a label forbids it.
        """
        await self.handling.to_provider(self._context.caller, model.name, outside=model.profile.outside)

    async def _reserved(self, model: ChatModel, call: ChatRequest) -> Hold | None:
        if not self._meter.limited(self._context.caller):
            return None
        most = self._meter.answer_tokens
        if model.profile.max_output_tokens is not None:
            most = min(most, model.profile.max_output_tokens)
        usage = Usage(
            prompt_tokens=at_most_tokens(call),
            completion_tokens=call.sampling.max_tokens or most,
            estimated=True,
        )
        hold = await self._meter.reserve(self._context, model=model.name, usage=usage)
        if hold is not None:
            self._context = replace(self._context, counts=False)
            self.report.reserved.extend(hold.told)
            self.report.warnings += [text for text in hold.warnings if text not in self.report.warnings]
        return hold

    def embedded(self, embedder: str, tokens: int) -> None:
        """Notes that texts of so many tokens became vectors."""
        charge = self._prices.embedding_charge("embedding", embedder, tokens)
        self.report.charges.append(charge)
        if charge.amount:
            usage = Usage(prompt_tokens=tokens)
            self._meter.record(replace(self._context, counts=False), model=embedder, usage=usage, status=200)

    def used(self, item: str, quantity: int, description: str) -> None:
        """Notes one use of something that is no model: a search, a picture."""
        charge = self._prices.use_charge(item, quantity, description)
        self.report.charges.append(charge)
        cost = round(charge.amount * 1_000_000)
        self._meter.record(
            replace(self._context, kind="tool", counts=False),
            model=item,
            usage=Usage(),
            status=200,
            cost_micro_usd=cost,
        )

    def _record(self, model: str, usage: Usage, status: int, *, item: str, hold: Hold | None) -> None:
        self._meter.record(self._context, model=model, usage=usage, status=status, hold=hold)
        self._context = replace(self._context, counts=False)
        if usage.total_tokens:
            self.report.charges.extend(self._prices.charges(item, model, usage))


def _passing(error: DragomanError) -> bool:
    """Whether another model may do better; what is wrong with the request is wrong for all."""
    return isinstance(error, ProviderError | QuotaExceeded | Unavailable | DeadlineExceeded)


def _keep(event: Event, written: list[str]) -> None:
    if isinstance(event, TextDelta | ReasoningDelta):
        written.append(event.text)
    elif isinstance(event, ToolCallDelta):
        written.append((event.name or "") + event.arguments)


def at_most_tokens(call: ChatRequest) -> int:
    """More tokens than the question is likely to have; a model reads at most about one in three bytes of text."""
    size = sum(len(message.text.encode("utf-8", "replace")) for message in call.messages)
    media = sum(not isinstance(part, TextPart) for message in call.messages for part in message.parts)
    tools = sum(len(orjson.dumps(tool.parameters)) + len(tool.description or "") for tool in call.tools)
    return (size + tools) // 3 + _MESSAGE_TOKENS * len(call.messages) + _MEDIA_TOKENS * media


def _produced(call: ChatRequest, written: list[str]) -> Usage:
    """An estimate for an answer that no provider got to count: a client that hung up is charged for what was
    produced.
    """
    prompt = sum(len(message.text) for message in call.messages)
    return Usage(
        prompt_tokens=-(-prompt // 4), completion_tokens=-(-sum(map(len, written)) // 4), estimated=True
    )
