"""The built-in functions for the web, called by a scripted provider's model in a real server process."""

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image
from tests.dialects.openai.gateway_server import KEY, MODELS, Play, Provider, World, calls, chunks, says
from tests.e2e.server import Server
from tests.fake_web import Asked, FakeWeb, Told
from tests.samples import docx

TOKENS = "/api/v1/public/ext-res/"
ARTICLE = """<!doctype html><html><head><title>Harbour rules</title></head><body><nav><a href="/">Menu entry</a></nav>
<article><h1>Rules</h1><p>The harbour opens at six in the morning and closes at nine in the evening, every day of the week.
All ships report to the master before they enter, and pay the fee of ten crowns at the gate.</p></article>
<script>alert("script text")</script></body></html>"""


def _png() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (4, 4), (200, 10, 10)).save(made, "PNG")
    return made.getvalue()


@pytest.fixture(scope="module")
def web() -> Iterator[FakeWeb]:
    with FakeWeb() as web:
        yield web


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, web: FakeWeb) -> Iterator[World]:
    provider = Provider()
    config = f"""
[models]
default = "house"
[models.local]
enabled = false
[models.providers.theirs]
base_url = "{provider.origin}/v1"
api_key = "{KEY}"
models = {json.dumps(MODELS)}
[egress]
allow = ["127.0.0.1"]
[embedding]
provider = "none"
[search]
provider = "searxng"
url = "{web.origin}"
x_token = "x-secret"
x_url = "{web.origin}/x"
[images]
base_url = "{web.origin}/images-api"
api_key = "sk-images"
model = "painter"
[prices.uses]
"tools.web_search" = 0.005
"""
    folder = tmp_path_factory.mktemp("web") / "data"
    with Server(folder, config=config) as server, server.client() as client:
        yield World(server, provider, client)
    provider.close()


@pytest.fixture(autouse=True)
def forgotten(web: FakeWeb) -> None:
    web.asked.clear()
    web.routes.clear()


def serve_results(web: FakeWeb, *rows: dict[str, str]) -> None:
    web.page("/search", json.dumps({"results": rows}), "application/json")


def use(
    world: World, flag: str, name: str, arguments: dict[str, Any], *more: Play, **options: Any
) -> tuple[str, dict[str, Any]]:
    """What the model was given as the tool's result, and the whole answer."""
    answer = world.ask(
        "house",
        plays=(calls((name, arguments)), *more, says("Done.")),
        builtin_tools={"tools": [flag], "options": options},
    )
    last = world.provider.bodies[-1]["messages"][-1]
    assert last["role"] == "tool", last
    return str(last["content"]), answer


def offered(world: World) -> dict[str, Any]:
    return {
        tool["function"]["name"]: tool["function"]["parameters"] for tool in world.provider.bodies[0]["tools"]
    }


def test_a_full_search_gives_the_text_of_every_page_and_is_priced(world: World, web: FakeWeb) -> None:
    good = web.page("/rules", ARTICLE)
    serve_results(
        web,
        {"title": "Harbour <b>rules</b>", "url": good, "content": "Opening &amp; closing"},
        {"title": "Gone", "url": f"{web.origin}/gone", "content": "It was here."},
    )
    text, answer = use(world, "WebSearch", "web_search", {"search_term": "harbour hours"})
    assert "[1] Harbour rules" in text
    assert "Description: Opening & closing" in text
    assert "opens at six in the morning" in text
    assert "Menu entry" not in text
    assert "script text" not in text
    assert "[2] Gone" in text
    assert "answered with status 404" in text
    assert "It is data" in text
    assert web.at("/search")[0].query == {"q": "harbour hours", "format": "json", "pageno": "1"}
    assert list(offered(world)["web_search"]["properties"]) == ["search_term"]
    lines = answer["generation_context"]["generated_usage"]
    (line,) = [line for line in lines if line["sku"] == "tools.web_search"]
    assert (line["quantity"], line["amount"]) == (1, 0.005)


def test_a_summarised_search_gives_a_digest_by_the_agents_model_with_sources(
    world: World, web: FakeWeb
) -> None:
    serve_results(web, {"title": "Rules", "url": web.page("/rules", ARTICLE), "content": "Hours"})
    text, _ = use(
        world,
        "WebSearch",
        "web_search",
        {"query": "harbour closing"},
        says("It closes at nine [1]."),
        web_search_mode="summarized",
    )
    assert "It closes at nine [1]." in text
    assert f"[1] Rules - {web.origin}/rules" in text
    assert "opens at six" in json.dumps(world.provider.bodies[1]["messages"])


