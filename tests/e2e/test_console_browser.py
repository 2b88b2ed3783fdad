"""The console in a real browser: from the setup link to the bill, by what a person sees; and that everybody can use it."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio import to_thread
from tests.browser.axe import violations
from tests.browser.chromium import Page, chromium
from tests.e2e.server import API_KEY, EMAIL, Server

pytestmark = pytest.mark.skipif(chromium() is None, reason="Chromium is not installed")

PASSWORD = "correct horse battery"
PAGES = (
    "/",
    "/chat",
    "/gateways",
    "/gateways/new",
    "/models",
    "/personas",
    "/skills",
    "/plugins",
    "/tool-servers",
    "/voice",
    "/memories",
    "/approvals",
    "/runs",
    "/chats",
    "/conversations",
    "/collections",
    "/ingestion",
    "/labels",
    "/usage",
    "/limits",
    "/receipts",
    "/users",
    "/keys",
    "/audit",
    "/system",
    "/groups",
    "/organisations",
    "/sharing",
    "/files",
    "/account",
)
_READY = (
    "!!document.querySelector('main h1') && "
    "![...document.querySelectorAll('[role=status]')].some((one) => one.textContent === 'Loading…')"
)
_QUIET = {
    "DRAGOMAN_EMBEDDING__PROVIDER": "none",
    "DRAGOMAN_MODELS__LOCAL__ENABLED": "false",
    # A port that nobody may listen on.
    "DRAGOMAN_MODELS__PROVIDERS": '{"dead": {"base_url": "http://127.0.0.1:1/v1", "models": ["broken"], "outside": false}}',
    "DRAGOMAN_MODELS__FALLBACKS": '{"broken": ["extractive"]}',
}


class Person:
    """Somebody in front of the page."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.base = base

    async def goes_to(self, path: str) -> None:
        await self.page.open(f"{self.base}/console{path}")
        await self.page.until(_READY)

    async def writes(self, **values: str) -> None:
        for name, value in values.items():
            await self.page.until(f"!!document.querySelector('[name={name}]')")
            await self.page.run(
                f"(() => {{ const field = document.querySelector('[name={name}]'); field.value = {value!r};"
                " field.dispatchEvent(new Event('input', { bubbles: true })) })()"
            )

    async def clicks(self, text: str) -> None:
        """Clicks the last button, link or label of exactly that text: what was opened last is nearest."""
        found = f"[...document.querySelectorAll('button, a, label')].filter((one) => one.textContent.trim() === {text!r})"
        await self.page.until(f"{found}.length > 0")
        await self.page.run(f"{found}.at(-1).click()")

    async def sees(self, text: str) -> None:
        await self.page.until(f"!!document.body && document.body.innerText.includes({text!r})")

    async def chooses_file(self, selector: str, path: Path) -> None:
        root = await self.page.ask("DOM.getDocument")
        found = await self.page.ask("DOM.querySelector", nodeId=root["root"]["nodeId"], selector=selector)
        await self.page.ask("DOM.setFileInputFiles", files=[str(path)], nodeId=found["nodeId"])

    async def looks(self, width: int, scheme: str) -> None:
        await self.page.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False
        )
        features: list[Any] = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.page.ask("Emulation.setEmulatedMedia", features=features)


