"""The engine answers SQL about one file, sees nothing else, and keeps within its bounds."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from dragoman.adapters.tables.engine import DuckTables
from dragoman.domain.tools.tables import Column
from dragoman.kit.errors import DragomanError, InvalidInput, Unavailable, Unsupported
from dragoman.kit.processes import ChildPool

_CSV = "name,when,amount\nAnn,2024-01-31,1.5\nBen,2024-02-29,\n"


@pytest.fixture(scope="module")
async def engine(anyio_backend: str) -> AsyncGenerator[DuckTables]:
    pool = ChildPool(size=1, memory_mb=768, idle_seconds=60, name="tables")
    yield DuckTables(pool, seconds=20)
    await pool.close()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "upload-x"
    path.write_text(_CSV)
    return path


async def test_a_files_columns_have_kinds_and_a_sample(engine: DuckTables, table: Path) -> None:
    shape = await engine.shape(table, name="a.csv")
    assert shape.columns == (Column("name", "VARCHAR"), Column("when", "DATE"), Column("amount", "DOUBLE"))
    assert shape.row_count == 2
    assert shape.sample == (("Ann", "2024-01-31", 1.5), ("Ben", "2024-02-29", None))


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("a.tsv", "a\tb\n1\t2\n", ((1, 2),)),
        ("a.csv", "a;b\n1;x\n", ((1, "x"),)),
        ("a.csv", '\ufeffa,b\n1,"x, y"\n', ((1, "x, y"),)),
        ("a.json", '[{"a": 1, "b": [1, 2]}]', ((1, [1, 2]),)),
        ("a.jsonl", '{"a": 1, "b": {"c": "d"}}\n', ((1, {"c": "d"}),)),
    ],
)
async def test_tables_of_several_kinds_are_read(
    engine: DuckTables, tmp_path: Path, name: str, content: str, wanted: tuple[object, ...]
) -> None:
    path = tmp_path / "upload-y"
    path.write_text(content)
    found = await engine.query(path, "SELECT * FROM data", name=name, limit=10)
    assert found.rows == wanted


@pytest.mark.parametrize(
    "sql", ["DESCRIBE data", "SUMMARIZE data", "FROM data", "WITH x AS (FROM data) FROM x"]
)
async def test_every_way_of_reading_is_taken(engine: DuckTables, table: Path, sql: str) -> None:
    assert (await engine.query(table, sql, name="a.csv", limit=10)).rows


async def test_rows_beyond_the_limit_are_left_out_and_said(engine: DuckTables, table: Path) -> None:
    sql = "SELECT unnest(generate_series(1, 1000000)) AS n FROM data"
    found = await engine.query(table, sql, name="a.csv", limit=3)
    assert [row[0] for row in found.rows] == [1, 2, 3]
    assert found.truncated
    assert not (await engine.query(table, "SELECT * FROM data", name="a.csv", limit=2)).truncated


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('https://example.org/a.csv')",
        "COPY data TO '/tmp/stolen.csv'",
        "ATTACH '/tmp/other.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "RESET enable_external_access",
        "PRAGMA enable_external_access = true",
        "DROP TABLE data",
        "INSERT INTO data VALUES (1)",
        "CREATE TABLE x AS SELECT 1",
        "SELECT 1; DROP TABLE data",
        "EXPLAIN ANALYZE INSERT INTO data SELECT * FROM data",
        "SELECT nothing FROM data",
        "SELECT getenv('PATH')",
        "SELEKT",
        "",
        ";",
        "SELECT 1 --" + "x" * 20_001,
    ],
)
async def test_anything_but_one_select_over_the_file_is_refused(
    engine: DuckTables, table: Path, sql: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await engine.query(table, sql, name="a.csv", limit=10)
    assert refused.value.code == "sql_failed"
    assert refused.value.detail


async def test_a_question_without_end_is_stopped(table: Path) -> None:
    pool = ChildPool(size=1, memory_mb=768, idle_seconds=60, name="tables")
    try:
        slow = "SELECT count(*) FROM range(100000) a, range(100000) b, range(1000) c WHERE hash(a.range + b.range + c.range) = 1"
        with pytest.raises(DragomanError) as late:
            await DuckTables(pool, seconds=2).query(table, slow, name="a.csv", limit=1)
        assert late.value.status == 504
        again = await DuckTables(pool, seconds=20).query(table, "SELECT 1 FROM data", name="a.csv", limit=1)
        assert again.rows == ((1,),)
    finally:
        await pool.close()


async def test_a_question_that_needs_too_much_memory_is_refused(engine: DuckTables, table: Path) -> None:
    greedy = "SELECT string_agg(repeat('x', 1000000), '' ORDER BY range) FROM range(2000)"
    with pytest.raises(InvalidInput):
        await engine.query(table, greedy, name="a.csv", limit=1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b""),
        ("a.csv", b"only,names\n"),
        ("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(100)),
        ("a.xlsx", b"PK\x03\x04rest"),
        ("a.json", b"{broken"),
        ("a.pdf", b"%PDF-1.4"),
    ],
)
async def test_what_is_no_table_is_refused_by_its_name(
    engine: DuckTables, tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / "upload-z"
    path.write_bytes(content)
    with pytest.raises((InvalidInput, Unsupported)) as refused:
        await engine.shape(path, name=name)
    assert "upload-z" not in refused.value.detail


async def test_without_its_package_it_says_what_to_install(
    engine: DuckTables, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.adapters.tables.engine.find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"dragoman\[tools\]"):
        await engine.shape(table, name="a.csv")
