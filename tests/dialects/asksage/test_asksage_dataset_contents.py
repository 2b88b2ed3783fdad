"""What datasets hold: arrays, lists of files, removal by name, copies, whole datasets deleted."""

from typing import Any

import anyio
import httpx
import pytest
from tests.e2e.in_process import InProcess


async def post(client: httpx.AsyncClient, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["status"] == status
    return answer.json()


async def found(app: InProcess, dataset: str, question: str, *, seconds: float = 20) -> str:
    """The references once the question finds any."""
    with anyio.fail_after(seconds):
        while True:
            answer = await post(app.client, "/server/query", message=question, dataset=dataset)
            if answer["references"]:
                return answer["references"]
            await anyio.sleep(0.05)


async def files(client: httpx.AsyncClient, dataset: str) -> list[dict[str, Any]]:
    listed = (await client.get("/server/get-all-files-ingested")).json()
    assert listed["response"] == "OK"
    return [file for file in listed["files"] if f"_{dataset}_content" in file["dataset"]]


async def full_name(client: httpx.AsyncClient, short: str) -> str:
    names = (await client.get("/server/get-datasets")).json()["response"]
    return next(name for name in names if name.endswith(f"_{short}_content"))


async def upload(app: InProcess, dataset: str, name: str, content: bytes) -> None:
    answer = await app.client.post(
        "/server/train-with-file", files={"file": (name, content)}, data={"dataset": dataset}
    )
    assert answer.status_code == 200, answer.text


async def taught(app: InProcess, *, more_than: int = -1) -> int:
    """This month's teach tokens, once they are more."""
    with anyio.fail_after(5):
        while True:
            counted = (await app.client.get("/server/count-monthly-teach-tokens")).json()["response"]
            if counted > more_than:
                return counted
            await anyio.sleep(0.05)


async def test_each_text_of_an_array_is_found_by_itself(app: InProcess) -> None:
    await app.dataset("array")
    form = {
        "data": '["Herons stand in the reeds.", ["Otters swim in the river."], "Herons stand in the reeds."]',
        "dataset": "array",
        "filename": "wildlife.txt",
    }
    answer = await app.client.post("/server/train-with-array", data=form)
    assert answer.status_code == 200, answer.text
    ids = answer.json()["embedding"]
    assert len(ids) == 3
    assert ids[0] == ids[2] != ids[1]
    references = (await post(app.client, "/server/query", message="Where do otters swim?", dataset="array"))[
        "references"
    ]
    assert "Otters swim in the river." in references
    assert '"filename":"wildlife.txt"' in references


async def test_a_long_array_is_stored_whole(app: InProcess) -> None:
    collection = await app.dataset("long-array")
    texts = [f"Locker {number} belongs to crew member {number}." for number in range(60)]
    answer = await post(app.client, "/server/train-with-array", data=texts, dataset="long-array")
    assert len(set(answer["embedding"])) == 60
    await app.settled(collection)
    assert "Locker 42 " in await found(app, "long-array", "Whose is locker 42?")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"dataset": "staff"}, "data"),
        ({"data": ["text"]}, "dataset"),
        ({"data": ["text", 5], "dataset": "staff"}, "data[1]"),
        ({"data": ["  "], "dataset": "staff"}, "data[0]"),
        ({"data": "no array", "dataset": "staff"}, "'data' must be a JSON array"),
        ({"data": "[]", "dataset": "staff"}, "'data' is required"),
        ({"data": ["text"], "dataset": "nowhere"}, "nowhere"),
    ],
)
async def test_an_unfit_array_is_refused_by_name(app: InProcess, body: dict[str, Any], named: str) -> None:
    assert named in (await post(app.client, "/server/train-with-array", 400, **body))["response"]


async def test_everything_ingested_is_listed_for_its_owner_only(app: InProcess) -> None:
    collection = await app.dataset("listed")
    await upload(app, "listed", "ferry.md", b"# Ferry\n\nThe ferry leaves at nine.")
    await app.settled(collection)
    (file,) = await files(app.client, "listed")
    assert file["filename"] == "ferry.md"
    assert file["dataset"] == file["source_string"] == await full_name(app.client, "listed")
    assert file["size"] == 34
    assert file["chunks"] == 1
    assert file["tokens"] > 0
    assert file["date_time"].endswith("GMT")
    by_post = (await app.client.post("/server/get-all-files-ingested")).json()
    assert by_post["response"] == by_post["files"]
    assert file in by_post["files"]
    assert (await app.stranger.get("/server/get-all-files-ingested")).json()["files"] == []


async def test_a_file_is_removed_by_its_name_and_no_longer_found(app: InProcess) -> None:
    collection = await app.dataset("removal")
    await upload(app, "removal", "bridge.md", b"The bridge opens at dawn.")
    await upload(app, "removal", "bridge.md.bak", b"The tunnel closes at dusk.")
    await app.settled(collection)
    assert "bridge opens" in await found(app, "removal", "When does the bridge open?")
    wanted: dict[str, Any] = {"dataset": "removal", "filename": "bridge.md"}
    full = await full_name(app.client, "removal")
    refused = await post(
        app.stranger, "/server/delete-filename-from-dataset", 400, **wanted | {"dataset": full}
    )
    assert "not found" in refused["response"]
    await post(app.client, "/server/delete-filename-from-dataset", **wanted)
    assert [file["filename"] for file in await files(app.client, "removal")] == ["bridge.md.bak"]
    answer = await post(app.client, "/server/query", message="When does the bridge open?", dataset="removal")
    assert "bridge opens" not in answer["references"]
    await post(app.client, "/server/delete-filename-from-dataset", 400, **wanted)


