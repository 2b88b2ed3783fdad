"""Requests made from a dialect's own OpenAPI document, and what every answer to them must be."""

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation

from dragoman.bootstrap.documents import openapi_document

Operation = APIOperation[Any, Any, Any, Any]

# They take nothing that could be varied, and they end the key of all other requests.
_ENDING = ("/account/salt/roll", "/accounts/roll-salt")
_NAMES_WHAT_TO_DO = (501, 503)
_QUERY = ("limit", "offset", "filter", "path", "name")
_ANY_TEXT = {"type": "string"}
_MESSAGES = {
    "type": "array",
    "maxItems": 3,
    "items": {
        "type": "object",
        "properties": {
            "role": {"enum": ["system", "user", "assistant", "tool"]},
            "content": {"anyOf": [_ANY_TEXT, {"type": "array", "items": {"type": "object"}}]},
        },
        "required": ["role", "content"],
    },
}
# The OpenAI operations read their bodies themselves, so their document does not describe them.
_BODIES: Mapping[str, Any] = MappingProxyType(
    {
        "/chat/completions": {
            "type": "object",
            "properties": {
                "model": {"enum": ["extractive", "no-such"]},
                "messages": _MESSAGES,
                "stream": {"type": "boolean"},
                "max_tokens": {"type": "integer"},
                "temperature": {"type": "number"},
                "stop": {"anyOf": [_ANY_TEXT, {"type": "array", "items": _ANY_TEXT}]},
                "response_format": {"type": "object"},
                "tools": {"type": "array", "items": {"type": "object"}},
                "seed": {"type": "integer"},
            },
            "required": ["model", "messages"],
        },
        "/embeddings": {
            "type": "object",
            "properties": {
                "model": _ANY_TEXT,
                "input": {"anyOf": [_ANY_TEXT, {"type": "array", "items": _ANY_TEXT}]},
                "dimensions": {"type": "integer"},
            },
            "required": ["model", "input"],
        },
    }
)


def _completed(path: str, method: str, described: dict[str, Any]) -> None:
    """Adds what the document leaves out: parameters of the path, of the query, and a body."""
    parameters = described.setdefault("parameters", [])
    declared = {parameter["name"] for parameter in parameters}
    for name in set(re.findall(r"{(\w+)}", path)) - declared:
        parameters.append({"name": name, "in": "path", "required": True, "schema": _ANY_TEXT})
    for name in _QUERY:
        if name not in declared:
            kind = {"type": "integer"} if name in ("limit", "offset") else _ANY_TEXT
            parameters.append({"name": name, "in": "query", "required": False, "schema": kind})
    if method in ("post", "put", "patch") and "requestBody" not in described:
        schema = _BODIES.get(path, {"type": "object"})
        described["requestBody"] = {"content": {"application/json": {"schema": schema}}}


def operations(dialect: str) -> list[Operation]:
    """Every operation of the document, those that delete last; one that cannot be read is an error."""
    document = copy.deepcopy(openapi_document(dialect))
    document["paths"] = {path: item for path, item in document["paths"].items() if path not in _ENDING}
    for path, item in document["paths"].items():
        for method, described in item.items():
            _completed(path, method, described)
    generation = GenerationConfig(deterministic=True, allow_x00=True)
    config = SchemathesisConfig(projects=ProjectsConfig(default=ProjectConfig(generation=generation)))
    found: list[Operation] = []
    for result in schemathesis.openapi.from_dict(document, config=config).get_all_operations():
        if not isinstance(result, Ok):
            raise AssertionError(f"{dialect}: an operation cannot be read: {result.err()}")
        found.append(result.ok())
    return sorted(found, key=lambda operation: operation.method.lower() == "delete")


def cases(operation: Operation) -> st.SearchStrategy[Any]:
    """Requests that fit the operation's description and requests that do not."""
    return st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )


ODD: tuple[Any, ...] = (
    "\ud800", "a\x00b", "", " ", "\u202e\ufeff", "\r\nx-more: 1", "../../../etc/passwd", "a" * 70_000, "9" * 5000,
    "2026-99-99", "%00", "NaN", "\U0001f600" * 300, "{{", "(", "-1",
    None, True, [], {}, [None], [[[]]], {"": ""}, {"$ref": "#"}, 0, -1, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63) - 1,
    10**400, 1e308, -0.0, 5e-324,
)  # fmt: skip
RAW = (
    b"", b"[", b"\xff\xfe", b"null", b"NaN", b"[" * 100_000, b'{"a":' * 3000, b"\xef\xbb\xbf{}", b'"text"', b"1e999",
    b'{"name": "\\ud800"}', b"--x\r\n", b"--x--\r\n", b"a=%ff&a=%00&%=&=&a[]=1", b"\x1f\x8b\x08", b"--x\r\n\r\n\r\n--x--",
    b'--x\r\ncontent-disposition: form-data; name="file"; filename="../\\x00.txt"\r\n\r\na\x00b\r\n--x--\r\n',
)  # fmt: skip
_TYPES = (
    "application/json", "application/json; charset=utf-16", "text/plain", "", "multipart/form-data",
    "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/octet-stream", ";;;=", "a" * 300,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from places(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


@st.composite
def odd_bodies(draw: st.DrawFn, operation: Operation) -> tuple[bytes, str]:
    """A body that fits but for one odd value in it, or bytes of no shape; with a content type."""
    case = draw(operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    found = list(places(case.body)) if isinstance(case.body, dict | list) else []
    if not found or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(RAW)), draw(st.sampled_from(_TYPES))
    body: Any = copy.deepcopy(case.body)
    place = draw(st.sampled_from(found))
    holder: Any = body
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = draw(st.sampled_from(ODD))
    try:
        return json.dumps(body).encode(), "application/json"
    except TypeError:  # a file's content is bytes
        return draw(st.sampled_from(RAW)), draw(st.sampled_from(_TYPES))


def _is_openai(body: Any) -> bool:
    error = body.get("error")
    return isinstance(error, dict) and all(isinstance(error.get(name), str) for name in ("message", "type"))


def _is_aivax(body: Any) -> bool:
    return isinstance(body.get("error"), str) and "details" in body


def _is_asksage(body: Any) -> bool:
    return all(isinstance(body.get(name), str) for name in ("response", "error")) and "status" in body


@dataclass(frozen=True)
class Manners:
    """How a dialect is called and how it refuses."""

    base: str
    is_refusal: Callable[[Any], bool]
    key_header: str
    key_prefix: str = ""


MANNERS: Mapping[str, Manners] = MappingProxyType(
    {
        "openai": Manners("/v1", _is_openai, "authorization", "Bearer "),
        "aivax": Manners("/api/v1", _is_aivax, "authorization", "Bearer "),
        "asksage": Manners("", _is_asksage, "x-access-tokens"),
    }
)


def fault_of(dialect: str, response: requests.Response) -> str | None:
    """What is wrong with an answer, if anything is."""
    status = response.status_code
    if status < 400:
        return None
    said = f"{status}: {response.content[:300]!r}"
    if status >= 500 and status not in _NAMES_WHAT_TO_DO:
        return said
    if response.request.method == "HEAD":
        return None
    try:
        body = json.loads(response.content)
    except ValueError:
        return f"no JSON, {said}"
    if not isinstance(body, dict) or not MANNERS[dialect].is_refusal(body):
        return f"another shape than the dialect's, {said}"
    return None
