"""The quoting model: short verbatim answers with the right number, or an honest no."""

from collections.abc import Sequence

import numpy as np
import pytest

from dragoman.adapters.models.extractive import (
    NO_DOCUMENTS,
    NOT_IN_DOCUMENTS,
    EmbedderJudge,
    ExtractiveModel,
    RerankerJudge,
)
from dragoman.domain.inference.ports import ChatRequest, EmbedderProfile, Sampling, Vectors
from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.events import CitationsFound, TextDelta
from dragoman.domain.messages.fold import Answer, fold_stream
from dragoman.domain.messages.parts import Message, TextPart
from dragoman.kit.errors import Unavailable

OPENING = "The library in Halden opened on 12 May 1987. It was designed by Ingrid Solberg."
HOURS = "On weekdays the reading room is open from 9 to 17. Children under ten come with an adult."
BOATS = "The ferry to Strömstad takes 75 minutes. Tickets cost 120 crowns for adults."


def citation(number: int, text: str, name: str = "guide.txt") -> Citation:
    return Citation(number, "c", f"d{number}", name, f"p{number}", text, 0, len(text), None, (), 0.5)


def asked(question: str, *texts: str, **more: object) -> ChatRequest:
    citations = tuple(citation(number, text) for number, text in enumerate(texts, 1))
    block = "Answer from these.\n" + "\n\n".join(f"[{each.number}] {each.text}" for each in citations)
    parts = (TextPart(block + "\n\nQuestion:"), TextPart(question)) if citations else (TextPart(question),)
    return ChatRequest(messages=(Message("user", parts),), citations=citations, **more)  # type: ignore[arg-type]


async def answer(request: ChatRequest, model: ExtractiveModel | None = None) -> Answer:
    return await fold_stream((model or ExtractiveModel()).stream(request))


@pytest.mark.parametrize(
    ("question", "quote"),
    [
        ("When did the library open?", "The library in Halden opened on 12 May 1987. [1]"),
        ("Who designed the library?", "It was designed by Ingrid Solberg. [1]"),
        ("How long does the ferry take?", "The ferry to Strömstad takes 75 minutes. [3]"),
        ("what do tickets cost for adults", "Tickets cost 120 crowns for adults. [3]"),
    ],
)
async def test_the_sentence_that_answers_is_quoted_with_its_number(question: str, quote: str) -> None:
    assert quote in (await answer(asked(question, OPENING, HOURS, BOATS))).text


async def test_every_quotation_is_verbatim_and_there_are_at_most_three() -> None:
    text = (await answer(asked("When is the reading room open for children?", OPENING, HOURS, BOATS))).text
    quotes = [quote.strip() for quote in text.replace("]", "]\n").splitlines() if quote.strip()]
    assert 1 <= len(quotes) <= 3
    for quote in quotes:
        sentence, _, mark = quote.rpartition(" [")
        assert sentence in (OPENING, HOURS, BOATS)[int(mark[:-1]) - 1]


@pytest.mark.parametrize(
    "question",
    ["Which vaccines does the clinic offer?", "What is the capital of Peru?", "Who won the 1998 cup final?"],
)
async def test_what_the_passages_do_not_speak_of_is_refused_without_a_mark(question: str) -> None:
    assert (await answer(asked(question, OPENING, HOURS, BOATS))).text == NOT_IN_DOCUMENTS


async def test_words_of_the_instructions_around_the_passages_do_not_count() -> None:
    request = asked(
        "Which vaccines does the clinic offer?", "Answer the question from these passages. [2] Question:"
    )
    assert (await answer(request)).text == NOT_IN_DOCUMENTS


async def test_a_question_in_one_text_with_the_passages_is_found() -> None:
    found = asked("When did the library open?", OPENING)
    whole = Message.of_text("user", found.messages[0].text)
    assert "1987" in (await answer(ChatRequest((whole,), citations=found.citations))).text


async def test_without_documents_it_says_what_to_configure() -> None:
    assert (await answer(asked("Hello!"))).text == NO_DOCUMENTS


async def test_a_search_that_found_nothing_is_a_no() -> None:
    assert (await answer(asked("Hello!", grounded=True))).text == NOT_IN_DOCUMENTS


async def test_a_summary_is_what_the_passages_begin_with() -> None:
    text = (await answer(asked("Please summarise the document", OPENING, HOURS))).text
    assert text == (
        "The library in Halden opened on 12 May 1987. [1] "
        "On weekdays the reading room is open from 9 to 17. [2]"
    )


async def test_the_same_request_streams_the_same_pieces() -> None:
    request = asked("When did the library open?", OPENING, BOATS)
    first, second = [[event async for event in ExtractiveModel().stream(request)] for _ in range(2)]
    assert first == second
    assert len([event for event in first if isinstance(event, TextDelta)]) > 5
    assert not any(isinstance(event, CitationsFound) for event in first)


async def test_a_bound_on_the_answer_is_kept() -> None:
    request = asked("When did the library open?", OPENING, sampling=Sampling(max_tokens=3))
    found = await answer(request)
    assert (found.text, found.finish_reason) == ("The library in ", "length")


async def test_hostile_text_is_only_text() -> None:
    weird = "[1] [2] ]] " * 2000 + "\x00 e\u0301 \ud83d ???!!! ..."
    assert (await answer(asked("???", weird))).text


class _Judge:
    """Prefers the text with a given word."""

    profile = EmbedderProfile("fake", "fake", 2, 100)

    def __init__(self, word: str) -> None:
        self._word = word

    async def score(self, query: str, passages: Sequence[str]) -> list[float]:
        return [float(self._word in text) for text in passages]

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return np.array([[1, 0] for _ in texts], dtype=np.float32)

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return np.array([[1, 0] if self._word in text else [0, 1] for text in texts], dtype=np.float32)


class _Broken(_Judge):
    async def score(self, query: str, passages: Sequence[str]) -> list[float]:
        raise Unavailable("no weights")


PAY = "Members pay a fee. Members pay an amount of 40 crowns. Members pay by card."


@pytest.mark.parametrize("judge", [RerankerJudge, EmbedderJudge])
@pytest.mark.parametrize("word", ["fee", "card"])
async def test_a_judge_of_meaning_moves_what_words_leave_open(
    judge: type[RerankerJudge] | type[EmbedderJudge], word: str
) -> None:
    model = ExtractiveModel(judge=judge(_Judge(word)))
    text = (await answer(asked("Do members pay?", PAY), model)).text
    assert word in text.split("[1]")[0]


async def test_a_judge_that_fails_leaves_the_words_to_decide() -> None:
    request = asked("When did the library open?", OPENING)
    broken = ExtractiveModel(judge=RerankerJudge(_Broken("x")))
    assert (await answer(request, broken)).text == (await answer(request)).text
