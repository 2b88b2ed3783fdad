"""Passages: exact slices of the document's text, on one page, under one heading, of bounded size."""

import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.domain.knowledge.chunk import ChunkedDocument, chunk, embedding_text
from dragoman.domain.knowledge.document import Block, Page, ParsedDocument

_WORD = re.compile(r"\w+|[^\w\s]")


def words(text: str) -> int:
    return len(_WORD.findall(text))


def quarter(text: str) -> int:
    return (len(text) + 3) // 4


def document(*pages: Page) -> ParsedDocument:
    return ParsedDocument(pages, "text/plain")


def page(*blocks: Block, number: int | None = None, label: str | None = None) -> Page:
    return Page(number, blocks, label)


def para(text: str) -> Block:
    return Block("paragraph", text)


def cut(parsed: ParsedDocument, *, target: int = 40, overlap: int = 0) -> ChunkedDocument:
    return chunk(parsed, target_tokens=target, overlap_tokens=overlap, count_tokens=words)


def sentences(count: int) -> str:
    return " ".join(f"Sentence number {number} says something." for number in range(count))


def test_neighbouring_small_paragraphs_under_a_heading_become_one_passage() -> None:
    chunked = cut(document(page(Block("heading", "Intro", 1), para("One."), para("Two."), para("Three."))))
    assert [passage.text for passage in chunked.passages] == ["Intro\n\nOne.\n\nTwo.\n\nThree."]
    assert chunked.passages[0].heading_path == ("Intro",)


def test_a_new_heading_begins_a_new_passage_with_the_path_that_leads_to_it() -> None:
    parsed = document(
        page(
            Block("heading", "Book", 1),
            Block("heading", "One", 2),
            para("First."),
            Block("heading", "Two", 2),
            para("Second."),
            Block("heading", "Other", 1),
            para("Third."),
        )
    )
    assert [(passage.text, passage.heading_path) for passage in cut(parsed).passages] == [
        ("Book\n\nOne\n\nFirst.", ("Book", "One")),
        ("Two\n\nSecond.", ("Book", "Two")),
        ("Other\n\nThird.", ("Other",)),
    ]


def test_a_passage_never_crosses_a_page_and_names_its_own() -> None:
    parsed = document(page(para("Alpha."), number=1), page(number=2), page(para("Beta."), number=3))
    chunked = cut(parsed)
    assert [(passage.page, passage.text) for passage in chunked.passages] == [(1, "Alpha."), (3, "Beta.")]
    assert chunked.page_starts == ((1, 0), (2, 8), (3, 8))


def test_a_heading_at_the_end_of_a_page_holds_on_the_next_one_too() -> None:
    parsed = document(page(Block("heading", "Long", 1), number=1), page(para("Text."), number=2))
    assert cut(parsed).passages[1].heading_path == ("Long",)


def test_headings_do_not_reach_from_one_sheet_or_member_into_another() -> None:
    parsed = document(
        page(Block("heading", "Inner", 1), para("a"), label="first.md"), page(para("b"), label="second.txt")
    )
    assert [passage.heading_path for passage in cut(parsed).passages] == [
        ("first.md", "Inner"),
        ("second.txt",),
    ]


def test_a_long_paragraph_is_cut_between_sentences_into_even_shares() -> None:
    chunked = cut(document(page(para(sentences(21)))), target=50)
    assert len(chunked.passages) > 1
    assert all(
        passage.text.endswith(".") and passage.text.startswith("Sentence") for passage in chunked.passages
    )
    counts = [passage.token_count for passage in chunked.passages]
    assert max(counts) <= 50
    assert min(counts) > 15


def test_a_continuing_passage_begins_with_whole_sentences_of_the_one_before() -> None:
    chunked = cut(document(page(para(sentences(30)))), target=40, overlap=12)
    assert len(chunked.passages) > 3
    for before, after in pairwise(chunked.passages):
        shared = before.char_end - after.char_start
        assert shared > 0
        assert after.char_start > before.char_start
        carried = chunked.text[after.char_start : before.char_end]
        assert carried.startswith("Sentence")
        assert words(carried) <= 12


def test_no_passage_lies_wholly_within_the_one_before() -> None:
    chunked = cut(document(page(*(para(sentences(3)) for _ in range(12)))), target=20, overlap=10)
    ends = [passage.char_end for passage in chunked.passages]
    assert ends == sorted(set(ends))


def test_rows_of_a_table_in_columns_keep_the_names_of_the_columns_in_their_path() -> None:
    rows = "\n".join(f"| person {number} | {number} |" for number in range(40))
    chunked = cut(document(page(Block("table", f"| Name | Age |\n{rows}"))), target=40)
    assert len(chunked.passages) > 2
    assert chunked.passages[0].heading_path == ()
    assert {passage.heading_path for passage in chunked.passages[1:]} == {("| Name | Age |",)}
    assert all(passage.text.startswith("|") and passage.text.endswith("|") for passage in chunked.passages)


def test_rows_that_name_their_values_are_cut_between_rows_and_need_no_header() -> None:
    rows = "\n".join(f"Name: person {number}; Age: {number}" for number in range(40))
    chunked = cut(document(page(Block("table", rows))), target=40)
    assert all(passage.text.startswith("Name:") and not passage.heading_path for passage in chunked.passages)


