"""What is wrong with a chat that cannot go on."""

from dragoman.kit.errors import DragomanError


class ChatUnavailable(DragomanError):
    """The chat is over, unknown, or has nobody who answers; asking again in the same way is of no use."""

    code = "client_not_available"
    title = "Chat not available"
    status = 422


def unavailable() -> ChatUnavailable:
    """The one answer for every dead chat, so that nobody learns why."""
    return ChatUnavailable("The client is not available.")
