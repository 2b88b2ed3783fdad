"""Markdown as messaging services show it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.adapters.channels.markup import with_entities, with_marks

ANSWER = """# Opening hours

We are **open** on *weekdays*, ~~not~~ on [holidays](https://example.org/days).

- Monday: `9-17`
  - lunch at 12
- Friday

1. Ring
2. Wait

```sh
echo hi
```

> As agreed
"""


def test_whatsapp_gets_its_own_marks() -> None:
    assert with_marks(ANSWER) == (
        "*Opening hours*\n\n"
        "We are *open* on _weekdays_, ~not~ on holidays (https://example.org/days).\n\n"
        "- Monday: `9-17`\n  - lunch at 12\n- Friday\n\n"
        "1. Ring\n2. Wait\n\n"
        "```\necho hi\n```\n\n"
        "> As agreed"
    )


def test_telegram_gets_plain_text_and_what_is_shown_how() -> None:
    text, entities = with_entities(ANSWER)
    assert "**" not in text
    assert "https" not in text
    shown = {
        str(one["type"]): text[int(one["offset"]) : int(one["offset"]) + int(one["length"])]
        for one in reversed(entities)
    }
    assert shown == {
        "bold": "Opening hours",
        "italic": "weekdays",
        "strikethrough": "not",
        "text_link": "holidays",
        "code": "9-17",
        "pre": "echo hi",
        "blockquote": "As agreed",
    }
    assert [one["url"] for one in entities if one["type"] == "text_link"] == ["https://example.org/days"]
    assert [one["language"] for one in entities if one["type"] == "pre"] == ["sh"]


def test_telegram_counts_in_utf_16_units() -> None:
    text, (bold,) = with_entities("😀 **ok**")
    assert text == "😀 ok"
    assert bold == {"type": "bold", "offset": 3, "length": 2}


@pytest.mark.parametrize(
    "text",
    [
        "2 * 3 * 4 = 24",
        "snake_case_names stay",
        "See [1] and [2].",
        "first\nsecond",
        "first\n\nsecond",
        "Prices:\n- one\n- two\n\n- three",
        "https://example.org/a_b_c?x=1&y=2",
        "<b>not ours</b>",
        "    indented",
    ],
)
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert with_marks(text) == text.strip()
    assert with_entities(text) == (text.strip(), [])


def test_a_bold_heading_is_bold_once() -> None:
    assert with_marks("## **Prices** today") == "*Prices today*"


def test_an_address_that_cannot_be_linked_stands_behind_its_words() -> None:
    assert with_entities("[write](mailto:a@example.org)") == ("write (mailto:a@example.org)", [])


@given(st.text(alphabet="ab *_~`#->[]()!\n1.😀\\", max_size=60))
def test_whatever_is_written_is_said(text: str) -> None:
    letters = [one for one in text if one in "ab"]
    plain, entities = with_entities(text)
    size = len(plain.encode("utf-16-le")) // 2
    for one in entities:
        assert 0 <= int(one["offset"]) < int(one["offset"]) + int(one["length"]) <= size
    if "[" not in text and "```" not in text:
        assert [one for one in plain if one in "ab"] == letters
        assert [one for one in with_marks(text) if one in "ab"] == letters
