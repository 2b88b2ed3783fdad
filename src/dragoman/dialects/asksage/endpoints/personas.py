"""Personas: who may answer."""

from dataclasses import replace

from dragoman.dialects.asksage.dates import http_date
from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.operation import CHANGE, READ, Call, operation
from dragoman.dialects.asksage.own_personas import EXTENSION, as_persona
from dragoman.dialects.asksage.personas import PERSONAS, Persona
from dragoman.domain.agents.model import AgentSecrets, StoredAgent
from dragoman.domain.agents.spec import AgentSpec
from dragoman.kit.errors import InvalidInput

# When the built-in prompts were last written.
_WRITTEN_MS = 1_793_491_200_000
_LONGEST_NAME, _LONGEST_PROMPT, _LONGEST_DESCRIPTION = 100, 100_000, 1000
_ID = Field("id", "integer", required=True, minimum=1, maximum=2**31, aliases=("persona_id", "persona"))
_FIELDS = (Field("name"), Field("description"), Field("prompt"))


def _object(persona: Persona, *, created: int, changed: int, public: bool) -> dict[str, object]:
    return {
        "id": persona.id,
        "name": persona.name,
        "description": persona.description,
        "prompt": persona.prompt,
        "date_creation": http_date(created),
        "date_modification": http_date(changed),
        "public": public,
    }


@operation("get-personas", methods=READ)
async def get_personas(call: Call) -> dict[str, object]:
    """The built-in personas and the caller's own; number 1 answers when none is named.

    Source: Ask Sage Server API, "get-personas".
    """
    built_in = [
        _object(persona, created=_WRITTEN_MS, changed=_WRITTEN_MS, public=True) for persona in PERSONAS
    ]
    own = await call.services.agent_numbers.numbered(call.caller, "persona")
    return {
        "response": built_in
        + [
            _object(
                as_persona(number, agent), created=agent.created_at, changed=agent.updated_at, public=False
            )
            for number, agent in own
        ]
    }


def _checked(name: str, description: str, prompt: str) -> None:
    for field, value, most in (
        ("name", name, _LONGEST_NAME),
        ("description", description, _LONGEST_DESCRIPTION),
        ("prompt", prompt, _LONGEST_PROMPT),
    ):
        if len(value) > most:
            raise InvalidInput(f"'{field}' has at most {most} characters.", param=field)
    if any(name.strip().casefold() == persona.name.casefold() for persona in PERSONAS):
        raise InvalidInput("A built-in persona has this name.", param="name")
    for field, value in (("name", name), ("prompt", prompt)):
        if not value.strip():
            raise InvalidInput(f"'{field}' is required.", param=field)


@operation("add-persona", methods=CHANGE, fields=_FIELDS, sections=("user",))
async def add_persona(call: Call) -> dict[str, object]:
    """A persona of the caller's own, to be named by its number or name, or as a model in the other dialects.

    An addition to the published pages.
    """
    name, description, prompt = (call.inputs.text(field) for field in ("name", "description", "prompt"))
    _checked(name, description, prompt)
    agent = await call.services.agents.create(
        call.caller,
        "persona",
        name.strip(),
        AgentSpec(model="default", system_prompt=prompt),
        secrets=AgentSecrets(),
        extensions={EXTENSION: {"description": description}},
    )
    return {"response": "OK", "id": await call.services.agent_numbers.number(agent.id)}


async def _own(call: Call) -> StoredAgent:
    number = call.inputs.integer("id") or 0
    if any(persona.id == number for persona in PERSONAS):
        raise InvalidInput("The built-in personas stay as they are.", param="id")
    return await call.services.agent_numbers.get(call.caller, "persona", number)


@operation("update-persona", methods=frozenset({"POST", "PUT"}), fields=(_ID, *_FIELDS), sections=("user",))
async def update_persona(call: Call) -> dict[str, object]:
    """Changes what is given of one of the caller's personas.

    An addition to the published pages.
    """
    agent = await _own(call)
    before = as_persona(call.inputs.integer("id") or 0, agent)
    name = call.inputs.text("name") or before.name
    description = call.inputs.text("description") or before.description
    prompt = call.inputs.text("prompt") or before.prompt
    _checked(name, description, prompt)
    changed = replace(
        agent,
        name=name.strip(),
        spec=agent.spec.model_copy(update={"system_prompt": prompt}),
        extensions={**agent.extensions, EXTENSION: {"description": description}},
    )
    await call.services.agents.update(call.caller, changed, secrets=None)
    return {"response": "OK", "id": before.id}


@operation("delete-persona", methods=frozenset({"POST", "DELETE"}), fields=(_ID,), sections=("user",))
async def delete_persona(call: Call) -> dict[str, object]:
    """Removes one of the caller's personas.

    An addition to the published pages.
    """
    agent = await _own(call)
    await call.services.agents.delete(call.caller, "persona", agent.id)
    return {"response": "OK"}