def test_no_more_results_are_given_than_the_settings_allow(world: World, web: FakeWeb) -> None:
    rows = [{"title": f"T{n}", "url": web.page(f"/p{n}", f"page number {n}")} for n in range(9)]
    serve_results(web, *rows)
    text, _ = use(world, "WebSearch", "web_search", {"search_term": "many"}, web_search_max_results=3)
    assert "[3] T2" in text
    assert "[4]" not in text


def test_a_search_provider_that_fails_is_a_result_the_model_reads(world: World, web: FakeWeb) -> None:
    web.page("/search", "no json here", "text/plain", status=403)
    text, _ = use(world, "WebSearch", "web_search", {"search_term": "refused today"})
    assert text.startswith("Error: ")
    assert "search.url" in text
    assert "json under search.formats" in text


def test_research_plans_searches_reads_notes_what_is_missing_and_reports(world: World, web: FakeWeb) -> None:
    first, second = web.page("/rules", ARTICLE), web.page("/fees", "<p>The fee is ten crowns.</p>")
    found = {
        "harbour rules": [{"title": "Rules", "url": first}],
        "harbour fees": [{"title": "Fees", "url": second}],
    }
    web.routes["/search"] = lambda asked: Told(
        json.dumps({"results": found.get(asked.query["q"], [])}).encode(), "application/json"
    )
    text, answer = use(
        world,
        "AdvancedWebUsage",
        "advanced_web_search",
        {"prompt": "When is the harbour open and what does it cost?"},
        says("1. harbour rules\n"),
        says("It opens at six [1].\nSEARCH: harbour fees"),
        says("Ten crowns [2]."),
        says("Open from six [1]; the fee is ten crowns [2]."),
    )
    assert "Open from six [1]; the fee is ten crowns [2]." in text
    assert f"[1] Rules - {first}" in text
    assert f"[2] Fees - {second}" in text
    assert web.at("/search")[0].query["q"] == "harbour rules"
    skus = [line["sku"] for line in answer["generation_context"]["generated_usage"]]
    assert skus.count("tools.web_search") == 2


def test_addresses_are_opened_as_text_whatever_they_hold(world: World, web: FakeWeb) -> None:
    rows = web.page("/table.csv", "name,age\nAna,30\n", "text/csv")
    note = web.page("/download", "<w/>", "application/octet-stream", status=404)
    moved = web.page("/old", "", status=302, headers=(("location", "/rules"),))
    web.page("/rules", ARTICLE)
    text, _ = use(world, "OpenUrl", "open_url", {"urls": [moved, rows, note]})
    assert f"Address: {web.origin}/rules\nTitle: Harbour rules" in text
    assert "name,age\nAna,30" in text
    assert "It could not be opened" in text
    assert "accept-encoding" in web.at("/rules")[0].headers


def test_an_opened_document_is_converted_by_its_name(world: World, web: FakeWeb) -> None:
    kind = "application/octet-stream"
    url = web.page(
        "/get",
        docx([("Normal", "Dear harbour master,")]),
        kind,
        headers=(("content-disposition", 'attachment; filename="letter.docx"'),),
    )
    text, _ = use(world, "OpenUrl", "open_url", {"urls": url})
    assert "Title: letter.docx" in text
    assert "Dear harbour master," in text


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        (["http://169.254.169.254/latest/meta-data/"], "may not be called"),
        (["http://2130706433/"], "may not be called"),
        (["file:///etc/passwd"], "Only http:// and https://"),
        (["http://[::ffff:10.0.0.1]/"], "may not be called"),
        ([], "urls"),
        (["http://a.example/"] * 6, "urls"),
    ],
)
def test_addresses_inside_are_refused_as_text(world: World, urls: list[str], said: str) -> None:
    text, answer = use(world, "OpenUrl", "open_url", {"urls": urls})
    assert text.startswith("Error: ")
    assert said in text
    assert answer["choices"][0]["message"]["content"] == "Done."


def test_a_redirect_that_leads_inside_is_refused(world: World, web: FakeWeb) -> None:
    url = web.page("/away", "", status=302, headers=(("location", "http://10.0.0.1/secret"),))
    text, _ = use(world, "OpenUrl", "open_url", {"urls": [url]})
    assert "10.0.0.1" in text
    assert "may not be called" in text


def test_a_request_sends_method_headers_and_json_and_tells_the_answer(world: World, web: FakeWeb) -> None:
    web.page("/api", '{"ok": true}', "application/json", status=201)
    text, _ = use(
        world,
        "Request",
        "request",
        {"method": "post", "url": f"{web.origin}/api", "headers": {"X-Key": "k"}, "body": {"a": 1}},
    )
    (asked,) = web.at("/api")
    assert (asked.method, asked.headers["x-key"], json.loads(asked.body)) == ("POST", "k", {"a": 1})
    assert asked.headers["content-type"] == "application/json"
    assert "201 Created" in text
    assert '{"ok": true}' in text


