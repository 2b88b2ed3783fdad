"""Answers in a session, read aloud. The access key in the path is the credential; the form is this server's own."""

from fastapi import APIRouter, Request, Response

from dragoman.dialects.aivax.auth import services_of

router = APIRouter()

_HEADERS = {"Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff"}


@router.get("/public/chat-clients/{access_key}/messages/{message_id}/speech.mp3")
async def speech(request: Request, access_key: str, message_id: str) -> Response:
    """An answer as MP3, in the voice of ``audioSynthesisVoice``; not found while ``audioSynthesisSource`` is ``None``."""
    sound = await services_of(request).chat_speech.speak(access_key, message_id)
    return Response(sound, media_type="audio/mpeg", headers=_HEADERS)
