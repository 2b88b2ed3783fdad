"""No request made from a dialect's own document breaks the server: one server process, all three dialects.

``DRAGOMAN_FUZZ_EXAMPLES`` raises the number of requests for each operation; ``DRAGOMAN_FUZZ_DATABASE=postgresql`` has
the server keep its state there.
"""

import os
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
import requests
from fuzzed import MANNERS, Operation, cases, fault_of, odd_bodies, operations
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.e2e.server import API_KEY, Server

_EXAMPLES = int(os.environ.get("DRAGOMAN_FUZZ_EXAMPLES", "8"))
_ANSWER_SECONDS = 20.0
_DIALECTS = ("openai", "aivax", "asksage")
_varied = settings(
    max_examples=_EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
        HealthCheck.large_base_example,
        HealthCheck.function_scoped_fixture,
    ],
)


@dataclass
class Target:
    """A server with something in it."""

    server: Server
    session: requests.Session
    known: Mapping[str, str]

    def headers(self, dialect: str) -> dict[str, str]:
        """What makes a request one of the server's user."""
        manners = MANNERS[dialect]
        return {manners.key_header: manners.key_prefix + API_KEY}

    def judge(self, dialect: str, response: requests.Response, sent: str) -> None:
        """Fails when the answer is a broken one, with what the server logged meanwhile."""
        fault = fault_of(dialect, response)
        if fault is not None:
            raise AssertionError(f"{fault}\n{sent}\n{self.server.log.read_text()[-4000:]}")


def _filled(server: Server) -> dict[str, str]:
    """Makes one of each kind of thing; gives the values of path parameters that name them."""
    made: dict[str, str] = {"name": "extractive"}
    with server.client() as client:

        def make(path: str, body: Mapping[str, Any], method: str = "POST") -> dict[str, Any]:
            answer = client.request(method, path, json=body)
            assert answer.status_code < 300, f"{path}: {answer.text}"
            return answer.json()

        made["collection_id"] = str(make("/api/v1/collections", {"collectionName": "Known"})["collectionId"])
        documents = f"/api/v1/collections/{made['collection_id']}/documents"
        document = {"name": "first", "contents": "The keeper drinks tea."}
        make(documents, document, "PUT")
        make("/user/add-dataset", {"dataset": "known"})
    return made


@pytest.fixture(scope="module")
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Target]:
    """A server that needs no weights and calls nobody, and connections to it that are kept open."""
    chosen = {"DRAGOMAN_EMBEDDING__PROVIDER": "none", "DRAGOMAN_MODELS__LOCAL__ENABLED": "false"}
    if os.environ.get("DRAGOMAN_FUZZ_DATABASE") == "postgresql":
        name: str = request.getfixturevalue("migrated_postgres")
        chosen["DRAGOMAN_DATABASE__URL"] = request.getfixturevalue("postgres_server").url(name)
    with Server(tmp_path_factory.mktemp("fuzz") / "data", chosen) as server, requests.Session() as session:
        session.trust_env = False
        yield Target(server, session, _filled(server))


def _operations(*methods: str) -> Iterator[Any]:
    for dialect in _DIALECTS:
        for operation in operations(dialect):
            if not methods or operation.method.lower() in methods:
                yield pytest.param(dialect, operation, id=f"{dialect}-{operation.label}")


@pytest.mark.parametrize(("dialect", "operation"), list(_operations("post", "put", "patch")))
def test_no_odd_body_breaks_the_server(dialect: str, operation: Operation, target: Target) -> None:
    path = operation.path
    for name, value in target.known.items():
        path = path.replace(f"{{{name}}}", quote(value))
    url = f"{target.server.base}{MANNERS[dialect].base}{path}"

    @_varied
    @given(body=odd_bodies(operation))
    def holds(body: tuple[bytes, str]) -> None:
        content, kind = body
        headers = {**target.headers(dialect), "content-type": kind}
        method = operation.method.upper()
        answer = target.session.request(method, url, data=content, headers=headers, timeout=_ANSWER_SECONDS)
        target.judge(dialect, answer, f"{method} {url} {kind} {content[:2000]!r}")

    holds()


@pytest.mark.parametrize(("dialect", "operation"), list(_operations()))
def test_no_request_from_the_document_breaks_the_server(
    dialect: str, operation: Operation, target: Target
) -> None:
    manners = MANNERS[dialect]

    @_varied
    @given(case=cases(operation), known=st.booleans())
    def holds(case: Any, known: bool) -> None:
        # A made-up key would only ever be refused.
        for name in [name for name in case.headers or {} if name.lower() == manners.key_header]:
            del case.headers[name]
        if known:
            case.path_parameters = {
                name: target.known.get(name, value) for name, value in (case.path_parameters or {}).items()
            }
        response = case.call(
            base_url=target.server.base + manners.base,
            headers=target.headers(dialect),
            session=target.session,
            timeout=_ANSWER_SECONDS,
        )
        target.judge(dialect, response, case.as_curl_command())

    holds()


def test_the_server_still_serves_after_all_of_it(target: Target) -> None:
    for dialect, path in (
        ("openai", "/v1/models"),
        ("aivax", "/api/v1/keys"),
        ("asksage", "/server/get-datasets"),
    ):
        headers = target.headers(dialect)
        answer = target.session.get(target.server.base + path, headers=headers, timeout=_ANSWER_SECONDS)
        assert answer.status_code == 200, f"{dialect}: {answer.text}"
    assert "Traceback" not in target.server.log.read_text()