def test_text_without_white_space_is_cut_and_nothing_is_lost() -> None:
    text = "天地玄黄宇宙洪荒日月盈昃辰宿列张" * 200
    chunked = chunk(document(page(para(text))), target_tokens=50, overlap_tokens=10, count_tokens=len)
    assert "".join(passage.text for passage in chunked.passages) == text
    assert max(passage.token_count for passage in chunked.passages) <= 50


def test_chinese_sentences_are_told_apart_by_their_own_full_stop() -> None:
    text = "这是第一句话它比较长一些需要超过二十四个字符才行啊对吧。" * 10
    chunked = chunk(document(page(para(text))), target_tokens=60, overlap_tokens=0, count_tokens=len)
    assert all(passage.text.endswith("。") for passage in chunked.passages)


def test_a_single_word_of_a_megabyte_does_not_become_one_passage() -> None:
    chunked = cut(document(page(para("a" * 1_000_000))), target=100)
    assert max(len(passage.text) for passage in chunked.passages) <= 1700


def test_an_emoji_of_several_characters_is_not_cut_in_two() -> None:
    family = "👩\u200d👩\u200d👧\u200d👦"
    chunked = chunk(document(page(para(family * 300))), target_tokens=30, overlap_tokens=0, count_tokens=len)
    assert len(chunked.passages) > 10
    assert all(not passage.text.startswith("\u200d") for passage in chunked.passages)
    assert all(not passage.text.endswith("\u200d") for passage in chunked.passages)


def test_characters_that_cannot_be_stored_are_removed_and_line_ends_made_plain() -> None:
    chunked = cut(document(page(para("\ufeffa\x00b\r\nc\rd\u2028e\ud800f\x07"))))
    assert chunked.text == "ab\nc\nd\ne\ufffdf"
    chunked.text.encode("utf-8")


def test_a_carried_sentence_begins_with_its_first_letter() -> None:
    chunked = cut(document(page(para("000000:0:0:!  a00000"))), target=4, overlap=1)
    assert all(passage.text == passage.text.strip() for passage in chunked.passages)


def test_an_empty_document_has_no_passages() -> None:
    chunked = cut(document(page(para(" \n\x00"), number=1)))
    assert chunked == ChunkedDocument("", ((1, 0),), ())


def test_what_is_embedded_names_the_document_and_the_headings_but_none_twice() -> None:
    assert embedding_text("Body.", ("A", "B"), "doc.pdf") == "doc.pdf > A > B\n\nBody."
    assert embedding_text("B\n\nBody.", ("A", "B"), "doc.pdf") == "doc.pdf > A\n\nB\n\nBody."
    assert embedding_text("A\n\nB\n\nBody.", ("A", "B"), "doc.pdf") == "doc.pdf\n\nA\n\nB\n\nBody."
    assert embedding_text("Body.", (), "") == "Body."


@pytest.mark.parametrize(
    "text",
    [
        pytest.param((sentences(8) + "\n\n") * 6000, id="prose"),
        pytest.param(sentences(50_000), id="one line"),
        pytest.param("a" * 2_000_000, id="one word"),
        pytest.param("天地玄黄宇宙洪荒。" * 220_000, id="no white space"),
        pytest.param("\n" * 1_000_000 + "x" + " " * 1_000_000, id="blanks"),
        pytest.param(".'" * 1_000_000, id="quotes"),
    ],
)
@pytest.mark.parametrize("kind", ["paragraph", "table"])
def test_two_megabytes_take_time_in_proportion(text: str, kind: str) -> None:
    block = Block("table" if kind == "table" else "paragraph", text[:2_000_000])
    began = time.process_time()
    chunk(document(page(block)), target_tokens=200, overlap_tokens=30, count_tokens=quarter)
    # Quadratic work would take minutes; a busy machine is a few times slower than the usual half second.
    assert time.process_time() - began < 5


_PIECES = ["Word. ", "word ", "字", "。", "\n", "\n\n", "| a | b |\n", "\x00", "🙂", "- x\n"]
_TEXTS = st.one_of(st.text(max_size=300), st.lists(st.sampled_from(_PIECES), max_size=200).map("".join))
_BLOCKS = st.builds(
    Block,
    st.sampled_from(["heading", "paragraph", "list", "table", "code", "caption"]),
    _TEXTS,
    st.integers(0, 6),
)
_PAGES = st.builds(
    Page,
    st.one_of(st.none(), st.integers(1, 5)),
    st.lists(_BLOCKS, max_size=6).map(tuple),
    st.one_of(st.none(), st.just("Sheet")),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_PAGES, max_size=4), st.integers(4, 60), st.integers(0, 20))
def test_passages_are_exact_slices_that_together_hold_every_word(
    pages: list[Page], target: int, overlap: int
) -> None:
    chunked = chunk(document(*pages), target_tokens=target, overlap_tokens=overlap, count_tokens=words)
    covered = bytearray(len(chunked.text))
    for ordinal, passage in enumerate(chunked.passages):
        assert passage.ordinal == ordinal
        assert chunked.text[passage.char_start : passage.char_end] == passage.text
        assert passage.text.strip() == passage.text != ""
        assert words(passage.text) <= max(target, 1)
        covered[passage.char_start : passage.char_end] = b"\x01" * len(passage.text)
    missed = [
        letter for letter, hit in zip(chunked.text, covered, strict=True) if not hit and not letter.isspace()
    ]
    assert missed == []
    offsets = [offset for _, offset in chunked.page_starts]
    assert len(offsets) == len(pages)
    assert offsets == sorted(offsets)
    starts = [passage.char_start for passage in chunked.passages]
    assert starts == sorted(starts)
