"""A real server gets another embedder, is killed amid the change, and answers all the time."""

import json
import time
from pathlib import Path

from tests.e2e.embeddings import DIMENSIONS, Embeddings, embeddings
from tests.e2e.server import Server


def settings(now: Embeddings, before: Embeddings | None) -> dict[str, str]:
    """The environment of a server with this embedder, and maybe the one from before."""
    given = {
        "DRAGOMAN_EGRESS__ALLOW": '["127.0.0.1"]',
        "DRAGOMAN_MODELS__LOCAL__ENABLED": "false",
        "DRAGOMAN_EMBEDDING__PROVIDER": "openai",
        "DRAGOMAN_EMBEDDING__BASE_URL": now.base,
        "DRAGOMAN_EMBEDDING__MODEL": now.name,
        "DRAGOMAN_EMBEDDING__DIMENSIONS": str(DIMENSIONS),
    }
    if before is not None:
        other = "DRAGOMAN_EMBEDDING__OTHERS__BEFORE__"
        given |= {
            f"{other}BASE_URL": before.base,
            f"{other}MODEL": before.name,
            f"{other}DIMENSIONS": str(DIMENSIONS),
        }
    return given


def finds(server: Server, collection: object, word: str) -> list[str]:
    """Texts that a search by meaning finds."""
    asked = {"term": word, "collections": [collection], "minScore": 0.3, "reranker": "none"}
    with server.client() as client:
        found = client.post("/api/v1/query", json=asked)
    assert found.status_code == 200, found.text
    return [hit["documentContent"] for hit in found.json()]


def states(server: Server) -> dict[str, object]:
    """How the one collection stands."""
    return json.loads(server.command("collections", "embedders", "--json").stdout)[0]


def settled(server: Server, embedder: str) -> None:
    """Waits until the collection has that embedder and nothing is under way."""
    until = time.monotonic() + 120
    while True:
        state = states(server)
        if state["embedder"] == embedder and state["state"] == "settled":
            return
        assert time.monotonic() < until, state


def test_a_server_that_is_killed_amid_the_change_goes_on_with_it(tmp_path: Path) -> None:
    with (
        embeddings("taste-1", ("teapot", "kettle")) as old,
        embeddings("taste-2", ("teapot", "samovar")) as new,
    ):
        library = tmp_path / "library"
        library.mkdir()
        (library / "pot.txt").write_text("teapot")
        for number in range(70):
            (library / f"filler{number}.txt").write_text(f"gravel{number} fjord{number}")
        data = tmp_path / "data"
        with Server(data, settings(old, None)) as server:
            server.command("collections", "create", "Kitchen")
            server.command("ingest", str(library), "--collection", "Kitchen")
            settled(server, "taste-1")
            kitchen = states(server)["collection_id"]
            assert finds(server, kitchen, "kettle") == ["teapot"]

        new.gate.clear()
        new.answers_before_gate = 2
        server = Server(data, settings(new, old))
        server.start()
        try:
            until = time.monotonic() + 60
            while states(server)["done"] != 64:
                assert time.monotonic() < until
            assert finds(server, kitchen, "kettle") == ["teapot"]
            server.kill()
            embedded = new.texts
            new.answers_before_gate = 1_000_000
            new.gate.set()
            server.start()
            settled(server, "taste-2")
            # 7 were left; what the killed server had asked for may have come, too, and questions are one each.
            assert new.texts - embedded <= 7 + 7
            assert finds(server, kitchen, "samovar") == ["teapot"]
            assert finds(server, kitchen, "kettle") == []
            assert "embedder     all vectors can be compared" in server.command("doctor", check=False).stdout
        finally:
            server.stop()
