"""Collections, documents, import and export."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
import pytest
from aivax_server import Dialect

Upload = Callable[..., Awaitable[httpx.Response]]
UNKNOWN = "01986000-0000-7000-8000-000000000000"


def lines(*documents: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in documents)


FOUR = (
    {"docid": "a", "text": "Paris is the capital of France.", "__ref": "geo", "__tags": ["city", "eu"]},
    {
        "docid": "b",
        "text": "Rome is the capital of Italy.",
        "__ref": "geo",
        "__meta": {"page": 3, "box": [0.1, 2]},
    },
    {"docid": "c", "text": "Bread needs flour, water, salt and yeast."},
)


async def documents(dialect: Dialect, collection: str, **params: str) -> list[dict[str, Any]]:
    response = await dialect.client.get(f"/api/v1/collections/{collection}/documents", params=params)
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_collection_lives_from_create_to_delete(dialect: Dialect) -> None:
    client = dialect.client
    made = await client.post(
        "/api/v1/collections", json={"collectionName": "Law", "context": "Old law", "tags": "a, b,,a ,c"}
    )
    collection = made.json()["collectionId"]
    address = f"/api/v1/collections/{collection}"

    (listed,) = (await client.get("/api/v1/collections")).json()
    assert listed["id"] == collection
    assert listed["name"] == "Law"
    assert listed["tags"] == ["a", "b", "c"]
    assert listed["documentCount"] == {"totalDocuments": 0, "indexedDocuments": 0, "queuedDocuments": 0}

    saved = await client.put(address, json={"collectionName": "New law"})
    assert saved.json() == {"message": "Collection saved successfully"}
    viewed = (await client.get(address)).json()
    assert viewed["name"] == "New law"
    assert (viewed["context"], viewed["tags"]) == ("Old law", ["a", "b", "c"])
    assert viewed["state"] == {"total": 0, "indexed": 0, "queued": 0}
    assert viewed["createdAt"].endswith("Z")

    await client.put(address, json={"collectionName": "New law", "context": None, "tags": ["x,y"]})
    viewed = (await client.get(address)).json()
    assert (viewed["context"], viewed["tags"]) == (None, ["x,y"])

    assert (await client.delete(address)).json() == {"message": "Collection deleted successfully"}
    assert (await client.get(address)).status_code == 404


async def test_an_import_counts_what_is_new_or_changed(
    dialect: Dialect, collection: str, upload: Upload
) -> None:
    assert (await upload(collection, lines(*FOUR))).json() == {"enqueued": 3, "skipped": 0}
    assert await dialect.settled(collection) == {"total": 3, "indexed": 3, "queued": 0}
    assert (await upload(collection, lines(*FOUR))).json() == {"enqueued": 0, "skipped": 3}
    changed = (FOUR[0], {**FOUR[1], "text": "Rome was not built in a day."}, FOUR[2])
    assert (await upload(collection, lines(*changed))).json() == {"enqueued": 1, "skipped": 2}
    assert (await dialect.settled(collection))["total"] == 3


async def test_changed_metadata_shows_without_indexing_again(
    dialect: Dialect, collection: str, upload: Upload
) -> None:
    await upload(collection, lines(*FOUR))
    await dialect.settled(collection)
    before = (await documents(dialect, collection, filter="-n b"))[0]
    await upload(collection, lines({**FOUR[1], "__meta": {"page": 4}}))

    address = f"/api/v1/collections/{collection}/documents/{before['id']}"
    after = (await dialect.client.get(address)).json()

    assert after["metadata"] == {"page": 4}
    assert after["state"] == "Indexed"
    assert (await dialect.client.get(f"/api/v1/collections/{collection}")).json()["state"]["queued"] == 0


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (b"{not json}", "valid JSON"),
        (b"[1]", "object"),
        (b'{"text": "no id"}', "docid"),
        (b'{"docid": "x"}', "text"),
        (b'{"docid": 7, "text": "x"}', "docid"),
        (b'{"docid": "' + b"x" * 257 + b'", "text": "x"}', "docid"),
        (b'{"docid": "x", "text": "x", "__ref": "' + b"r" * 65 + b'"}', "__ref"),
        (b'{"docid": "x", "text": "x", "__meta": 1}', "__meta"),
        (b'{"docid": "x", "text": "x", "__tags": [1]}', "__tags"),
        (b'{"docid": "x", "text": "\xff"}', "valid JSON"),
        (b'{"docid": "x", "text": "a\\u0000b"}', "text"),
    ],
)
async def test_one_wrong_line_is_named_and_nothing_is_stored(
    dialect: Dialect, collection: str, upload: Upload, second: bytes, reason: str
) -> None:
    response = await upload(collection, lines(FOUR[0]) + second + b"\n" + lines(FOUR[2]))
    assert response.status_code == 400
    assert "ine 2" in response.json()["error"]
    assert reason in response.json()["error"]
    assert await documents(dialect, collection) == []
    assert list(dialect.services.uploads.iterdir()) == []


async def test_blank_lines_are_passed_over_and_the_last_line_of_an_id_counts(
    dialect: Dialect, collection: str, upload: Upload
) -> None:
    body = (
        b"\xef\xbb\xbf"
        + lines({"docid": "a", "text": "old"})
        + b"\n  \r\n"
        + lines({"docid": "a", "text": "new"})
    )
    assert (await upload(collection, body)).json() == {"enqueued": 1, "skipped": 1}
    (only,) = await documents(dialect, collection)
    assert only["contentsPreview"] == "new"


async def test_sync_deletes_what_the_file_lacks_but_never_for_an_empty_file(
    dialect: Dialect, collection: str, upload: Upload
) -> None:
    await upload(collection, lines(*FOUR))
    empty = await upload(collection, b"\n", **{"insert-mode": "sync"})
    assert empty.status_code == 400
    assert len(await documents(dialect, collection)) == 3

    await upload(collection, lines(*FOUR[:2]), **{"insert-mode": "sync"})
    assert [one["name"] for one in await documents(dialect, collection)] == ["a", "b"]
    assert (await upload(collection, b"", **{"insert-mode": "mirror"})).status_code == 400


async def test_an_export_imports_to_the_same_documents(
    dialect: Dialect, collection: str, upload: Upload
) -> None:
    await upload(collection, lines(*FOUR))
    exported = await dialect.client.get(f"/api/v1/collections/{collection}/export.jsonl")
    assert [json.loads(line) for line in exported.text.splitlines()] == list(FOUR)

    made = await dialect.client.post("/api/v1/collections", json={"collectionName": "Copy"})
    copy = made.json()["collectionId"]
    assert (await upload(copy, exported.content)).json() == {"enqueued": 3, "skipped": 0}
    again = await dialect.client.get(f"/api/v1/collections/{copy}/export.jsonl")
    assert again.content == exported.content


async def test_an_export_of_more_than_a_batch_is_whole(
    dialect: Dialect, collection: str, upload: Upload
) -> None:
    many = [{"docid": f"d{number:03}", "text": f"Text number {number}"} for number in range(120)]
    await upload(collection, lines(*many))
    exported = await dialect.client.get(f"/api/v1/collections/{collection}/export.jsonl")
    assert [json.loads(line) for line in exported.text.splitlines()] == many


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("-t city", ["a"]),
        ("-t cit", []),
        ("-r geo", ["a", "b"]),
        ("-r ge", []),
        ("-c capital", ["a", "b"]),
        ("-n C", ["c"]),
        ('-c "capital of Italy"', ["b"]),
        ("-c 'capital of Italy'", ["b"]),
        ("-r geo -c France", ["a"]),
        ("-t city -c Italy", []),
        ("flour, water", ["c"]),
        ("-t eu capital", ["a"]),
        ("100%", []),
        ("", ["a", "b", "c"]),
    ],
)
async def test_the_filter_joins_all_its_conditions(
    dialect: Dialect, collection: str, upload: Upload, text: str, names: list[str]
) -> None:
    await upload(collection, lines(*FOUR))
    assert [one["name"] for one in await documents(dialect, collection, filter=text)] == names


async def test_documents_are_found_by_part_of_their_id(
    dialect: Dialect, collection: str, upload: Upload
) -> None:
    await upload(collection, lines(*FOUR))
    wanted = (await documents(dialect, collection))[1]
    found = await documents(dialect, collection, filter=f"-i {wanted['id'][-12:]}")
    assert [one["id"] for one in found] == [wanted["id"]]


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"filter": "-t"}, "filter"),
        ({"filter": "-t a -t b"}, "filter"),
        ({"order_by": "size"}, "order_by"),
        ({"state": "lost"}, "state"),
        ({"limit": "0"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"offset": "-1"}, "offset"),
        ({"offset": "9" * 40}, "offset"),
    ],
)
async def test_a_list_request_that_does_not_fit_names_the_parameter(
    dialect: Dialect, collection: str, params: dict[str, str], path: str
) -> None:
    response = await dialect.client.get(f"/api/v1/collections/{collection}/documents", params=params)
    assert response.status_code == 400
    assert response.json()["details"]["path"] == path


async def test_documents_are_ordered_and_paged(dialect: Dialect, collection: str, upload: Upload) -> None:
    await upload(collection, lines(*FOUR))
    newest = await documents(dialect, collection, order_by="created_at_desc")
    assert [one["name"] for one in newest] == ["c", "b", "a"]
    oldest = await documents(dialect, collection, order_by="created_at_asce", limit="1", offset="1")
    assert [one["name"] for one in oldest] == ["b"]


async def test_documents_wait_as_queued_until_their_vectors_are_there(
    dialect: Dialect, collection: str, upload: Upload
) -> None:
    dialect.embedder.held = anyio.Event()
    await upload(collection, lines(*FOUR))
    queued = await documents(dialect, collection, state="queued")
    assert {one["indexState"] for one in queued} == {"Queued"}
    assert len(queued) == 3
    dialect.embedder.held.set()
    await dialect.settled(collection)
    assert len(await documents(dialect, collection, state="Indexed")) == 3
    assert await documents(dialect, collection, state="queued") == []


async def test_putting_a_document_says_what_happened(dialect: Dialect, collection: str) -> None:
    address = f"/api/v1/collections/{collection}/documents"
    body: dict[str, Any] = {"name": "note", "contents": "Tea at four.", "tags": ["x"], "metadata": {"n": 1.5}}
    states = []
    for change in ({}, {}, {"contents": "Tea at five."}, {"contents": "Tea at five.", "tags": ["y"]}):
        response = await dialect.client.put(address, json={**body, **change})
        states.append(response.json()["state"])
    assert states == ["Created", "Unmodified", "Modified", "Modified"]

    viewed = (await dialect.client.get(f"{address}/{response.json()['documentId']}")).json()
    assert viewed["contents"] == "Tea at five."
    assert (viewed["characterCount"], viewed["wordCount"]) == (12, 3)
    assert viewed["approximateTokenCount"] > 0
    assert viewed["tags"] == ["y"]
    assert viewed["metadata"] == {"n": 1.5}

    gone = await dialect.client.delete(f"{address}/{viewed['id']}")
    assert gone.json() == {"message": "Document removed"}
    assert (await dialect.client.get(f"{address}/{viewed['id']}")).status_code == 404
    assert (await dialect.client.delete(f"{address}/{viewed['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"name": "x"}, "contents"),
        ({"contents": "x"}, "name"),
        ({"contents": "x", "name": "n" * 257}, "name"),
        ({"contents": ["x"], "name": "n"}, "contents"),
        ({"contents": "x", "name": "n", "metadata": []}, "metadata"),
        ({"contents": "x", "name": "n", "reference": "r" * 65}, "reference"),
    ],
)
async def test_a_document_that_does_not_fit_names_the_field(
    dialect: Dialect, collection: str, body: dict[str, Any], path: str
) -> None:
    response = await dialect.client.put(f"/api/v1/collections/{collection}/documents", json=body)
    assert response.status_code == 400
    assert response.json()["details"]["path"] == path


async def test_reset_empties_and_vectors_only_makes_vectors_anew(
    dialect: Dialect, collection: str, upload: Upload
) -> None:
    await upload(collection, lines(*FOUR))
    await dialect.settled(collection)
    dialect.embedder.held = anyio.Event()
    again = await dialect.client.delete(f"/api/v1/collections/{collection}/vectors-only")
    assert again.json() == {"message": "Outdated documents enqueued"}
    state = (await dialect.client.get(f"/api/v1/collections/{collection}")).json()["state"]
    assert state == {"total": 3, "indexed": 0, "queued": 3}
    dialect.embedder.held.set()
    assert (await dialect.settled(collection))["indexed"] == 3

    reset = await dialect.client.delete(f"/api/v1/collections/{collection}/reset-only")
    assert reset.json() == {"message": "Collection cleaned successfully"}
    assert (await dialect.settled(collection))["total"] == 0


@pytest.mark.parametrize(
    ("verb", "tail"),
    [
        ("GET", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("DELETE", "/reset-only"),
        ("DELETE", "/vectors-only"),
        ("GET", "/export.jsonl"),
        ("GET", "/documents"),
        ("POST", "/documents"),
        ("PUT", "/documents"),
        ("GET", f"/documents/{UNKNOWN}"),
        ("DELETE", f"/documents/{UNKNOWN}"),
    ],
)
async def test_foreign_and_unknown_collections_are_404_and_malformed_ids_400(
    dialect: Dialect, collection: str, verb: str, tail: str
) -> None:
    body: dict[str, Any] = {}
    if verb == "PUT":
        body = {"json": {"collectionName": "x", "name": "x", "contents": "x"}}
    if verb == "POST":
        body = {"files": {"documents": ("d.jsonl", lines(FOUR[0]))}}
    foreign = await dialect.stranger.request(verb, f"/api/v1/collections/{collection}{tail}", **body)
    unknown = await dialect.client.request(verb, f"/api/v1/collections/{UNKNOWN}{tail}", **body)
    malformed = await dialect.client.request(verb, f"/api/v1/collections/nonsense{tail}", **body)
    assert [foreign.status_code, unknown.status_code, malformed.status_code] == [404, 404, 400]
    assert malformed.json()["details"]["path"] == "collection-id"


async def test_a_document_is_not_reached_through_another_collection(
    dialect: Dialect, collection: str, upload: Upload
) -> None:
    await upload(collection, lines(FOUR[0]))
    (document,) = await documents(dialect, collection)
    other = (await dialect.client.post("/api/v1/collections", json={"collectionName": "Other"})).json()
    address = f"/api/v1/collections/{other['collectionId']}/documents/{document['id']}"
    assert (await dialect.client.get(address)).status_code == 404
    assert (await dialect.client.delete(address)).status_code == 404
    assert len(await documents(dialect, collection)) == 1


async def test_an_import_beyond_its_bounds_is_413(start: Callable[..., Any]) -> None:
    async with start(knowledge={"max_import_lines": 2, "max_upload_bytes": 2048}) as dialect:
        made = await dialect.client.post("/api/v1/collections", json={"collectionName": "Small"})
        address = f"/api/v1/collections/{made.json()['collectionId']}/documents"
        for body in (lines(*FOUR), b"x" * 4096):
            refused = await dialect.client.post(address, files={"documents": ("d.jsonl", body)})
            assert refused.status_code == 413
        assert (await dialect.client.get(address)).json() == []
        assert list(dialect.services.uploads.iterdir()) == []


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("multipart/form-data", b"x", 415),
        ("multipart/form-data; boundary=b", b"--b\r\nbroken", 400),
        ("multipart/form-data; boundary=b", b"", 400),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--b--\r\n',
            400,
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="documents"; filename="d"\r\n\r\n{"docid": "a"',
            400,
        ),
    ],
)
async def test_an_import_without_its_file_is_refused(
    dialect: Dialect, collection: str, content_type: str, body: bytes, status: int
) -> None:
    response = await dialect.client.post(
        f"/api/v1/collections/{collection}/documents", content=body, headers={"Content-Type": content_type}
    )
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error", "details"}


async def test_two_files_in_one_form_are_refused_and_neither_is_taken(
    dialect: Dialect, collection: str
) -> None:
    for address, field, line in (
        (f"/api/v1/collections/{collection}/documents", "documents", b'{"docid": "a", "text": "x"}'),
        ("/api/v1/skills/management/import", "skills", b'{"slug": "a", "instructions": "x"}'),
    ):
        refused = await dialect.client.post(address, files=[(field, ("1", line)), (field, ("2", line))])
        assert refused.status_code == 400
        assert refused.json()["details"]["path"] == field
        listed = await dialect.client.get(address.removesuffix("/management/import"))
        assert listed.json() == []
