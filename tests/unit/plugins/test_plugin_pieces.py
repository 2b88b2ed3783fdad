"""What plugins are made of: prompts and fields, pieces of long texts, links, references."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.domain.agents.deep.citing import cited
from dragoman.domain.agents.deep.model import Source
from dragoman.domain.agents.plugins.kinds.extraction import merged, wanted_fields
from dragoman.domain.agents.plugins.links import links_in
from dragoman.domain.agents.plugins.querying import is_sql
from dragoman.domain.agents.plugins.registry import all_plugins
from dragoman.domain.agents.plugins.steps import pieces_of
from dragoman.domain.agents.plugins.template import fields_of, tag_of, template
from dragoman.domain.agents.plugins.writer import marked
from dragoman.kit.errors import InvalidInput

_BY_NAME = {plugin.spec.name: plugin.spec for plugin in all_plugins()}
_LINE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs"]), min_size=1).filter(
    lambda text: text[0] != "{"
)


@pytest.mark.parametrize("name", sorted(_BY_NAME))
@settings(max_examples=20)
@given(data=st.data())
def test_a_filled_prompt_gives_its_fields_back(name: str, data: st.DataObject) -> None:
    spec = _BY_NAME[name]
    values = {field.name: data.draw(_LINE, label=field.name) for field in spec.fields}
    assert fields_of(spec, template(spec).format(**values)) == values


def test_a_text_of_many_lines_may_hold_what_looks_like_a_field() -> None:
    spec = _BY_NAME["translate"]
    text = "first\ntarget_language: German\n\n[[Translate]]"
    assert fields_of(spec, f"[[Translate]]\ntarget_language: French\ntext: {text}") == {
        "target_language": "French",
        "text": text,
    }


def test_finding_fields_takes_time_in_proportion_to_the_text() -> None:
    started = time.perf_counter()
    for spec in _BY_NAME.values():
        fields_of(spec, f"[[{spec.title}]]\n" + "\ntext_a: " * 50_000 + " " * 50_000)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("prompt", "tag"),
    [
        ("[[A b]] x", "A b"),
        ("  [[x]]", "x"),
        ("x [[y]]", None),
        ("[[a\nb]]", None),
        ("[[]]", None),
        ("[x]", None),
    ],
)
def test_a_tag_is_what_stands_first_in_double_brackets(prompt: str, tag: str | None) -> None:
    assert tag_of(prompt) == tag


@given(st.text(max_size=400), st.integers(10, 60))
def test_pieces_are_short_enough_and_lose_nothing_but_space(text: str, size: int) -> None:
    pieces = pieces_of(text, size)
    assert all(0 < len(piece) <= size for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_a_text_of_too_many_pieces_is_refused() -> None:
    with pytest.raises(InvalidInput, match="too long"):
        pieces_of("word " * 1000, 20)


@given(st.text())
def test_a_marked_text_cannot_close_its_tag(text: str) -> None:
    assert marked("text", text).count("</text") == 1


@pytest.mark.parametrize(
    ("text", "links"),
    [
        (
            "See http://a.b/c. And (https://d.e/f_(g)), <http://h.i>",
            ["http://a.b/c", "https://d.e/f_(g)", "http://h.i"],
        ),
        ("[x](http://a.b/c) http://a.b/c", ["http://a.b/c"]),
        ("ftp://a.b mailto:x@y.z", []),
    ],
)
def test_links_are_found_as_people_write_them(text: str, links: list[str]) -> None:
    assert links_in(text) == links


def _source(number: int) -> Source:
    return Source(number=number, key=str(number), title=f"t{number}", text=f"text {number}")


def test_only_what_is_cited_stays_numbered_in_its_order() -> None:
    text, citations = cited("A [3]. B [1, 3][9]. C [9].", [_source(1), _source(2), _source(3)])
    assert text == "A [1]. B [2][1]. C."
    assert [(one.number, one.document_name) for one in citations] == [(1, "t3"), (2, "t1")]


def test_a_text_that_cites_nothing_keeps_all_sources() -> None:
    text, citations = cited("Nothing [7].", [_source(1), _source(2)])
    assert text == "Nothing."
    assert [one.number for one in citations] == [1, 2]


def test_wanted_fields_are_read_as_a_list_or_json() -> None:
    wanted = {"total": "", "due date": "when it must be paid"}
    assert wanted_fields("total, due  date: when it must be paid") == wanted
    assert wanted_fields('{"total": "", "due date": "when it must be paid"}') == wanted
    assert wanted_fields('["total"]') == {"total": ""}
    for bad in ("", " , ", "[", "{}", "[]", ",".join(map(str, range(51)))):
        with pytest.raises(InvalidInput):
            wanted_fields(bad)


def test_the_first_value_of_a_field_stays() -> None:
    assert merged([{"a": None, "b": ""}, {"a": 1, "b": "x"}, {"a": 2}], ["a", "b", "c"]) == {
        "a": 1,
        "b": "x",
        "c": None,
    }


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        ("select 1", True), ("WITH x AS (SELECT 1) SELECT * FROM x", True), ("from data", True), ("describe data", True),
        ("summarize data", True), ("how many rows?", False), ("with whom did Ann meet?", False), ("describe the sales", False),
        ("selection of rows", False),
    ],
)  # fmt: skip
def test_a_question_in_sql_is_told_from_one_in_words(question: str, sql: bool) -> None:
    assert is_sql(question) is sql
