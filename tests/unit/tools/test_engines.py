"""What is said when something that tools need is not installed, and what pages and documents may do."""

from collections.abc import AsyncIterator

import pytest

from dragoman.adapters.tools import documents, engine, readable
from dragoman.adapters.tools.documents import DocumentPrinter, printed_in_child
from dragoman.adapters.tools.readable import ReadableHtml, readable_in_child
from dragoman.kit.egress import EgressPolicy
from dragoman.kit.errors import InvalidInput, Unavailable
from dragoman.kit.processes import ChildPool


@pytest.fixture(scope="module")
async def pool(anyio_backend: str) -> AsyncIterator[ChildPool]:
    pool = ChildPool(size=1, memory_mb=1024, idle_seconds=60, name="test")
    yield pool
    await pool.close()


def _missing(name: str) -> object:
    raise ModuleNotFoundError(f"No module named {name!r}", name="weasyprint")


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.importlib, "import_module", _missing)
    with pytest.raises(Unavailable, match=r"'weasyprint' is not installed.*dragoman\[tools\]"):
        printed_in_child("<p>a</p>", EgressPolicy())
    with pytest.raises(Unavailable, match="Web pages cannot be read"):
        readable_in_child(b"<p>a</p>", "http://a.example/", None)


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, without: str) -> object:
        raise OSError("cannot load library 'libpango-1.0-0'")

    monkeypatch.setattr(documents, "engine", broken)
    with pytest.raises(Unavailable, match="apt-get install libpango"):
        printed_in_child("<p>a</p>", EgressPolicy())


async def test_a_page_gives_title_and_text_in_the_charset_of_its_server(pool: ChildPool) -> None:
    html = "<title>Öffnung</title><p>Der Hafen öffnet um sechs.</p>".encode("latin-1")
    found = await ReadableHtml(pool).readable(html, url="http://a.example/", charset="latin-1")
    assert (found.title, found.text) == ("Öffnung", "Der Hafen öffnet um sechs.")


@pytest.mark.parametrize(
    "html",
    [b"", b"\x00\xff", b"<", b"<html>", b"<title>", b"<!--", b"<div>" * 20_000, b"<p>\xed\xa0\x80</p>"],
)
async def test_a_broken_page_has_no_text_and_does_no_harm(pool: ChildPool, html: bytes) -> None:
    found = await ReadableHtml(pool).readable(html, url="http://a.example/", charset="no-such-charset")
    assert isinstance(found.text, str)


async def test_a_page_that_no_parser_gets_through_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def readable(self, *_: object) -> object:
            raise RecursionError

    monkeypatch.setattr(readable, "engine", lambda *_: Broken())
    with pytest.raises(Exception, match="no HTML that can be read"):
        readable_in_child(b"<p>", "http://a.example/", None)


async def test_a_document_that_refers_to_too_much_is_refused(pool: ChildPool) -> None:
    html = "".join(f"<img src='http://10.0.0.{n}/a.png'>" for n in range(60))
    with pytest.raises(InvalidInput, match="more than 40 files"):
        await DocumentPrinter(pool, EgressPolicy()).pdf(html)


async def test_an_empty_document_is_a_page(pool: ChildPool) -> None:
    assert (await DocumentPrinter(pool, EgressPolicy()).pdf("")).startswith(b"%PDF-")
