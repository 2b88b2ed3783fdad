"""The sound of clients: 16-bit samples or mu-law, at several rates."""

from dragoman.adapters.rooms.playing import OUTPUT_HZ
from dragoman.adapters.rooms.vad import INPUT_HZ
from dragoman.kit.pcm import Resampler, alaw_decoded, alaw_encoded, mulaw_decoded, mulaw_encoded

_LONGEST_FRAME = 1 << 20


class Incoming:
    """A client's sound as 16 kHz samples; half a sample waits for its other half."""

    def __init__(self, form: str) -> None:
        self._code, rate = _split(form)
        self._resampler = Resampler(rate, INPUT_HZ)
        self._half = b""

    def __call__(self, data: bytes) -> bytes:
        """The samples in these bytes."""
        if self._code == "pcmu":
            data = mulaw_decoded(data[:_LONGEST_FRAME])
        elif self._code == "pcma":
            data = alaw_decoded(data[:_LONGEST_FRAME])
        else:
            data = self._half + data[:_LONGEST_FRAME]
            whole = len(data) // 2 * 2
            data, self._half = data[:whole], data[whole:]
        return self._resampler.push(data)


class Outgoing:
    """The agent's sound as a client takes it."""

    def __init__(self, form: str) -> None:
        self._code, rate = _split(form)
        self._resampler = Resampler(OUTPUT_HZ, rate)

    def __call__(self, pcm: bytes) -> bytes:
        """The client's bytes for these 24 kHz samples."""
        made = self._resampler.push(pcm)
        if self._code == "pcmu":
            return mulaw_encoded(made)
        return alaw_encoded(made) if self._code == "pcma" else made


def _split(form: str) -> tuple[str, int]:
    code, _, rate = form.partition("@")
    return code, int(rate)
