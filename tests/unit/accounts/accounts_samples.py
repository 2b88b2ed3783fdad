"""What the tests of accounts share."""

from dragoman.kit.crypto import RootKey

ROOT = RootKey(bytes(range(32)))


class Clock:
    """Milliseconds that move only when told."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now
