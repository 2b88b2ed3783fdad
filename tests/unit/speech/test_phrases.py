"""Texts are cut where a speaker breathes."""

import re

from hypothesis import given
from hypothesis import strategies as st

from dragoman.adapters.synthesizers.phrases import phrases


def test_sentences_are_spoken_one_after_the_other() -> None:
    assert phrases("Hello there. How are you?\nFine!") == ["Hello there.", "How are you?", "Fine!"]


def test_numbers_and_abbreviations_inside_a_word_do_not_end_a_sentence() -> None:
    assert phrases("It costs 3.50 euros at example.com today.") == [
        "It costs 3.50 euros at example.com today."
    ]


def test_a_long_first_sentence_begins_with_its_first_clause() -> None:
    text = (
        "Once the parcel has left our house, you get a message with its number, and you can follow it online."
    )
    first = phrases(text)[0]
    assert first == "Once the parcel has left our house,"


def test_what_cannot_be_spoken_is_left_out() -> None:
    assert phrases(" ... \n\n—  !!! ") == []


@given(st.text(alphabet=st.sampled_from("abc ,.;:!?\n-'"), max_size=1500))
def test_no_word_is_lost_and_no_phrase_is_too_long(text: str) -> None:
    found = phrases(text)
    assert re.findall(r"\w", "".join(found)) == re.findall(r"\w", text)
    assert all(len(phrase) <= 600 for phrase in found)
