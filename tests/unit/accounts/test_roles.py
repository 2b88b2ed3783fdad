"""Every operation that changes an organisation's things asks for the caller's role first."""

import ast
import importlib
import inspect
import textwrap
from dataclasses import replace
from typing import Any

import pytest

from dragoman.domain.accounts.caller import Caller, Role
from dragoman.domain.accounts.roles import Right, may, require
from dragoman.domain.accounts.steward import Steward
from dragoman.kit.errors import Forbidden

CALLER = Caller("o", "u", 1, "ann@example.org", "owner", "k")

# The services whose things a viewer may use but not make, change or delete.
GUARDED = (
    "dragoman.domain.agents.service:AgentsService",
    "dragoman.domain.skills.service:SkillsService",
    "dragoman.domain.chat.clients:ChatClientsService",
    "dragoman.domain.chat.channels.service:ChannelsService",
    "dragoman.domain.chat.channels.watch.service:ChannelWatch",
    "dragoman.domain.tools.servers.service:ToolServersService",
    "dragoman.domain.knowledge.collections:CollectionsService",
    "dragoman.domain.knowledge.service:KnowledgeService",
    "dragoman.domain.knowledge.copies:DocumentCopies",
    "dragoman.domain.knowledge.sharing:SharingService",
)
# What writes without changing anything of the organisation's.
FREE = {
    "KnowledgeService.export": "reads, and notes in the audit that it did",
}


def _names(node: ast.AST) -> set[str]:
    """What is called within, by the last part of its name."""
    calls = [one.func for one in ast.walk(node) if isinstance(one, ast.Call)]
    return {func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in calls}


def _methods(place: str) -> dict[str, ast.AsyncFunctionDef | ast.FunctionDef]:
    module, name = place.split(":")
    source = textwrap.dedent(inspect.getsource(getattr(importlib.import_module(module), name)))
    (found,) = ast.parse(source).body
    assert isinstance(found, ast.ClassDef)
    functions = (one for one in found.body if isinstance(one, ast.AsyncFunctionDef | ast.FunctionDef))
    return {one.name: one for one in functions}


def unguarded(place: str) -> list[str]:
    """Public methods that write, by themselves or through others of the class, and do not ask for the role."""
    methods = _methods(place)
    writing = {name for name, node in methods.items() if _names(node) & {"write", "put_file", "accept_text"}}
    while True:
        more = {name for name, node in methods.items() if _names(node) & writing} - writing
        if not more:
            break
        writing |= more
    name = place.split(":")[1]
    return [
        f"{name}.{method}"
        for method in sorted(writing)
        if not method.startswith("_") and "require" not in _names(methods[method])
    ]


@pytest.mark.parametrize("place", GUARDED)
def test_every_method_that_writes_asks_for_the_role(place: str) -> None:
    assert [method for method in unguarded(place) if method not in FREE] == []


def test_the_search_for_unguarded_methods_finds_writing_ones() -> None:
    # Memories are everybody's own to change, so that service asks for no role.
    found = unguarded("dragoman.domain.memories.service:MemoriesService")
    assert {"MemoriesService.save", "MemoriesService.update"} <= set(found)


@pytest.mark.parametrize(
    ("role", "rights"),
    [("viewer", 1), ("editor", 2), ("admin", 3), ("owner", 4)],
)
def test_each_role_has_the_rights_of_those_below_it(role: Role, rights: int) -> None:
    order: tuple[Right, ...] = ("use", "create", "manage", "own")
    caller = replace(CALLER, role=role)
    assert [may(caller, right) for right in order] == [position < rights for position in range(4)]


def test_the_refusal_says_which_role_would_do() -> None:
    with pytest.raises(Forbidden) as refused:
        require(replace(CALLER, role="viewer"), "create")
    assert refused.value.code == "role_needed"
    assert "viewer" in refused.value.detail
    assert "editor" in refused.value.detail


@pytest.mark.parametrize("changes", [{"role": "editor"}, {"role": "viewer"}, {"key_kind": "public"}])
def test_only_administrators_with_a_private_key_look_after_an_organisation(changes: dict[str, Any]) -> None:
    with pytest.raises(Forbidden):
        Steward.of(replace(CALLER, **changes))
    assert Steward.of(replace(CALLER, role="admin")).organisation_id == "o"
