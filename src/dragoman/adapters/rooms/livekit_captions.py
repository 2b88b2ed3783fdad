"""What is said in a LiveKit room as its own clients and components show it: text streams of transcriptions."""

import secrets
from typing import Any

_TOPIC = "lk.transcription"
_FINAL, _SEGMENT, _TRACK = "lk.transcription_final", "lk.segment_id", "lk.transcribed_track_id"


class Captions:
    """Follows a conversation's events.

    The agent's words are one growing stream for each answer; of the person's each version is a stream of its own, and
    those of one turn have one segment.
    """

    def __init__(self, participant: Any) -> None:
        self._participant = participant
        self._agent_track: str | None = None
        self._person: tuple[str, str | None] | None = None
        self._stream: Any = None
        self._segment = _new_segment()

    def agent_speaks_on(self, track: str) -> None:
        """Whose words the agent's are: its track."""
        self._agent_track = track

    def person_speaks(self, identity: str, track: str | None) -> None:
        """Whose words the person's are."""
        self._person = identity, track

    async def follow(self, event: dict[str, Any]) -> None:
        """Takes an event; those without words are nothing.

        Raises:
            Exception: the room does not take it; the library has no common kind for it.
        """
        match event.get("type"):
            case "agent_text":
                await self._agent_writes(str(event.get("delta") or ""), final=bool(event.get("final")))
            case "agent_said":
                # An answer that is cut off has no last piece.
                await self._agent_writes("", final=True)
            case "transcript" if not event.get("typed"):
                await self._person_said(str(event.get("text") or ""), final=bool(event.get("final")))
            case _:
                pass

    async def _agent_writes(self, delta: str, *, final: bool) -> None:
        if delta and self._stream is None:
            self._stream = await self._opened(
                self._participant.identity, _new_segment(), self._agent_track, final=False
            )
        if delta:
            await self._stream.write(delta)
        if final and self._stream is not None:
            stream, self._stream = self._stream, None
            await stream.aclose(attributes=_attributes(None, self._agent_track, final=True))

    async def _person_said(self, text: str, *, final: bool) -> None:
        if self._person is None or not text:
            return
        identity, track = self._person
        stream = await self._opened(identity, self._segment, track, final=final)
        await stream.write(text)
        await stream.aclose()
        if final:
            self._segment = _new_segment()

    async def _opened(self, sender: str, segment: str, track: str | None, *, final: bool) -> Any:
        return await self._participant.stream_text(
            topic=_TOPIC, sender_identity=sender, attributes=_attributes(segment, track, final=final)
        )


def _attributes(segment: str | None, track: str | None, *, final: bool) -> dict[str, str]:
    told = {_FINAL: "true" if final else "false"}
    if segment is not None:
        told[_SEGMENT] = segment
    if track is not None:
        told[_TRACK] = track
    return told


def _new_segment() -> str:
    return f"SG_{secrets.token_hex(6)}"
