"""The dialects' OpenAPI documents, made without starting anything."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

from fastapi import FastAPI

from dragoman.dialects.aivax.app import create_app as create_aivax
from dragoman.dialects.asksage.openapi import document as asksage_document
from dragoman.dialects.openai.app import create_app as create_openai
from dragoman.dialects.playground.app import create_app as create_playground
from dragoman.domain.services import Services


def _of_application(create: Callable[[Services], FastAPI], prefix: str) -> dict[str, Any]:
    # Routes and models are all that a document is made of; no service is called for it.
    document = create(cast("Services", None)).openapi()
    return {**document, "servers": [{"url": prefix}]}


OPENAPI_DIALECTS: Mapping[str, Callable[[], dict[str, Any]]] = MappingProxyType(
    {
        "openai": lambda: _of_application(create_openai, "/v1"),
        "aivax": lambda: _of_application(create_aivax, "/api/v1"),
        "asksage": asksage_document,
        "playground": lambda: _of_application(create_playground, "/api/v1/playground"),
    }
)


def openapi_document(dialect: str) -> dict[str, Any]:
    """The document of a dialect, by the dialect's name."""
    return OPENAPI_DIALECTS[dialect]()
