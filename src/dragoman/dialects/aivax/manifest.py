"""All published operations of this dialect as data: verb, path, group, and whether they are served yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Status = Literal["implemented", "planned", "openai"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One published operation. ``openai``: served by the application under ``/v1``."""

    verb: str
    path: str
    group: str
    status: Status


_CLIENT = "/api/v1/web-chat-client"
_SCHEDULES = "/api/v1/web-chat-clients/{web-chat-id}/hook-schedules"
_PUBLIC = "/api/v1/public/chat-clients/{access-key}"
_COLLECTION = "/api/v1/collections/{collection-id}"

_GROUPS: tuple[tuple[str, Status, tuple[str, ...]], ...] = (
    ("Inference", "openai", ("GET /v1/models", "POST /v1/chat/completions")),
    (
        "Hook schedules",
        "implemented",
        (
            f"GET {_SCHEDULES}",
            f"GET {_SCHEDULES}/schedules/{{id}}",
            f"DELETE {_SCHEDULES}/schedules/{{id}}",
            f"GET {_SCHEDULES}/recurring/{{id}}",
            f"DELETE {_SCHEDULES}/recurring/{{id}}",
        ),
    ),
    (
        "Web chat clients",
        "implemented",
        (
            f"GET {_CLIENT}",
            f"POST {_CLIENT}",
            f"GET {_CLIENT}/{{id}}",
            f"PUT {_CLIENT}/{{id}}",
            f"DELETE {_CLIENT}/{{id}}",
            f"PUT {_CLIENT}/{{id}}/integrations",
            f"DELETE {_CLIENT}/{{id}}/integrations/{{name}}",
        ),
    ),
    (
        "Web chat sessions",
        "implemented",
        (
            f"POST {_CLIENT}/{{chat-client-id}}/sessions",
            f"GET {_CLIENT}/{{chat-client-id}}/sessions",
            f"DELETE {_CLIENT}/{{chat-client-id}}/sessions/{{session-id}}",
        ),
    ),
    (
        "Skills",
        "implemented",
        (
            "GET /api/v1/skills",
            "POST /api/v1/skills",
            "GET /api/v1/skills/{skill-id}",
            "PUT /api/v1/skills/{skill-id}",
            "DELETE /api/v1/skills/{skill-id}",
            "DELETE /api/v1/skills/management/clear",
            "POST /api/v1/skills/management/import",
            "GET /api/v1/skills/management/export.jsonl",
        ),
    ),
    (
        "Shell I/O",
        "implemented",
        (
            "GET /api/v1/shell/io/file",
            "POST /api/v1/shell/io/file",
            "DELETE /api/v1/shell/io/file",
            "GET /api/v1/shell/io/listing",
            "POST /api/v1/shell/io/directory",
            "DELETE /api/v1/shell/io/directory",
            "GET /api/v1/shell/io/file/details",
            "GET /api/v1/shell/io/file/public-address",
        ),
    ),
    ("RAG", "implemented", ("POST /api/v1/query",)),
    (
        "Public chat client",
        "implemented",
        (
            f"GET {_PUBLIC}",
            f"DELETE {_PUBLIC}",
            f"POST {_PUBLIC}/retry",
            f"POST {_PUBLIC}/prompt",
            f"GET {_PUBLIC}/transcript.json",
        ),
    ),
    (
        "Memories",
        "implemented",
        ("GET /api/v1/memories", "DELETE /api/v1/memories", "GET /api/v1/memories/{id}"),
    ),
    (
        "Collections",
        "implemented",
        (
            "GET /api/v1/collections",
            "POST /api/v1/collections",
            f"PUT {_COLLECTION}",
            f"GET {_COLLECTION}",
            f"DELETE {_COLLECTION}",
            f"DELETE {_COLLECTION}/reset-only",
            f"DELETE {_COLLECTION}/vectors-only",
            f"GET {_COLLECTION}/export.jsonl",
        ),
    ),
    (
        "Documents",
        "implemented",
        (
            f"GET {_COLLECTION}/documents",
            f"POST {_COLLECTION}/documents",
            f"PUT {_COLLECTION}/documents",
            f"GET {_COLLECTION}/documents/{{document-id}}",
            f"DELETE {_COLLECTION}/documents/{{document-id}}",
        ),
    ),
    (
        "AI gateways",
        "implemented",
        (
            "POST /api/v1/ai-gateways",
            "GET /api/v1/ai-gateways",
            "PATCH /api/v1/ai-gateways/{id}",
            "GET /api/v1/ai-gateways/{id}",
            "DELETE /api/v1/ai-gateways/{id}",
        ),
    ),
    ("Accounts", "implemented", ("PUT /api/v1/accounts", "POST /api/v1/accounts/roll-salt")),
    (
        "API keys",
        "implemented",
        (
            "GET /api/v1/accounts/api-key",
            "POST /api/v1/accounts/api-key",
            "DELETE /api/v1/accounts/api-key/{key-id}",
        ),
    ),
)


def _operations() -> Iterator[Operation]:
    for group, status, lines in _GROUPS:
        for line in lines:
            verb, path = line.split(" ", 1)
            yield Operation(verb, path, group, status)


OPERATIONS: tuple[Operation, ...] = tuple(_operations())
