"""How a web chat client looks and behaves."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

_STRICT = ConfigDict(extra="forbid", frozen=True)

InputMode = Literal["image", "document", "audio"]
SpeechSource = Literal["none", "gpt4o_tts", "eleven_multilingual_v2", "eleven_v3"]


class Suggestion(BaseModel):
    """A button with a ready-made question."""

    model_config = _STRICT

    label: str
    prompt: str


class SpeechSpec(BaseModel):
    """Reading answers aloud."""

    model_config = _STRICT

    source: SpeechSource = "none"
    voice: str | None = None
    instruction: str | None = None
    summarize: bool = False


class ChatClientSpec(BaseModel):
    """A client's page and habits.

    ``language`` None = the browser's. ``scripts`` and ``styles`` are the operator's own, put on the page as they are.
    ``input_modes`` are what may be sent beside text. ``frame_origins`` may show the page inside their own.
    ``ignored_after_ms``: for how long scheduled messages may go unanswered before further ones are dropped; None = for ever.
    ``voice_calls``: whether visitors may call the agent.
    ``debounce_ms``: how long to wait for more messages before answering them together.
    """

    model_config = _STRICT

    language: str | None = None
    suggestions: tuple[Suggestion, ...] = ()
    scripts: str | None = None
    styles: str | None = None
    input_modes: tuple[InputMode, ...] = ()
    primary_color: str = "#2f6f8f"
    page_title: str = ""
    greeting: str | None = None
    subgreeting: str | None = None
    placeholder: str | None = None
    logo_url: str | None = None
    debug: bool = False
    show_tool_calls: bool = False
    frame_origins: tuple[str, ...] = ()
    speech: SpeechSpec = SpeechSpec()
    voice_calls: bool = False
    keep_unreadable_files: bool = False
    scheduled_continuations: bool = False
    split_answers: bool = False
    ignored_after_ms: int | None = None
    debounce_ms: int | None = None
