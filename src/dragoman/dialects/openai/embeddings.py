"""Embeddings by the server's embedder."""

import base64
from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dragoman.dialects.openai.auth import caller_of, services_of
from dragoman.dialects.openai.body import json_body
from dragoman.dialects.openai.decode import first_problem
from dragoman.domain.messages.events import Usage
from dragoman.domain.usage.meter import UsageContext
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import InvalidInput

router = APIRouter()

_MAXIMUM_INPUTS = 2048


class EmbeddingsRequest(BaseModel):
    """The body of an embeddings request."""

    model_config = ConfigDict(extra="allow", strict=True)

    model: str = Field(min_length=1)
    input: str | list[str] | list[int] | list[list[int]]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(default=None, ge=1)
    user: str | None = None


def _texts(wanted: EmbeddingsRequest) -> list[str]:
    texts = [wanted.input] if isinstance(wanted.input, str) else list(wanted.input)
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise InvalidInput(
            "input: non-empty text is needed; arrays of token numbers are not read here.", param="input"
        )
    if len(texts) > _MAXIMUM_INPUTS:
        raise InvalidInput(f"input: at most {_MAXIMUM_INPUTS} texts at once.", param="input")
    return [str(text) for text in texts]


@router.post("/embeddings")
async def embeddings(request: Request) -> Response:
    """Unit vectors of texts, by the embedder in force whatever name was asked for.

    Source: OpenAI API, "Create embeddings".
    """
    caller = await caller_of(request)
    body = await json_body(request)
    try:
        wanted = EmbeddingsRequest.model_validate(body)
    except ValidationError as error:
        raise first_problem(error, body) from error
    texts = _texts(wanted)
    services = services_of(request)
    started = now_ms()
    profile = services.embed.require()
    if wanted.dimensions not in (None, profile.dimensions):
        raise InvalidInput(
            f"dimensions: this embedder makes vectors of {profile.dimensions} numbers.", param="dimensions"
        )
    tokens = sum(services.tokens.count(text, profile.name).tokens for text in texts)
    context = UsageContext(
        caller=caller,
        agent_id=None,
        dialect="openai",
        application=None,
        end_user=wanted.user,
        kind="embedding",
        started_at=started,
    )
    usage = Usage(prompt_tokens=tokens)
    async with services.meter.reserved(context, model=profile.name, usage=usage) as hold:
        vectors = await services.embed.passages(texts)
        services.meter.record(context, model=profile.name, usage=usage, status=200, hold=hold)
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(vector.astype("<f4").tobytes()).decode()
            if wanted.encoding_format == "base64"
            else vector.tolist(),
        }
        for index, vector in enumerate(vectors)
    ]
    used = {"prompt_tokens": tokens, "total_tokens": tokens}
    return JSONResponse({"object": "list", "data": data, "model": profile.name, "usage": used})