def test_a_request_sends_forms_and_marks_binary_answers(world: World, web: FakeWeb) -> None:
    web.page("/form", b"\x00\x01\x02" * 100, "image/x-own")
    form = {"method": "POST", "url": f"{web.origin}/form", "form": {"a": "1 & 2"}}
    text, _ = use(world, "Request", "request", form)
    assert web.at("/form")[0].body == b"a=1+%26+2"
    assert "[binary content: image/x-own, 300 bytes]" in text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"headers": {"Host": "inside"}}, "Host"),
        ({"headers": {"X": "a\r\nb: c"}}, "no header that can be sent"),
        ({"method": "CONNECT"}, "method"),
        ({"body": "a", "form": {"b": "c"}}, "either body or form"),
        ({"url": "http://10.0.0.1/"}, "may not be called"),
    ],
)
def test_a_request_that_must_not_be_made_is_refused_with_its_reason(
    world: World, web: FakeWeb, given: dict[str, Any], said: str
) -> None:
    text, _ = use(world, "Request", "request", {"url": f"{web.origin}/api", **given})
    assert text.startswith("Error: ")
    assert said in text
    assert web.at("/api") == []


def test_pictures_are_kept_at_a_public_address_and_not_shown_to_the_model(world: World, web: FakeWeb) -> None:
    data = _png()

    def paint(asked: Asked) -> Told:
        body = json.loads(asked.body)
        rows = [
            {"b64_json": base64.b64encode(data).decode()},
            {"url": web.page("/made.png", data, "image/png")},
        ]
        return Told(json.dumps({"data": rows[: body["n"]]}).encode(), "application/json")

    web.routes["/images-api/images/generations"] = paint
    text, answer = use(
        world,
        "ImageGeneration",
        "generate_image",
        {"prompt": "A red square.", "count": 4},
        image_generation_max_results=2,
        image_generation_quality="high",
    )
    (asked,) = web.at("/images-api/images/generations")
    assert json.loads(asked.body) == {
        "prompt": "A red square.",
        "n": 2,
        "model": "painter",
        "quality": "high",
    }
    assert asked.headers["authorization"] == "Bearer sk-images"
    links = [line for line in text.splitlines() if TOKENS in line]
    assert len(links) == 2
    with httpx.Client() as nobody:
        got = nobody.get(links[0])
    assert (got.content, got.headers["content-type"]) == (data, "image/png")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]
    shown = json.dumps(world.provider.bodies[-1]["messages"])
    assert "image_url" not in shown
    lines = answer["generation_context"]["generated_usage"]
    assert [line["quantity"] for line in lines if line["sku"] == "tools.image_generation"] == [2]


def test_a_picture_is_made_after_an_earlier_one_by_its_address(world: World, web: FakeWeb) -> None:
    rows = json.dumps({"data": [{"b64_json": base64.b64encode(_png()).decode()}]}).encode()
    web.page("/images-api/images/generations", rows, "application/json")
    web.page("/images-api/images/edits", rows, "application/json")
    text, _ = use(world, "ImageGeneration", "generate_image", {"prompt": "A red square."})
    (link,) = [line for line in text.splitlines() if TOKENS in line]
    use(world, "ImageGeneration", "generate_image", {"prompt": "Bluer.", "references": [link]})
    (asked,) = web.at("/images-api/images/edits")
    assert b'name="image[]"' in asked.body
    assert _png() in asked.body
    off = {"image_generation_allow_reference_usage": False}
    text, _ = use(world, "ImageGeneration", "generate_image", {"prompt": "B.", "references": [link]}, **off)
    assert "switched off" in text


def test_a_refused_picture_says_what_the_api_says(world: World, web: FakeWeb) -> None:
    refusal = json.dumps({"error": {"message": "Your prompt is against the rules."}})
    web.page("/images-api/images/generations", refusal, "application/json", status=400)
    text, _ = use(world, "ImageGeneration", "generate_image", {"prompt": "Something."})
    assert text == "Error: The images API refused this picture. It says: Your prompt is against the rules."


def test_a_document_is_a_pdf_at_a_public_address_that_reads_no_file_of_the_machine(
    world: World, web: FakeWeb
) -> None:
    web.page("/logo.png", _png(), "image/png")
    html = (
        f"<h1>Offer 17</h1><p>Ten crowns.</p><img src='{web.origin}/logo.png'><img src='http://10.0.0.1/a.png'>"
        "<link rel='attachment' href='file:///etc/passwd'><img src='file:///etc/hostname'>"
    )
    text, _ = use(
        world, "GenerateDocument", "generate_document", {"html": html, "filename": "../of/Offer 17"}
    )
    (link,) = [line for line in text.splitlines() if TOKENS in line]
    assert link.endswith("/Offer%2017.pdf")
    with httpx.Client() as nobody:
        got = nobody.get(link)
    assert got.headers["content-type"] == "application/pdf"
    assert got.content.startswith(b"%PDF-")
    assert b"root:" not in got.content
    assert b"/EmbeddedFile" not in got.content
    assert len(web.at("/logo.png")) == 1
    pypdfium2 = pytest.importorskip("pypdfium2")
    page = pypdfium2.PdfDocument(got.content)[0]
    assert "Offer 17" in page.get_textpage().get_text_bounded()


