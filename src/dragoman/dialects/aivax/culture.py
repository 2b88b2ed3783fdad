"""The words on the chat page, as the published object."""

from dragoman.domain.chat.words import words_in
from dragoman.kit.jsontypes import JsonValue


def culture(language: str | None, accepted: str | None) -> dict[str, JsonValue]:
    """The words in the client's language, or where it names none in the best of the browser's that is known.

    Args:
        accepted: the header ``Accept-Language``.
    """
    words = words_in(language, accepted)
    return {"languageCode": words.language, **words.texts}
