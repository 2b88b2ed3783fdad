"""Answers as the messages that a person would send."""

from hypothesis import given
from hypothesis import strategies as st

from dragoman.domain.chat.channels.split import cut, split_answer


def test_paragraphs_become_messages_and_short_ones_stay_together() -> None:
    long = "word " * 60
    pieces = split_answer(f"Hi!\n\nYes.\n\n{long}\n\nBye.", piece_length=1000, longest=4096)
    assert pieces == ["Hi!\n\nYes.", long.strip(), "Bye."]


def test_a_block_of_code_stays_whole() -> None:
    code = "```py\na = 1\n\nb = 2\n```"
    assert split_answer(f"Look:\n\n{code}\n\nDone.", piece_length=1000, longest=4096)[1] == code


def test_a_long_paragraph_is_cut_after_a_sentence() -> None:
    text = "One sentence here. " * 20
    assert all(piece.endswith(".") for piece in cut(text, 100))


@given(st.text(alphabet="ab .\n`", max_size=400), st.integers(min_value=5, max_value=80))
def test_no_piece_is_too_long_and_nothing_is_lost(text: str, longest: int) -> None:
    pieces = split_answer(text, piece_length=longest, longest=longest)
    assert all(0 < len(piece) <= longest for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())
