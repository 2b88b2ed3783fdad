"""Every route is walked: a new one that the walk cannot fill with somebody's things fails here until it can."""

import re
from typing import cast

import pytest
from tests.dialects.tenants.routes import console_routes, routes
from tests.dialects.tenants.test_walk import ALL, CONSOLE, KNOWN, placed, schema, thing

from dragoman.bootstrap.documents import OPENAPI_DIALECTS, openapi_document
from dragoman.dialects.anthropic.app import create_app as create_anthropic
from dragoman.dialects.gemini.app import create_app as create_gemini
from dragoman.domain.services import Services

# Parts of a path that name no one's thing: a kind of channel; a message that could not be sent, of a client that is one's own;
# the number of a reference in it; a call that is under way in this process; a file of the session that the secret before it opens.
_NO_THINGS = {"name", "message_id", "number", "call_id", "attachment_id"}
# Who has the secret in the address is meant to see what it opens.
_BY_SECRET = {"token", "access_key", "secret", "number"}
# Ids of the caller's own, of oneself, or of what is common to all.
_PLAIN = {
    "api_key",
    "id",
    "loginKey",
    "max_tokens",
    "tokens",
}
_LIKE_AN_ID = re.compile(
    r"(^|_|[a-z])(id|Id|ID|ids|Ids|uuid|key|Key)$|^(dataset|persona|session|collections?|gateway)$"
)


@pytest.mark.parametrize("dialect", OPENAPI_DIALECTS)
def test_every_name_in_a_path_stands_for_something_in_the_house(dialect: str) -> None:
    for path in openapi_document(dialect)["paths"]:
        names = set(re.findall(r"\{(\w+)\}", placed(path)))
        unknown = names - KNOWN - _NO_THINGS - _BY_SECRET
        assert not unknown, f"{path}: say in test_walk.py what {unknown} stands for"


@pytest.mark.parametrize("dialect", OPENAPI_DIALECTS)
def test_every_field_that_names_a_thing_is_filled_with_one(dialect: str) -> None:
    document, unknown = openapi_document(dialect), set[str]()
    for path, item in document["paths"].items():
        for operation in item.values():
            queries = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
            for name in [*schema(document, operation).get("properties", {}), *queries]:
                meant = thing(path.rpartition("/")[2], path.strip("/"), name)
                if _LIKE_AN_ID.search(name) and meant not in KNOWN and name not in _PLAIN:
                    unknown.add(f"{path} {name}")
    assert unknown <= {"/query collections"}, "say in test_walk.py what these stand for"


def test_routes_without_a_document_are_walked_as_well() -> None:
    nobody = cast("Services", None)
    anthropic = {path for path in routes(create_anthropic(nobody).routes) if path.startswith("/v1/")}
    assert anthropic == {"/v1/messages", "/v1/messages/count_tokens", "/v1/models", "/v1/models/{name}"}
    gemini = {path for path in routes(create_gemini(nobody).routes) if path.startswith("/v1beta/")}
    assert gemini == {"/v1beta/models", "/v1beta/models/{called}"}
    walked = {probe.path for probe in ALL if probe.dialect in ("anthropic", "gemini")}
    assert len(walked) == 8


def test_every_route_of_the_console_is_walked() -> None:
    api = set(console_routes())
    of_oneself = {
        "/console/api/session",
        "/console/api/setup",
        "/console/api/setup/look",
        "/console/api/password",
        "/console/api/sessions",
        # A person's folder is named by a number of the caller's own; another caller has other folders.
        "/console/api/files/content",
    }
    missing = api - of_oneself - {route for route, _ in CONSOLE}
    assert not missing, f"say in test_walk.py how to ask {missing} for another's things"