async def test_copies_are_found_in_their_new_dataset_and_cost_no_teaching(app: InProcess) -> None:
    source, before = await app.dataset("origin"), await taught(app)
    await app.dataset("target")
    await upload(app, "origin", "whale.md", b"# Whales\n\nThe whale sings in winter.")
    await app.settled(source)
    read = await taught(app, more_than=before)
    body: dict[str, Any] = {"data": ["The walrus sleeps."], "dataset": "origin", "filename": "walrus.txt"}
    await post(app.client, "/server/train-with-array", **body)
    counted = await taught(app, more_than=read)
    name = await full_name(app.client, "origin")
    wanted = [
        {"filename": "whale.md", "source_string": name},
        {"filename": "walrus.txt", "source_string": "origin"},
        {"filename": "narwhal.txt", "source_string": name},
    ]
    copied = await post(app.client, "/server/copy-files-dataset", dataset="target", files=wanted)
    assert len(copied["response"]) == 3
    assert copied["response"][:2] == ["whale.md: copied.", "walrus.txt: copied."]
    assert "no such file" in copied["response"][2]
    assert "whale sings" in await found(app, "target", "When does the whale sing?")
    assert "walrus sleeps" in await found(app, "target", "When does the walrus sleep?")
    (copy,) = [file for file in await files(app.client, "target") if file["filename"] == "whale.md"]
    assert copy["chunks"] == 1
    assert await taught(app) == counted
    await post(app.client, "/user/delete-dataset", dataset="origin")
    assert "whale sings" in await found(app, "target", "When does the whale sing?")


async def test_copying_nothing_is_refused(app: InProcess) -> None:
    await app.dataset("untouched")
    wanted = [{"filename": "ghost.txt", "source_string": "staff"}]
    await post(app.client, "/server/copy-files-dataset", 400, dataset="untouched", files=wanted)
    await post(app.client, "/server/copy-files-dataset", 400, dataset="untouched", files=["ghost.txt"])
    full = await full_name(app.client, "staff")
    await post(
        app.stranger,
        "/server/copy-files-dataset",
        400,
        dataset=full,
        files=[{"filename": "a", "source_string": "b"}],
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/server/dataset"),
        ("POST", "/server/dataset"),
        ("POST", "/user/delete-dataset"),
        ("POST", "/user/delete_datasets"),
    ],
)
async def test_a_deleted_dataset_is_gone_at_once(app: InProcess, method: str, path: str) -> None:
    await app.dataset("doomed")
    body: dict[str, Any] = {"content": "The comet returns in May.", "force_dataset": "doomed"}
    await post(app.client, "/server/train", **body)
    full = await full_name(app.client, "doomed")
    stolen = await app.stranger.request(method, path, json={"dataset": full})
    assert stolen.status_code == 400
    assert full in (await app.client.get("/server/get-datasets")).json()["response"]
    deleted = await app.client.request(method, path, json={"dataset": full})
    assert deleted.json() == {"response": "OK", "status": 200}
    assert full not in (await app.client.get("/server/get-datasets")).json()["response"]
    await post(app.client, "/server/query", 400, message="When does the comet return?", dataset=full)
    assert (await app.client.request(method, path, json={"dataset": full})).status_code == 400


async def test_deleting_several_datasets_with_a_wrong_name_deletes_none(app: InProcess) -> None:
    await app.dataset("kept-one")
    await post(app.client, "/user/delete-datasets", 400, dataset=["kept-one", "nowhere"])
    await full_name(app.client, "kept-one")
    await app.dataset("kept-two")
    await post(app.client, "/user/delete-datasets", dataset=["kept-one", "kept-two"])


async def test_deletion_without_a_name_has_its_own_status(app: InProcess) -> None:
    await post(app.client, "/user/delete-dataset", 408)
    await post(app.client, "/user/delete-datasets", 408)
    assert (await app.client.delete("/server/dataset")).status_code == 400


@pytest.mark.parametrize(
    "name",
    ["dataset", "delete-dataset", "delete-filename-from-dataset", "copy-files-dataset", "train-with-array"],
)
async def test_what_changes_something_does_not_take_get(app: InProcess, name: str) -> None:
    refused = await app.client.get(f"/server/{name}")
    assert refused.status_code == 405
    assert refused.json()["status"] == 405


async def test_a_file_that_was_read_counts_as_taught_once(app: InProcess) -> None:
    collection, before = await app.dataset("lesson"), await taught(app)
    await upload(app, "lesson", "lesson.md", b"# Lesson\n\nThe lighthouse blinks twice a minute.")
    await app.settled(collection)
    after = await taught(app, more_than=before)
    assert 5 <= after - before <= 40
    await upload(app, "lesson", "lesson.md", b"# Lesson\n\nThe lighthouse blinks twice a minute.")
    await app.settled(collection)
    assert await taught(app) == after
