"""What is wrong with a chat that cannot go on."""

from dragoman.kit.errors import Unprocessable


class ChatUnavailable(Unprocessable):
    """The chat is over, unknown, or has nobody who answers; asking again in the same way is of no use."""

    code = "client_not_available"


def unavailable() -> ChatUnavailable:
    """The one answer for every dead chat, so that nobody learns why."""
    return ChatUnavailable("The client is not available.")
