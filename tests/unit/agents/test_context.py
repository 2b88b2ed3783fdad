"""Context assembly: templates, passages, old tool results, and the bound on size."""

from dataclasses import replace

import pytest

from dragoman.domain.agents.context import TRUNCATED_TOOL_RESULT, assemble, estimated_tokens
from dragoman.domain.agents.spec import AgentSpec, KnowledgeSpec
from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.parts import ImagePart, Message, TextPart, ToolCall
from dragoman.kit.errors import InvalidInput

SPEC = AgentSpec(model="m")
CITATION = Citation(
    number=1,
    collection_id="c",
    document_id="d",
    document_name="handbook.pdf",
    passage_id="d:0",
    text="The notice period is three months.",
    char_start=0,
    char_end=34,
    page=7,
    heading_path=("Leaving",),
    score=0.8,
)


def user(text: str) -> Message:
    return Message.of_text("user", text)


def test_the_system_prompt_comes_first_and_a_caller_may_replace_it() -> None:
    spec = SPEC.model_copy(update={"system_prompt": "Be brief."})
    assert assemble(spec, [user("hi")], ())[0] == Message.of_text("system", "Be brief.")
    assert assemble(spec, [user("hi")], (), system_prompt="Be long.")[0].text == "Be long."


def test_the_template_wraps_the_text_of_every_user_turn_and_leaves_pictures_alone() -> None:
    spec = SPEC.model_copy(update={"user_prompt_template": "Q: {prompt}"})
    picture = ImagePart("data:image/png;base64,AA==")
    turns = assemble(
        spec,
        [
            user("one"),
            Message.of_text("assistant", "x"),
            replace(user("two"), parts=(TextPart("two"), picture)),
        ],
        (),
    )
    assert [turn.text for turn in turns] == ["Q: one", "x", "Q: two"]
    assert turns[2].parts[1] == picture


def test_passages_stand_before_the_last_question_with_document_and_page() -> None:
    spec = AgentSpec(model="m", knowledge=KnowledgeSpec(collection_ids=("c",)))
    turns = assemble(
        spec, [user("earlier"), Message.of_text("assistant", "x"), user("how long?")], (CITATION,)
    )
    assert turns[0].text == "earlier"
    assert "[1] (handbook.pdf, page 7, Leaving)\nThe notice period is three months." in turns[2].text
    assert turns[2].text.endswith("how long?")


def test_a_strict_agent_says_that_nothing_was_found_and_an_open_one_does_not() -> None:
    strict = AgentSpec(model="m", knowledge=KnowledgeSpec(collection_ids=("c",)))
    opened = AgentSpec(model="m", knowledge=KnowledgeSpec(collection_ids=("c",), grounding="open"))
    assert "nothing was found" in assemble(strict, [user("how long?")], ())[0].text
    assert assemble(opened, [user("how long?")], ())[0].text == "how long?"


def test_only_the_last_tool_results_keep_their_content() -> None:
    spec = SPEC.model_copy(update={"tool_context_count": 1})
    call = ToolCall("1", "look", "{}")
    conversation = [
        user("go"),
        Message("assistant", tool_calls=(call,)),
        Message("tool", (TextPart("old"),), tool_call_id="1"),
        Message("assistant", tool_calls=(call,)),
        Message("tool", (TextPart("new"),), tool_call_id="1"),
    ]
    texts = [turn.text for turn in assemble(spec, conversation, ()) if turn.role == "tool"]
    assert texts == [TRUNCATED_TOOL_RESULT, "new"]


def test_a_conversation_above_the_bound_is_refused_by_default() -> None:
    spec = SPEC.model_copy(update={"context_tokens": 10})
    with pytest.raises(InvalidInput) as caught:
        assemble(spec, [user("x" * 100)], ())
    assert caught.value.code == "context_length_exceeded"


def test_truncation_keeps_the_system_text_and_the_last_question() -> None:
    spec = AgentSpec(model="m", system_prompt="sys", context_tokens=10, overflow="truncate")
    turns = assemble(spec, [user("a" * 40), Message.of_text("assistant", "b" * 40), user("last")], ())
    assert [turn.text for turn in turns] == ["sys", "last"]
    assert sum(map(estimated_tokens, turns)) <= 10


def test_truncation_refuses_when_the_last_question_alone_is_too_large() -> None:
    spec = AgentSpec(model="m", context_tokens=10, overflow="truncate")
    with pytest.raises(InvalidInput):
        assemble(spec, [user("first"), user("x" * 100)], ())


def test_truncation_never_leaves_a_tool_result_without_its_call() -> None:
    spec = AgentSpec(model="m", context_tokens=10, overflow="truncate")
    conversation = [
        user("a" * 40),
        Message("assistant", tool_calls=(ToolCall("1", "look", "{}"),)),
        Message("tool", (TextPart("r" * 40),), tool_call_id="1"),
        user("last"),
    ]
    assert [turn.role for turn in assemble(spec, conversation, ())] == ["user"]
