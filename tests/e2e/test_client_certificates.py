"""Client certificates: from a trusted proxy or on the connection itself, for the console and for controlled datasets."""

import ssl
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from anyio import to_thread
from tests.certificate_makers import Authority, Issued
from tests.e2e.in_process import InProcess, in_process, settings_in
from tests.e2e.server import API_KEY, EMAIL, Server
from tests.e2e.test_console import Visitor

HOUSE = Authority()
HEADER = "X-SSL-Client-Cert"
PROXIES = {"trusted_proxies": ["127.0.0.1"]}
DATASET = {"dataset": "CUI-plans", "classification": "CUI"}


def handed(issued: Issued) -> dict[str, str]:
    return {HEADER: quote(issued.pem), "X-SSL-Client-Verify": "SUCCESS"}


def settings(folder: Path, **more: Any) -> dict[str, Any]:
    root = HOUSE.root.store(folder, "root")[0]
    given = {"header": HEADER, "verified_header": "X-SSL-Client-Verify", "issuers": [str(root)]}
    return {"certificates": {**given, **more.pop("certificates", {})}, "server": PROXIES, **more}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[InProcess]:
    async with in_process(settings_in(tmp_path / "data", **settings(tmp_path))) as started:
        yield started


async def by_certificate(visitor: Visitor, headers: dict[str, str]) -> httpx.Response:
    return await visitor.ask("POST", "/api/session", json={"certificate": True}, headers=headers)


async def test_a_controlled_dataset_needs_the_callers_own_certificate(house: InProcess) -> None:
    refused = await house.client.post("/user/add-dataset", json=DATASET)
    assert refused.status_code == 407
    for wrong in (
        handed(HOUSE.person("somebody.else@example.org")),
        handed(Authority().person(EMAIL)),
        handed(HOUSE.person(EMAIL, days=0.5)),
        {**handed(HOUSE.person(EMAIL)), "X-SSL-Client-Verify": "FAILED:expired"},
        {HEADER: quote(HOUSE.person(EMAIL).pem)},
        {HEADER: "nonsense", "X-SSL-Client-Verify": "SUCCESS"},
    ):
        answer = await house.client.post("/user/add-dataset", json=DATASET, headers=wrong)
        assert answer.status_code == 407, wrong
    made = await house.client.post("/user/add-dataset", json=DATASET, headers=handed(HOUSE.person(EMAIL)))
    assert made.status_code == 200, made.text


async def test_a_header_from_elsewhere_counts_for_nothing(house: InProcess) -> None:
    headers = {"authorization": f"Bearer {API_KEY}", **handed(HOUSE.person(EMAIL))}
    transport = httpx.ASGITransport(house.application, client=("203.0.113.9", 1))  # pyright: ignore[reportArgumentType]
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as outside:
        answer = await outside.post("/user/add-dataset", json=DATASET, headers=headers)
        assert answer.status_code == 407
        # Who claims to be called for by a proxy is still no proxy.
        claimed = {**headers, "x-forwarded-for": "127.0.0.1"}
        answer = await outside.post("/user/add-dataset", json=DATASET, headers=claimed)
        assert answer.status_code == 407
        entered = await outside.post(
            "/console/api/session",
            json={"certificate": True},
            headers={**handed(HOUSE.person(EMAIL)), "x-console-token": "-"},
        )
        assert entered.json()["error"]["code"] == "certificate_missing"


async def test_people_sign_in_to_the_console_by_their_certificate(house: InProcess) -> None:
    visitor, headers = Visitor(house.application), handed(HOUSE.person(EMAIL.upper()))
    assert (await visitor.ask("GET", "/api/ways", headers=headers)).json()["certificate"] == EMAIL
    assert (await visitor.ask("GET", "/api/ways")).json()["certificate"] is None
    entered = await by_certificate(visitor, headers)
    assert entered.status_code == 200, entered.text
    assert (await visitor.ask("GET", "/api/session")).json()["user"]["email"] == EMAIL
    (session,) = (await visitor.ask("GET", "/api/sessions")).json()
    assert session["way"] == "certificate"
    for email, code in (("nobody@example.org", "certificate_unknown"), (None, "certificate_unknown")):
        answer = await by_certificate(Visitor(house.application), handed(HOUSE.person(email)))
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)


async def test_names_that_are_no_email_are_told_whose_they_are(tmp_path: Path) -> None:
    given = {"name": "principal", "users": {"1234567890@MIL": EMAIL}}
    async with in_process(settings_in(tmp_path / "data", **settings(tmp_path, certificates=given))) as house:
        jane = HOUSE.person("other@example.org", principal="1234567890@mil")
        assert (await by_certificate(Visitor(house.application), handed(jane))).status_code == 200
        joe = HOUSE.person(EMAIL, principal="5555555555@mil")
        assert (await by_certificate(Visitor(house.application), handed(joe))).status_code == 401


async def test_guesses_are_slowed_down(house: InProcess) -> None:
    visitor, headers = Visitor(house.application), handed(HOUSE.person("nobody@example.org"))
    for _ in range(30):
        assert (await by_certificate(visitor, headers)).status_code == 401
    answer = await by_certificate(visitor, headers)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1


def _connection(root: Path, issued: Issued | None, folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(root))
    if issued is not None:
        certificate, key = issued.store(folder, f"client-{issued.certificate.serial_number}")
        context.load_cert_chain(certificate, key)
    return context


async def test_the_server_itself_asks_for_certificates(tmp_path: Path) -> None:
    root = HOUSE.root.store(tmp_path, "root")[0]
    certificate, key = HOUSE.server().store(tmp_path, "server")
    server = Server(
        tmp_path / "data",
        {
            "DRAGOMAN_EMBEDDING__PROVIDER": "none",
            "DRAGOMAN_MODELS__LOCAL__ENABLED": "false",
            "DRAGOMAN_TLS__CERTIFICATE": str(certificate),
            "DRAGOMAN_TLS__KEY": str(key),
            "DRAGOMAN_TLS__CLIENT_CA": str(root),
            "DRAGOMAN_TLS__CLIENT_CERTIFICATES": "optional",
        },
        trusted=ssl.create_default_context(cafile=str(root)),
    )
    await to_thread.run_sync(server.start)
    try:
        bearer = {"authorization": f"Bearer {API_KEY}"}

        async def add(issued: Issued | None, **headers: str) -> int:
            context = _connection(root, issued, tmp_path)
            async with httpx.AsyncClient(verify=context, base_url=server.base, trust_env=False) as client:
                answer = await client.post("/user/add-dataset", json=DATASET, headers={**bearer, **headers})
                return answer.status_code

        assert await add(None) == 407
        assert await add(None, **handed(HOUSE.person(EMAIL))) == 407
        assert await add(HOUSE.person("somebody.else@example.org")) == 407
        with pytest.raises(httpx.TransportError):
            await add(Authority().person(EMAIL))
        assert await add(HOUSE.person(EMAIL)) == 200
    finally:
        await to_thread.run_sync(server.stop)
