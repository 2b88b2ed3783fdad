"""Settings of labels that bind text to where it may go."""

from typing import Literal

from pydantic import Field, field_validator

from dragoman.settings.groups import Group


class LabelSettings(Group):
    """One label."""

    forbids: list[Literal["outside", "web", "public"]] = Field(
        default_factory=lambda: ["outside", "web", "public"],
        description="Where text under it may never go: a provider outside, a web tool, a public widget or channel.",
    )
    banner: str | None = Field(
        default=None, min_length=1, max_length=200, description="Shown above its text; unset, its name."
    )
    description: str = Field(default="", max_length=500, description="For those who choose among labels.")
    color: str = Field(
        default="#502b85", pattern="^#[0-9a-fA-F]{6}$", description="Colour of the banner, as #502b85."
    )


def _usual() -> dict[str, LabelSettings]:
    return {
        "CUI": LabelSettings(
            banner="CUI: Controlled Unclassified Information",
            description="Controlled Unclassified Information",
        )
    }


class LabelsSettings(Group):
    """Labels that collections may bear, and what each forbids."""

    policies: dict[str, LabelSettings] = Field(
        default_factory=_usual,
        description="Labels by name. A label that a collection bears and that is not here forbids everything.",
    )

    @field_validator("policies")
    @classmethod
    def _named_apart(cls, value: dict[str, LabelSettings]) -> dict[str, LabelSettings]:
        for name in value:
            if name != name.strip() or not 1 <= len(name) <= 64 or not name.isprintable():
                raise ValueError(
                    f"{name!r} is no name of a label: write 1 to 64 characters, without spaces around them"
                )
        if len({name.casefold() for name in value}) < len(value):
            raise ValueError("two labels differ only in the case of their letters")
        return value
