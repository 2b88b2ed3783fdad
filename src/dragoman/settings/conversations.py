"""Settings of kept conversations."""

from pydantic import Field

from dragoman.settings.groups import Group


class ConversationsSettings(Group):
    """Conversations over the API, kept for accounts that want theirs kept."""

    keep_days: int = Field(
        default=90, ge=1, le=36_500, description="Days after its last call that a conversation is kept."
    )
    most_per_account: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Most conversations kept of one account; the oldest go.",
    )
    max_characters: int = Field(
        default=1_000_000, ge=1000, le=50_000_000, description="Most characters kept of one conversation."
    )
