"""Shell I/O: files of the caller's users, and nobody else's."""

import os
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from aivax_server import Dialect

FILE = "/api/v1/shell/io/file"
LISTING = "/api/v1/shell/io/listing"
FOLDER = "/api/v1/shell/io/directory"
DETAILS = f"{FILE}/details"
ADDRESS = f"{FILE}/public-address"
ANA = {"X-Shell-User-Id": "ana"}
BOB = {"X-Shell-User-Id": "bob"}


async def put(
    client: httpx.AsyncClient, path: str, content: bytes = b"hello", user: dict[str, str] = ANA
) -> httpx.Response:
    return await client.post(FILE, params={"path": path}, content=content, headers=user)


async def get(client: httpx.AsyncClient, url: str, path: str, user: dict[str, str] = ANA) -> httpx.Response:
    return await client.get(url, params={"path": path}, headers=user)


async def names(client: httpx.AsyncClient, path: str = "/", user: dict[str, str] = ANA) -> list[str]:
    return [entry["name"] for entry in (await get(client, LISTING, path, user)).json()["entries"]]


def root(dialect: Dialect, user: str = "ana") -> Path:
    return dialect.services.sandbox.root(dialect.caller, user)


async def test_a_file_goes_in_is_seen_and_comes_out_byte_for_byte(dialect: Dialect) -> None:
    content = os.urandom(700_000)
    uploaded = await put(dialect.client, "data/raw.bin", content)
    assert uploaded.json() == {"message": "File uploaded successfully."}
    downloaded = await get(dialect.client, FILE, "/home/workspace/data/raw.bin")
    assert downloaded.content == content
    assert downloaded.headers["x-content-type-options"] == "nosniff"
    details = (await get(dialect.client, DETAILS, "data/raw.bin")).json()["data"]
    assert (details["name"], details["size"], details["isPlainText"]) == ("raw.bin", 700_000, False)
    assert details["mimeType"] == "application/octet-stream"
    assert details["lastModifiedUtc"].endswith("Z")
    assert await names(dialect.client) == ["data"]
    await dialect.client.delete(FILE, params={"path": "data/raw.bin"}, headers=ANA)
    assert (await get(dialect.client, FILE, "data/raw.bin")).status_code == 404


async def test_uploading_again_replaces_the_file(dialect: Dialect) -> None:
    await put(dialect.client, "a.txt", b"long before")
    await put(dialect.client, "a.txt", b"after")
    assert (await get(dialect.client, FILE, "a.txt")).content == b"after"
    assert await names(dialect.client) == ["a.txt"]


async def test_an_empty_file_is_a_file(dialect: Dialect) -> None:
    await put(dialect.client, "empty", b"")
    response = await get(dialect.client, FILE, "empty")
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    ("name", "content", "kind", "plain"),
    [
        ("a.txt", b"text", "text/plain", True),
        ("a.csv", "é;ü".encode(), "text/csv", True),
        ("noname", b"text", "text/plain", True),
        ("noname", b"\x00\x01", "application/octet-stream", False),
        ("a.png", b"\x89PNG\r\n\x1a\n\xff", "image/png", False),
        ("cut", b"a" * 8191 + "é".encode(), "text/plain", True),
    ],
)
async def test_details_tell_what_a_file_seems_to_be(
    dialect: Dialect, name: str, content: bytes, kind: str, plain: bool
) -> None:
    await put(dialect.client, name, content)
    details = (await get(dialect.client, DETAILS, name)).json()["data"]
    assert (details["mimeType"], details["isPlainText"]) == (kind, plain)
    assert (await get(dialect.client, FILE, name)).headers["content-type"].startswith(kind)


async def test_a_listing_has_folders_first_then_names(dialect: Dialect) -> None:
    for path in ("b.txt", "A.txt", "z/inner.txt", "c/inner.txt"):
        await put(dialect.client, path)
    listed = (await get(dialect.client, LISTING, "/")).json()["entries"]
    assert [entry["name"] for entry in listed] == ["c", "z", "A.txt", "b.txt"]
    assert [entry["isDirectory"] for entry in listed] == [True, True, False, False]
    assert [entry["size"] for entry in listed] == [None, None, 5, 5]
    assert set(listed[0]) == {"name", "isDirectory", "size", "lastModifiedUtc", "createdAtUtc"}


