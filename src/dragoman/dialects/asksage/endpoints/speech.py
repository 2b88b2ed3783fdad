"""Text as speech."""

from starlette.responses import Response, StreamingResponse

from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.metering import record, reserved
from dragoman.dialects.asksage.operation import CHANGE, Call, operation
from dragoman.domain.inference.speech.ports import SpeechRequest
from dragoman.domain.inference.speech.service import first_then_rest
from dragoman.domain.messages.events import Usage
from dragoman.kit.errors import InvalidInput

_VOICES = ("alloy", "echo", "fable", "onyx", "nova", "shimmer")
_MODELS = ("tts", "tts-hd")
_LONGEST_TEXT = 100_000


@operation(
    "get-text-to-speech",
    methods=CHANGE,
    fields=(
        Field("text", required=True),
        Field("voice", choices=_VOICES, default="alloy"),
        Field("model", choices=_MODELS, default="tts-hd"),
        Field("provider"),
        Field("language_code"),
    ),
)
async def text_to_speech(call: Call) -> Response:
    """The text as an MP3 file, sent as it is spoken.

    Source: Ask Sage Server API, "Get Text to Speech".
    """
    text = call.inputs.text("text")
    if not text.strip() or len(text) > _LONGEST_TEXT:
        raise InvalidInput(f"'text' needs 1 to {_LONGEST_TEXT} characters.", param="text")
    services = call.services
    model = call.inputs.text("model")
    counted = await services.tokens.total([text], model)
    usage = Usage(prompt_tokens=counted.tokens, estimated=counted.estimated)
    async with reserved(call, "speech", model, usage) as hold:
        sound = await first_then_rest(
            services.speech.speak(SpeechRequest(text, voice=call.inputs.text("voice")), form="mp3")
        )
        await record(call, "speech", model, usage, hold)
    return StreamingResponse(sound, media_type="audio/mpeg")
