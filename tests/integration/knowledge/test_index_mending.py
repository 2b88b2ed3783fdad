"""An index that was damaged: words answer meanwhile, and what is lacking is made anew by itself, on both databases."""

import asyncio
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from tests.e2e.embeddings import DIMENSIONS, embeddings
from tests.e2e.in_process import InProcess, in_process, settings_in

_TEXTS = [f"The number {number} kestrel nests in tower {number * 7}." for number in range(6)]
_VECTORS, _CODES = f"passage_vectors_{DIMENSIONS}", f"passage_codes_{DIMENSIONS}"
_SQLITE = (
    "delete from passage_words where rowid in (select key from passages where key % 3 = 0)",
    "delete from passage_scopes where passage_key in (select key from passages where key % 3 = 1)",
    f"update {_VECTORS} set vector = x'00112233' where passage_key % 2 = 0",
    f"delete from {_VECTORS} where passage_key % 2 = 1 and passage_key % 3 = 0",
    f"update {_CODES} set bits = x'0011'",
)
_POSTGRES = (
    f"delete from {_VECTORS} where passage_key % 2 = 0",
    f"delete from {_CODES} where passage_key % 3 = 1",
)


async def _found(app: InProcess, collection: str, *, ranked: str) -> list[Any]:
    asked = {"term": "kestrel number 3", "collections": [collection], "minScore": 0.01, "reranker": ranked}
    answer = await app.client.post("/api/v1/query", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _damage(connection: Connection) -> None:
    for statement in _SQLITE if connection.dialect.name == "sqlite" else _POSTGRES:
        assert connection.execute(sa.text(statement)).rowcount


def _lose_vectors(connection: Connection) -> None:
    connection.exec_driver_sql(f"drop table {_VECTORS}")


async def test_an_index_that_was_damaged_answers_by_words_and_is_whole_again_by_itself(
    tmp_path: Path, database_url: str | None
) -> None:
    with embeddings("taste", ("teapot", "kettle")) as provider:
        groups: dict[str, Any] = {
            "embedding": {
                "provider": "openai",
                "base_url": provider.base,
                "model": provider.name,
                "dimensions": DIMENSIONS,
            },
            "egress": {"allow": ["127.0.0.1"]},
        }
        if database_url is not None:
            groups["database"] = {"url": database_url}
        settings = settings_in(tmp_path / "data", **groups)
        async with in_process(settings) as app:
            collection = await app.dataset("birds")
            for number, text in enumerate(_TEXTS):
                put = {"name": f"bird {number}", "contents": text}
                answer = await app.client.put(f"/api/v1/collections/{collection}/documents", json=put)
                assert answer.status_code == 200, answer.text
            await app.settled(collection)
            before = {ranked: await _found(app, collection, ranked=ranked) for ranked in ("none", "rrf")}
            assert len(before["none"]) >= 3
            for damage in (_damage, _lose_vectors):
                await app.running.database.write(damage)
                assert await _found(app, collection, ranked="rrf")
                assert (await app.running.mending.sweep()).vectors
                assert await _whole(app, collection, before)
            again = await app.running.mending.sweep()
            assert (again.passages, again.words, again.vectors) == (len(_TEXTS), 0, 0)


async def _whole(app: InProcess, collection: str, before: dict[str, Any]) -> bool:
    async with asyncio.timeout(60):
        while True:
            await app.settled(collection)
            now = {ranked: await _found(app, collection, ranked=ranked) for ranked in before}
            if now == before:
                return True
            await asyncio.sleep(0.05)