async def test_the_root_is_there_before_anything_was_put_into_it(dialect: Dialect) -> None:
    assert (await get(dialect.client, LISTING, "/")).json() == {"entries": []}
    assert (await get(dialect.client, LISTING, "/nothing")).status_code == 404


async def test_folders_are_made_with_those_above_and_removed_with_what_is_in_them(dialect: Dialect) -> None:
    for _ in range(2):
        made = await dialect.client.post(FOLDER, params={"path": "/a/b/c"}, headers=ANA)
        assert made.json() == {"message": "Directory created successfully."}
    await put(dialect.client, "a/b/c/d.txt")
    removed = await dialect.client.delete(FOLDER, params={"path": "a/b"}, headers=ANA)
    assert removed.json() == {"message": "Directory deleted successfully."}
    assert await names(dialect.client, "a") == []
    again = await dialect.client.delete(FOLDER, params={"path": "a/b"}, headers=ANA)
    assert again.status_code == 404


async def test_files_and_folders_do_not_take_each_others_place(dialect: Dialect) -> None:
    await put(dialect.client, "file")
    await put(dialect.client, "folder/x")
    client = dialect.client
    assert (await put(client, "folder")).status_code == 409
    assert (await put(client, "/")).status_code == 409
    assert (await put(client, "file/x")).status_code == 409
    for path in ("file", "file/below"):
        response = await client.post(FOLDER, params={"path": path}, headers=ANA)
        assert response.status_code == 409
    assert (await get(client, FILE, "folder")).status_code == 404
    assert (await get(client, LISTING, "file")).status_code == 404
    assert (await client.delete(FILE, params={"path": "folder"}, headers=ANA)).status_code == 404
    assert (await client.delete(FOLDER, params={"path": "file"}, headers=ANA)).status_code == 404
    assert (await get(client, FILE, "file")).content == b"hello"
    assert (await get(client, FILE, "folder/x")).content == b"hello"


async def test_the_root_is_never_removed(dialect: Dialect) -> None:
    await put(dialect.client, "x")
    for path in ("/", ".", "a/..", "/home/workspace", "/home/workspace/"):
        response = await dialect.client.delete(FOLDER, params={"path": path}, headers=ANA)
        assert response.status_code == 400, path
        assert response.json()["error"] == "Attempted to delete the root directory."
    assert await names(dialect.client) == ["x"]


CALLS: list[tuple[str, str]] = [
    ("GET", FILE),
    ("POST", FILE),
    ("DELETE", FILE),
    ("GET", LISTING),
    ("POST", FOLDER),
    ("DELETE", FOLDER),
    ("GET", DETAILS),
    ("GET", ADDRESS),
]


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd",
        "..",
        "/..",
        "a/../../b",
        "/home/workspace/../../etc/passwd",
        "/home/workspace/..",
        "a\x00b",
        "x" * 256,
        "ä" * 128,
        "a/" * 2100,
        "",
    ],
)
async def test_paths_out_of_the_workspace_are_refused_everywhere(dialect: Dialect, path: str) -> None:
    for verb, url in CALLS:
        response = await dialect.client.request(verb, url, params={"path": path}, headers=ANA)
        assert response.status_code == 400, (verb, url)
        assert "root:" not in response.text
    assert not (dialect.services.settings.data_dir / "workspaces").exists()


async def test_a_path_and_a_user_are_required(dialect: Dialect) -> None:
    for verb, url in CALLS:
        assert (await dialect.client.request(verb, url, headers=ANA)).status_code == 400
        bare = await dialect.client.request(verb, url, params={"path": "x"})
        assert bare.json()["details"]["path"] == "X-Shell-User-Id"
    for user in ("x" * 257, "a\x07b"):
        response = await get(dialect.client, LISTING, "/", {"X-Shell-User-Id": user})
        assert response.status_code == 400


