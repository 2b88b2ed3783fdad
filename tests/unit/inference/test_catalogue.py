"""Which model a name means."""

import pytest

from dragoman.adapters.models.scripted import ScriptedModel
from dragoman.domain.inference.catalogue import Catalogue, GroundedPolicy
from dragoman.domain.inference.ports import ModelProfile
from dragoman.kit.errors import NotFound, Unavailable


def model(name: str, *, demo: bool = False, quotes_only: bool = False) -> ScriptedModel:
    return ScriptedModel(name, profile=ModelProfile(demo=demo, quotes_only=quotes_only))


def catalogue(
    *,
    demo: bool = True,
    aliases: dict[str, str] | None = None,
    grounded: GroundedPolicy = "auto",
    unavailable: dict[str, str] | None = None,
) -> Catalogue:
    models = {
        "small": model("small", demo=demo),
        "gpt-5": model("gpt-5"),
        "quotes": model("quotes", quotes_only=True),
    }
    return Catalogue(
        models,
        "small",
        "quotes",
        aliases or {},
        grounded=grounded,
        owners={"gpt-5": "openai"},
        unavailable=unavailable or {},
        since=7,
    )


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("small", "small"),
        ("SMALL", "small"),
        ("gpt-5", "gpt-5"),
        ("gpt-5-2025-08-07", "gpt-5"),
        ("@openai/gpt-5", "gpt-5"),
        ("", "small"),
        ("default", "small"),
        ("gpt-4o-mini", "small"),
        ("gpt-4o-mini-2024-07-18", "small"),
        ("@openai/gpt-5-mini", "small"),
        ("openai_gpt", "small"),
        ("claude2", "small"),
        ("claude-3-5-sonnet-20241022", "small"),
        ("anthropic/claude-sonnet-4-5", "small"),
        ("gpt-4.1-nano", "small"),
        ("o3-mini", "small"),
        ("google-bison", "small"),
        ("google-gemini-pro", "small"),
        ("llma2", "small"),
        ("davinci", "small"),
    ],
)
def test_a_name_an_alias_and_a_dated_alias_are_found(asked: str, meant: str) -> None:
    assert catalogue().resolve(asked).name == meant


@pytest.mark.parametrize(
    "asked", ["text-embedding-3-small", "dall-e-2", "tts-1", "whisper-1", "smal", "gpt-4x"]
)
def test_anything_else_is_refused_with_the_names_there_are(asked: str) -> None:
    with pytest.raises(NotFound, match="gpt-5, quotes, small") as caught:
        catalogue().resolve(asked)
    assert caught.value.code == "model_not_found"


def test_a_misspelt_name_is_met_with_the_right_one() -> None:
    with pytest.raises(NotFound, match="did you mean 'small'"):
        catalogue().resolve("smal")


def test_the_operators_aliases_go_first() -> None:
    named = catalogue(aliases={"gpt-4o": "gpt-5", "house-model": "default", "claude-*": "gpt-5"})
    assert named.resolve("gpt-4o").name == "gpt-5"
    assert named.resolve("gpt-4o-2024-11-20").name == "gpt-5"
    assert named.resolve("House-Model").name == "small"
    assert named.resolve("claude-x").name == "gpt-5"


def test_an_alias_for_nothing_and_a_default_that_is_missing_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="gtp-5"):
        catalogue(aliases={"x": "gtp-5"})
    with pytest.raises(ValueError, match="none"):
        Catalogue({"small": model("small")}, "none")


def test_a_model_that_cannot_be_used_says_why() -> None:
    with pytest.raises(Unavailable, match="not installed"):
        catalogue(unavailable={"big": "its package is not installed"}).resolve("big")


@pytest.mark.parametrize(
    ("policy", "demo", "asked", "meant"),
    [
        ("auto", True, "gpt-4o-mini", "quotes"),
        ("auto", True, "default", "quotes"),
        ("auto", True, "small", "small"),
        ("auto", True, "gpt-5", "gpt-5"),
        ("auto", False, "gpt-4o-mini", "small"),
        ("never", True, "gpt-4o-mini", "small"),
        ("always", False, "small", "quotes"),
    ],
)
def test_documents_are_quoted_while_only_a_demonstration_model_would_answer(
    policy: GroundedPolicy, demo: bool, asked: str, meant: str
) -> None:
    assert catalogue(grounded=policy, demo=demo).for_grounded(asked).name == meant


def test_lists_say_what_is_in_force_and_what_is_missing() -> None:
    entries = catalogue(unavailable={"big": "no"}).entries()
    assert [(entry.name, entry.owner, entry.in_force, entry.grounded, entry.demo) for entry in entries] == [
        ("small", "dragoman", True, False, True),
        ("gpt-5", "openai", False, False, False),
        ("quotes", "dragoman", False, True, False),
        ("big", "dragoman", False, False, False),
    ]
    assert entries[-1].unavailable == "no"
    assert catalogue().since == 7
