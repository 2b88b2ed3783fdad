"""Who is calling: the scope that every repository function takes."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["owner", "admin", "editor", "viewer"]


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated user. ``key_id`` is the API key used, None for a 24-hour token or the command line.

    ``visitor``: what is done is the user's, but who asks is somebody from outside, at a chat page or on a messaging service.
    """

    organisation_id: str
    user_id: str
    user_number: int
    email: str
    role: Role
    key_id: str | None = None
    key_kind: Literal["private", "public"] = "private"
    visitor: bool = False