async def test_an_absolute_path_begins_at_the_root_of_the_workspace(dialect: Dialect) -> None:
    await put(dialect.client, "/etc/passwd", b"mine")
    assert (await get(dialect.client, FILE, "etc/passwd")).content == b"mine"
    assert (await get(dialect.client, FILE, "/home/workspace/etc//./passwd")).content == b"mine"


async def test_users_and_accounts_do_not_see_each_other(dialect: Dialect) -> None:
    await put(dialect.client, "secret.txt", b"ana's")
    for client, user in ((dialect.client, BOB), (dialect.stranger, ANA)):
        assert (await get(client, FILE, "secret.txt", user)).status_code == 404
        assert await names(client, "/", user) == []
        gone = await client.delete(FILE, params={"path": "secret.txt"}, headers=user)
        assert gone.status_code == 404
    assert (await get(dialect.client, FILE, "secret.txt")).content == b"ana's"


async def test_a_users_name_cannot_lead_anywhere(dialect: Dialect) -> None:
    for user in ("../bob", "..", "a/b", ".coming"):
        headers = {"X-Shell-User-Id": user}
        assert (await put(dialect.client, "x", user.encode(), headers)).status_code == 200
        assert (await get(dialect.client, FILE, "x", headers)).content == user.encode()
    own = dialect.services.settings.data_dir / "workspaces" / dialect.caller.user_id
    workspaces = re.compile(r"\.coming|\.names|[0-9a-f]{64}|\.[0-9a-f]{64}\.lock")
    assert all(workspaces.fullmatch(entry.name) for entry in own.iterdir())


