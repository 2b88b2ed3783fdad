"""Personas: who may answer."""

from dragoman.dialects.asksage.dates import http_date
from dragoman.dialects.asksage.operation import READ, Call, operation
from dragoman.dialects.asksage.personas import PERSONAS

# When the built-in prompts were last written.
_WRITTEN_MS = 1_793_491_200_000


@operation("get-personas", methods=READ)
async def get_personas(call: Call) -> dict[str, object]:
    """The built-in personas; number 1 answers when none is named.

    Source: Ask Sage Server API, "get-personas".
    """
    written = http_date(_WRITTEN_MS)
    return {
        "response": [
            {
                "id": persona.id,
                "name": persona.name,
                "description": persona.description,
                "prompt": persona.prompt,
                "date_creation": written,
                "date_modification": written,
                "public": True,
            }
            for persona in PERSONAS
        ]
    }
