"""Files that cannot be read fail alone, with a reason in plain words; those beside them are indexed."""

import pytest
from tests.e2e.in_process import InProcess

import samples

_HEALTHY = {
    "good.md": b"# Tools\n\nThe hammer hangs on the left.",
    "good.docx": samples.docx([("Heading1", "Tools"), ("", "The saw hangs on the right.")]),
    "named-wrongly.txt": samples.docx([("Heading1", "Tools"), ("", "The pliers lie in the drawer.")]),
}
_BROKEN = {
    "blank.txt": (b" \n\t ", "empty"),
    "noise.bin": (bytes(range(256)) * 64, ""),
    "secret.pdf": (samples.pdf(["secret"], encrypted=True), "password"),
    "secret.docx": (samples.encrypted_office(), "password"),
    "half.docx": (samples.docx([("", "text " * 500)])[:700], ""),
    "half.pdf": (samples.pdf(["text of the page"] * 3)[:300], ""),
    "pretends.docx": (b"%PDF-1.4\nnothing more", ""),
    "bomb.zip": (samples.zip_of({"zeros.txt": b"0" * (60 << 20)}), "unpacks to more"),
    "bomb.docx": (samples.docx([("", "a" * (40 << 20))]), ""),
    "hollow.zip": (samples.zip_of({}), ""),
}


async def put(app: InProcess, dataset: str, name: str, content: bytes) -> None:
    answer = await app.client.post(
        "/server/train-with-file", files={"file": (name, content)}, data={"dataset": dataset}
    )
    assert answer.status_code == 200, answer.text


async def test_broken_files_are_refused_with_a_reason_and_the_others_go_on(app: InProcess) -> None:
    collection = await app.dataset("mixed")
    good = iter(_HEALTHY.items())
    for number, (name, (content, reason)) in enumerate(_BROKEN.items()):
        answer = await app.client.post(
            "/server/train-with-file", files={"file": (name, content)}, data={"dataset": "mixed"}
        )
        assert answer.status_code == 400, name
        told = answer.json()["response"]
        assert reason in told
        assert "Traceback" not in told, name
        assert "/" not in told.replace("and/or", ""), name
        if number % 3 == 0 and (healthy := next(good, None)) is not None:
            await put(app, "mixed", *healthy)
    listed = {item["name"]: item["indexState"] for item in await app.settled(collection, seconds=60)}
    assert listed == dict.fromkeys(_HEALTHY, "Indexed")
    for word in ("hammer", "saw", "pliers"):
        answer = await app.client.post(
            "/server/query", json={"message": f"Where is the {word}?", "dataset": "mixed"}
        )
        assert word in answer.json()["message"]


async def test_what_a_file_says_is_found_as_soon_as_it_is_trained(app: InProcess) -> None:
    await app.dataset("prompt")
    await put(app, "prompt", "ladder.docx", samples.docx([("", "The ladder leans on the barn.")]))
    answer = await app.client.post(
        "/server/query", json={"message": "Where is the ladder?", "dataset": "prompt"}
    )
    assert "barn" in answer.json()["references"]


async def test_two_files_in_one_training_are_refused(app: InProcess) -> None:
    files = [("file", ("one.txt", b"one")), ("file", ("two.txt", b"two"))]
    answer = await app.client.post("/server/train-with-file", files=files, data={"dataset": "staff"})
    assert answer.status_code == 400
    assert "one file" in answer.json()["response"]


async def test_an_empty_file_is_refused_at_once(app: InProcess) -> None:
    answer = await app.client.post(
        "/server/train-with-file", files={"file": ("empty.txt", b"")}, data={"dataset": "staff"}
    )
    assert answer.status_code == 400
    assert "empty" in answer.json()["response"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "..\\..\\boot.ini", "a/b/c.txt"])
async def test_a_files_name_is_stripped_of_its_folders(app: InProcess, name: str) -> None:
    await put(app, "staff", name, b"The kettle is in the kitchen.")
    collection = next(
        item["id"] for item in (await app.client.get("/api/v1/collections")).json() if item["name"] == "staff"
    )
    listed = [item["name"] for item in await app.settled(collection)]
    assert name.replace("\\", "/").rpartition("/")[2] in listed
    assert name not in listed


async def test_a_file_or_its_dataset_that_is_missing_is_named(app: InProcess) -> None:
    without = await app.client.post("/server/train-with-file", data={"dataset": "staff"})
    assert "'file'" in without.json()["response"]
    nowhere = await app.client.post(
        "/server/train-with-file", files={"file": ("a.txt", b"a")}, data={"dataset": "x"}
    )
    assert "'x'" in nowhere.json()["response"]
    assert {without.status_code, nowhere.status_code} == {400}


async def test_a_broken_file_that_comes_again_mended_is_indexed(app: InProcess) -> None:
    collection = await app.dataset("mended")
    broken = await app.client.post(
        "/server/train-with-file",
        files={"file": ("a.docx", _BROKEN["half.docx"][0])},
        data={"dataset": "mended"},
    )
    assert broken.status_code == 400
    assert await app.settled(collection) == []
    await put(app, "mended", "a.docx", _HEALTHY["good.docx"])
    assert [item["indexState"] for item in await app.settled(collection)] == ["Indexed"]


async def test_a_broken_file_does_not_take_the_place_of_a_good_one(app: InProcess) -> None:
    collection = await app.dataset("kept")
    await put(app, "kept", "a.docx", samples.docx([("", "The anvil stands by the forge.")]))
    broken = await app.client.post(
        "/server/train-with-file",
        files={"file": ("a.docx", _BROKEN["half.docx"][0])},
        data={"dataset": "kept"},
    )
    assert broken.status_code == 400
    assert "damaged" in broken.json()["response"]
    assert [item["indexState"] for item in await app.settled(collection)] == ["Indexed"]
    files = (await app.client.get("/server/get-all-files-ingested")).json()["files"]
    assert [file["filename"] for file in files if file["dataset"].endswith("_kept_content")] == ["a.docx"]
    answer = await app.client.post(
        "/server/query", json={"message": "Where is the anvil?", "dataset": "kept"}
    )
    assert "forge" in answer.json()["message"]


async def test_nothing_is_left_in_the_folder_of_uploads(app: InProcess) -> None:
    await put(app, "staff", "left.txt", b"Nothing is left over.")
    assert list(app.running.services.uploads.glob("upload-*")) == []
