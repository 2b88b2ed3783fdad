"""All published operations of this dialect as data: verb, path, what an answer must hold, how it may refuse."""

from dataclasses import dataclass

_USUAL = frozenset({200, 400})
_PLAIN = ("response", "status")
_ANSWER = (
    "response",
    "message",
    "uuid",
    "references",
    "embedding_down",
    "vectors_down",
    "teach",
    "type",
    "added_obj",
    "usage",
    "tool_calls",
    "status",
)


@dataclass(frozen=True, slots=True)
class Published:
    """One published operation. ``keys`` are those of a successful answer; none for answers that are no JSON."""

    verb: str
    path: str
    keys: tuple[str, ...] = _PLAIN
    media_type: str = "application/json"
    statuses: frozenset[int] = _USUAL
    public: bool = False

    @property
    def name(self) -> str:
        """The operation's own name."""
        return self.path.rsplit("/", 1)[-1].replace("_", "-")


PUBLISHED: tuple[Published, ...] = (
    Published("POST", "/server/get-models", ("object", "data", "response", "status")),
    Published("POST", "/server/get-personas"),
    Published("POST", "/server/get-datasets"),
    Published("POST", "/server/get-plugins"),
    Published("POST", "/server/tokenizer"),
    Published("POST", "/server/file", ("response", "status", "ret", "sent_filename")),
    Published("POST", "/server/train", ("response", "status", "embedding")),
    Published("POST", "/server/query", _ANSWER),
    Published("POST", "/server/query_with_file", _ANSWER),
    Published("POST", "/server/follow-up-questions", ("message", "response", "status")),
    Published("GET", "/server/list-mcp-servers", ("response", "status", "count")),
    Published("POST", "/server/list-mcp-servers", ("response", "status", "count")),
    Published("GET", "/server/list-mcp-whitelisted-servers"),
    Published("GET", "/server/list-mcp-tools", ("response", "status", "count")),
    Published("GET", "/server/get-all-files-ingested", ("response", "files", "status")),
    Published("POST", "/server/execute-plugin", (), "text/plain"),
    Published("POST", "/server/execute-plugin-with-file", _ANSWER),
    Published("POST", "/server/get-deep-agent", (), "text/plain", frozenset({200, 400, 404})),
    Published("POST", "/server/add-mcp-server", ("response", "status", "server_id")),
    Published("PUT", "/server/update-mcp-server", statuses=frozenset({200, 400, 404})),
    Published("DELETE", "/server/delete-mcp-server", statuses=frozenset({200, 400, 404})),
    Published("DELETE", "/server/dataset"),
    Published("POST", "/server/delete-filename-from-dataset"),
    Published("POST", "/server/copy-files-dataset"),
    Published("POST", "/server/vote-down"),
    Published("GET", "/server/count-monthly-tokens"),
    Published("POST", "/server/count-monthly-tokens"),
    Published("GET", "/server/count-monthly-teach-tokens"),
    Published("POST", "/server/train-with-file", ("response", "status", "embedding")),
    Published("POST", "/server/train-with-array", ("response", "status", "embedding")),
    Published("GET", "/server/get-secrets"),
    Published("POST", "/server/get-text-to-speech", (), "audio/mpeg"),
    Published("POST", "/user/get-token-with-api-key", public=True),
    Published("POST", "/user/get-user-logs"),
    Published("POST", "/user/get-user-logins"),
    Published("POST", "/user/add-dataset", statuses=frozenset({200, 400, 406, 407})),
    Published("POST", "/user/delete-dataset", statuses=frozenset({200, 400, 408})),
    Published("POST", "/user/train", ("result", "status")),
)
