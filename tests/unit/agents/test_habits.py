"""What models with habits are sent."""

from dragoman.domain.agents.habits import alternating, shaped, tool_calls_as_text
from dragoman.domain.inference.ports import ChatRequest, Sampling
from dragoman.domain.messages.parts import ImagePart, Message, TextPart, ToolCall

USER = Message.of_text("user", "hi")


def test_a_call_without_flags_is_sent_as_it_is() -> None:
    call = ChatRequest((Message.of_text("system", "s"), USER), Sampling(temperature=1, stop=("x",)))
    assert shaped((), call) == call


def test_reasoning_settings_are_left_out_as_the_flags_say() -> None:
    call = ChatRequest(
        (USER,),
        Sampling(reasoning_effort="high"),
        extra={"reasoning": {"effort": "high", "summary": "auto"}, "include_reasoning": True, "seed": 1},
    )
    flags = ("disable_reasoning_summary", "disable_reasoning_details", "no_reasoning_effort")
    sent = shaped(flags, call)
    assert sent.extra == {"reasoning": {"effort": "high"}, "seed": 1}
    assert sent.sampling.reasoning_effort is None


def test_merging_keeps_pictures_and_leaves_tool_results_apart() -> None:
    picture = Message("user", (ImagePart("data:,x"),))
    result = Message("tool", (TextPart("r"),), tool_call_id="1")
    call = Message("assistant", tool_calls=(ToolCall("1", "f", "{}"),))
    assert alternating([USER, picture, call, result, result]) == [
        Message("user", (TextPart("hi"), ImagePart("data:,x"))),
        call,
        result,
        result,
    ]


def test_text_beside_a_call_stays_the_assistants() -> None:
    turns = [USER, Message("assistant", (TextPart("Wait."),), tool_calls=(ToolCall("1", "f", "{}"),))]
    assert tool_calls_as_text(turns) == [USER, Message.of_text("assistant", "Wait.")]


def test_earlier_thoughts_are_not_sent_again_unless_asked_for() -> None:
    earlier = Message("assistant", (TextPart("<think>x</think>\nYes."),), reasoning="x")
    sent = shaped(("thinking_process",), ChatRequest((USER, earlier))).messages[1]
    assert (sent.text, sent.reasoning) == ("Yes.", None)
    kept = shaped(("include_stored_reasoning",), ChatRequest((USER, earlier))).messages[1]
    assert kept.reasoning == "x"
