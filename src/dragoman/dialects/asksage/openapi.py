"""This dialect's OpenAPI document, from the declared operations and their fields."""

from typing import Any

from dragoman import __version__
from dragoman.dialects.asksage.app import served
from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.operation import Operation

_SCHEMAS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "list": {"type": "array", "items": {}},
    "object": {"type": "object"},
    "json": {},
    "file": {"type": "string", "format": "binary"},
    "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
}
_ERROR = {
    "type": "object",
    "required": ["response", "error", "status"],
    "properties": {
        "response": {"type": "string"},
        "error": {"type": "string"},
        "status": {"type": "integer"},
    },
}


def _schema(field: Field) -> dict[str, Any]:
    bounds = {"minimum": field.minimum, "maximum": field.maximum, "default": field.default}
    schema = _SCHEMAS[field.kind] | {name: value for name, value in bounds.items() if value is not None}
    if field.choices:
        schema["enum"] = list(field.choices)
    return schema


def _body(operation: Operation) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {field.name: _schema(field) for field in operation.fields},
        "required": [field.name for field in operation.fields if field.required],
    }
    parts = [field for field in operation.fields if field.kind in ("file", "files")]
    kinds = ["multipart/form-data"] if parts else []
    if not any(field.required for field in parts):
        kinds += ["application/json", "application/x-www-form-urlencoded"]
    return {"content": {kind: {"schema": schema} for kind in kinds}}


def _operation(operation: Operation, method: str) -> dict[str, Any]:
    summary = (operation.handler.__doc__ or operation.name).strip().partition("\n")[0]
    described: dict[str, Any] = {
        "operationId": f"{method.lower()}_{operation.name.replace('-', '_')}",
        "summary": summary,
        "responses": {
            "200": {
                "description": "Success",
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            "400": {"description": "Refused", "content": {"application/json": {"schema": _ERROR}}},
        },
    }
    if operation.fields and method != "GET":
        described["requestBody"] = _body(operation)
    if operation.public:
        described["security"] = []
    return described


def document() -> dict[str, Any]:
    """The document with every operation under the prefixes that the published pages list it."""
    paths: dict[str, Any] = {}
    for name, operation in sorted(served().items()):
        for section in operation.sections:
            paths[f"/{section}/{name}"] = {
                method.lower(): _operation(operation, method) for method in sorted(operation.methods)
            }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Dragoman: Ask Sage dialect", "version": __version__},
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "x-access-tokens"}}
        },
        "security": [{"token": []}],
    }