async def test_links_are_never_followed(dialect: Dialect, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("outside")
    await put(dialect.client, "mine.txt")
    home = root(dialect)
    (home / "link.txt").symlink_to(outside / "secret.txt")
    (home / "folder").symlink_to(outside, target_is_directory=True)
    (home / "inner.txt").symlink_to("mine.txt")
    client = dialect.client
    for path in ("link.txt", "folder/secret.txt", "inner.txt"):
        for url in (FILE, DETAILS, ADDRESS):
            assert (await get(client, url, path)).status_code == 404, (url, path)
    assert (await get(client, LISTING, "folder")).status_code == 404
    assert await names(client) == ["mine.txt"]
    assert (await put(client, "folder/new.txt")).status_code == 409
    response = await client.delete(FOLDER, params={"path": "folder"}, headers=ANA)
    assert response.status_code == 404
    # What is written or removed under a link's name is the link itself.
    assert (await put(client, "link.txt", b"mine now")).status_code == 200
    assert (await client.delete(FILE, params={"path": "folder"}, headers=ANA)).status_code == 200
    assert [entry.name for entry in outside.iterdir()] == ["secret.txt"]
    assert (outside / "secret.txt").read_text() == "outside"


async def test_a_pipe_in_the_workspace_hangs_nobody(dialect: Dialect) -> None:
    await put(dialect.client, "x")
    os.mkfifo(root(dialect) / "pipe")
    assert (await get(dialect.client, FILE, "pipe")).status_code == 404
    assert await names(dialect.client) == ["x"]


async def test_a_form_with_one_file_is_taken_as_the_file(dialect: Dialect) -> None:
    files = {"anything": ("local.txt", b"from a form", "text/plain")}
    sent = await dialect.client.post(FILE, params={"path": "f.txt"}, files=files, headers=ANA)
    assert sent.status_code == 200
    assert (await get(dialect.client, FILE, "f.txt")).content == b"from a form"
    form = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--\r\n"
    headers = {**ANA, "Content-Type": "multipart/form-data; boundary=x"}
    for content in (form, form[:40]):
        sent = await dialect.client.post(FILE, params={"path": "h.txt"}, headers=headers, content=content)
        assert sent.status_code == 400
    assert "h.txt" not in await names(dialect.client)


async def _endless(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 1000):
        yield b"x" * 1000


async def test_a_file_above_the_bound_is_413_and_leaves_nothing(start: Callable[..., Any]) -> None:
    async with start(sandbox={"max_file_bytes": 10_000}) as dialect:
        assert (await put(dialect.client, "ok", b"x" * 10_000)).status_code == 200
        assert (await put(dialect.client, "big", b"x" * 10_001)).status_code == 413
        undeclared = await dialect.client.post(
            FILE, params={"path": "big"}, content=_endless(20_000), headers=ANA
        )
        assert undeclared.status_code == 413
        files = {"file": ("big", b"x" * 10_001)}
        form = await dialect.client.post(FILE, params={"path": "big"}, files=files, headers=ANA)
        assert form.status_code == 413
        assert await names(dialect.client) == ["ok"]
        coming = dialect.services.settings.data_dir / "workspaces" / dialect.caller.user_id / ".coming"
        assert list(coming.iterdir()) == []


async def test_the_usual_bound_of_a_file_is_100_million_bytes(dialect: Dialect) -> None:
    headers = {**ANA, "Content-Length": "100000001"}
    response = await dialect.client.post(FILE, params={"path": "x"}, content=_endless(1000), headers=headers)
    assert response.status_code == 413


async def test_a_full_workspace_takes_no_more_until_something_goes(start: Callable[..., Any]) -> None:
    async with start(sandbox={"workspace_bytes": 40_960}) as dialect:
        client = dialect.client
        assert (await put(client, "a", b"x" * 16_000)).status_code == 200
        assert (await put(client, "b", b"x" * 30_000)).status_code == 413
        assert (await put(client, "a", b"y" * 16_000)).status_code == 200
        for position in range(20):
            await client.post(FOLDER, params={"path": f"folder{position}"}, headers=ANA)
        assert len(await names(client)) < 20
        assert (await put(client, "a", b"x" * 16_000, BOB)).status_code == 200
        await client.delete(FILE, params={"path": "a"}, headers=ANA)
        assert (await put(client, "b", b"x" * 4000)).status_code == 200


async def test_a_public_address_needs_no_key_and_saves_the_file(dialect: Dialect) -> None:
    await put(dialect.client, "reports/ä b.html", b"<script>alert(1)</script>")
    found = (await get(dialect.client, ADDRESS, "reports/ä b.html")).json()["data"]
    assert (found["name"], found["size"]) == ("ä b.html", 25)
    assert found["publicUrl"].startswith("http://dragoman/api/v1/public/ext-res/file/")
    assert len(found["publicUrl"].rsplit("/", 1)[1]) >= 40
    dialect.client.headers.pop("Authorization")
    fetched = await dialect.client.get(found["publicUrl"])
    assert fetched.content == b"<script>alert(1)</script>"
    assert fetched.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%A4%20b.html"
    assert fetched.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in fetched.headers["content-security-policy"]
    unknown = await dialect.client.get(found["publicUrl"] + "x")
    assert unknown.status_code == 404
    assert unknown.json()["error"] == "File not found."


async def test_a_public_address_ends_with_its_file(dialect: Dialect) -> None:
    await put(dialect.client, "x")
    address = (await get(dialect.client, ADDRESS, "x")).json()["data"]["publicUrl"]
    await dialect.client.delete(FILE, params={"path": "x"}, headers=ANA)
    assert (await dialect.client.get(address)).status_code == 404


async def test_the_operators_own_address_stands_in_public_ones(start: Callable[..., Any]) -> None:
    async with start(server={"public_url": "https://ai.example.com/"}) as dialect:
        await put(dialect.client, "x")
        address = (await get(dialect.client, ADDRESS, "x")).json()["data"]["publicUrl"]
        assert address.startswith("https://ai.example.com/api/v1/public/ext-res/file/")


async def test_two_answers_have_data_around_them_in_either_form(dialect: Dialect) -> None:
    await put(dialect.client, "x")
    wrapped = {**ANA, "X-Response-Envelope": "wrapped"}
    for url in (DETAILS, ADDRESS):
        assert list((await get(dialect.client, url, "x")).json()) == ["data"]
        assert list((await get(dialect.client, url, "x", wrapped)).json()) == ["message", "data"]
        for headers in (ANA, wrapped):
            missing = await get(dialect.client, url, "nothing", headers)
            assert (missing.status_code, missing.json()) == (404, {})
