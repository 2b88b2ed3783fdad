"""Settings of speech: who speaks, who listens."""

from typing import Literal

from pydantic import Field, SecretStr

from dragoman.settings.groups import FilePath, Group, HttpUrl


class SpeechSettings(Group):
    """Speaking and listening."""

    synthesizer: Literal["auto", "piper", "espeak", "openai", "none"] = Field(
        default="auto",
        description="Who speaks: Piper voices or espeak-ng on this machine, or an OpenAI-compatible API; "
        "auto takes the first of these that is there.",
    )
    outside: bool = Field(
        default=True,
        description="Whether what is sent to an OpenAI-compatible address leaves the operator's own systems.",
    )
    transcriber: Literal["whisper", "openai", "none"] = Field(
        default="whisper", description="Who listens: Whisper on this machine or an OpenAI-compatible API."
    )
    voices_dir: FilePath | None = Field(
        default=None, description="Folder of further Piper voices: NAME.onnx with NAME.onnx.json."
    )
    whisper_path: FilePath | None = Field(
        default=None,
        description="Folder of a Whisper model for CTranslate2; unset, tiny.en of the extra voice.",
    )
    threads: int = Field(default=2, ge=1, le=64, description="Threads of one speaking or listening process.")
    speak_processes: int = Field(default=1, ge=1, le=64, description="Processes that speak.")
    listen_processes: int = Field(default=1, ge=1, le=64, description="Processes that listen.")
    idle_seconds: int = Field(
        default=900, ge=1, le=86_400, description="A process without work for so long is let go."
    )
    max_audio_bytes: int = Field(
        default=100 * 1024**2, ge=1024, le=1024**3, description="Largest recording to be transcribed."
    )
    max_audio_seconds: int = Field(
        default=7200, ge=1, le=86_400, description="Longest recording to be transcribed."
    )
    tts_base_url: HttpUrl | None = Field(
        default=None, description="Address of the API that speaks, with its version part."
    )
    tts_api_key: SecretStr | None = Field(default=None, description="Key sent to it.")
    tts_model: str = Field(default="tts-1", min_length=1, description="Model asked of it.")
    stt_base_url: HttpUrl | None = Field(
        default=None, description="Address of the API that listens, with its version part."
    )
    stt_api_key: SecretStr | None = Field(default=None, description="Key sent to it.")
    stt_model: str = Field(default="whisper-1", min_length=1, description="Model asked of it.")
