"""How long things are kept."""

from pydantic import Field

from dragoman.settings.groups import Group


def _days(what: str) -> int:
    return Field(default=0, ge=0, le=36_500, description=f"Days for which {what} are kept; 0 keeps them.")


class RetentionSettings(Group):
    """Days for which kinds of data are kept; looked at every hour."""

    transcripts_days: int = _days("stored chats, since they were changed,")
    answers_days: int = _days("questions and answers of the log of answers")
    memories_days: int = _days("memories, since they were changed,")
    logins_days: int = _days("records of sign-ins")
    deep_runs_days: int = _days("researches of deep agents")
    replies_days: int = _days("stored responses, beside their own expiry,")
