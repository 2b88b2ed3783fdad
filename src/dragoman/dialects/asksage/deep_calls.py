"""Beginning a deep agent with a question, or going on with one."""

import uuid

from dragoman.dialects.asksage.answering import DEFAULT_MODEL, agent_named, last_question
from dragoman.dialects.asksage.messages import conversation
from dragoman.dialects.asksage.metering import APPLICATION
from dragoman.dialects.asksage.naming import scope
from dragoman.dialects.asksage.operation import Call
from dragoman.dialects.asksage.own_personas import persona_for
from dragoman.domain.agents.deep.model import DeepSettings
from dragoman.kit.errors import InvalidInput, NotFound

_NO_RUN = "deep_run_not_found"


def is_deep(call: Call) -> bool:
    """Whether a deep agent is asked: by the mode, or by naming one to go on with.

    Raises:
        InvalidInput: a deep agent is named in a mode that has none.
    """
    mode, number = call.inputs.text("mode"), call.inputs.integer("deep_agent_id")
    if mode == "chat" and number is not None:
        raise InvalidInput(
            "'deep_agent_id' goes with mode 'deep_agent' only; this asks for 'chat'.", param="deep_agent_id"
        )
    return mode == "deep_agent" or number is not None


async def begun(call: Call) -> dict[str, object]:
    """The answer object that tells the deep agent's id; the work goes on in the background.

    Raises:
        InvalidInput: no such model or dataset, or a deep agent that is not the caller's or still at work.
    """
    turns = conversation(call.values.get("message", call.values.get("messages")))
    if any(call.values.get(name) for name in ("file", "files")) or call.inputs.files.get("file"):
        raise InvalidInput("A deep agent takes no files: train them into a dataset first.", param="file")
    model = call.inputs.text("model") or DEFAULT_MODEL
    agent = await agent_named(call, model)
    persona = call.inputs.values.get("persona")
    own = agent.spec.system_prompt if persona is None else (await persona_for(call, persona)).prompt
    off = call.inputs.integer("limit_references") == 0
    settings = DeepSettings(
        model=model,
        collection_ids=() if off else await scope(call, call.inputs.texts("dataset")),
        live=0 if off else call.inputs.integer("live") or 0,
        system_prompt=call.inputs.text("system_prompt") or own or "",
        dialect="asksage",
        application=APPLICATION,
        address=call.address,
    )
    number = call.inputs.integer("deep_agent_id")
    question = last_question(turns)
    if number is None:
        run = await call.services.deep.begin(call.caller, question, settings)
    else:
        try:
            run = await call.services.deep.resume(call.caller, number, question, settings)
        except NotFound as error:
            if error.code != _NO_RUN:
                raise
            raise no_run(number, error) from error
    return {
        **empty_answer(),
        "message": "Deep agent started" if number is None else "Deep agent goes on",
        "deep_agent_id": run.number,
        "added_obj": {"deep_agent_id": run.number},
    }


def empty_answer() -> dict[str, object]:
    """The answer object before anything is in it."""
    return {
        "response": "OK",
        "message": "",
        "uuid": str(uuid.uuid4()),
        "references": "",
        "embedding_down": False,
        "vectors_down": False,
        "type": "deep_agent",
        "added_obj": None,
        "tool_calls": None,
        "tool_calls_unified": None,
        "tool_responses": [],
        "usage": None,
        "teach": False,
    }


def no_run(number: int, error: NotFound) -> InvalidInput:
    """The refusal of an id that is not the caller's."""
    return InvalidInput(f"There is no deep agent {number}.", param="deep_agent_id", code=error.code)
