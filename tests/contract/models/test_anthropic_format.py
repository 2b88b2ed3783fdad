"""What Anthropic's format needs that others do not."""

import pytest

from dragoman.adapters.models.anthropic_wire import Decoder, encode
from dragoman.domain.inference.ports import ChatRequest, Sampling, ToolChoice
from dragoman.domain.messages.fold import fold
from dragoman.domain.messages.parts import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    TextPart,
    ToolCall,
    ToolSpec,
)
from dragoman.kit.errors import InvalidInput


def test_system_text_stands_apart_and_turns_alternate() -> None:
    request = ChatRequest(
        (
            Message.of_text("system", "One."),
            Message.of_text("user", "a"),
            Message.of_text("user", "b"),
            Message(
                "assistant", (TextPart("c"),), (ToolCall("t1", "f", "{}"), ToolCall("t2", "f", "broken {"))
            ),
            Message("tool", (TextPart("r1"),), tool_call_id="t1"),
            Message("tool", (TextPart("r2"),), tool_call_id="t2"),
            Message.of_text("user", "d"),
            Message.of_text("system", "Two."),
        )
    )
    body = encode(request, "m", max_tokens=100)
    assert body["system"] == "One.\n\nTwo."
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in body["messages"][2]["content"]] == [
        "tool_result",
        "tool_result",
        "text",
    ]
    assert body["messages"][1]["content"][2]["input"] == {"arguments": "broken {"}
    assert body["max_tokens"] == 100


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (ToolChoice("required"), {"type": "any"}),
        (ToolChoice("none"), {"type": "none"}),
        (ToolChoice("function", "f"), {"type": "tool", "name": "f"}),
    ],
)
def test_tool_choices_are_translated(choice: ToolChoice, sent: dict[str, str]) -> None:
    request = ChatRequest((Message.of_text("user", "a"),), tools=(ToolSpec("f"),), tool_choice=choice)
    assert encode(request, "m", max_tokens=9)["tool_choice"] == sent


def test_pictures_and_documents_are_sent_by_value_or_address() -> None:
    parts = (
        ImagePart("data:image/png;base64,AAAA"),
        ImagePart("https://example.org/x.png"),
        FilePart("data:application/pdf;base64,BBBB", "x.pdf"),
    )
    blocks = encode(ChatRequest((Message("user", parts),)), "m", max_tokens=9)["messages"][0]["content"]
    assert blocks[0]["source"] == {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    assert blocks[1]["source"] == {"type": "url", "url": "https://example.org/x.png"}
    assert (blocks[2]["type"], blocks[2]["title"]) == ("document", "x.pdf")


@pytest.mark.parametrize("part", [AudioPart("AAAA", "wav"), ImagePart("file:///etc/passwd")])
def test_parts_without_a_place_are_refused(part: AudioPart | ImagePart) -> None:
    with pytest.raises(InvalidInput):
        encode(ChatRequest((Message("user", (part,)),)), "m", max_tokens=9)


def test_effort_turns_thinking_on_beside_the_answer_but_not_after_tool_results() -> None:
    hard = Sampling(reasoning_effort="low", max_tokens=100, temperature=0.2)
    ask = Message.of_text("user", "a")
    body = encode(ChatRequest((ask,), hard), "m", max_tokens=9)
    assert body["thinking"]["budget_tokens"] == body["max_tokens"] - 100 > 0
    assert "temperature" not in body
    result = Message("tool", (TextPart("r"),), tool_call_id="t")
    assert "thinking" not in encode(ChatRequest((ask, result), hard), "m", max_tokens=9)


def test_a_call_without_arguments_has_an_empty_object() -> None:
    decoder = Decoder("m", 0)
    block = '{"type":"tool_use","id":"t","name":"f","input":{}}'
    told = (
        '{"type":"content_block_start","index":0,"content_block":' + block + "}",
        '{"type":"content_block_stop","index":0}',
        '{"type":"message_delta","delta":{"stop_reason":"tool_use"}}',
        '{"type":"message_stop"}',
    )
    events = [event for data in told for event in decoder.feed(data)]
    assert fold([*events, decoder.finish()]).tool_calls == (ToolCall("t", "f", "{}"),)