def test_a_web_page_is_served_in_a_sandbox_and_only_as_a_page(world: World) -> None:
    given = {"html": "<p>Hello <script>document.title='x'</script></p>", "title": "Report & more"}
    text, _ = use(world, "GenerateWebPage", "generate_web_page", given)
    (link,) = [line for line in text.splitlines() if TOKENS in line]
    with httpx.Client() as nobody:
        got, head = nobody.get(link), nobody.head(link)
        other = nobody.get(link.replace("/page/", "/media/"))
        unknown = nobody.get(link[:-1] + ("a" if link[-1] != "a" else "b"))
    assert got.status_code == head.status_code == 200
    assert got.headers["content-type"] == "text/html; charset=utf-8"
    assert got.headers["content-security-policy"].startswith("sandbox ")
    assert "allow-same-origin" not in got.headers["content-security-policy"]
    assert "set-cookie" not in got.headers
    assert "<title>Report &amp; more</title>" in got.text
    assert "<p>Hello <script>" in got.text
    assert other.status_code == unknown.status_code == 404


def test_posts_are_searched_and_read_with_the_operators_token(world: World, web: FakeWeb) -> None:
    user = {"users": [{"id": "7", "name": "Ana", "username": "ana"}]}
    post = {
        "id": "99",
        "author_id": "7",
        "text": "The harbour is closed.",
        "created_at": "2026-11-01T00:00:00Z",
    }
    web.page("/x/tweets/search/recent", json.dumps({"data": [post], "includes": user}), "application/json")
    web.page("/x/tweets/99", json.dumps({"data": post, "includes": user}), "application/json")
    text, _ = use(world, "XPostsSearch", "x_posts_search", {"query": "harbour"})
    assert "Ana (@ana)" in text
    assert "The harbour is closed." in text
    asked = web.at("/x/tweets/search/recent")[0]
    assert (asked.query["query"], asked.headers["authorization"]) == ("harbour", "Bearer x-secret")
    text, _ = use(world, "XPostsSearch", "x_posts_search", {"post_id": "99"})
    assert "The harbour is closed." in text
    text, _ = use(world, "XPostsSearch", "x_posts_search", {})
    assert "either query or post_id" in text


def test_a_streamed_answer_shows_the_tool_at_work(world: World, web: FakeWeb) -> None:
    serve_results(web, {"title": "Rules", "url": web.page("/rules", ARTICLE), "content": "Hours"})
    lines = world.stream(
        "house",
        plays=(calls(("web_search", {"search_term": "streamed harbour"})), says("Six.")),
        builtin_tools={"tools": ["WebSearch"]},
    )
    tools = [chunk["servertool"] for chunk in chunks(lines) if "servertool" in chunk]
    assert tools[0]["name"] == "web_search"
    assert tools[0]["state"] == "Created"


def test_fetched_pages_become_json_of_a_wanted_schema(world: World, web: FakeWeb) -> None:
    page = web.page("/fees", "<p>The fee is ten crowns.</p>")
    schema = {
        "type": "object",
        "properties": {"fee": {"type": "integer"}},
        "required": ["fee"],
        "instructions": "Fees in crowns.",
    }
    world.provider.forget()
    world.provider.plays.extend((says('{"fee": "ten"}'), says('{"fee": 10}')))
    body = {"contents": [page], "responseSchema": schema}
    answer = world.client.post("/api/v1/web/fetch", json=body)
    assert answer.status_code == 200, answer.text
    (result,) = answer.json()["results"]
    assert (result["extractedText"], result["extractedObject"]) == ("The fee is ten crowns.", {"fee": 10})
    assert result["jsonProcessingUnits"] == 1
    assert "Fees in crowns." in json.dumps(world.provider.bodies[0]["messages"])


def test_a_public_key_searches_nothing(world: World) -> None:
    made = world.client.post(
        "/api/v1/accounts/api-key", json={"label": "page", "type": "Public", "duration": 1}
    )
    assert made.status_code == 200, made.text
    headers = {"authorization": f"Bearer {made.json()['grantKey']}"}
    answer = world.client.post("/api/v1/web/search", json={"query": "harbour"}, headers=headers)
    assert answer.status_code == 403
