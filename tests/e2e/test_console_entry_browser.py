"""In a real browser: coming in from an issuer of identities, and what a viewer is offered."""

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import httpx
import pytest
from anyio import to_thread
from tests.browser.axe import violations
from tests.browser.chromium import Page, chromium
from tests.e2e.fake_issuer import CLIENT_ID, CLIENT_SECRET, FakeIssuer
from tests.e2e.server import API_KEY, EMAIL, Server
from tests.e2e.test_console_browser import PASSWORD, Person

pytestmark = pytest.mark.skipif(chromium() is None, reason="Chromium is not installed")

VIEWER = "vera@example.org"


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncGenerator[Server]:
    with FakeIssuer() as issuer:
        started = Server(
            tmp_path_factory.mktemp("entry") / "data",
            {
                "DRAGOMAN_EMBEDDING__PROVIDER": "none",
                "DRAGOMAN_MODELS__LOCAL__ENABLED": "false",
                "DRAGOMAN_OIDC__ISSUER": issuer.url,
                "DRAGOMAN_OIDC__CLIENT_ID": CLIENT_ID,
                "DRAGOMAN_OIDC__CLIENT_SECRET": CLIENT_SECRET,
                "DRAGOMAN_OIDC__LABEL": "Acme",
            },
        )
        await to_thread.run_sync(started.start)
        try:
            yield started
        finally:
            await to_thread.run_sync(started.stop)


async def arrives(page: Page, script: str) -> None:
    """Waits until it is true of the page that comes; between two pages nothing can be asked."""
    with anyio.fail_after(60):
        while True:
            try:
                if await page.run(script):
                    return
            except AssertionError:
                pass
            await anyio.sleep(0.1)


async def test_a_click_signs_in_with_the_account_at_the_issuer(server: Server, tmp_path: Path) -> None:
    async with Page(tmp_path / "browser") as page:
        person = Person(page, server.base)
        await page.open(f"{server.base}/console")
        await person.sees("Sign in with Acme")
        assert await violations(page) == []
        await person.clicks("Sign in with Acme")
        await arrives(page, "document.body.innerText.includes('Latest failures')")
        await person.sees(EMAIL)
        await person.goes_to("/account")
        await person.sees("single sign-on")
        await page.open(f"{server.base}/console?refused=oidc_unknown_user")
        await person.sees("Latest failures")
        await person.clicks("Sign out")
        # The issuer has no page for it here, but that is where the browser is.
        await arrives(page, "location.pathname === '/leave'")
        await page.open(f"{server.base}/console?refused=oidc_unknown_user")
        await person.sees("You have no account here")
        assert await violations(page) == []


def _of_a_viewer(server: Server) -> tuple[str, str, str]:
    """A gateway of a viewer's own, a collection that others shared with them, and their setup link."""
    with httpx.Client(base_url=server.base, timeout=60, trust_env=False) as console, server.client() as owner:
        entered = console.post(
            "/console/api/session", json={"key": API_KEY}, headers={"x-console-token": "-"}
        )
        own = {"x-console-token": entered.json()["token"]}
        invited = console.post(
            "/console/api/users", json={"email": VIEWER, "role": "editor"}, headers=own
        ).json()
        shared = owner.post("/api/v1/collections", json={"collectionName": "Handbook"}).json()["collectionId"]
        at = f"/console/api/collections/{shared}/sharing/everybody"
        assert console.put(at, json={"opened": True}, headers=own).status_code == 204
        key = server.command("keys", "create", "--email", VIEWER).stdout.split()[0]
        with server.client(key) as viewer:
            parameters = {"baseAddress": "@integrated", "modelName": "extractive"}
            body = {"name": "Mine", "parameters": parameters}
            made = viewer.post("/api/v1/ai-gateways", json=body).json()["aiGatewayId"]
        at = f"/console/api/users/{invited['id']}"
        assert console.patch(at, json={"role": "viewer"}, headers=own).status_code == 204
    return made, shared, invited["link"]["url"]


async def test_a_viewer_is_offered_nothing_that_is_refused(server: Server, tmp_path: Path) -> None:
    gateway, shared, link = await to_thread.run_sync(_of_a_viewer, server)
    async with Page(tmp_path / "browser") as page:
        person = Person(page, server.base)
        await page.open(link)
        await person.sees(VIEWER)
        await person.writes(password=PASSWORD, again=PASSWORD)
        await person.clicks("Set the password and go on")
        await person.sees("Latest failures")
        for path in (f"/gateways/{gateway}", f"/collections/{shared}"):
            await person.goes_to(path)
            if path.startswith("/collections"):
                await person.clicks("Settings")
            await person.sees("Your role may look at this, but not change it.")
            assert (
                await page.run("document.querySelectorAll('main button[type=submit], main .danger').length")
                == 0
            )
            assert await page.run("document.querySelector('[name=name]').matches(':disabled')")
            assert await violations(page) == []
        await person.clicks("Documents")
        await person.sees("No document yet.")
        assert not await page.run("!!document.querySelector('#files')")
        await person.goes_to("/users")
        await person.sees("An administrator of your organisation can see this page.")
        await person.goes_to("/system")
        await person.sees("An administrator of your organisation can see this page.")