@pytest.fixture(scope="module")
async def person(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncGenerator[Person]:
    """Somebody who has just set a password by a setup link."""
    folder = tmp_path_factory.mktemp("console")
    server = Server(folder / "data", _QUIET)
    await to_thread.run_sync(server.start)
    try:
        told = await to_thread.run_sync(lambda: server.command("users", "setup-link", EMAIL))
        async with Page(folder / "browser") as page:
            made = Person(page, server.base)
            await page.open(told.stdout.split()[0])
            await made.sees(EMAIL)
            await made.writes(password=PASSWORD, again=PASSWORD)
            await made.clicks("Set the password and go on")
            await made.sees("First steps")
            yield made
    finally:
        await to_thread.run_sync(server.stop)


async def test_from_a_document_to_an_answer_to_the_bill(person: Person, tmp_path: Path) -> None:
    handbook = tmp_path / "handbook.md"
    handbook.write_text("# Contracts\n\nThe notice period $n = 3$ is three months to the end of a quarter.\n")
    await person.goes_to("/collections")
    await person.clicks("New collection")
    await person.writes(name="Handbook")
    await person.clicks("Create")
    await person.page.until("!!document.querySelector('#files')")
    await person.chooses_file("#files", handbook)
    await person.sees("was taken in")
    await person.page.until(
        "[...document.querySelectorAll('tbody .badge.good')].some((one) => one.textContent === 'ready')"
    )
    await person.clicks("Query lab")
    await person.writes(text="notice period")
    await person.clicks("Search")
    await person.sees("[1] handbook.md")
    await person.goes_to("/gateways/new")
    await person.writes(name="Helper", modelName="extractive")
    await person.clicks("Handbook")
    await person.clicks("Create")
    await person.clicks("Test chat")
    await person.page.until("!!document.querySelector('#ask')")
    await person.page.run("document.querySelector('#ask').value = 'How long is the notice period?'")
    await person.clicks("Ask")
    await person.sees("Receipt")
    assert "three months" in await person.page.run("document.querySelector('.turn.assistant').innerText")
    await person.page.until("!!document.querySelector('.turn.assistant math')")
    assert await violations(person.page) == []
    await person.goes_to("/runs")
    await person.page.run("document.querySelector('tbody a').click()")
    await person.sees("Answered tokens")
    assert await violations(person.page) == []
    await person.goes_to("/usage")
    await person.sees("extractive")
    await person.goes_to("/audit")
    await person.sees("gateway.created")


async def test_files_on_their_way_go_on_while_another_tab_is_looked_at(
    person: Person, tmp_path: Path
) -> None:
    await person.goes_to("/collections")
    await person.clicks("New collection")
    await person.writes(name="Box")
    await person.clicks("Create")
    await person.page.run(
        "window.held = []; window.passed = XMLHttpRequest.prototype.send;"
        "XMLHttpRequest.prototype.send = function (body) { held.push(() => passed.call(this, body)); }; 0"
    )
    for number, name in enumerate(("first.md", "second.md")):
        (tmp_path / name).write_text(f"# Note\n\nThis is note number {number}.\n")
        await person.page.until("!!document.querySelector('#files')")
        await person.chooses_file("#files", tmp_path / name)
        await person.sees(name)
        if number == 0:
            await person.clicks("Query lab")
            await person.clicks("Documents")
    await person.page.run(
        "XMLHttpRequest.prototype.send = passed; held.forEach((one) => one()); delete window.held; 0"
    )
    await person.page.until("document.body.innerText.split('was taken in').length === 3")


async def test_who_only_looks_for_an_answer_finds_whom_to_ask(person: Person) -> None:
    await person.goes_to("/chat")
    await person.page.until("document.querySelector('#talk-to')?.selectedOptions[0].textContent === 'Helper'")
    await person.page.run("document.querySelector('#ask').value = 'How long is the notice period?'")
    await person.clicks("Ask")
    await person.page.until("!!document.querySelector('.turn.assistant .receipt')")
    assert "three months" in await person.page.run("document.querySelector('.turn.assistant').innerText")
    assert await violations(person.page) == []


async def test_a_person_answers_in_a_web_chat(person: Person) -> None:
    await person.goes_to("/gateways/new")
    await person.writes(name="Desk", modelName="extractive")
    await person.clicks("Create")
    await person.sees("Test chat")
    await person.goes_to("/chats")
    await person.clicks("New web chat")
    await person.writes(name="Shop")
    await person.clicks("Save")
    await person.sees('data-client="')
    assert await violations(person.page) == []
    await person.clicks("Settings")
    await person.writes(origins="https://www.example.com", helloLabel="Good day")
    await person.clicks("Save")
    await person.clicks("Page and widget")
    await person.sees("Pages of https://www.example.com may show it.")
    await person.clicks("Start a conversation")
    await person.sees("/chat/")
    await person.page.until(
        "!!document.querySelector('iframe.preview').contentDocument.querySelector('textarea')"
    )
    await person.clicks("Conversations on the page")
    await person.clicks("Open")
    await person.sees("The agent answers")
    await person.clicks("Answer myself")
    await person.sees("A person answers")
    await person.writes(text="We are open until six.")
    await person.clicks("Send")
    await person.page.until("!!document.querySelector('.transcript li')")
    await person.sees("We are open until six.")
    assert await violations(person.page) == []
    await person.clicks("Let the agent answer")
    await person.sees("The agent answers")
    await person.clicks("✕")
    for tab in ("Messaging services", "Conversations on services", "Planned messages", "Not delivered"):
        await person.clicks(tab)
        await person.page.until(_READY)
        assert (tab, await violations(person.page)) == (tab, [])


async def test_what_was_said_is_found_in_all_web_chats(person: Person) -> None:
    await person.goes_to("/conversations")
    await person.writes(text="OPEN until")
    await person.clicks("Search")
    await person.sees("We are open until six.")
    assert await violations(person.page) == []
    await person.clicks("Open")
    await person.page.until("!!document.querySelector('dialog .transcript li')")
    await person.clicks("✕")
    await person.writes(text="nobody said this")
    await person.clicks("Search")
    await person.sees("Nothing was found.")


async def test_a_skill_is_written_and_changed(person: Person) -> None:
    await person.goes_to("/skills")
    await person.clicks("New skill")
    await person.writes(slug="refunds", description="About refunds", instructions="Refund within 30 days.")
    await person.clicks("Save")
    await person.sees("refunds")
    await person.clicks("Change")
    await person.writes(instructions="Refund within 14 days.")
    await person.clicks("Save")
    await person.page.until("!document.querySelector('dialog')")
    await person.clicks("Change")
    await person.page.until("document.querySelector('[name=instructions]')?.value.includes('14 days')")
    assert await violations(person.page) == []


async def test_personas_and_tool_servers_are_set_up(person: Person) -> None:
    await person.goes_to("/personas")
    await person.clicks("New persona")
    await person.writes(name="Pirate", prompt="Answer as a pirate.")
    await person.clicks("Save")
    await person.sees("your own")
    await person.clicks("Change")
    await person.page.until("document.querySelector('[name=prompt]')?.value === 'Answer as a pirate.'")
    assert await violations(person.page) == []
    await person.goes_to("/tool-servers")
    await person.clicks("New tool server")
    await person.writes(server_name="Inside", server_url="http://169.254.169.254/mcp")
    await person.clicks("Save")
    await person.page.until("!!document.querySelector('dialog [role=alert]')")
    await person.clicks("Cancel")
    await person.goes_to("/voice")
    await person.clicks("New voice agent")
    await person.writes(name="Phone", model="extractive", welcome="Good day")
    await person.clicks("Save")
    await person.page.until("!document.querySelector('dialog') && document.body.innerText.includes('Phone')")
    await person.clicks("Change")
    await person.writes(json='{"agent": {"welcome_text": 5}}')
    await person.clicks("Save")
    await person.page.until(
        "document.querySelector('dialog .field .wrong')?.innerText.includes('welcome_text')"
    )
    await person.writes(json='{"agent": {"welcome_text": "Good evening"}}')
    await person.clicks("Save")
    await person.page.until("!document.querySelector('dialog')")


async def test_a_plugin_works_on_a_file(person: Person, tmp_path: Path) -> None:
    table = tmp_path / "sales.csv"
    table.write_text("shop,sold\nnorth,3\nsouth,4\n")
    await person.goes_to("/plugins")
    button = "[...document.querySelectorAll('tr')].find((one) => one.innerText.includes('sql_over_csv')).querySelector('button')"
    await person.page.run(f"{button}.click()")
    await person.page.until("!!document.querySelector('dialog [name=file]')")
    await person.chooses_file("dialog [name=file]", table)
    await person.writes(question="SELECT sum(sold) FROM data")
    await person.clicks("Carry out")
    await person.page.until("document.querySelector('dialog .answer td')?.innerText === '7'")
    assert await violations(person.page) == []


async def test_a_limit_is_set_shown_and_removed_and_an_answer_has_its_receipt(person: Person) -> None:
    await person.goes_to("/limits")
    await person.clicks("New limit")
    assert await violations(person.page) == []
    await person.writes(amount="1234567")
    await person.clicks("Set")
    await person.sees("1,234,567 tokens a day")
    await person.sees("You can spend")
    await person.goes_to("/receipts")
    await person.page.until("!!document.querySelector('tbody a')")
    await person.page.run("document.querySelector('tbody a').click()")
    await person.sees("What was used")
    assert await violations(person.page) == []
    await person.goes_to("/limits")
    await person.clicks("Remove")
    await person.sees("Nothing bounds this any more.")
    await person.clicks("Remove")
    await person.sees("No limit yet")


async def test_a_receipt_names_the_models_that_failed_before_another_answered(person: Person) -> None:
    asked = {"model": "broken", "messages": [{"role": "user", "content": "Hello?"}]}
    async with httpx.AsyncClient(base_url=person.base, timeout=60) as client:
        headers = {"authorization": f"Bearer {API_KEY}"}
        answer = await client.post("/v1/chat/completions", json=asked, headers=headers)
    assert answer.status_code == 200, answer.text
    await person.goes_to(f"/receipts/{answer.headers['x-dragoman-receipt']}")
    await person.sees("Models that failed before")
    told = await person.page.run(
        "[...document.querySelectorAll('h3')].find((one) => one.textContent === 'Models that failed before')"
        ".nextElementSibling.innerText"
    )
    assert told.startswith("broken ")
    await person.sees("asked broken, answered by extractive")
    assert await violations(person.page) == []


async def test_what_is_wrong_in_json_is_shown_where_it_stands(person: Person) -> None:
    await person.goes_to("/gateways")
    await person.clicks("Desk")
    await person.clicks("All as JSON")
    text: str = await person.page.until("document.querySelector('[name=parameters]')?.value")
    await person.writes(parameters=text.replace('"temperature": null', '"temperature": 99'))
    await person.clicks("Save")
    await person.page.until("!!document.querySelector('[role=alert]')")
    marked = "(({ value, selectionStart, selectionEnd }) => value.slice(selectionStart, selectionEnd))"
    assert await person.page.run(f"{marked}(document.activeElement)") == '"temperature"'
    told = await person.page.run("document.querySelector('.field .wrong').innerText")
    assert "temperature" in told
    assert await violations(person.page) == []
    await person.writes(parameters=text)
    await person.clicks("Save")
    await person.page.until("!document.querySelector('[role=alert]')")


async def test_who_leaves_what_is_not_saved_is_asked_first(person: Person) -> None:
    await person.goes_to("/gateways")
    await person.clicks("Desk")
    await person.page.until("document.querySelector('[name=name]')?.value === 'Desk'")
    await person.writes(systemInstruction="Half a thought")
    await person.page.run("window.confirm = (text) => { window.asked = text; return false; }; 0")
    await person.clicks("Home")
    assert await person.page.run("window.asked") == "What you typed here is not saved. Leave it?"
    assert (
        await person.page.run("document.querySelector('[name=systemInstruction]').value") == "Half a thought"
    )
    await person.page.run("window.confirm = () => true; 0")
    await person.clicks("Home")
    await person.sees("Latest failures")


async def test_a_session_that_ends_amid_work_loses_nothing(person: Person) -> None:
    await person.goes_to("/gateways")
    await person.clicks("Desk")
    await person.page.until("document.querySelector('[name=name]')?.value === 'Desk'")
    await person.writes(name="Front desk")
    await person.page.ask("Network.clearBrowserCookies")
    await person.clicks("Save")
    await person.sees("Sign in again")
    assert await violations(person.page) == []
    await person.writes(password="wrong password")
    await person.clicks("Sign in")
    await person.sees("E-mail and password do not belong together.")
    await person.writes(password=PASSWORD)
    await person.clicks("Sign in")
    await person.page.until(
        "!document.querySelector('dialog') && document.querySelector('h1').innerText === 'Front desk'"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everybody_can_use_each_page(person: Person, scheme: str) -> None:
    for path in PAGES:
        await person.looks(1200, scheme)
        await person.goes_to(path)
        assert (path, await violations(person.page)) == (path, [])
        await person.looks(320, scheme)
        wide = await person.page.run("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{path} is {wide} pixels too wide for 320"


async def test_who_signs_out_has_to_sign_in_again(person: Person) -> None:
    await person.looks(1200, "light")
    await person.goes_to("/")
    await person.clicks("Sign out")
    await person.page.until("!!document.querySelector('[name=password]')")
    assert await violations(person.page) == []
    await person.writes(email=EMAIL, password="wrong password")
    await person.clicks("Sign in")
    await person.sees("E-mail and password do not belong together.")
    await person.writes(password=PASSWORD)
    await person.clicks("Sign in")
    await person.sees("Latest failures")
