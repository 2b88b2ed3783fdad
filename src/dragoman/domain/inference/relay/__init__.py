"""The fast line: an OpenAI-compatible provider's answer passes through, only its usage is read."""

from dragoman.domain.inference.relay.relay import Relay, WholeAnswer
from dragoman.domain.inference.relay.stream import RelayStream
from dragoman.domain.inference.relay.target import RelayCall, RelayTarget

__all__ = ["Relay", "RelayCall", "RelayStream", "RelayTarget", "WholeAnswer"]
