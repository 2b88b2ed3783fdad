"""The query: an answer from a model, with references from the datasets."""

import uuid

from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.encode import answer_object
from dragoman.dialects.asksage.messages import conversation, tool_choice, tool_specs
from dragoman.dialects.asksage.naming import scope
from dragoman.dialects.asksage.operation import CHANGE, Call, operation
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.run import RunReport, RunRequest
from dragoman.domain.agents.spec import KnowledgeSpec
from dragoman.domain.inference.ports import Sampling
from dragoman.domain.messages.fold import fold_stream
from dragoman.kit.errors import InvalidInput, NotFound

DEFAULT_MODEL = "openai_gpt"
_DEFAULT_REFERENCES = 10
_MINIMUM_SIMILARITY = 0.45

FIELDS = (
    Field("message", "json", required=True, aliases=("messages",)),
    Field("persona", "json"),
    Field("dataset", "list"),
    Field("limit_references", "integer", minimum=0, maximum=1000),
    Field("temperature", "number", minimum=0, maximum=1),
    Field("live", "integer", minimum=0, maximum=2, default=0),
    Field("model"),
    Field("system_prompt"),
    Field("tools", "list"),
    Field("tool_choice", "json"),
    Field("reasoning_effort"),
    Field("max_tokens", "integer", minimum=1, maximum=1_000_000),
    Field("usage", "boolean", default=False),
)


async def _agent(call: Call, datasets: tuple[str, ...]) -> ResolvedAgent:
    """The model asked for, looking things up in the datasets of the call beside its own."""
    name = call.inputs.text("model") or DEFAULT_MODEL
    try:
        agent = await call.services.runner.resolve(call.caller, name)
    except NotFound as error:
        raise InvalidInput(error.detail, param="model") from error
    limit = call.inputs.integer("limit_references")
    if limit == 0:
        datasets = ()
    own = agent.spec.knowledge
    if own.collection_ids and not call.inputs.list("dataset"):
        return agent
    knowledge = KnowledgeSpec(
        collection_ids=datasets,
        maximum_results=min(limit or _DEFAULT_REFERENCES, 128),
        minimum_score=_MINIMUM_SIMILARITY,
        grounding="open" if agent.id is None else own.grounding,
    )
    return ResolvedAgent(
        agent.id, agent.name, agent.spec.model_copy(update={"knowledge": knowledge}), agent.endpoint_key
    )


@operation("query", methods=CHANGE, fields=FIELDS)
async def query(call: Call) -> dict[str, object]:
    """One answer object, with numbered references that match the marks in the text.

    Source: Ask Sage Server API, "query".
    """
    turns = conversation(call.values.get("message", call.values.get("messages")))
    datasets = await scope(call, call.inputs.texts("dataset"))
    agent = await _agent(call, datasets)
    temperature = call.inputs.number("temperature")
    request = RunRequest(
        conversation=turns,
        sampling=Sampling(
            temperature=0.0 if temperature is None and agent.id is None else temperature,
            max_tokens=call.inputs.integer("max_tokens"),
            reasoning_effort=call.inputs.text("reasoning_effort") or None,
        ),
        tools=tool_specs(call.inputs.list("tools")),
        tool_choice=tool_choice(call.inputs.values.get("tool_choice")),
        system_prompt=call.inputs.text("system_prompt") or None,
        dialect="asksage",
        application="asksage",
    )
    report = RunReport()
    answer = await fold_stream(call.services.runner.run(call.caller, agent, request, report))
    added: dict[str, object] = {}
    if call.inputs.integer("live"):
        # No search provider is part of this server yet, and the client must not believe that the web was read.
        added["live"] = {"enabled": False, "reason": "no web search provider is configured"}
    return answer_object(
        answer, report, uuid=str(uuid.uuid4()), with_usage=call.inputs.flag("usage"), added=added or None
    )
